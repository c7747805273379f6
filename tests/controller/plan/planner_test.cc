#include "controller/plan/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr v1::Lever kPin = v1::LEVER_CPU_PIN;
constexpr v1::Lever kQuota = v1::LEVER_CPU_QUOTA;

TEST(PlannerTest, PinsTheAggressorApartAndSaysWhy) {
  BenchHost host;
  const auto decisions = host.Round(MakeScene());
  ASSERT_THAT(Verdicts(decisions), ElementsAre("apply"));
  EXPECT_EQ(decisions[0].score().score(), 90);
  EXPECT_THAT(decisions[0].reason(), HasSubstr("truce/redis is slowed by truce/stress: score 90 (acts at 60)"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("truce/stress is best_effort and truce/redis is critical"));
  const PlannedAction* pin = host.Find("truce/stress", kPin);
  ASSERT_NE(pin, nullptr);
  EXPECT_EQ(pin->action.cpus(), "1-3");  // redis uses 0.8 cores: one CPU is left to it
  EXPECT_EQ(pin->action.mode(), v1::MODE_ENFORCE);
  EXPECT_EQ(pin->action.workload_instance(), 7u);
  EXPECT_EQ(pin->action.decision_id(), decisions[0].id());
  EXPECT_EQ(host.Find("truce/stress", kQuota), nullptr);
}

TEST(PlannerTest, LeavesAsManyCpusAsTheVictimsNinetyFifthPercentile) {
  BenchHost host;
  v1::Report report = MakeScene();
  report.mutable_workloads(0)->mutable_fingerprint()->mutable_p95()->set_cpu_usage_cores(1.2);
  host.Round(report);
  EXPECT_EQ(host.Find("truce/stress", kPin)->action.cpus(), "2-3");
}

TEST(PlannerTest, OnOneCpuBoundsCpuTimeInstead) {
  BenchHost host(1);
  host.Round(MakeScene(90, 0.5));
  EXPECT_EQ(host.Find("truce/stress", kPin), nullptr);
  ASSERT_NE(host.Find("truce/stress", kQuota), nullptr);
  EXPECT_DOUBLE_EQ(host.Find("truce/stress", kQuota)->action.quota_cores(), 0.3);
}

TEST(PlannerTest, ScoresBelowTheTriggerOrTheConfidenceAreNotActedUpon) {
  BenchHost host;
  EXPECT_THAT(host.Round(MakeScene(59.9)), IsEmpty());
  v1::Report doubtful = MakeScene(95);
  doubtful.mutable_pairs(0)->set_confidence(0.29);
  EXPECT_THAT(host.Round(doubtful), IsEmpty());
  EXPECT_THAT(host.plan.actions, IsEmpty());
}

TEST(PlannerTest, OnlyANeighboursVictimIsProtected) {
  for (auto diagnosis : {v1::DIAGNOSIS_HEALTHY, v1::DIAGNOSIS_OWN_QUOTA, v1::DIAGNOSIS_STEAL, v1::DIAGNOSIS_SELF,
                         v1::DIAGNOSIS_UNKNOWN, v1::DIAGNOSIS_UNSPECIFIED}) {
    BenchHost host;
    v1::Report report = MakeScene();
    report.mutable_workloads(0)->set_diagnosis(diagnosis);
    host.Round(report);
    EXPECT_THAT(host.plan.actions, IsEmpty()) << v1::Diagnosis_Name(diagnosis);
  }
}

TEST(PlannerTest, TheMostSpecificThresholdWins) {
  BenchHost host;
  auto* of_class = host.policy.add_thresholds();
  of_class->set_victim_class(v1::WORKLOAD_CLASS_CRITICAL);
  of_class->set_trigger_score(95);
  EXPECT_THAT(host.Round(MakeScene(90)), IsEmpty());
  auto* of_pair = host.policy.add_thresholds();
  of_pair->set_victim("redis");
  of_pair->set_aggressor("stress");
  of_pair->set_trigger_score(40);
  EXPECT_THAT(Verdicts(host.Round(MakeScene(50))), ElementsAre("apply"));
}

TEST(PlannerTest, LowerClassThenLowerPriorityThenHeavierUserGivesWay) {
  struct Case {
    WorkloadSpec victim;
    WorkloadSpec aggressor;
    bool acts;
  };
  const auto standard = v1::WORKLOAD_CLASS_STANDARD;
  const auto best_effort = v1::WORKLOAD_CLASS_BEST_EFFORT;
  const Case cases[] = {
      {{"v", standard, 1, 0}, {"a", best_effort, 0.5, 9}, true},
      {{"v", best_effort, 1, 9}, {"a", standard, 2, 0}, false},
      {{"v", standard, 1, 5}, {"a", standard, 0.5, 1}, true},
      {{"v", standard, 1, 1}, {"a", standard, 2, 5}, false},
      {{"v", standard, 1, 3}, {"a", standard, 1.5, 3}, true},
      {{"v", standard, 2, 3}, {"a", standard, 1.5, 3}, false},
      {{"v", v1::WORKLOAD_CLASS_CRITICAL, 1, 9}, {"a", v1::WORKLOAD_CLASS_CRITICAL, 2, 0}, false},
  };
  for (const Case& one : cases) {
    BenchHost host;
    v1::Report report;
    AddWorkload(one.victim, &report)->set_diagnosis(v1::DIAGNOSIS_NEIGHBOUR);
    AddWorkload(one.aggressor, &report);
    AddPair("v", "a", 90, &report);
    const auto decisions = host.Round(report);
    ASSERT_THAT(decisions, SizeIs(1));
    EXPECT_EQ(decisions[0].verdict(), one.acts ? "apply" : "leave_alone") << decisions[0].reason();
    EXPECT_EQ(host.plan.actions.size(), one.acts ? 1u : 0u);
  }
}

TEST(PlannerTest, ResourcesWithoutALeverAreLeftAloneAndSaidOnce) {
  BenchHost host;
  const auto decisions = host.Round(MakeScene(90, 2, v1::RESOURCE_UNSPECIFIED));
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("no lever for an unknown resource exists in this version"));
  EXPECT_THAT(host.Round(MakeScene(90, 2, v1::RESOURCE_UNSPECIFIED)), IsEmpty());
  EXPECT_THAT(host.plan.actions, IsEmpty());
}

