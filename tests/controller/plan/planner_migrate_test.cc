// When the planner thinks of moving a workload, whom, where to, and what it makes of that in each mode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr double kGibibyte = 1 << 30;

class PlannerMigrateTest : public testing::Test {
 protected:
  PlannerMigrateTest() {
    host_.sees_elsewhere = true;
    AddHost("web-2", 8);
    scene_ = MakeScene();
    v1::Workload& redis = *scene_.mutable_workloads(0)->mutable_workload();
    redis.set_application("redis");
    // Nothing but a move is allowed on it.
    v1::Workload& stress = *scene_.mutable_workloads(1)->mutable_workload();
    stress.set_application("stress");
    stress.clear_allowed_levers();
    MakeMovable(1);
  }

  void MakeMovable(int index) {
    v1::WorkloadReport& report = *scene_.mutable_workloads(index);
    report.mutable_workload()->add_allowed_levers(v1::LEVER_MIGRATE);
    report.mutable_workload()->add_migration_drivers("qemu");
    report.mutable_readings()->set_memory_usage_bytes(kGibibyte);
  }
  void AddHost(const std::string& name, int cpus, const v1::Report& report = {},
               const std::vector<std::string>& drivers = {"qemu"}) {
    v1::Hello hello = MakeHello(name, cpus);
    for (const auto& driver : drivers) hello.mutable_inventory()->add_migration_drivers(driver);
    const auto accepted = host_.fleet().OnHello(next_session_++, hello, host_.now());
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    ASSERT_FALSE(host_.fleet().OnReport(*accepted->host, report, host_.now()).has_value());
  }
  HostState& Other(const std::string& name = "web-2") { return *host_.fleet().Find(name); }
  // Of the other host; nothing for none.
  void OtherUses(double cores, double memory_bytes) {
    Other().report.clear_workloads();
    if (cores <= 0 && memory_bytes <= 0) return;
    AddWorkload({.name = "filler", .usage = cores}, &Other().report)
        ->mutable_readings()
        ->set_memory_usage_bytes(memory_bytes);
  }
  // Rounds of five seconds; returns the decisions of all and keeps the wishes of all.
  std::vector<v1::Decision> Rounds(int rounds) {
    std::vector<v1::Decision> decisions;
    for (int i = 0; i < rounds; ++i) {
      for (auto& decision : host_.Round(scene_)) decisions.push_back(std::move(decision));
      for (auto& wish : host_.wishes) wishes_.push_back(wish);
    }
    return decisions;
  }
  // As ControllerCore does.
  void Propose() {
    for (const auto& wish : wishes_) host_.migrations.Propose(wish.migration, host_.now());
  }

  BenchHost host_;
  v1::Report scene_;
  std::vector<MigrationWish> wishes_;
  uint64_t next_session_ = 10;
};

TEST_F(PlannerMigrateTest, ProposesAfterAMinuteWithoutALeverAndSaysItOnce) {
  EXPECT_THAT(Verdicts(Rounds(12)), ElementsAre("leave_alone"));
  EXPECT_THAT(wishes_, IsEmpty());
  const auto decisions = Rounds(1);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("propose_migration"));
  EXPECT_EQ(decisions[0].lever(), v1::LEVER_MIGRATE);
  EXPECT_EQ(decisions[0].workload(), "truce/stress");
  EXPECT_EQ(decisions[0].victim(), "truce/redis");
  EXPECT_THAT(decisions[0].reason(), AllOf(HasSubstr("truce/redis is slowed by truce/stress"),
                                           HasSubstr("moving truce/stress to web-2 by qemu"),
                                           HasSubstr("trucectl migrate truce/stress --host web-1")));
  ASSERT_THAT(wishes_, SizeIs(1));
  const v1::Migration& migration = wishes_[0].migration;
  EXPECT_FALSE(wishes_[0].begin);
  EXPECT_EQ(migration.source_host(), "web-1");
  EXPECT_EQ(migration.target_host(), "web-2");
  EXPECT_EQ(migration.workload_instance(), 7u);
  EXPECT_EQ(migration.victim_application(), "redis");
  EXPECT_EQ(migration.memory_bytes(), 1u << 30);
  EXPECT_EQ(migration.cpu_cores(), 2);
  EXPECT_EQ(migration.resource(), v1::RESOURCE_CPU);
  // A critical victim of 0.8 cores that is slowed by 40 %, of which 90 % goes, for half an hour.
  EXPECT_DOUBLE_EQ(migration.expected_gain_core_seconds(), 4 * 0.4 * 0.9 * 0.8 * 1800);
  EXPECT_DOUBLE_EQ(migration.expected_recovery(), 0.4 * 0.9);
  // A gibibyte and what is written meanwhile through a gigabit; two cores stand still for a second and lose a tenth.
  const double copy = kGibibyte * 1.3 / 125e6;
  EXPECT_DOUBLE_EQ(migration.expected_cost_core_seconds(), 2 * (1 + 0.1 * copy) + copy);
  Propose();
  wishes_.clear();
  EXPECT_THAT(Rounds(60), IsEmpty()) << "it was said";
  EXPECT_THAT(wishes_, Not(IsEmpty())) << "and is renewed before it is withdrawn";
}

