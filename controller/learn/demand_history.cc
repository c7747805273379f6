#include "controller/learn/demand_history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "controller/learn/acted_on.h"
#include "controller/learn/drift_words.h"

namespace truce::controller {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
// A clock that goes back by more was wrong before.
constexpr int64_t kClockSlackSteps = 120;

google::protobuf::RepeatedField<float>* ListOf(size_t demand, v1::DemandBlock* block) {
  switch (static_cast<Demand>(demand)) {
    case Demand::kCpu:
      return block->mutable_cpu_cores();
    case Demand::kMemory:
      return block->mutable_memory_bytes();
    case Demand::kDisk:
      return block->mutable_disk_bytes_per_second();
    case Demand::kNetwork:
      break;
  }
  return block->mutable_network_bytes_per_second();
}

const google::protobuf::RepeatedField<float>& ListOf(size_t demand, const v1::DemandBlock& block) {
  return *ListOf(demand, const_cast<v1::DemandBlock*>(&block));
}

// 0 when nothing of it is known.
int StepsOf(const v1::DemandBlock& block) {
  int steps = 0;
  for (size_t i = 0; i < kDemandCount; ++i) steps = std::max(steps, ListOf(i, block).size());
  return steps;
}

}  // namespace

DemandHistory::DemandHistory(DemandHistoryOptions options) : options_(options), sample_(options.most_workloads) {}

int64_t DemandHistory::StepOf(absl::Time time) const {
  return absl::ToUnixSeconds(time) / absl::ToInt64Seconds(options_.step);
}

void DemandHistory::Observe(const HostState& host, Moment now) {
  const int64_t step = StepOf(now.wall);
  if (step + kClockSlackSteps < newest_) {
    // Nothing would be learned until the clock is there again.
    kept_.clear();
    sample_ = FairSample(options_.most_workloads);
    values_ = 0;
    newest_ = swept_ = step;
  }
  newest_ = std::max(newest_, step);
  const auto acted_on = ActedOn(host);
  for (const auto& report : host.report.workloads()) {
    Kept* kept = Find(host.name, report.workload().name(), report.workload().application(), newest_);
    if (kept == nullptr) continue;
    if (newest_ > kept->open) Close(kept);
    kept->open = newest_;
    if (acted_on.contains(report.workload().name())) continue;
    const Demands demands = MakeDemands(SampleOf(report.readings()));
    for (size_t i = 0; i < kDemandCount; ++i) {
      if (!demands[i].has_value()) continue;
      kept->sums[i] += *demands[i];
      ++kept->counts[i];
    }
  }
  if (newest_ - swept_ >= kStoreSteps) Sweep(newest_);
}

DemandHistory::Kept* DemandHistory::Find(std::string_view host, std::string_view workload, std::string_view application,
                                         int64_t step) {
  const uint64_t rank = FairSample::Rank(host, workload);
  const auto found = kept_.find(rank);
  if (found != kept_.end()) return &found->second;
  const FairSample::Answer answer = sample_.Offer(rank, application);
  if (answer.out) Forget(*answer.out);
  if (!answer.in) return nullptr;
  Kept& kept = kept_[rank];
  kept.host = host;
  kept.workload = workload;
  kept.application = application;
  kept.first = kept.unstored = kept.open = step;
  kept.newest = step - 1;
  return &kept;
}

size_t DemandHistory::KnownOf(const Kept& kept) const {
  size_t known = 0;
  for (const auto& values : kept.values) {
    known += static_cast<size_t>(
        std::count_if(values.begin(), values.end(), [](float value) { return !std::isnan(value); }));
  }
  return known;
}

void DemandHistory::Forget(uint64_t rank) {
  const auto found = kept_.find(rank);
  if (found == kept_.end()) return;
  values_ -= KnownOf(found->second);
  kept_.erase(found);
}

float DemandHistory::Get(size_t demand, int64_t step, const Kept& kept) const {
  const auto& values = kept.values[demand];
  return values.empty() ? kUnknown : values[static_cast<size_t>(step) % options_.steps];
}

void DemandHistory::Put(size_t demand, int64_t step, float value, Kept* kept) {
  auto& values = kept->values[demand];
  if (values.empty()) {
    if (std::isnan(value)) return;
    values.assign(options_.steps, kUnknown);
  }
  float& place = values[static_cast<size_t>(step) % options_.steps];
  if (!std::isnan(place)) --values_;
  if (!std::isnan(value)) ++values_;
  place = value;
}

// What lies between the newest and `step` is not known.
void DemandHistory::MoveTo(int64_t step, Kept* kept) {
  const auto steps = static_cast<int64_t>(options_.steps);
  for (int64_t gap = std::max(kept->newest + 1, step - steps + 1); gap <= step; ++gap) {
    for (size_t i = 0; i < kDemandCount; ++i) Put(i, gap, kUnknown, kept);
  }
  kept->newest = std::max(kept->newest, step);
  kept->first = std::max(kept->first, kept->newest - steps + 1);
}

