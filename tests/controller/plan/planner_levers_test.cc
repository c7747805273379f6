// Which lever the planner asks for, with what value, and what it learns of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/plan/bench_host.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr v1::Lever kPin = v1::LEVER_CPU_PIN;
constexpr v1::Lever kQuota = v1::LEVER_CPU_QUOTA;

TEST(PlannerLeverTest, CacheContentionMovesToAnotherDomainOrToOtherCpus) {
  v1::Hello two_domains = MakeHello("web-1", 1);
  two_domains.mutable_inventory()->clear_cpus();
  AddCpus(8, 1, 4, two_domains.mutable_inventory());
  BenchHost host(two_domains);
  host.Round(MakeScene(90, 2, v1::RESOURCE_LLC));
  EXPECT_EQ(host.Find("truce/stress", kPin)->action.cpus(), "4-7");
  BenchHost one_domain(8);
  one_domain.Round(MakeScene(90, 2, v1::RESOURCE_MEMORY_BANDWIDTH));
  EXPECT_EQ(one_domain.Find("truce/stress", kPin)->action.cpus(), "1-7");
  // What that does not cure is bounded a step later.
  one_domain.ApplyAll();
  one_domain.Round(MakeScene(90, 2, v1::RESOURCE_MEMORY_BANDWIDTH));
  EXPECT_NE(one_domain.Find("truce/stress", kQuota), nullptr);
}

// A quota from the time when it could not be pinned.
TEST(PlannerLeverTest, WhoIsPinnedIsNotThrottledByAQuotaFromBefore) {
  BenchHost host;
  const v1::Report scene = MakeScene();
  host.plan.blocked[{"truce/redis", "truce/stress", kPin}] = {host.now().monotonic + absl::Seconds(12)};
  host.Round(scene);
  ASSERT_NE(host.Find("truce/stress", kQuota), nullptr);
  // Down to its floor, and then the pin.
  for (int i = 0; i < 20 && host.Find("truce/stress", kPin) == nullptr; ++i) {
    host.ApplyAll();
    host.Round(scene);
  }
  ASSERT_NE(host.Find("truce/stress", kPin), nullptr);
  EXPECT_NE(host.Find("truce/stress", kQuota), nullptr) << "as long as the pin is only wanted";
  host.ApplyAll();
  const auto decisions = host.Round(scene);
  EXPECT_EQ(host.Find("truce/stress", kQuota), nullptr);
  ASSERT_FALSE(decisions.empty());
  EXPECT_EQ(decisions.back().verdict(), "release");
  EXPECT_THAT(decisions.back().reason(), HasSubstr("it is pinned to CPUs 1-3 by now"));
  // One that comes after the pin is there because the pin was not enough.
  for (int i = 0; i < 3; ++i) {
    host.ApplyAll();
    host.Round(scene);
  }
  EXPECT_NE(host.Find("truce/stress", kQuota), nullptr);
}

// A scene whose aggressor reads much, from a host with two disks, and may be capped.
v1::Report DiskScene() {
  v1::Report report = MakeScene(90, 2, v1::RESOURCE_DISK);
  v1::WorkloadReport& stress = *report.mutable_workloads(1);
  stress.mutable_workload()->add_allowed_levers(v1::LEVER_DISK_CAP);
  stress.mutable_readings()->set_disk_read_bytes_per_second(100e6);
  stress.mutable_readings()->set_disk_write_bytes_per_second(1e3);
  return report;
}