TEST(PlannerTest, ObserveTakesNoActionAndAdviseAsksForAdvice) {
  BenchHost host;
  host.policy.add_mode_rules()->set_mode(v1::MODE_OBSERVE);
  const auto decisions = host.Round(MakeScene());
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("the mode of truce/stress is observe"));
  EXPECT_THAT(host.plan.actions, IsEmpty());
  host.policy.mutable_mode_rules(0)->set_mode(v1::MODE_ADVISE);
  EXPECT_THAT(Verdicts(host.Round(MakeScene())), ElementsAre("apply"));
  EXPECT_EQ(host.Find("truce/stress", kPin)->action.mode(), v1::MODE_ADVISE);
  host.ApplyAll();
  // Advice changes nothing on the host, so there is nothing to learn from the score that stays.
  for (int i = 0; i < 5; ++i) EXPECT_THAT(host.Round(MakeScene()), IsEmpty());
  host.policy.mutable_mode_rules(0)->set_mode(v1::MODE_OBSERVE);
  EXPECT_THAT(Verdicts(host.Round(MakeScene())), Contains("release"));
}

TEST(PlannerTest, TheHostsCeilingCapsEveryRule) {
  BenchHost host(MakeHello("web-1", 4, v1::MODE_OBSERVE));
  host.policy.add_mode_rules()->set_mode(v1::MODE_ENFORCE);
  host.Round(MakeScene());
  EXPECT_THAT(host.plan.actions, IsEmpty());
}

