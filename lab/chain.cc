#include "lab/chain.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "lab/dataset.h"

namespace truce::lab {
std::vector<std::vector<int>> CpuSets(const std::vector<int>& cpus) {
  const auto half = static_cast<std::ptrdiff_t>((cpus.size() + 1) / 2);
  const std::vector<std::vector<int>> wanted = {
      {cpus.front()}, {cpus.begin(), cpus.begin() + half}, {cpus.begin() + half, cpus.end()}, cpus};
  std::vector<std::vector<int>> sets;
  for (const auto& set : wanted) {
    if (!set.empty() && std::find(sets.begin(), sets.end(), set) == sets.end()) sets.push_back(set);
  }
  return sets;
}

Chain::Chain(std::vector<std::string> programs, std::vector<int> cpus, std::map<std::string, int> visits,
             double high_load_ratio, uint64_t seed)
    : programs_(std::move(programs)),
      cpu_sets_(CpuSets(cpus)),
      visits_(std::move(visits)),
      high_load_ratio_(high_load_ratio),
      random_(seed) {
  // A run that goes on with an older one's file must not draw the same settings again.
  uint64_t before = 0;
  for (const auto& [_, count] : visits_) before += static_cast<uint64_t>(count);
  random_.discard(before);
}

int Chain::Visits(size_t a, size_t b) const {
  const auto found = visits_.find(PairKey(programs_[a], programs_[b]));
  return found == visits_.end() ? 0 : found->second;
}

Setting Chain::SettingOf(size_t program) {
  const size_t set = std::uniform_int_distribution<size_t>(0, cpu_sets_.size() - 1)(random_);
  return {program, Decide(high_load_ratio_) ? Load::kHigh : Load::kLow, cpu_sets_[set]};
}

Setting Chain::First() {
  return SettingOf(AnyBut({}));
}

Setting Chain::Next(const Setting& current) {
  std::vector<size_t> best;
  std::pair<int, int> least{std::numeric_limits<int>::max(), 0};
  for (size_t candidate = 0; candidate < programs_.size(); ++candidate) {
    if (candidate == current.program || excluded_.contains(candidate)) continue;
    int all = 0;
    for (size_t other = 0; other < programs_.size(); ++other) all += Visits(candidate, other);
    const std::pair<int, int> count{Visits(current.program, candidate), all};
    if (count < least) best.clear();
    if (count <= least) {
      least = count;
      best.push_back(candidate);
    }
  }
  const size_t chosen = best[std::uniform_int_distribution<size_t>(0, best.size() - 1)(random_)];
  ++visits_[PairKey(programs_[current.program], programs_[chosen])];
  return SettingOf(chosen);
}

Setting Chain::Guest(const Setting& first, const Setting& second) {
  return SettingOf(AnyBut({first.program, second.program}));
}

Stretch Chain::Draw(size_t length, double triple_ratio) {
  Stretch stretch;
  stretch.first = First();
  const Setting* current = &stretch.first;
  stretch.meetings.reserve(length);
  while (stretch.meetings.size() < length) {
    Meeting& meeting = stretch.meetings.emplace_back();
    meeting.newcomer = Next(*current);
    if (usable() > 2 && Decide(triple_ratio)) meeting.guest = Guest(*current, meeting.newcomer);
    current = &meeting.newcomer;
  }
  return stretch;
}

size_t Chain::AnyBut(const std::set<size_t>& others) {
  std::vector<size_t> candidates;
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (!others.contains(i) && !excluded_.contains(i)) candidates.push_back(i);
  }
  return candidates[std::uniform_int_distribution<size_t>(0, candidates.size() - 1)(random_)];
}

}  // namespace truce::lab