TEST_F(PlannerMigrateTest, ThoughtOfOnlyInTroubleWithoutABreak) {
  Rounds(10);
  host_.Round(MakeScene(30));
  Rounds(12);
  EXPECT_THAT(wishes_, IsEmpty());
  Rounds(1);
  EXPECT_THAT(wishes_, SizeIs(1));
}

TEST_F(PlannerMigrateTest, NotWhileALeverHelps) {
  scene_.mutable_workloads(1)->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_PIN);
  Rounds(1);
  host_.ApplyAll();
  scene_.mutable_workloads(0)->set_slowdown_ratio(0.1);  // of 0.4
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty());
  // It is not enough after all, and there is no other.
  scene_.mutable_workloads(0)->set_slowdown_ratio(0.3);
  Rounds(30);
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_DOUBLE_EQ(wishes_[0].migration.expected_recovery(), 0.3 * 0.9) << "of what is left";
  EXPECT_DOUBLE_EQ(wishes_[0].migration.victim_slowdown_before(), 0.3);
}

TEST_F(PlannerMigrateTest, ObserveNeverThinksOfIt) {
  host_.policy.set_migration_mode(v1::MODE_OBSERVE);
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty());
  host_.policy.set_migration_mode(v1::MODE_ADVISE);
  v1::ModeRule rule;
  rule.set_workload("truce/redis");
  rule.set_mode(v1::MODE_OBSERVE);
  SetModeRule(rule, &host_.policy);
  Rounds(14);
  EXPECT_THAT(wishes_, SizeIs(1)) << "the victim's mode bounds what is done to the victim";
}

TEST_F(PlannerMigrateTest, EnforceBeginsItWhereTheWorkloadIsEnforcedToo) {
  host_.policy.set_migration_mode(v1::MODE_ENFORCE);
  const auto decisions = Rounds(13);
  EXPECT_THAT(Verdicts(decisions), ElementsAre("leave_alone", "migrate"));
  ASSERT_THAT(wishes_, SizeIs(1));
  EXPECT_TRUE(wishes_[0].begin);
  EXPECT_EQ(wishes_[0].decision_id, decisions.back().id());
}

TEST_F(PlannerMigrateTest, EnforceProposesWhatMayNotBegin) {
  host_.policy.set_migration_mode(v1::MODE_ENFORCE);
  host_.policy.set_fleet_migrations_per_hour(0);
  EXPECT_THAT(Verdicts(Rounds(13)), ElementsAre("leave_alone", "propose_migration"));
  ASSERT_THAT(wishes_, SizeIs(1));
  EXPECT_FALSE(wishes_[0].begin);
  EXPECT_THAT(wishes_[0].migration.detail(), HasSubstr("fleet_migrations_per_hour"));
  v1::ModeRule rule;
  rule.set_workload("truce/stress");
  rule.set_mode(v1::MODE_ADVISE);
  SetModeRule(rule, &host_.policy);
  host_.policy.set_fleet_migrations_per_hour(9);
  wishes_.clear();
  Rounds(13);
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_FALSE(wishes_[0].begin) << "its mode is advise";
}

TEST_F(PlannerMigrateTest, NotWhatMustStayOrCantGo) {
  const v1::Report movable = scene_;
  scene_.mutable_workloads(1)->mutable_workload()->clear_allowed_levers();
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty()) << "not allowed";
  scene_ = movable;
  scene_.mutable_workloads(1)->mutable_workload()->clear_migration_drivers();
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty()) << "no way";
  scene_ = movable;
  scene_.mutable_workloads(1)->mutable_readings()->clear_memory_usage_bytes();
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty()) << "not known what it needs";
  scene_ = movable;
  Rounds(13);
  EXPECT_THAT(wishes_, SizeIs(1));
}