TEST(PlannerTest, LeversThatAreNotAllowedOrMissingAreNotUsed) {
  BenchHost host;
  v1::Report report = MakeScene();
  auto* workload = report.mutable_workloads(1)->mutable_workload();
  workload->clear_allowed_levers();
  const auto nothing = host.Round(report);
  ASSERT_THAT(Verdicts(nothing), ElementsAre("leave_alone"));
  EXPECT_THAT(nothing[0].reason(), HasSubstr("not among its allowed levers"));
  workload->add_allowed_levers(kQuota);
  host.Round(report);
  EXPECT_NE(host.Find("truce/stress", kQuota), nullptr);

  v1::Hello no_cpuset = MakeHello("web-2");
  auto* missing = no_cpuset.mutable_inventory()->add_missing();
  missing->set_name("cpuset");
  BenchHost without(no_cpuset);
  without.Round(MakeScene());
  EXPECT_EQ(without.Find("truce/stress", kPin), nullptr);
  EXPECT_NE(without.Find("truce/stress", kQuota), nullptr);
}

TEST(PlannerTest, AddsAQuotaWhenAPinInForceDoesNotHelpAndTightensItToTheFloor) {
  BenchHost host;
  host.policy.set_floor_cores(0.5);
  host.Round(MakeScene());
  EXPECT_THAT(host.Round(MakeScene()), IsEmpty()) << "the pin is not in force before the agent says so";
  host.ApplyAll();
  EXPECT_THAT(host.Round(MakeScene(), absl::Seconds(4)), IsEmpty());
  EXPECT_THAT(Verdicts(host.Round(MakeScene(), absl::Seconds(1))), ElementsAre("apply"));
  std::vector<double> quotas = {host.Find("truce/stress", kQuota)->action.quota_cores()};
  for (int i = 0; i < 6; ++i) {
    host.ApplyAll();
    const auto decisions = host.Round(MakeScene());
    if (decisions.empty()) break;
    EXPECT_THAT(Verdicts(decisions), ElementsAre("tighten"));
    quotas.push_back(host.Find("truce/stress", kQuota)->action.quota_cores());
  }
  EXPECT_THAT(quotas, ElementsAre(testing::DoubleEq(1.2), testing::DoubleEq(0.72), testing::DoubleEq(0.5)));
}

TEST(PlannerTest, APinThatHelpsIsEnoughThoughTheModelGoesOnToSayWhatTheAggressorWouldDoIfItWereFree) {
  const auto verdicts = [](std::optional<double> slowdown, v1::ScoreSource source) {
    BenchHost host;
    host.Round(MakeScene());
    host.ApplyAll();
    v1::Report report = MakeScene();
    report.mutable_pairs(0)->set_source(source);
    if (slowdown) report.mutable_workloads(0)->set_slowdown_ratio(*slowdown);
    return Verdicts(host.Round(report, absl::Seconds(10)));
  };
  EXPECT_THAT(verdicts(0.05, v1::SCORE_SOURCE_MODEL), IsEmpty());
  EXPECT_THAT(verdicts(0.05, v1::SCORE_SOURCE_BOTH), IsEmpty());
  EXPECT_THAT(verdicts(0.5, v1::SCORE_SOURCE_MODEL), ElementsAre("apply")) << "the victim says that it does not help";
  EXPECT_THAT(verdicts(std::nullopt, v1::SCORE_SOURCE_MODEL), IsEmpty()) << "nobody says what it feels";
  EXPECT_THAT(verdicts(std::nullopt, v1::SCORE_SOURCE_EVIDENCE), ElementsAre("apply"));
}

