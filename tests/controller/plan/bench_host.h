// A host, its plan and the time, driven round by round in the planner's tests.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/plan/planner.h"
#include "controller/plan/policy.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {

class BenchHost {
 public:
  explicit BenchHost(int cpus = 4) : BenchHost(MakeHello("web-1", cpus)) {}
  explicit BenchHost(const v1::Hello& hello) : fleet_({}) {
    auto accepted = fleet_.OnHello(1, hello, now_);
    host_ = accepted->host;
  }

  void Advance(absl::Duration by) {
    now_.wall += by;
    now_.monotonic += by;
  }
  // One report and one planning round, `after` the last one.
  std::vector<v1::Decision> Round(const v1::Report& report, absl::Duration after = absl::Seconds(5)) {
    Advance(after);
    if (auto refusal = fleet_.OnReport(*host_, report, now_)) throw std::runtime_error(refusal->detail);
    return Plan();
  }
  std::vector<v1::Decision> Plan() {
    PlanContext context = Context();
    std::vector<v1::Decision> decisions = PlanHost(*host_, plan, context);
    wishes = std::move(context.wishes);
    return decisions;
  }
  PlanContext Context() {
    PlanContext context{policy, brake, arbiter, next_decision, "run", hold, now_};
    if (sees_elsewhere) {
      for (const auto& [_, one] : fleet_.hosts()) places.OnHost(one, {});
      places.SetComing(migrations.Reserved());
      context.elsewhere = Elsewhere{fleet_, migrations, holds, places};
    }
    return context;
  }
  // The agent says that it did everything that is wanted.
  void ApplyAll() {
    std::vector<v1::LeasedAction> wanted;
    for (const auto& [_, planned] : plan.actions) wanted.push_back(planned.action);
    for (const auto& action : wanted) {
      Answer(action.lease_id(), action.mode() == v1::MODE_ADVISE ? v1::ACTION_STATE_ADVISED : v1::ACTION_STATE_APPLIED);
    }
  }
  std::vector<v1::Decision> Answer(const std::string& lease, v1::ActionState state, const std::string& reason = "",
                                   std::optional<absl::Duration> retry_after = std::nullopt) {
    v1::ActionResult result;
    result.set_lease_id(lease);
    result.set_state(state);
    result.set_reason(reason);
    if (retry_after) SetDuration(*retry_after, result.mutable_retry_after());
    PlanContext context = Context();
    return OnActionResult(*host_, result, plan, context);
  }
  std::vector<v1::Decision> Receive(const std::string& lease, v1::ReceiptOutcome outcome) {
    v1::Receipt receipt;
    receipt.mutable_action()->set_lease_id(lease);
    receipt.set_outcome(outcome);
    PlanContext context = Context();
    return OnReceipt(*host_, receipt, plan, context);
  }
  const PlannedAction* Find(const std::string& workload, v1::Lever lever) const {
    const auto it = plan.actions.find({workload, lever});
    return it == plan.actions.end() ? nullptr : &it->second;
  }

  HostState& host() { return *host_; }
  Fleet& fleet() { return fleet_; }
  Moment now() const { return now_; }

  HostPlan plan;
  v1::Policy policy = DefaultPolicy();
  FleetBrake brake;
  Arbiter arbiter;
  bool hold = false;
  uint64_t next_decision = 1;
  // Whether moves to other hosts of `fleet` are thought of, and those that the last plan wished.
  bool sees_elsewhere = false;
  Migrations migrations{"run"};
  std::map<std::string, std::string> holds;
  FakeClock clock;
  Places places{{"run"}, clock};
  std::vector<MigrationWish> wishes;

 private:
  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(1000)};
  Fleet fleet_;
  HostState* host_;
};

inline std::vector<std::string> Verdicts(const std::vector<v1::Decision>& decisions) {
  std::vector<std::string> verdicts;
  for (const auto& decision : decisions) verdicts.push_back(decision.verdict());
  return verdicts;
}

// Brings the scene to a pin that has been applied.
inline void Protect(BenchHost* host) {
  host->Round(MakeScene());
  host->ApplyAll();
}

}  // namespace truce::controller
