// What the guard refuses whatever the controller says, and that it says why.
#include "agent/act/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using Kind = Verdict::Kind;

ActionTarget Target() {
  ActionTarget target;
  target.name = "batch/a";
  target.instance = 42;
  target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
  target.mode = v1::MODE_ENFORCE;
  target.allowed_levers = {v1::LEVER_CPU_PIN,        v1::LEVER_CPU_QUOTA, v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_IDLE,
                           v1::LEVER_MEMORY_SQUEEZE, v1::LEVER_DISK_CAP,  v1::LEVER_NETWORK_CAP};
  return target;
}

// An action that is fine, until a case spoils one thing.
struct Question {
  v1::LeasedAction action = Quota("l", "batch/a", 1);
  GuardFacts facts{.target = Target()};
};

struct Case {
  const char* name;
  std::function<void(Question&)> change;
  const char* reason;
  bool keeps_held = false;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}
std::string CaseName(const testing::TestParamInfo<Case>& one) {
  return one.param.name;
}

class Refused : public testing::TestWithParam<Case> {};

TEST_P(Refused, SaysWhy) {
  Question q;
  ASSERT_EQ(Decide(q.action, q.facts, {}).kind, Kind::kApply);
  GetParam().change(q);
  const Verdict verdict = Decide(q.action, q.facts, {});
  EXPECT_EQ(verdict.kind, Kind::kRefuse);
  EXPECT_THAT(verdict.reason, HasSubstr(GetParam().reason));
  EXPECT_EQ(verdict.keeps_held, GetParam().keeps_held);
}

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Guard, Refused,
    testing::Values(
        Case{"Hold", [](Question& q) { q.facts.hold = true; }, "on hold"},
        Case{"NoLeaseId", [](Question& q) { q.action.clear_lease_id(); }, "no lease id"},
        Case{"LongLeaseId", [](Question& q) { q.action.set_lease_id(std::string(300, 'x')); }, "longer than"},
        Case{"HugeReason", [](Question& q) { q.action.set_reason(std::string(1 << 20, 'x')); }, "larger than"},
        Case{"NoWorkload", [](Question& q) { q.action.clear_workload(); }, "names no workload"},
        Case{"NoLever", [](Question& q) { q.action.clear_lever(); }, "not a lever"},
        Case{"UnknownLever", [](Question& q) { q.action.set_lever(static_cast<v1::Lever>(77)); }, "lever 77"},
        Case{"NoTtl", [](Question& q) { q.action.clear_time_to_live(); }, "no time to live"},
        Case{"ZeroTtl", [](Question& q) { q.action.mutable_time_to_live()->set_seconds(0); }, "no time to live"},
        Case{"NegativeTtl", [](Question& q) { q.action.mutable_time_to_live()->set_seconds(-5); }, "no time to live"},
        Case{"BadNanos", [](Question& q) { q.action.mutable_time_to_live()->set_nanos(-1); }, "no time to live"},
        Case{"NotThere", [](Question& q) { q.facts.target.reset(); }, "no workload batch/a"},
        Case{"OtherInstance", [](Question& q) { q.action.set_workload_instance(41); }, "removed and made again"},
        Case{"Critical", [](Question& q) { q.facts.target->workload_class = v1::WORKLOAD_CLASS_CRITICAL; },
             "is critical"},
        Case{"NoClass", [](Question& q) { q.facts.target->workload_class = v1::WORKLOAD_CLASS_UNSPECIFIED; }, "class"},
        Case{"Observe", [](Question& q) { q.facts.target->mode = v1::MODE_OBSERVE; }, "mode observe"},
        Case{"NoMode", [](Question& q) { q.facts.target->mode = v1::MODE_UNSPECIFIED; }, "mode observe"},
        Case{"AsksToObserve", [](Question& q) { q.action.set_mode(v1::MODE_OBSERVE); }, "mode observe"},
        Case{"NotAllowed", [](Question& q) { q.facts.target->allowed_levers = {v1::LEVER_CPU_PIN}; },
             "allowed on batch/a"},
        Case{"Kubelet",
             [](Question& q) {
               q.action = Pin("l", "batch/a", "0-3");
               q.facts.target->pin_refusal = "kubelet sets its CPUs";
             },
             "kubelet sets its CPUs"},
        Case{"ExclusiveCpus",
             [](Question& q) {
               q.action = Pin("l", "batch/a", "0-3");
               q.facts.target->exclusive_cpus = {2, 9};
             },
             "CPU 2 was given to one container alone"},
        Case{"Owner", [](Question& q) { q.facts.target->owner_refusal = "systemd owns it"; }, "systemd owns it"},
        Case{"Duplicate", [](Question& q) { q.facts.duplicate = true; }, "earlier action of this set"},
        Case{"Futile", [](Question& q) { q.facts.futile_for = absl::Seconds(61); }, "not tried again for 1m1s"},
        Case{"Nan", [](Question& q) { q.action.set_quota_cores(kNan); }, "makes no sense", true},
        Case{"Infinite", [](Question& q) { q.action.set_quota_cores(kInfinity); }, "makes no sense", true},
        Case{"Negative", [](Question& q) { q.action.set_quota_cores(-1); }, "makes no sense", true},
        Case{"Zero", [](Question& q) { q.action.set_quota_cores(0); }, "makes no sense", true},
        Case{"Absurd", [](Question& q) { q.action.set_quota_cores(1e18); }, "makes no sense", true},
        Case{"Floor", [](Question& q) { q.action.set_quota_cores(0.09); }, "floor of 0.1 cores", true},
        Case{"NoCpus", [](Question& q) { q.action.set_lever(v1::LEVER_CPU_PIN); }, "at least one CPU", true},
        Case{"BadCpus",
             [](Question& q) {
               q.action.set_lever(v1::LEVER_CPU_PIN);
               q.action.set_cpus("0-");
             },
             "CPU list", true},
        Case{"CpuBomb",
             [](Question& q) {
               q.action.set_lever(v1::LEVER_CPU_PIN);
               q.action.set_cpus("0-65535");
             },
             "9999", true},
        Case{"LongCpus",
             [](Question& q) {
               q.action.set_lever(v1::LEVER_CPU_PIN);
               q.action.set_cpus(std::string(5000, ','));
             },
             "longer than", true},
        Case{"NegativeBurst", [](Question& q) { q.action.set_quota_burst_cores(-1); }, "burst", true},
        Case{"NoWeight", [](Question& q) { q.action = Weight("l", "batch/a", 0); }, "between 1 and 10000", true},
        Case{"AbsurdWeight", [](Question& q) { q.action = Weight("l", "batch/a", 10'001); }, "between 1 and", true},
        Case{"IdleOfStandard",
             [](Question& q) {
               q.action = Idle("l", "batch/a");
               q.facts.target->workload_class = v1::WORKLOAD_CLASS_STANDARD;
             },
             "is for best effort"},
        Case{"LoweringACriticalWeight",
             [](Question& q) {
               q.action = For("web", Weight("l", "batch/a", 10));
               q.facts.target->workload_class = v1::WORKLOAD_CLASS_CRITICAL;
             },
             "is critical"},
        Case{"SqueezeToNothing", [](Question& q) { q.action = SqueezeTo("l", "batch/a", 4096); }, "below the floor",
             true},
        Case{"AbsurdSqueeze", [](Question& q) { q.action = SqueezeTo("l", "batch/a", ~uint64_t{0}); }, "no sense",
             true},
        Case{"NoTraffic", [](Question& q) { q.action = CapNetwork("l", "batch/a", 0); }, "below the floor", true},
        Case{"AbsurdTraffic", [](Question& q) { q.action = CapNetwork("l", "batch/a", ~uint64_t{0}); }, "no sense",
             true},
        Case{"NoDevice",
             [](Question& q) {
               q.action = CapDisk("l", "batch/a", 1 << 20);
               q.action.clear_disk_caps();
             },
             "must name a device", true},
        Case{"DeviceOfWords", [](Question& q) { q.action = CapDisk("l", "batch/a", 1 << 20, "sda"); },
             "no block device", true},
        Case{"DeviceAndMore", [](Question& q) { q.action = CapDisk("l", "batch/a", 1 << 20, "8:0 rbps=1\n8:16"); },
             "no block device", true},
        Case{"DiskCapBelowTheFloor", [](Question& q) { q.action = CapDisk("l", "batch/a", 1000); },
             "guard.floor_disk_bytes_per_second", true},
        Case{"DeviceTwice",
             [](Question& q) {
               q.action = CapDisk("l", "batch/a", 1 << 20);
               *q.action.add_disk_caps() = q.action.disk_caps(0);
             },
             "capped twice", true},
        Case{"CapOfNothing",
             [](Question& q) {
               q.action = CapDisk("l", "batch/a", 1 << 20);
               q.action.mutable_disk_caps(0)->clear_read_bytes_per_second();
               q.action.mutable_disk_caps(0)->clear_write_bytes_per_second();
             },
             "bounds nothing", true}),
    CaseName);

// The lower of the host's mode and the action's mode holds, in both directions.
TEST(Guard, LowerModeHolds) {
  v1::LeasedAction action = Quota("l", "batch/a", 1);
  GuardFacts facts{.target = Target()};
  action.set_mode(v1::MODE_ADVISE);
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kAdvise);
  action.set_mode(v1::MODE_ENFORCE);
  facts.target->mode = v1::MODE_ADVISE;
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kAdvise);
  action.set_mode(v1::MODE_UNSPECIFIED);
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kAdvise);
  facts.target->mode = v1::MODE_ENFORCE;
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kApply);
}

