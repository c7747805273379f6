// What must hold for every host, whatever its agents report: drawn by RapidCheck.
// clang-format off: RapidCheck needs GoogleTest before it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
// clang-format on

#include <set>
#include <utility>

#include "src/base/text.h"
#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

v1::Report AnyReport(int workloads) {
  v1::Report report;
  for (int i = 0; i < workloads; ++i) {
    WorkloadSpec spec;
    spec.name = StrCat("w", i);
    spec.workload_class = static_cast<v1::WorkloadClass>(*rc::gen::inRange(0, 4));
    spec.usage = *rc::gen::inRange(0, 400) / 100.0;
    spec.priority = *rc::gen::inRange(-2, 3);
    spec.diagnosis = static_cast<v1::Diagnosis>(*rc::gen::inRange(0, 7));
    AddWorkload(spec, &report)->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_WEIGHT);
  }
  std::set<std::pair<int, int>> known;
  const int pairs = *rc::gen::inRange(0, workloads * 2);
  for (int i = 0; i < pairs; ++i) {
    const int victim = *rc::gen::inRange(0, workloads);
    const int aggressor = *rc::gen::inRange(0, workloads);
    // A report with a pair twice is refused.
    if (victim == aggressor || !known.emplace(victim, aggressor).second) continue;
    auto* pair = AddPair(StrCat("w", victim), StrCat("w", aggressor), *rc::gen::inRange(0, 101), &report,
                         static_cast<v1::Resource>(*rc::gen::inRange(0, 7)));
    pair->set_confidence(*rc::gen::inRange(0, 101) / 100.0);
  }
  return report;
}

void CheckSafety(const BenchHost& host, const HostState& state) {
  for (const auto& [key, planned] : host.plan.actions) {
    const auto* workload = state.Find(key.first);
    RC_ASSERT(workload != nullptr);
    RC_ASSERT(!planned.victims.empty());
    const bool critical = workload->workload().workload_class() == v1::WORKLOAD_CLASS_CRITICAL;
    if (critical) {
      RC_ASSERT(key.second == v1::LEVER_CPU_WEIGHT);
      RC_ASSERT(planned.action.victim() == key.first);
      RC_ASSERT(planned.action.cpu_weight() > 100);
      for (const auto& pair : state.report.pairs()) {
        const auto* hurt = state.Find(pair.victim());
        const double trigger = ThresholdOf(host.policy, hurt->workload(), workload->workload()).trigger_score();
        const bool trouble = pair.aggressor() == key.first && pair.score() >= trigger &&
                             pair.confidence() >= host.policy.minimum_confidence() &&
                             hurt->diagnosis() == v1::DIAGNOSIS_NEIGHBOUR;
        RC_ASSERT(!trouble || hurt->workload().workload_class() != v1::WORKLOAD_CLASS_CRITICAL ||
                  hurt->workload().priority() < workload->workload().priority());
      }
      continue;
    }
    RC_ASSERT(planned.action.victim() != key.first);
    if (key.second == v1::LEVER_CPU_PIN) {
      RC_ASSERT(!planned.action.cpus().empty());
    } else if (key.second == v1::LEVER_CPU_WEIGHT) {
      RC_ASSERT(planned.action.cpu_weight() < 100);
    } else {
      RC_ASSERT(planned.action.quota_cores() >= host.policy.floor_cores());
    }
  }
}

RC_GTEST_PROP(PlannerProperty, CriticalIsNeverReducedAndFloorsAreKept, ()) {
  BenchHost host(*rc::gen::inRange(1, 17));
  const int workloads = *rc::gen::inRange(2, 7);
  const int rounds = *rc::gen::inRange(1, 12);
  for (int i = 0; i < rounds; ++i) {
    host.Round(AnyReport(workloads), absl::Seconds(*rc::gen::inRange(1, 90)));
    CheckSafety(host, host.host());
    if (*rc::gen::arbitrary<bool>()) host.ApplyAll();
  }
}

RC_GTEST_PROP(PlannerProperty, PlanningTwiceAtTheSameTimeChangesNothing, ()) {
  BenchHost host(*rc::gen::inRange(1, 9));
  host.Round(AnyReport(*rc::gen::inRange(2, 6)));
  v1::DesiredSet before;
  FillDesiredSet(host.host(), host.plan, host.policy, false, &before);
  RC_ASSERT(host.Plan().empty());
  v1::DesiredSet after;
  FillDesiredSet(host.host(), host.plan, host.policy, false, &after);
  RC_ASSERT(before.SerializeAsString() == after.SerializeAsString());
}

RC_GTEST_PROP(PlannerProperty, ConvergesWhenTheHostStaysAsItIs, ()) {
  BenchHost host(*rc::gen::inRange(1, 9));
  // Refusals by the brakes would have it try again each minute.
  host.policy.set_host_actions_per_minute(1000);
  host.policy.set_fleet_actions_per_minute(1000);
  const v1::Report report = AnyReport(*rc::gen::inRange(2, 6));
  for (int i = 0; i < 60; ++i) {
    host.Round(report);
    host.ApplyAll();
  }
  for (int i = 0; i < 10; ++i) {
    RC_ASSERT(host.Round(report).empty());
    host.ApplyAll();
  }
}

}  // namespace
}  // namespace truce::controller
