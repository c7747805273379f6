#include "controller/learn/fair_sample.h"

namespace truce::controller {

uint64_t FairSample::Rank(std::string_view host, std::string_view workload) {
  // FNV-1a, whose low differences in names the last lines (Stafford's mixer 13, as in SplitMix64) spread over all bits.
  uint64_t hash = 14695981039346656037ULL;
  const auto add = [&](unsigned char c) { hash = (hash ^ c) * 1099511628211ULL; };
  for (const char c : host) add(static_cast<unsigned char>(c));
  add('\n');
  for (const char c : workload) add(static_cast<unsigned char>(c));
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

size_t FairSample::SizeOf(std::string_view application) const {
  const auto found = members_.find(application);
  return found == members_.end() ? 0 : found->second.size();
}

FairSample::Answer FairSample::Offer(uint64_t rank, std::string_view application) {
  Answer answer;
  if (application_.size() >= most_) {
    if (most_ == 0) return answer;
    const auto own = members_.find(application);
    const size_t own_size = own == members_.end() ? 0 : own->second.size();
    const auto& [largest_size, largest] = *sizes_.rbegin();
    uint64_t last = 0;
    if (own_size + 1 < largest_size) {
      last = *members_.find(largest)->second.rbegin();
    } else {
      // It takes the place of one of its own; where each application has one place at most, of any.
      last = own_size > 0 ? *own->second.rbegin() : application_.rbegin()->first;
      if (rank >= last) return answer;
    }
    Remove(last);
    answer.out = last;
  }
  Add(rank, application);
  answer.in = true;
  return answer;
}

void FairSample::Add(uint64_t rank, std::string_view application) {
  const auto own = members_.try_emplace(std::string(application)).first;
  sizes_.erase({own->second.size(), own->first});
  own->second.insert(rank);
  sizes_.insert({own->second.size(), own->first});
  application_[rank] = own;
}

void FairSample::Remove(uint64_t rank) {
  const auto found = application_.find(rank);
  if (found == application_.end()) return;
  const auto own = found->second;
  application_.erase(found);
  sizes_.erase({own->second.size(), own->first});
  own->second.erase(rank);
  if (own->second.empty()) {
    members_.erase(own);
  } else {
    sizes_.insert({own->second.size(), own->first});
  }
}

}  // namespace truce::controller