TEST(Guard, LongLeaseIsCut) {
  v1::LeasedAction action = Quota("l", "batch/a", 1);
  const GuardFacts facts{.target = Target()};
  EXPECT_EQ(Decide(action, facts, {}).time_to_live, absl::Seconds(30));
  action.mutable_time_to_live()->set_seconds(1'000'000'000'000);
  EXPECT_EQ(Decide(action, facts, {}).time_to_live, absl::Minutes(5));
}

// A runtime may be about to make it, and the controller about to hear of that.
TEST(Guard, WhoIsNotThereMayBeAskedForAgainSoon) {
  v1::LeasedAction action = Quota("l", "batch/a", 1);
  EXPECT_EQ(Decide(action, {}, {}).retry_after, absl::Seconds(10));
  action.set_workload_instance(41);
  EXPECT_EQ(Decide(action, {.target = Target()}, {}).retry_after, absl::Seconds(10));
  action.set_workload_instance(0);
  action.set_lever(v1::LEVER_CPU_WEIGHT);
  action.clear_cpu_weight();
  EXPECT_EQ(Decide(action, {.target = Target()}, {}).retry_after, absl::ZeroDuration()) << "a value does not pass";
}

TEST(Guard, ThisInstanceOrAnyIsTaken) {
  v1::LeasedAction action = Quota("l", "batch/a", 1);
  const GuardFacts facts{.target = Target()};
  action.set_workload_instance(42);
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kApply);
  action.set_workload_instance(0);
  EXPECT_EQ(Decide(action, facts, {}).kind, Kind::kApply);
}