void DemandHistory::Close(Kept* kept) {
  MoveTo(kept->open, kept);
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (kept->counts[i] > 0) {
      Put(i, kept->open, static_cast<float>(kept->sums[i] / kept->counts[i]), kept);
    }
  }
  kept->sums = {};
  kept->counts = {};
}

void DemandHistory::Sweep(int64_t step) {
  swept_ = step;
  const auto steps = static_cast<int64_t>(options_.steps);
  for (auto it = kept_.begin(); it != kept_.end();) {
    const auto here = it++;
    const Kept& kept = here->second;
    const int64_t silent = step - std::max(kept.newest, kept.open);
    if (silent < steps && (silent < kForgetSteps || kept.newest - kept.first + 1 >= kForgetSteps)) continue;
    sample_.Remove(here->first);
    Forget(here->first);
  }
}

size_t DemandHistory::span_steps() const {
  int64_t first = std::numeric_limits<int64_t>::max();
  int64_t newest = std::numeric_limits<int64_t>::min();
  for (const auto& [_, kept] : kept_) {
    if (kept.newest < kept.first) continue;
    first = std::min(first, kept.first);
    newest = std::max(newest, kept.newest);
  }
  // One that is gone goes farther back than the rest may.
  return first > newest ? 0 : std::min(options_.steps, static_cast<size_t>(newest - first + 1));
}

size_t DemandHistory::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& [_, kept] : kept_) {
    bytes += sizeof(Kept);
    for (const auto& values : kept.values) bytes += values.capacity() * sizeof(float);
  }
  return bytes;
}

v1::DemandBlock DemandHistory::BlockOf(const Kept& kept, int64_t begin, int64_t end) const {
  v1::DemandBlock block;
  block.set_application(kept.application);
  block.set_host(kept.host);
  block.set_workload(kept.workload);
  block.mutable_began_at()->set_seconds(begin * absl::ToInt64Seconds(options_.step));
  for (size_t i = 0; i < kDemandCount; ++i) {
    auto* list = ListOf(i, &block);
    list->Reserve(static_cast<int>(end - begin));
    bool known = false;
    for (int64_t step = begin; step < end; ++step) {
      const float value = Get(i, step, kept);
      known = known || !std::isnan(value);
      list->AddAlreadyReserved(value);
    }
    if (!known) list->Clear();
  }
  return block;
}

v1::DemandHistoryFile DemandHistory::Snapshot() const {
  v1::DemandHistoryFile history;
  SetDuration(options_.step, history.mutable_step());
  const int64_t oldest = newest_ - static_cast<int64_t>(options_.steps);
  for (const auto& [_, kept] : kept_) {
    const int64_t begin = std::max(kept.first, oldest);
    if (kept.newest >= begin) *history.add_workloads() = BlockOf(kept, begin, kept.newest + 1);
  }
  return history;
}

void DemandHistory::Restore(const v1::DemandBlock& block, absl::Time now) {
  const int64_t seconds = absl::ToInt64Seconds(options_.step);
  const int64_t begin = block.began_at().seconds() / seconds;
  const int64_t today = StepOf(now);
  const int size = StepsOf(block);
  // What the store can't read comes without a name.
  if (block.workload().empty() || size == 0 || size > kBlockSteps || block.began_at().seconds() % seconds != 0) return;
  if (begin + size > today + kClockSlackSteps || begin <= today - static_cast<int64_t>(options_.steps)) return;
  Kept* kept = Find(block.host(), block.workload(), block.application(), begin);
  if (kept == nullptr) return;
  newest_ = std::max(newest_, begin + size - 1);
  for (int64_t step = begin; step < begin + size; ++step) {
    // Twice the same, or out of order.
    if (step <= kept->newest) continue;
    MoveTo(step, kept);
    for (size_t i = 0; i < kDemandCount; ++i) {
      const auto& list = ListOf(i, block);
      if (step - begin < list.size()) Put(i, step, list[static_cast<int>(step - begin)], kept);
    }
  }
  kept->open = kept->unstored = kept->newest + 1;
}

std::vector<v1::DemandBlock> DemandHistory::TakeBlocks(size_t most) {
  std::vector<v1::DemandBlock> taken;
  for (auto& [_, kept] : kept_) {
    if (taken.size() >= most) break;
    if (kept.newest - kept.unstored + 1 < kStoreSteps) continue;
    for (int64_t index = std::max(kept.unstored, kept.first) / kBlockSteps; index <= kept.newest / kBlockSteps;
         ++index) {
      const int64_t begin = std::max(index * kBlockSteps, kept.first);
      const int64_t end = std::min((index + 1) * kBlockSteps, kept.newest + 1);
      v1::DemandBlock block = BlockOf(kept, begin, end);
      if (StepsOf(block) > 0) taken.push_back(std::move(block));
    }
    kept.unstored = kept.newest + 1;
  }
  return taken;
}

}  // namespace truce::controller
