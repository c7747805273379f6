// Actions on units of systemd: the same levers, asked of systemd, and the unit as before when they end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "src/host/inventory.h"
#include "src/host/writer_host.h"
#include "tests/agent/act/rig.h"
#include "tests/fixtures/fake_systemd.h"

namespace truce::agent {
namespace {

using testing::Each;
using testing::IsEmpty;
using testing::Not;

constexpr char kUnit[] = "system.slice/job.service";

class UnitActions : public testing::Test {
 protected:
  UnitActions() : systemd_(tree_, run_) {
    spdlog::set_level(spdlog::level::off);
    tree_.Put("cgroup.controllers", "cpuset cpu io memory\n");
    tree_.Put("cpuset.cpus.effective", "0-3\n");
    tree_.MakeDirectory(kUnit);
    run_.MakeDirectory("systemd/system");
    layout_.emplace(*host::CgroupLayout::Detect(tree_.root()));
    cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
    systemd_.Add(kUnit);
    writer_.emplace(host::HostControlWriterOptions{
        .units = &systemd_, .run_directory = run_.root(), .unit_patience = absl::Milliseconds(50)});
    options_.state_directory = state_.Path("state");
  }

  std::unique_ptr<Actuator> Open() {
    auto actuator = OpenActuatorOn(disk_, options_, *layout_, clock_, *writer_);
    EXPECT_TRUE(actuator.ok()) << actuator.status();
    return *std::move(actuator);
  }
  TargetLookup Lookup() {
    return [this](const std::string& name) -> std::optional<ActionTarget> {
      if (name != kUnit) return std::nullopt;
      ActionTarget target;
      target.name = name;
      target.instance = cgroup_->instance();
      target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
      target.mode = v1::MODE_ENFORCE;
      target.allowed_levers = {v1::LEVER_CPU_PIN, v1::LEVER_CPU_QUOTA, v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_IDLE,
                               v1::LEVER_MEMORY_SQUEEZE};
      target.memory = {uint64_t{1} << 30, uint64_t{512} << 20, 0.0};
      target.cgroup = cgroup_.get();
      return target;
    };
  }
  static std::vector<v1::LeasedAction> Actions() {
    return {Pin("pin", kUnit, "1-2"), Quota("quota", kUnit, 0.5), Weight("weight", kUnit, 20), Idle("idle", kUnit),
            SqueezeTo("squeeze", kUnit, uint64_t{600} << 20)};
  }
  std::vector<std::string> FilesOfUnit() const {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(tree_.Path(kUnit)))
      files.push_back(file.path().filename());
    return files;
  }
  static std::vector<std::string> Kinds(Actuator& actuator) {
    std::vector<std::string> kinds;
    for (const v1::Event& event : actuator.TakeEvents()) kinds.push_back(event.kind());
    return kinds;
  }

  test::Tree tree_;
  test::Tree run_;
  test::Tree state_;
  test::FakeSystemd systemd_;
  std::optional<host::CgroupLayout> layout_;
  std::unique_ptr<host::Cgroup> cgroup_;
  std::optional<host::HostControlWriter> writer_;
  ActuatorOptions options_;
  FakeClock clock_;
  Disk& disk_ = SystemDisk();
};

TEST_F(UnitActions, EveryLeverIsAskedOfSystemdAndTakenBack) {
  const auto actuator = Open();
  for (const v1::LeasedAction& action : Actions()) {
    SCOPED_TRACE(Describe(action));
    const v1::DesiredSetResult result = actuator->Apply(Set({action}), Lookup());
    ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
    EXPECT_THAT(systemd_.SetOf(kUnit), Not(IsEmpty()));
    clock_.Advance(absl::Seconds(1));
    actuator->Tick(Lookup());
    ASSERT_TRUE(actuator->Apply(Set({}), Lookup()).accepted());
    EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
    EXPECT_THAT(FilesOfUnit(), IsEmpty()) << "systemd switched the controllers off again";
  }
  EXPECT_THAT(Kinds(*actuator), Each(testing::AnyOf("action_applied", "action_changed", "action_released")));
  for (const v1::Receipt& receipt : actuator->TakeReceipts()) {
    EXPECT_EQ(receipt.outcome(), v1::RECEIPT_OUTCOME_RELEASED) << receipt.detail();
  }
}

// A kernel takes no empty cpuset.cpus of a cgroup that tasks are in, and systemd logs that and says it is done.
TEST_F(UnitActions, APinIsTakenBackThoughTheCpusetStays) {
  systemd_.KeepCpusets();
  const std::string all = StrCat(*host::PossibleCpus(), "\n");
  const host::ControlFile cpus{cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"};
  const auto actuator = Open();
  for (const char* pinned : {"1", "0"}) {
    ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, pinned)}), Lookup()).accepted());
    ASSERT_EQ(*writer_->Read(cpus), StrCat(pinned, "\n"));
    ASSERT_TRUE(actuator->Apply(Set({}), Lookup()).accepted());
    EXPECT_EQ(*writer_->Read(cpus), all);
    EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty()) << "also of the second, whose original is what the first left";
    EXPECT_THAT(actuator->held(), IsEmpty());
  }
  EXPECT_EQ(actuator->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
}