TEST(PlannerLeverTest, DiskContentionIsCappedOnEveryDiskAndCutAgain) {
  v1::Hello hello = MakeHello("web-1", 4);
  for (const char* device : {"8:0", "259:1"}) hello.mutable_inventory()->add_disks()->set_device(device);
  BenchHost host(hello);
  host.Round(DiskScene());
  const PlannedAction* cap = host.Find("truce/stress", v1::LEVER_DISK_CAP);
  ASSERT_NE(cap, nullptr);
  ASSERT_EQ(cap->action.disk_caps_size(), 2);
  EXPECT_EQ(cap->action.disk_caps(1).device(), "259:1");
  EXPECT_EQ(cap->action.disk_caps(0).read_bytes_per_second(), 60'000'000u);
  EXPECT_FALSE(cap->action.disk_caps(0).has_write_bytes_per_second()) << "what hardly happens is not bound";
  EXPECT_EQ(cap->action.resource(), v1::RESOURCE_DISK);
  host.ApplyAll();
  EXPECT_THAT(Verdicts(host.Round(DiskScene())), ElementsAre("tighten"));
  EXPECT_EQ(host.Find("truce/stress", v1::LEVER_DISK_CAP)->action.disk_caps(0).read_bytes_per_second(), 36'000'000u);
  for (int i = 0; i < 20; ++i) {
    host.ApplyAll();
    host.Round(DiskScene());
  }
  EXPECT_EQ(host.Find("truce/stress", v1::LEVER_DISK_CAP)->action.disk_caps(0).read_bytes_per_second(), 1u << 20)
      << "down to the floor";
  EXPECT_NE(host.Find("truce/stress", kQuota), nullptr) << "and then by another lever";
}

TEST(PlannerLeverTest, WhatIsSentIsCappedAndCutAgain) {
  BenchHost host;
  v1::Report report = MakeScene(90, 2, v1::RESOURCE_NETWORK);
  v1::WorkloadReport& stress = *report.mutable_workloads(1);
  stress.mutable_workload()->add_allowed_levers(v1::LEVER_NETWORK_CAP);
  EXPECT_THAT(host.Round(report)[0].reason(), HasSubstr("what it sends is not known"));
  stress.mutable_readings()->set_network_transmit_bytes_per_second(50e6);
  host.Round(report);
  ASSERT_NE(host.Find("truce/stress", v1::LEVER_NETWORK_CAP), nullptr);
  EXPECT_EQ(host.Find("truce/stress", v1::LEVER_NETWORK_CAP)->action.network_bytes_per_second(), 30'000'000u);
  for (int i = 0; i < 20; ++i) {
    host.ApplyAll();
    host.Round(report);
  }
  EXPECT_EQ(host.Find("truce/stress", v1::LEVER_NETWORK_CAP)->action.network_bytes_per_second(), 128u << 10);
}

TEST(PlannerLeverTest, MemoryIsSqueezedTowardsTheWorkingSet) {
  BenchHost host;
  v1::Report report = MakeScene(90, 2, v1::RESOURCE_MEMORY);
  v1::WorkloadReport& stress = *report.mutable_workloads(1);
  stress.mutable_workload()->clear_allowed_levers();
  stress.mutable_workload()->add_allowed_levers(v1::LEVER_MEMORY_SQUEEZE);
  stress.mutable_readings()->set_memory_usage_bytes(1e9);
  const auto decisions = host.Round(report);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("memory_squeeze needs its use of memory, which is not known"));
  stress.mutable_readings()->set_memory_working_set_bytes(0.9e9);
  host.Round(report, kRetriggerWindow + absl::Seconds(1));
  EXPECT_EQ(host.Find("truce/stress", v1::LEVER_MEMORY_SQUEEZE), nullptr) << "there is hardly anything to give back";
  stress.mutable_readings()->set_memory_working_set_bytes(0.3e9);
  host.Round(report);
  ASSERT_NE(host.Find("truce/stress", v1::LEVER_MEMORY_SQUEEZE), nullptr);
  EXPECT_NEAR(static_cast<double>(host.Find("truce/stress", v1::LEVER_MEMORY_SQUEEZE)->action.memory_high_bytes()),
              0.33e9, 1e3);
}

