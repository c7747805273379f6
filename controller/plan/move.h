// What it takes to move a workload to another host: whether it may go, by which way and where to, what that is expected
// to win and to cost. Pure. The planner proposes moves with it, ControllerCore answers an operator's wish.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/moment.h"
#include "controller/plan/arbiter.h"
#include "controller/plan/migrations.h"
#include "controller/plan/place/places.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// What a move wins is reckoned for so long: about as long as a contention that no lever ended has been seen to go on.
// Longer would let a forecast of minutes decide about hours.
inline constexpr absl::Duration kMoveHorizon = absl::Minutes(30);
// A gigabit in a second: the slowest network between hosts that is still usual.
inline constexpr double kCopyBytesPerSecond = 125e6;
// What is written while it is copied must be copied again.
inline constexpr double kDirtyFactor = 1.3;
// Sending and receiving at that rate, encrypted, takes about half a core at each end.
inline constexpr double kCopyCores = 1;
// A live move: the last round, and what marking every written page takes from the workload while the rest is copied.
inline constexpr double kLiveStandstillSeconds = 1;
inline constexpr double kLiveLossRatio = 0.1;
// A pod is ended and begun anew elsewhere.
inline constexpr double kRestartSeconds = 30;
// A move that is expected to win less than so many times its cost is not worth its risk.
inline constexpr double kLeastGainPerCost = 2;
// With it the target keeps so much of its CPUs and memory free.
inline constexpr double kLeastTargetFree = 0.1;

// The rest of the fleet, as far as moves are concerned. Points to what ControllerCore has.
struct Elsewhere {
  std::reference_wrapper<const Fleet> fleet;
  std::reference_wrapper<const Migrations> migrations;
  // Hosts on hold; the host "" is the fleet.
  std::reference_wrapper<const std::map<std::string, std::string>> holds;
  std::reference_wrapper<Places> places;
};

struct MoveWish {
  const HostState& source;
  const v1::WorkloadReport& workload;
  // Empty: any of the workload's.
  std::string driver = {};
  // Empty: the host that suits best. One that is named need not suit well, only be able to.
  std::string target_host = {};
  // Taken if it suits: a proposal should not go to and fro between hosts that suit alike.
  std::string preferred_host = {};
  // An application that it contends with: a host where that runs is no way out.
  std::string shunned_application = {};
};

struct Destination {
  std::string driver;
  // Empty where somebody else chooses it.
  std::string target_host;
};

// OK, or FailedPrecondition why nobody may or can move the workload: its class, its allowed levers, no driver, or no
// reading of what it uses.
absl::Status CheckMovable(const HostState& source, const v1::WorkloadReport& workload);
// InvalidArgument for a driver or host that can't be meant, FailedPrecondition when no host can receive it; both name
// what could. The workload is movable.
absl::StatusOr<Destination> FindDestination(const MoveWish& wish, const Elsewhere& elsewhere, const Arbiter& arbiter,
                                            const v1::Policy& policy, Moment now);

// Core-seconds of work that the workload goes without while it is moved, and CPU time to copy it.
double MoveCost(const v1::WorkloadReport& workload, std::string_view driver);
// The same of a move that was measured.
double MeasuredMoveCost(double cpu_cores, absl::Duration downtime, uint64_t moved_bytes);
// Core-seconds of the victim's work that it wins back in kMoveHorizon, weighted by its class, when `slowdown` is taken
// away.
double MoveGain(const v1::WorkloadReport& victim, double slowdown);

// The migration of the wish, with everything that orders and receipts need but for whom it protects.
v1::Migration DescribeMove(const MoveWish& wish, const Destination& destination, const Elsewhere& elsewhere,
                           const v1::Policy& policy);

}  // namespace truce::controller
