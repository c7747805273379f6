// Decides what the controller wants of one host. Pure: the fleet's view of the host, the policy, the planner's own
// memory of that host and the time go in; a changed memory and the decisions, each with its evidence, come out.
//
//   report ─► PlanHost ─► HostPlan (actions wanted) ─► FillDesiredSet ─► agent
//                ▲ └────► wishes ─► Migrations (migrations.h)              │
//                └──── OnActionResult, OnReceipt, Adopt ◄──────────────────┘
//
// ControllerCore calls it after each report and after each change of policy, mode or hold. No locks, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/moment.h"
#include "controller/plan/arbiter.h"
#include "controller/plan/brakes.h"
#include "controller/plan/move.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Times that are no matter of policy.
inline constexpr absl::Duration kRetriggerWindow =
    absl::Minutes(5);  // a pair that is back so soon dwells twice as long
inline constexpr absl::Duration kLongestDwell = absl::Minutes(30);
inline constexpr absl::Duration kFutileBackoff = absl::Minutes(10);          // after a refusal or a revert
inline constexpr absl::Duration kShortestRefusalBackoff = absl::Seconds(1);  // when the agent says it passes sooner
inline constexpr absl::Duration kIdleTime = absl::Seconds(10);  // an aggressor that is idle so long is let go
inline constexpr double kIdleCores = 0.05;
inline constexpr absl::Duration kForgetPair = absl::Hours(1);

// An action that is wanted. A workload has at most one per lever, whomever it protects.
struct PlannedAction {
  v1::LeasedAction action;
  v1::ActionState state = v1::ACTION_STATE_PENDING;
  std::string state_reason;
  Moment created_at;
  std::optional<Moment> applied_at;
  // Last change of what is asked (Clock::Monotonic).
  absl::Duration changed_at;
  // CPU use of the workload before its quota was first cut.
  double usage_before_cores = 0;
  // Whole LLC domains instead of as many CPUs as are free: the pair contends for cache or memory bandwidth.
  bool by_llc_domain = false;
  // Everybody whom it protects; action.victim is the first.
  std::set<std::string> victims;
  // Since when all its pairs are at or below their restore score.
  std::optional<absl::Duration> calm_since;
  std::optional<absl::Duration> idle_since;
  // How long it must be calm; doubled when a pair comes back soon after a release.
  absl::Duration dwell;
  bool loosening = false;
  // An allocation: the rule that it follows, in words.
  std::string rule;
};

struct PairMemory {
  std::optional<absl::Duration> released_at;
  absl::Duration dwell;
  // What was last said about leaving it alone, so that it is said once.
  std::string left_alone;
  absl::Duration seen_at;
  // In trouble without a useful lever: since when, in which round last, when a place elsewhere was last looked for, and
  // which move was last said to be worth it.
  std::optional<absl::Duration> helpless_since;
  absl::Duration helpless_at = -absl::InfiniteDuration();
  absl::Duration thought_at = -absl::InfiniteDuration();
  std::string proposed;
};

// The planner's memory of one host.
struct HostPlan {
  // By workload and lever.
  using Actions = std::map<std::pair<std::string, v1::Lever>, PlannedAction>;
  Actions actions;
  // Quotas that follow what their workload needs. One whose workload is under a quota that protects somebody is none.
  Actions allocations;
  // Until when a workload's quota, as it is read, may be one of ours, also of one that ended a while ago; and until
  // when that of any workload may be, since it is not known what was in force before the agent connected.
  std::map<std::string, absl::Duration> quota_ours_until;
  absl::Duration quotas_unsure_until = -absl::InfiniteDuration();
  std::map<std::pair<std::string, std::string>, PairMemory> pairs;
  // (victim, workload, lever) that is not asked for, until when and why.
  struct Block {
    absl::Duration until;
    // The agent refused it. A hello may mean that what it lacked is there, so it ends the block; one of a lever that
    // did not help stands.
    bool refused = false;
  };
  std::map<std::tuple<std::string, std::string, v1::Lever>, Block> blocked;
  RateBrake rate;
  // CPUs that are left to the victims while any pin is wanted.
  int victims_need_cpus = 0;
  absl::Duration pins_changed_at = -absl::InfiniteDuration();
  uint64_t next_lease = 1;
  // Whether any pair was over its threshold in the last plan.
  bool troubled = false;
};

// A move that is worth it: to be proposed to an operator, or begun.
struct MigrationWish {
  v1::Migration migration;
  bool begin = false;
  // The decision that says so; zero when it was said before.
  uint64_t decision_id = 0;
};

struct PlanContext {
  const v1::Policy& policy;
  FleetBrake& brake;
  Arbiter& arbiter;
  // Counts decisions of the whole controller.
  uint64_t& next_decision_id;
  // Makes lease ids unique in the fleet, over restarts of the controller.
  std::string_view lease_prefix;
  // The operator's kill switch is on for this host.
  bool hold = false;
  Moment now;
  // Without it no move is thought of.
  std::optional<Elsewhere> elsewhere = std::nullopt;
  // Filled by PlanHost.
  std::vector<MigrationWish> wishes = {};
};

// Both, those that protect somebody first. Valid until the plan changes.
std::vector<const PlannedAction*> AllActions(const HostPlan& plan);

// One planning round of one host. Quiet (no change, no decision) about a host that is not connected, or whose last
// report is older than a lease. Also keeps plan.troubled and context.brake.troubled_hosts.
std::vector<v1::Decision> PlanHost(const HostState& host, HostPlan& plan, PlanContext& context);

// What the agent did with an action. A refused one is dropped and its lever not asked again for as long as the agent
// says, or for kFutileBackoff.
std::vector<v1::Decision> OnActionResult(const HostState& host, const v1::ActionResult& result, HostPlan& plan,
                                         PlanContext& context);
// What a receipt measured of victim and giver, if it measured anything, becomes part of the arbiter's table. Rests on
// the receipt alone, so that stored ones teach a controller that starts anew.
void Teach(const v1::Receipt& receipt, Arbiter& arbiter);
// An action ended at the agent; its receipt teaches the arbiter. REVERTED counts as refused; EXPIRED and SHUTDOWN are
// asked for again while they are wanted; a workload that is gone ends its actions.
std::vector<v1::Decision> OnReceipt(const HostState& host, const v1::Receipt& receipt, HostPlan& plan,
                                    PlanContext& context);
// After a hello: takes over what the agent holds and this controller doesn't know (it may have restarted), and gives up
// what the agent can't hold any more because it was away for longer than a lease.
std::vector<v1::Decision> Adopt(const HostState& host, absl::Duration away, HostPlan& plan, PlanContext& context);

// Actions, hold and mode rules of the host's desired set; version and nonce are the caller's. Between a hello and the
// first report only what the agent holds is renewed.
void FillDesiredSet(const HostState& host, const HostPlan& plan, const v1::Policy& policy, bool hold,
                    v1::DesiredSet* desired);

}  // namespace truce::controller
