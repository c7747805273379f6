// What the fleet's workloads used lately, step by step: what a demand model is retrained on. A fair sample of them, in
// bounded memory. A plain state machine without locks, clock or store; ControllerCore (controller/serve) feeds it
// reports, has it stored and reads it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/learn/fair_sample.h"
#include "models/drift/behaviour.h"
#include "truce/v1/history.pb.h"

namespace truce::controller {

struct DemandHistoryOptions {
  // Each is up to four series: CPU, memory, disk, network.
  size_t most_workloads = 500;
  absl::Duration step = absl::Seconds(30);
  // How far back it goes: 24 hours.
  size_t steps = 2'880;
};

class DemandHistory {
 public:
  // Steps of what is stored as one row; a workload is stored again once it has so many new ones.
  static constexpr int64_t kBlockSteps = 120;
  static constexpr int64_t kStoreSteps = 20;
  // A workload that was not heard of for so many steps, and before that was for fewer, makes room for others.
  static constexpr int64_t kForgetSteps = 120;

  // Takes options.most_workloads x options.steps x 16 bytes (23 MB) when it is full, and their names.
  explicit DemandHistory(DemandHistoryOptions options = {});

  // Takes in the host's last report. Of a workload on which an action is in force nothing is learned: it uses what it
  // is left.
  void Observe(const HostState& host, Moment now);

  size_t workloads() const { return kept_.size(); }
  // Values that are known, of all series.
  size_t values() const { return values_; }
  // From the first step that is known to the newest.
  size_t span_steps() const;
  // What it holds in memory for values, in bytes.
  size_t memory_bytes() const;
  // All of it, to be handed over; a copy.
  v1::DemandHistoryFile Snapshot() const;

  // Takes over what was stored, before anything is observed, oldest first. What is older than it goes back, comes from
  // the future or makes no sense is dropped.
  void Restore(const v1::DemandBlock& block, absl::Time now);
  // What has changed since it was last taken, about `most` at most. Each replaces what was stored of its workload and
  // its beginning.
  std::vector<v1::DemandBlock> TakeBlocks(size_t most);

 private:
  // Steps are numbered from 1970 on.
  struct Kept {
    std::string host;
    std::string workload;
    std::string application;
    // [demand][step % steps]; NaN where it is not known. Empty: never known.
    std::array<std::vector<float>, kDemandCount> values;
    // The first and the newest that are in there, and the first that was not taken to be stored.
    int64_t first = 0;
    int64_t newest = 0;
    int64_t unstored = 0;
    // Of the step that goes on.
    int64_t open = 0;
    std::array<double, kDemandCount> sums{};
    std::array<int, kDemandCount> counts{};
  };

  Kept* Find(std::string_view host, std::string_view workload, std::string_view application, int64_t step);
  void Forget(uint64_t rank);
  void Close(Kept* kept);
  void MoveTo(int64_t step, Kept* kept);
  void Put(size_t demand, int64_t step, float value, Kept* kept);
  float Get(size_t demand, int64_t step, const Kept& kept) const;
  v1::DemandBlock BlockOf(const Kept& kept, int64_t begin, int64_t end) const;
  size_t KnownOf(const Kept& kept) const;
  void Sweep(int64_t step);
  int64_t StepOf(absl::Time time) const;

  const DemandHistoryOptions options_;
  FairSample sample_;
  // By rank in the sample.
  std::map<uint64_t, Kept> kept_;
  size_t values_ = 0;
  int64_t newest_ = 0;
  int64_t swept_ = 0;
};

}  // namespace truce::controller