// A pin whose receipts say again and again that it did nothing is not the first choice for that pair any more.
TEST(PlannerLeverTest, ReceiptsTeachWhichLeverHelps) {
  BenchHost host;
  host.Round(MakeScene());
  ASSERT_NE(host.Find("truce/stress", kPin), nullptr);
  v1::Receipt receipt;
  *receipt.mutable_action() = host.Find("truce/stress", kPin)->action;
  receipt.set_outcome(v1::RECEIPT_OUTCOME_REVERTED);
  receipt.mutable_applied_at()->set_seconds(100);
  receipt.mutable_ended_at()->set_seconds(120);
  receipt.set_victim_slowdown_before(0.5);
  receipt.set_victim_slowdown_after(0.5);
  for (int i = 0; i < 3; ++i) {
    PlanContext context = host.Context();
    OnReceipt(host.host(), receipt, host.plan, context);
  }
  EXPECT_EQ(host.Find("truce/stress", kPin), nullptr) << "reverted";
  host.plan.blocked.clear();
  host.Round(MakeScene());
  EXPECT_EQ(host.Find("truce/stress", kPin), nullptr);
  EXPECT_NE(host.Find("truce/stress", kQuota), nullptr);
}

TEST(PlannerLeverTest, ExpectsWhatTheArbiterDoesOfTheSlowdown) {
  BenchHost host;
  v1::Report scene = MakeScene();
  scene.mutable_workloads(0)->mutable_workload()->set_application("redis");
  scene.mutable_workloads(1)->mutable_workload()->set_application("stress");
  host.Round(scene);
  const v1::LeasedAction& action = host.Find("truce/stress", kPin)->action;
  EXPECT_DOUBLE_EQ(action.expected_recovery(), 0.4 * PriorOf(v1::RESOURCE_CPU, kPin)->first);
  EXPECT_EQ(action.victim_application(), "redis");
  EXPECT_EQ(action.workload_application(), "stress");
  EXPECT_EQ(action.workload_class(), v1::WORKLOAD_CLASS_BEST_EFFORT);
}

TEST(PlannerLeverTest, AReceiptTeachesAlsoWhenNobodyOfItIsThereAnyMore) {
  v1::Receipt receipt;
  v1::LeasedAction& action = *receipt.mutable_action();
  action.set_victim_application("web");
  action.set_workload_application("batch");
  action.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
  action.set_resource(v1::RESOURCE_DISK);
  action.set_lever(v1::LEVER_DISK_CAP);
  receipt.mutable_ended_at()->set_seconds(20);
  receipt.set_victim_slowdown_before(0.5);
  receipt.set_victim_slowdown_after(0.1);
  receipt.set_workload_loss_ratio(0.3);
  Arbiter arbiter;
  const Contention contention{"web", "batch", v1::RESOURCE_DISK, v1::WORKLOAD_CLASS_BEST_EFFORT};
  const Expectation before = arbiter.Expect(contention, v1::LEVER_DISK_CAP);
  Teach(receipt, arbiter);
  const Expectation after = arbiter.Expect(contention, v1::LEVER_DISK_CAP);
  EXPECT_EQ(after.receipts, 1);
  EXPECT_GT(after.recovery, before.recovery) << "0.8 of the slowdown went";
  EXPECT_LT(after.cost, before.cost);
  for (const double hardly : {0.0, 0.04}) {
    receipt.set_victim_slowdown_before(hardly);
    Teach(receipt, arbiter);
  }
  receipt.set_victim_slowdown_before(0.5);
  receipt.mutable_ended_at()->set_seconds(4);
  Teach(receipt, arbiter);
  receipt.clear_victim_slowdown_after();
  Teach(receipt, arbiter);
  EXPECT_EQ(arbiter.Expect(contention, v1::LEVER_DISK_CAP).receipts, 1) << "those say nothing";
}

TEST(PlannerLeverTest, WhereNothingEverHelpedThePairIsLeftAloneWithAnAdvice) {
  BenchHost host;
  const v1::Report scene = MakeScene();
  const Contention contention{"", "", v1::RESOURCE_CPU, v1::WORKLOAD_CLASS_BEST_EFFORT, true};
  for (const v1::Lever lever : {kPin, kQuota}) {
    for (int i = 0; i < 10; ++i) host.arbiter.Learn(contention, lever, 0, 0.5);
  }
  const auto decisions = host.Round(scene);
  ASSERT_THAT(Verdicts(decisions), ElementsAre("leave_alone"));
  EXPECT_THAT(decisions[0].reason(), HasSubstr("place one of them on another host"));
}

}  // namespace
}  // namespace truce::controller
