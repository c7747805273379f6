// How the workloads of the fleet stand to what is usual for them and their applications, and what followed earlier
// drifts. A plain state machine without locks, clock or store; ControllerCore (controller/serve) feeds it reports,
// tells what it finds, has it stored and reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "models/drift/drift_watch.h"
#include "models/drift/episodes.h"
#include "truce/v1/drift.pb.h"

namespace truce::controller {

// To be told as an event of the workload.
struct DriftNews {
  std::string workload;
  // "drift" once an episode, "drift_ended".
  std::string kind;
  // One sentence for a person.
  std::string message;
};

class Drifts {
 public:
  // Baselines that are kept; the one that was not learned from for longest goes first.
  static constexpr size_t kMostBaselines = 4'000;
  // A baseline is stored so often.
  static constexpr absl::Duration kStoreBaseline = absl::Minutes(30);

  // `instance` names this run of the controller; ids of episodes begin with it.
  explicit Drifts(std::string instance) : instance_(std::move(instance)) {}

  // Learns from the host's last report. A workload that is held back by an action or by its own quota, robbed or hurt
  // by a neighbour behaves as others have it: such reports are not taken for its own ways. Looks at each workload of
  // the report once.
  std::vector<DriftNews> Observe(const HostState& host, Moment now);

  // Nullopt for a workload that was not heard of. What the nearest episodes say is looked for `with_episodes` only.
  std::optional<v1::DriftStatus> Status(const HostState& host, std::string_view workload, bool with_episodes) const;
  // Workloads that drift, and episodes that began in this run.
  int drifting() const { return drifting_; }
  uint64_t episodes_begun() const { return episodes_begun_; }
  size_t baselines() const { return baselines_.size(); }

  // Takes over what was stored, before anything is learned. A baseline from the future is dropped.
  void Restore(const v1::ApplicationBaseline& baseline, absl::Time now);
  void Restore(v1::DriftEpisode episode);
  // At most `most` baselines that have changed and were not stored for kStoreBaseline, and all episodes that have
  // changed.
  std::vector<v1::ApplicationBaseline> TakeBaselines(Moment now, size_t most);
  std::vector<v1::DriftEpisode> TakeEpisodes();

 private:
  struct Baseline {
    std::string application;
    std::string cpu_model;
    uint32_t size_bucket = 0;
    SharedBaseline shared;
    absl::Time learned_at;
    absl::Time stored_at;
  };
  // A workload by its name: one that was made again under the same name is held to its old ways.
  struct Watched {
    DriftWatch watch;
    // Of its baseline.
    std::string key;
    // Faded means; below 0: not seen yet.
    std::array<float, kDemandCount> usual{-1, -1, -1, -1};
    std::array<float, kDemandCount> now{-1, -1, -1, -1};
    // Whose outcomes are waited for; empty for none.
    std::string episode;
    size_t next_outcome = 0;
    double seen_at = 0;
  };
  struct Host {
    absl::flat_hash_map<std::string, Watched> workloads;
    double swept_at = 0;
  };

  Baseline& BaselineOf(const HostState& host, const v1::WorkloadReport& report, const Sample& sample, Watched* watched);
  void ObserveOne(const HostState& host, const v1::WorkloadReport& report, bool acted_on, double seconds,
                  Watched* watched, std::vector<DriftNews>* news);
  void Begin(const HostState& host, const v1::WorkloadReport& report, const Baseline& baseline, Watched* watched);
  void FollowOutcomes(double seconds, Watched* watched);
  void Sweep(double seconds, Host* host);
  void Hear(Moment now);
  absl::Time OnWall(double seconds) const;

  const std::string instance_;
  absl::flat_hash_map<std::string, Host> hosts_;
  absl::flat_hash_map<std::string, std::unique_ptr<Baseline>> baselines_;
  Episodes episodes_;
  std::set<std::string> dirty_episodes_;
  // The even time that was last heard: wall clocks are set, and what is learned by them must not be. It never goes
  // back.
  EvenTime time_;
  double seconds_ = 0;
  int drifting_ = 0;
  uint64_t episodes_begun_ = 0;
};

}  // namespace truce::controller