TEST_F(UnitActions, AUnitThatIsStartedAnewWhileItIsPinnedIsFree) {
  systemd_.KeepCpusets();
  systemd_.RestartWhenTold();
  const auto actuator = Open();
  const v1::DesiredSetResult result = actuator->Apply(Set({Pin("pin", kUnit, "1")}), Lookup());
  EXPECT_EQ(result.results(0).state(), v1::ACTION_STATE_REFUSED);
  cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
  EXPECT_EQ(*writer_->Read({cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"}),
            StrCat(*host::PossibleCpus(), "\n"));
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
  EXPECT_THAT(actuator->held(), IsEmpty());
}

TEST_F(UnitActions, AUnitThatComesBackWhileItIsForgottenIsFree) {
  systemd_.KeepCpusets();
  const auto actuator = Open();
  ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1")}), Lookup()).accepted());
  tree_.Remove(kUnit);
  systemd_.RestartBeforeTold();
  clock_.Advance(absl::Seconds(1));
  actuator->Tick(Lookup());
  cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
  EXPECT_EQ(*writer_->Read({cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"}),
            StrCat(*host::PossibleCpus(), "\n"));
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
}

// Who may not ask systemd need not, of a unit that is delegated.
TEST_F(UnitActions, OfAUnitThatSystemdWasToldNothingOfNothingIsTakenBack) {
  run_.Remove("systemd/system");
  const auto actuator = Open();
  tree_.Put(StrCat(kUnit, "/cpuset.cpus"), "\n");
  ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1")}), Lookup()).accepted());
  run_.MakeDirectory("systemd/system");
  tree_.Remove(kUnit);
  clock_.Advance(absl::Seconds(1));
  actuator->Tick(Lookup());
  EXPECT_EQ(systemd_.calls(), 0);
  EXPECT_EQ(actuator->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
}

TEST_F(UnitActions, AUnitThatIsStartedAnewIsFreeThoughItsCpusetStays) {
  systemd_.KeepCpusets();
  const auto actuator = Open();
  ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1")}), Lookup()).accepted());
  systemd_.Restart(kUnit);
  cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
  const host::ControlFile cpus{cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"};
  ASSERT_EQ(*writer_->Read(cpus), "1\n") << "as systemd does";
  clock_.Advance(absl::Seconds(1));
  actuator->Tick(Lookup());
  EXPECT_EQ(*writer_->Read(cpus), StrCat(*host::PossibleCpus(), "\n"));
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
}

// systemd would write a disk cap anew; one that is refused leaves nothing to be restored.
TEST_F(UnitActions, ADiskCapIsRefusedAndLeavesNothing) {
  tree_.Put(StrCat(kUnit, "/io.max"), "");
  const auto actuator = Open();
  const TargetLookup with_disk = [lookup = Lookup()](const std::string& name) {
    auto target = lookup(name);
    if (target) target->allowed_levers.push_back(v1::LEVER_DISK_CAP);
    return target;
  };
  const v1::DesiredSetResult result = actuator->Apply(Set({CapDisk("disk", kUnit, 10 << 20)}), with_disk);
  EXPECT_THAT(result.results(0).reason(), testing::HasSubstr("Delegate=yes"));
  EXPECT_THAT(result.results(0).reason(), Not(testing::HasSubstr("undoing it failed")));
  EXPECT_THAT(Kinds(*actuator), testing::ElementsAre("action_refused"));
}

TEST_F(UnitActions, ADaemonReloadChangesNothing) {
  const auto actuator = Open();
  const auto actions = Set({Pin("pin", kUnit, "1-2"), Quota("quota", kUnit, 0.333)});
  ASSERT_TRUE(actuator->Apply(actions, Lookup()).accepted());
  EXPECT_EQ(*writer_->Read({cgroup_.get(), host::Controller::kCpu, "cpu.max"}), "34000 100000\n") << "whole percents";
  (void)Kinds(*actuator);
  systemd_.Reload();
  clock_.Advance(absl::Seconds(1));
  actuator->Tick(Lookup());
  EXPECT_THAT(Kinds(*actuator), IsEmpty());
  EXPECT_EQ(*writer_->Read({cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"}), "1-2\n");
}

TEST_F(UnitActions, WhatACrashedAgentLeftIsRestoredThroughSystemd) {
  {
    const auto actuator = Open();
    ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1-2"), Quota("quota", kUnit, 0.5)}), Lookup()).accepted());
  }
  ASSERT_THAT(systemd_.SetOf(kUnit), testing::ElementsAre("AllowedCPUs", "CPUQuotaPerSecUSec"));
  const auto restored = RestoreFromJournalOn(disk_, options_.state_directory, *layout_,
                                             [this]() -> host::ControlWriter& { return *writer_; });
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, 2);
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
}

TEST_F(UnitActions, AUnitThatIsStartedAnewIsFree) {
  const auto actuator = Open();
  ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1-2")}), Lookup()).accepted());
  systemd_.Restart(kUnit);
  cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
  ASSERT_EQ(*writer_->Read({cgroup_.get(), host::Controller::kCpuset, "cpuset.cpus"}), "1-2\n") << "as systemd does";
  clock_.Advance(absl::Seconds(1));
  actuator->Tick(Lookup());
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
  EXPECT_THAT(actuator->held(), IsEmpty());
  EXPECT_EQ(actuator->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
  ASSERT_TRUE(actuator->Apply(Set({}), Lookup()).accepted());
}

TEST_F(UnitActions, WhatWasSetBeforeARestartIsNoOriginal) {
  {
    const auto actuator = Open();
    ASSERT_TRUE(actuator->Apply(Set({Pin("pin", kUnit, "1-2")}), Lookup()).accepted());
  }
  systemd_.Restart(kUnit);
  cgroup_ = *host::Cgroup::Open(*layout_, kUnit);
  const auto next = Open();
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty()) << "restored by the next agent's start";
  ASSERT_TRUE(next->Apply(Set({Pin("pin", kUnit, "3")}), Lookup()).accepted());
  ASSERT_TRUE(next->Apply(Set({}), Lookup()).accepted());
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty());
}

TEST_F(UnitActions, WhatSystemdDoesNotDoIsRefusedAndLeavesNothing) {
  const auto actuator = Open();
  systemd_.DoNothing();
  const v1::DesiredSetResult result = actuator->Apply(Set({Quota("quota", kUnit, 0.5)}), Lookup());
  EXPECT_FALSE(result.accepted());
  EXPECT_THAT(result.results(0).reason(), testing::HasSubstr("systemd took '50000 100000'"));
  EXPECT_THAT(actuator->held(), IsEmpty());
  EXPECT_THAT(systemd_.SetOf(kUnit), IsEmpty()) << "asked to take it back, too";
}

}  // namespace
}  // namespace truce::agent