TEST_F(PlannerMigrateTest, TheVictimGoesWhereTheOtherMayNot) {
  // Both standard; the aggressor can't be moved.
  for (int i : {0, 1}) scene_.mutable_workloads(i)->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  scene_.mutable_workloads(1)->mutable_workload()->clear_migration_drivers();
  MakeMovable(0);
  Rounds(14);
  ASSERT_THAT(wishes_, SizeIs(1));
  EXPECT_EQ(wishes_[0].migration.workload(), "truce/redis");
  EXPECT_EQ(wishes_[0].migration.victim(), "truce/redis");
}

TEST_F(PlannerMigrateTest, WhoOutranksTheVictimStaysAndTheVictimGoes) {
  scene_.mutable_workloads(0)->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
  scene_.mutable_workloads(0)->mutable_readings()->set_cpu_usage_cores(2);
  scene_.mutable_workloads(1)->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  Rounds(20);
  EXPECT_THAT(wishes_, IsEmpty());
  MakeMovable(0);
  Rounds(20);
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_EQ(wishes_[0].migration.workload(), "truce/redis");
}

TEST_F(PlannerMigrateTest, WhatCostsAsMuchAsItWinsIsNotWorthIt) {
  // 250 GiB of memory take 47 minutes to copy.
  scene_.mutable_workloads(1)->mutable_readings()->set_memory_usage_bytes(250 * kGibibyte);
  Other().inventory.set_memory_bytes(uint64_t{1} << 40);
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty());
}

TEST_F(PlannerMigrateTest, ReceiptsOfMovesThatDidNotHelpMakeTheNextOneLessWorth) {
  const Contention contention{"redis", "stress", v1::RESOURCE_CPU, v1::WORKLOAD_CLASS_BEST_EFFORT, true};
  for (int i = 0; i < 20; ++i) host_.arbiter.Learn(contention, v1::LEVER_MIGRATE, 0, 0);
  Rounds(13);
  const double gain = wishes_.empty() ? 0 : wishes_[0].migration.expected_gain_core_seconds();
  EXPECT_LT(gain, 0.2 * 4 * 0.4 * 0.9 * 0.8 * 1800);
}

TEST_F(PlannerMigrateTest, NoHostThatIsHeldLostTroubledFullOrLacksTheDriver) {
  const auto none = [this](std::string_view why) {
    wishes_.clear();
    Rounds(30);
    EXPECT_THAT(wishes_, IsEmpty()) << why;
  };
  host_.holds["web-2"] = "";
  none("held");
  host_.holds.clear();
  Other().connected = false;
  none("lost");
  Other().connected = true;
  Other().reported = false;
  none("has not reported yet");
  Other().reported = true;
  Other().summary.worst_score = 60;
  none("in trouble itself");
  Other().summary.worst_score = 0;
  OtherUses(5.3, 0);
  none("a twelfth of its CPUs would be free");
  OtherUses(0, 0);
  Other().mode_ceiling = v1::MODE_ADVISE;
  none("it would refuse");
  Other().mode_ceiling = v1::MODE_ENFORCE;
  Other().inventory.clear_migration_drivers();
  none("no driver");
  Other().inventory.add_migration_drivers("podman");
  none("another driver");
  Other().inventory.add_migration_drivers("qemu");
  host_.brake.connected_hosts = 5;
  host_.brake.troubled_hosts = 4;
  none("the fleet brake is on");
  host_.brake.troubled_hosts = 1;
  Rounds(13);
  EXPECT_THAT(wishes_, Not(IsEmpty()));
}

TEST_F(PlannerMigrateTest, NotToAHostWhereItMeetsWhatItContendsWith) {
  v1::Report report;
  AddWorkload({"truce/redis-2", v1::WORKLOAD_CLASS_CRITICAL, 0.1}, &report)
      ->mutable_workload()
      ->set_application("redis");
  ASSERT_FALSE(host_.fleet().OnReport(Other(), report, host_.now()).has_value());
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty()) << "the victim's application runs there";
  report.mutable_workloads(0)->mutable_workload()->set_application("web");
  ASSERT_FALSE(host_.fleet().OnReport(Other(), report, host_.now()).has_value());
  host_.arbiter.Learn({"web", "stress", v1::RESOURCE_DISK, v1::WORKLOAD_CLASS_BEST_EFFORT}, v1::LEVER_DISK_CAP, 1, 0);
  Rounds(30);
  EXPECT_THAT(wishes_, IsEmpty()) << "a receipt tells of the two";
  AddHost("web-3", 4);
  Rounds(14);
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_EQ(wishes_[0].migration.target_host(), "web-3");
}

