// The fleet as schedulers see it: which host has room for a workload, and what it and those there would do to each
// other. ControllerCore feeds it what hosts report; schedulers, the extender and the planner ask.
//
//   report ─► PictureOf ─┐                              ┌─► Place, Reserve ─► Reservations
//   signature ─► effects ─┼─► HostIndex, Census ◄── ask ─┼─► ScoreHosts, ScoreOn
//   reservations ─────────┘  sizes ─► effects            └─► Predict, Snapshot
//
// The price of a host (pack/host_index.h) is the largest share of a resource that is in use then, plus what the
// workload and those there are expected to slow each other (interference.h), weighted, plus the trouble that is seen
// there, weighted by the newcomer's class; pricing.h says how these weigh against each other. A score is 100 / (1 +
// price).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/plan/pack/host_index.h"
#include "controller/plan/place/census.h"
#include "controller/plan/place/interference.h"
#include "controller/plan/place/known_effects.h"
#include "controller/plan/place/reservations.h"
#include "controller/plan/place/resident.h"
#include "src/base/clock.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

struct PlacesOptions {
  // Names this run of the controller; ids of reservations begin with it.
  std::string instance;
  // Of every host's CPU and memory so much is left free, so that others have room when a host fails: one of N fails
  // safely with 1 / N. 0-0.9.
  double reserve_ratio = 0;
  // What of a forecast is set aside for a workload.
  SetAside set_aside = SetAside::kPeak;
};

// A copy of everything that is known, for whoever thinks longer than a lock may be held.
struct PlacesSnapshot {
  struct Host {
    std::string name;
    HostPicture picture;
    // Those of the residents, at the same place.
    std::vector<ApplicationEffects> effects;
    // How many at the end of both are reserved, and what is on its way besides.
    size_t reserved = 0;
    pack::PlaceResources coming{};
  };
  std::vector<Host> hosts;  // by name
  double reserve_ratio = 0;
  EffectsByApplication effects;
};

// Thread-safe. Locked after ControllerCore's lock, if both are.
class Places {
 public:
  static constexpr absl::Duration kReservation = absl::Minutes(1);
  static constexpr absl::Duration kLongestReservation = absl::Hours(1);

  // `clock` outlives it.
  Places(PlacesOptions options, const Clock& clock);

  // After every hello and report of the host, and when it is lost.
  void OnHost(const HostState& host, const DriftOf& drift_of);
  // An application's signature, new or changed. Hosts are priced by it from their next report on; against the middle of
  // the fleet, and by the sizes of workloads, it is seen from some seconds later on.
  void OnSignature(const std::string& application, const v1::Signature& signature);
  // What is on its way to each host; a host that is not in it has nothing coming any more.
  void SetComing(const std::map<std::string, pack::PlaceResources, std::less<>>& coming);

  // Answers to schedulers (scheduler.proto). InvalidArgument for what makes no sense, NotFound for hosts, workloads
  // that are not there, ResourceExhausted, with the nearest host and why not, when none fits.
  absl::StatusOr<v1::ScoreHostsResponse> ScoreHosts(const v1::ScoreHostsRequest& request);
  absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest& request);
  absl::StatusOr<v1::ReserveResponse> Reserve(const v1::ReserveRequest& request);
  absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest& request);
  absl::StatusOr<v1::PredictInterferenceResponse> Predict(const v1::PredictInterferenceRequest& request);

  absl::StatusOr<v1::ExplainPlacementResponse> Explain(const v1::ExplainPlacementRequest& request);

  // One host's score, for the planner; a host that is not known doesn't fit.
  v1::HostScore ScoreOn(const std::string& host, const v1::WorkloadDescription& workload);
  PlacesSnapshot Snapshot();
  size_t reservations();

 private:
  struct Entry {
    std::string name;
    HostPicture picture;
    pack::PlaceResources coming{};
    // With those that are expected.
    pack::PlaceHost state;
  };
  // A description, ready to be priced.
  struct Ask {
    const v1::WorkloadDescription* workload = nullptr;
    Resident resident;
    ApplicationEffects effects;
    pack::PlaceDemand demand;
    // Workloads of its application by fault domain, when a rule is about them.
    absl::flat_hash_map<std::string, int32_t> in_domain;
  };

  int32_t NumberOf(const std::string& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int32_t> Find(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Entry& At(int32_t host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return *entries_[static_cast<size_t>(host)];
  }
  // Adds up who is on the host or expected there, and prices it anew.
  void Refresh(int32_t host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Expire() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const ApplicationEffects& EffectsOfApplication(std::string_view application) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return known_.effects().Of(application);
  }
  void RedrawWhenDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Ask AskFor(const v1::WorkloadDescription& workload) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Which rule the host breaks; nullopt for none.
  std::optional<std::string> Forbids(int32_t host, const Ask& ask) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRules(const Ask& ask) const;
  v1::HostScore Score(int32_t host, const Ask& ask) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The best `most` that fit, best first, of all hosts or of those that are named.
  std::vector<int32_t> Best(const Ask& ask, size_t most, const std::optional<std::vector<int32_t>>& among) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nullopt: all. NotFound names one that is not there.
  absl::StatusOr<std::optional<std::vector<int32_t>>> Among(
      const google::protobuf::RepeatedPtrField<std::string>& hosts) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NoneFits(const Ask& ask, const std::optional<std::vector<int32_t>>& among) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> Add(int32_t host, const Ask& ask, absl::Duration for_so_long)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddInterference(int32_t host, const Ask& ask, std::string_view itself, size_t most,
                       v1::HostInterference* answer) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<v1::WorkloadDescription> DescribeRunning(const v1::RunningWorkload& running,
                                                          std::string* full_name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<int32_t> HostOf(const v1::RunningWorkload& running) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NoSuchHost(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PlacesOptions options_;
  const Clock& clock_;

  absl::Mutex mutex_;
  // By number; a host keeps its number.
  std::vector<std::unique_ptr<Entry>> entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, int32_t> numbers_ ABSL_GUARDED_BY(mutex_);
  // Those with anything on its way.
  std::vector<int32_t> expecting_ ABSL_GUARDED_BY(mutex_);
  pack::HostIndex index_ ABSL_GUARDED_BY(mutex_);
  Census census_ ABSL_GUARDED_BY(mutex_);
  Reservations reservations_ ABSL_GUARDED_BY(mutex_);
  Answers answers_ ABSL_GUARDED_BY(mutex_);
  KnownEffects known_ ABSL_GUARDED_BY(mutex_);
  absl::Duration redraw_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace truce::controller