// Rounds of `report` until a decision with this verdict; how long that took.
absl::Duration TimeTo(const std::string& verdict, const v1::Report& report, BenchHost* host) {
  const absl::Duration start = host->now().monotonic;
  for (int i = 0; i < 1000; ++i) {
    const auto verdicts = Verdicts(host->Round(report));
    host->ApplyAll();
    if (std::find(verdicts.begin(), verdicts.end(), verdict) != verdicts.end()) return host->now().monotonic - start;
  }
  return absl::InfiniteDuration();
}

TEST(PlannerTest, ReleasesAPinAfterItsDwellAndNotWhileTheScoreIsBetweenTheThresholds) {
  BenchHost host;
  Protect(&host);
  for (int i = 0; i < 30; ++i) EXPECT_THAT(host.Round(MakeScene(40)), IsEmpty()) << "between restore and trigger";
  EXPECT_EQ(TimeTo("release", MakeScene(20), &host), absl::Seconds(65));  // calm is first seen at 5 s
  EXPECT_THAT(host.plan.actions, IsEmpty());
}

TEST(PlannerTest, AModelThatDoubtsDoesNotKeepAPinForGood) {
  BenchHost host;
  Protect(&host);
  v1::Report foreseen = MakeScene(45);
  foreseen.mutable_pairs(0)->set_source(v1::SCORE_SOURCE_MODEL);
  for (int i = 0; i < 30; ++i) EXPECT_THAT(host.Round(foreseen), IsEmpty()) << "it leans to harm";
  foreseen.mutable_pairs(0)->set_score(35);
  EXPECT_EQ(TimeTo("release", foreseen, &host), absl::Seconds(65));
}

TEST(PlannerTest, ReleasesAQuotaInSteps) {
  BenchHost host(1);
  Protect(&host);
  EXPECT_DOUBLE_EQ(host.Find("truce/stress", kQuota)->action.quota_cores(), 1.2);
  EXPECT_EQ(TimeTo("loosen", MakeScene(0, 1.2), &host), absl::Seconds(65));
  EXPECT_DOUBLE_EQ(host.Find("truce/stress", kQuota)->action.quota_cores(), 1.7);
  EXPECT_EQ(TimeTo("release", MakeScene(0, 1.7), &host), absl::Seconds(5));
}

TEST(PlannerTest, CutsAgainAtOnceWhenThePairReturnsWhileLoosening) {
  BenchHost host(1);
  Protect(&host);
  TimeTo("loosen", MakeScene(0, 1.2), &host);
  EXPECT_THAT(Verdicts(host.Round(MakeScene(90, 1.7), absl::Seconds(1))), ElementsAre("tighten"));
  EXPECT_EQ(host.Find("truce/stress", kQuota)->dwell, absl::Seconds(120));
}

TEST(PlannerTest, DwellDoublesWhenThePairIsBackSoonUpToHalfAnHour) {
  BenchHost host;
  absl::Duration dwell = absl::Seconds(60);
  for (int i = 0; i < 7; ++i) {
    Protect(&host);
    EXPECT_EQ(host.Find("truce/stress", kPin)->dwell, dwell);
    TimeTo("release", MakeScene(0), &host);
    dwell = std::min(2 * dwell, absl::Minutes(30));
  }
  host.Advance(absl::Minutes(6));
  Protect(&host);
  EXPECT_EQ(host.Find("truce/stress", kPin)->dwell, absl::Seconds(60)) << "quiet for long enough: starts anew";
}

TEST(PlannerTest, ReleasesAtOnceWhenTheAggressorIsIdleOrEitherIsGone) {
  BenchHost idle;
  Protect(&idle);
  EXPECT_THAT(idle.Round(MakeScene(30, 0.01)), IsEmpty());
  EXPECT_THAT(Verdicts(idle.Round(MakeScene(30, 0.01), absl::Seconds(10))), ElementsAre("release"));

  for (int gone : {0, 1}) {
    BenchHost host;
    Protect(&host);
    v1::Report report = MakeScene();
    report.clear_pairs();
    report.mutable_workloads()->DeleteSubrange(gone, 1);
    EXPECT_THAT(Verdicts(host.Round(report)), ElementsAre("release")) << gone;
  }

  BenchHost again;
  Protect(&again);
  v1::Report anew = MakeScene(0);
  anew.mutable_workloads(1)->mutable_workload()->set_instance(8);
  EXPECT_THAT(Verdicts(again.Round(anew)), ElementsAre("release"));
}