TEST_F(PlannerMigrateTest, TheHostThatSuitsBestAndThenNoOther) {
  AddHost("web-3", 4);
  Rounds(13);
  ASSERT_THAT(wishes_, SizeIs(1));
  EXPECT_EQ(wishes_[0].migration.target_host(), "web-2") << "three quarters of its CPUs stay free, of web-3's a half";
  Propose();
  wishes_.clear();
  OtherUses(0, 5 * kGibibyte);
  Rounds(13);
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_EQ(wishes_[0].migration.target_host(), "web-2") << "it still suits: no going to and fro";
  OtherUses(0, 7 * kGibibyte);
  wishes_.clear();
  EXPECT_THAT(Verdicts(Rounds(13)), ElementsAre("propose_migration")) << "that is new";
  ASSERT_THAT(wishes_, Not(IsEmpty()));
  EXPECT_EQ(wishes_[0].migration.target_host(), "web-3");
}

TEST_F(PlannerMigrateTest, OnlySoManySearchesInAMinuteAndThenWithTheNextReport) {
  Rounds(12);
  for (uint32_t i = 0; i < FleetBrake::kSearchesPerMinute; ++i) host_.brake.searches.Take(host_.now().monotonic);
  Rounds(11);
  EXPECT_THAT(wishes_, IsEmpty());
  Rounds(2);
  EXPECT_THAT(wishes_, SizeIs(1));
}

TEST_F(PlannerMigrateTest, KubernetesChoosesTheHostAndIsToldWhichNot) {
  v1::Workload& stress = *scene_.mutable_workloads(1)->mutable_workload();
  stress.set_migration_drivers(0, "kubernetes");
  Other().summary.worst_score = 90;
  Rounds(13);
  ASSERT_THAT(wishes_, SizeIs(1));
  EXPECT_EQ(wishes_[0].migration.driver(), "kubernetes");
  EXPECT_EQ(wishes_[0].migration.target_host(), "");
  EXPECT_THAT(wishes_[0].migration.avoid_hosts(), ElementsAre("web-1", "web-2"));
}

TEST_F(PlannerMigrateTest, WhatIsUnderWayOrWasMovedLatelyIsLeftAlone) {
  scene_.mutable_workloads(1)->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_PIN);
  v1::Migration migration;
  migration.set_workload("truce/stress");
  migration.set_source_host("web-1");
  migration.set_target_host("web-2");
  ASSERT_TRUE(host_.migrations.Begin(migration, host_.policy, host_.now()).ok());
  const auto decisions = Rounds(30);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("truce/stress is being moved to another host"));
  EXPECT_THAT(host_.plan.actions, IsEmpty());
  EXPECT_THAT(wishes_, IsEmpty());
}

TEST_F(PlannerMigrateTest, WhyItsHostCannotMoveItIsToldApart) {
  const auto why = [](HostState& host) {
    v1::WorkloadReport report;
    report.mutable_workload()->set_name("shop/batch");
    report.mutable_workload()->add_allowed_levers(v1::LEVER_MIGRATE);
    host.name = "web-1";
    return std::string(CheckMovable(host, report).message());
  };
  HostState host;
  EXPECT_THAT(why(host), HasSubstr("web-1 has no way to move anything; name one in migration.drivers"));
  v1::MissingCapability& missing = *host.inventory.add_missing();
  missing.set_name("migration");
  missing.set_reason("podman: there is no criu");
  EXPECT_THAT(why(host), HasSubstr("web-1 is not ready to move anything"));
  EXPECT_THAT(why(host), HasSubstr("podman: there is no criu"));
  host.inventory.add_migration_drivers("qemu");
  EXPECT_THAT(why(host), HasSubstr("moves workloads by qemu, and shop/batch is nothing that can be moved so"));
}

TEST_F(PlannerMigrateTest, WhatWasTakenBackGetsLeversAndIsNotMovedAgainSoSoon) {
  v1::Migration migration;
  migration.set_migration_id("old-m1");
  migration.set_workload("truce/stress");
  migration.set_source_host("web-1");
  migration.set_target_host("web-2");
  migration.set_phase(v1::MIGRATION_PHASE_ROLLED_BACK);
  SetTime(host_.now().wall, migration.mutable_changed_at());
  SetTime(host_.now().wall, migration.mutable_created_at());
  host_.migrations.Restore({migration}, host_.now());
  Rounds(60);
  EXPECT_THAT(wishes_, IsEmpty());
  host_.Advance(absl::Minutes(26));
  Rounds(14);
  EXPECT_THAT(wishes_, Not(IsEmpty()));
}

}  // namespace
}  // namespace truce::controller
