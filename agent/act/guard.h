// Whether an action may exist on this host, whatever the controller says (design.md, section 5). Pure decisions on
// facts that the caller brings; the actuator asks before it touches anything, in advise mode too.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/act/actuator.h"
#include "agent/act/lever_values.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// A weight for the victim itself: raised, never lowered (the lever sees to that), so that a critical workload may have
// it.
bool IsBoost(const v1::LeasedAction& action);

// Why a pin must not be: somebody else keeps the workload's CPUs, or has some of those wanted alone. nullopt for other
// levers too.
std::optional<std::string> PinProblem(const v1::LeasedAction& action, const ActionTarget& target);

// What the guard must know besides the action.
struct GuardFacts {
  // The operator's kill switch is on.
  bool hold = false;
  // The workload of the action's name that lives now.
  std::optional<ActionTarget> target;
  // An earlier action of the same set changes the same workload by the same lever, or has the same lease id.
  bool duplicate = false;
  // What is left of the refusal that followed a revert; zero for none.
  absl::Duration futile_for;
};

struct Verdict {
  enum class Kind : uint8_t { kApply, kAdvise, kRefuse };
  Kind kind = Kind::kRefuse;
  // Why it is refused, for a person.
  std::string reason;
  // For a refusal: whether the value is what is wrong, so that an older value of the same lease may stay in force. When
  // false the action may not exist at all, and one that is in force is restored.
  bool keeps_held = false;
  // For a refusal that passes by itself: when asking again makes sense; zero when it stands.
  absl::Duration retry_after;
  // How long the lease lives from now.
  absl::Duration time_to_live;
};

// Decides on one action. Checks in this order: shape, hold, workload and instance, class, mode, allow-list, owner,
// duplicates, futility, value. The CPUs themselves are checked by CheckCpus, which needs the host's facts.
Verdict Decide(const v1::LeasedAction& action, const GuardFacts& facts, const ActuatorOptions& options);

// The CPUs that a pin may choose from.
struct CpuBounds {
  // Online CPUs of the host.
  std::vector<int> online;
  // What the parent cgroup may use.
  std::vector<int> parent;
  // What the workload's own cpuset said before Truce; empty when it said nothing.
  std::vector<int> original;
};
// InvalidArgument, naming the CPU and what allows it not, unless `wanted` is non-empty and within all three bounds. All
// lists are sorted. A pin may narrow what the operator configured, never widen it.
absl::Status CheckCpus(const std::vector<int>& wanted, const CpuBounds& bounds);

// InvalidArgument unless `wanted_cores` is at most `original_cores`, the quota in force before Truce (nullopt: none).
absl::Status CheckQuota(double wanted_cores, std::optional<double> original_cores);

// What a virtual machine of so much memory keeps under any squeeze: a sixteenth of it more than its guest says that it
// can't do without, and three quarters of it when the guest doesn't say. A guest that is left with too little doesn't
// get slow, it kills its programs.
uint64_t MachineFloor(uint64_t maximum_bytes, std::optional<uint64_t> needed_bytes);

// At most so many changes in any minute. Restores are never braked.
class RateBrake {
 public:
  explicit RateBrake(int changes_per_minute) : limit_(changes_per_minute) {}
  // Takes one change out of the budget; false when there is none left.
  bool Take(absl::Duration now);
  // When the next one may be taken; zero for now.
  absl::Duration NextIn(absl::Duration now) const;

 private:
  const int limit_;
  std::deque<absl::Duration> taken_;
};

// Actions that did not help, and until when they are refused.
class FutileMemory {
 public:
  void Add(const v1::LeasedAction& action, absl::Duration until);
  // What is left of the refusal of this (victim, workload, lever); zero for none.
  absl::Duration Left(const v1::LeasedAction& action, absl::Duration now);

 private:
  std::map<std::tuple<std::string, std::string, v1::Lever>, absl::Duration> until_;
};

}  // namespace truce::agent