TEST(PlannerTest, GiversShareTheirCpusAndVictimsNeedsAddUp) {
  BenchHost host(8);
  v1::Report report = MakeScene();
  // For web, which is not critical, the arbiter might try something else.
  auto* batch = AddWorkload({"truce/batch", v1::WORKLOAD_CLASS_BEST_EFFORT, 3}, &report);
  batch->mutable_workload()->clear_allowed_levers();
  batch->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_PIN);
  AddWorkload({"truce/web", v1::WORKLOAD_CLASS_STANDARD, 1.7, 0, v1::DIAGNOSIS_NEIGHBOUR}, &report);
  AddPair("truce/web", "truce/batch", 80, &report);
  host.Round(report);
  EXPECT_EQ(host.Find("truce/stress", kPin)->action.cpus(), "3-7");  // 0.8 + 1.7 cores: three CPUs stay free
  EXPECT_EQ(host.Find("truce/batch", kPin)->action.cpus(), "3-7");
}

TEST(PlannerTest, BrakesBoundNewActionsOfAHostAndOfTheFleet) {
  BenchHost host;
  host.policy.set_host_actions_per_minute(1);
  v1::Report report = MakeScene();
  AddWorkload({"truce/batch", v1::WORKLOAD_CLASS_BEST_EFFORT, 3}, &report);
  AddPair("truce/redis", "truce/batch", 80, &report);
  const auto decisions = host.Round(report);
  EXPECT_THAT(Verdicts(decisions), ElementsAre("apply", "leave_alone"));
  EXPECT_THAT(decisions[1].reason(), HasSubstr("the host had its new actions of this minute"));
  EXPECT_THAT(Verdicts(host.Round(report, absl::Minutes(1))), Contains("apply"));

  BenchHost other;
  other.policy.set_fleet_actions_per_minute(1);
  other.brake.rate.Take(other.now().monotonic);
  EXPECT_THAT(Verdicts(other.Round(MakeScene())), ElementsAre("leave_alone"));

  BenchHost tripped;
  tripped.brake.connected_hosts = 5;
  tripped.brake.troubled_hosts = 1;  // with this host it is two of five
  EXPECT_THAT(Verdicts(tripped.Round(MakeScene())), ElementsAre("leave_alone"));
  BenchHost small_fleet;
  small_fleet.brake.connected_hosts = 4;
  small_fleet.brake.troubled_hosts = 3;
  EXPECT_THAT(Verdicts(small_fleet.Round(MakeScene())), ElementsAre("apply"));
}

TEST(PlannerTest, HoldEmptiesTheDesiredSet) {
  BenchHost host;
  Protect(&host);
  host.hold = true;
  EXPECT_THAT(Verdicts(host.Round(MakeScene())), ElementsAre("release"));
  v1::DesiredSet desired;
  FillDesiredSet(host.host(), host.plan, host.policy, true, &desired);
  EXPECT_TRUE(desired.hold());
  EXPECT_THAT(desired.actions(), IsEmpty());
}

TEST(PlannerTest, IsQuietAboutAHostThatIsNotConnectedOrWhoseReportIsOld) {
  BenchHost host;
  host.Round(MakeScene(0));
  host.Advance(absl::Seconds(31));
  EXPECT_THAT(host.Plan(), IsEmpty());
  BenchHost lost;
  lost.Round(MakeScene(0));
  lost.fleet().OnClosed(1, lost.now());
  EXPECT_THAT(lost.Plan(), IsEmpty());
}

}  // namespace
}  // namespace truce::controller