TEST(Guard, CpusAreCheckedAgainstHostParentAndOriginal) {
  const CpuBounds bounds{.online = {0, 1, 2, 4}, .parent = {0, 1, 2}, .original = {0, 1}};
  EXPECT_TRUE(CheckCpus({0}, bounds).ok());
  EXPECT_TRUE(CheckCpus({0, 1}, bounds).ok());
  EXPECT_THAT(CheckCpus({}, bounds).ToString(), HasSubstr("at least one CPU"));
  EXPECT_THAT(CheckCpus({0, 3}, bounds).ToString(), HasSubstr("CPU 3 does not exist or is offline"));
  EXPECT_THAT(CheckCpus({4}, bounds).ToString(), HasSubstr("CPU 4 is outside the CPUs of the parent cgroup, 0-2"));
  EXPECT_THAT(CheckCpus({2}, bounds).ToString(), HasSubstr("CPU 2 is outside the workload's own CPUs, 0-1"));
  EXPECT_TRUE(CheckCpus({2}, {.online = {0, 1, 2}, .parent = {0, 1, 2}}).ok());
}

TEST(Guard, QuotaMayOnlyNarrow) {
  EXPECT_TRUE(CheckQuota(3, std::nullopt).ok());
  EXPECT_TRUE(CheckQuota(1, 1).ok());
  EXPECT_THAT(CheckQuota(2, 1).ToString(), HasSubstr("more than the 1 cores"));
}

TEST(Guard, BrakeLetsSoManyThroughAMinute) {
  RateBrake brake(2);
  EXPECT_TRUE(brake.Take(absl::Seconds(100)));
  EXPECT_TRUE(brake.Take(absl::Seconds(130)));
  EXPECT_FALSE(brake.Take(absl::Seconds(159)));
  EXPECT_TRUE(brake.Take(absl::Seconds(160)));
  EXPECT_FALSE(brake.Take(absl::Seconds(161)));
}

TEST(Guard, BrakeTellsWhenTheNextMayCome) {
  RateBrake brake(2);
  EXPECT_EQ(brake.NextIn(absl::Seconds(100)), absl::ZeroDuration());
  ASSERT_TRUE(brake.Take(absl::Seconds(100)));
  EXPECT_EQ(brake.NextIn(absl::Seconds(110)), absl::ZeroDuration()) << "one is left";
  ASSERT_TRUE(brake.Take(absl::Seconds(130)));
  EXPECT_EQ(brake.NextIn(absl::Seconds(131)), absl::Seconds(29));
  EXPECT_EQ(brake.NextIn(absl::Seconds(170)), absl::ZeroDuration());
  ASSERT_TRUE(brake.Take(absl::Seconds(170)));
  EXPECT_EQ(brake.NextIn(absl::Seconds(170)), absl::Seconds(20)) << "the one of 130 s counts still";
  EXPECT_EQ(RateBrake(0).NextIn(absl::ZeroDuration()), absl::InfiniteDuration());
}

TEST(Guard, FutileActionIsRememberedByVictimWorkloadAndLever) {
  FutileMemory memory;
  const v1::LeasedAction action = For("web", Quota("l", "batch/a", 1));
  memory.Add(action, absl::Seconds(100));
  EXPECT_EQ(memory.Left(For("web", Quota("other lease", "batch/a", 0.5)), absl::Seconds(40)), absl::Seconds(60));
  EXPECT_EQ(memory.Left(For("db", Quota("l", "batch/a", 1)), absl::Seconds(40)), absl::ZeroDuration());
  EXPECT_EQ(memory.Left(For("web", Quota("l", "batch/b", 1)), absl::Seconds(40)), absl::ZeroDuration());
  EXPECT_EQ(memory.Left(For("web", Pin("l", "batch/a", "0")), absl::Seconds(40)), absl::ZeroDuration());
  EXPECT_EQ(memory.Left(action, absl::Seconds(100)), absl::ZeroDuration());
}

}  // namespace
}  // namespace truce::agent
