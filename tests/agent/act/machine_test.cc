// Memory squeezes of virtual machines: by their balloons and by nothing else, in steps, and given back at once. The
// machine is played; real_machine_test.cc has QEMU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "agent/act/guard.h"
#include "src/host/writer_host.h"
#include "tests/agent/act/rig.h"
#include "tests/fixtures/fake_machine.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kAll = test::FakeMachine::kMaximum;
constexpr char kVm[] = "machine.slice/vm.scope";

class Machines : public testing::Test {
 protected:
  Machines() {
    spdlog::set_level(spdlog::level::off);
    tree_.Put("cgroup/cgroup.controllers", "cpu memory\n");
    tree_.Put(StrCat("cgroup/", kVm, "/memory.high"), "max\n");
    tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), StrCat(getpid(), "\n"));
    test::PutProcess(tree_, getpid(), machine_.arguments());
    layout_.emplace(*host::CgroupLayout::Detect(tree_.Path("cgroup")));
    cgroup_ = *host::Cgroup::Open(*layout_, kVm);
    options_.state_directory = state_.path() + "/act";
    StartAgent();
  }

  // As a process that has asked for nothing yet; what the one before held is in its journal.
  void StartAgent(absl::Duration patience = absl::Seconds(20), absl::Duration search_every = absl::ZeroDuration()) {
    actuator_.reset();
    balloons_.emplace(host::BalloonsOptions{.procfs = tree_.Path("proc"),
                                            .make = host::SystemBalloons("", patience),
                                            .search_every = search_every,
                                            .look_every = absl::ZeroDuration(),
                                            .quiet = absl::ZeroDuration()});
    writer_.emplace(host::HostControlWriterOptions{.balloons = &*balloons_});
  }
  Actuator& actuator() {
    if (!actuator_) actuator_ = *OpenActuatorOn(disk_, options_, *layout_, clock_, *writer_);
    return *actuator_;
  }
  TargetLookup Lookup() {
    return [this](const std::string& name) -> std::optional<ActionTarget> {
      if (name != kVm) return std::nullopt;
      ActionTarget target;
      target.name = name;
      target.instance = cgroup_->instance();
      target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
      target.mode = v1::MODE_ENFORCE;
      target.allowed_levers = {v1::LEVER_MEMORY_SQUEEZE};
      target.memory = memory_;
      target.cgroup = cgroup_.get();
      return target;
    };
  }
  v1::DesiredSetResult Apply(const std::vector<v1::LeasedAction>& actions) {
    return actuator().Apply(Set(actions), Lookup());
  }
  v1::DesiredSetResult Squeeze(uint64_t bytes = 256 * kMiB) { return Apply({SqueezeTo("s", kVm, bytes)}); }
  std::string RefusalOf(const v1::DesiredSetResult& result) const {
    EXPECT_FALSE(result.accepted());
    return result.results(0).reason();
  }
  // Renews the lease and lets one step pass.
  void Step(uint64_t bytes = 256 * kMiB) {
    EXPECT_TRUE(Squeeze(bytes).accepted());
    clock_.Advance(absl::Seconds(2));
    actuator().Tick(Lookup());
  }
  std::string MemoryHigh() const { return *host::ReadFile(tree_.Path(StrCat("cgroup/", kVm, "/memory.high"))); }
  absl::StatusOr<int> Restore() {
    actuator_.reset();
    return RestoreFromJournalOn(disk_, options_.state_directory, *layout_,
                                [this]() -> host::ControlWriter& { return *writer_; });
  }

  test::Tree tree_;
  TemporaryDirectory state_;
  test::FakeMachine machine_{tree_.Path("monitor")};
  std::optional<host::CgroupLayout> layout_;
  std::unique_ptr<host::Cgroup> cgroup_;
  MemoryState memory_ = {300 * kMiB, 200 * kMiB, 0.0};
  ActuatorOptions options_;
  FakeClock clock_;
  Disk& disk_ = SystemDisk();
  std::optional<host::Balloons> balloons_;
  std::optional<host::HostControlWriter> writer_;
  std::unique_ptr<Actuator> actuator_;
};

TEST_F(Machines, AreSqueezedInStepsToWhatTheirGuestWorksWith) {
  machine_.Tell(kAll, 700 * kMiB);
  ASSERT_TRUE(Squeeze().accepted());
  EXPECT_EQ(machine_.asked() / kMiB, kAll / kMiB * 95 / 100) << "a small step";
  uint64_t last = machine_.asked();
  for (int i = 0; i < 60; ++i) {
    machine_.Follow();
    machine_.Tell(machine_.actual(), machine_.actual() - 324 * kMiB);
    Step();
    ASSERT_LE(machine_.asked(), last);
    last = machine_.asked();
  }
  EXPECT_NEAR(static_cast<double>(last), static_cast<double>(324 * kMiB + kAll / 16), 8192)
      << "never below what it works with, and something for the next moment";
  EXPECT_EQ(MemoryHigh(), "max\n");
  // It needs more now.
  machine_.Tell(machine_.actual(), 0);
  Step();
  EXPECT_GT(machine_.asked(), last);
  EXPECT_THAT(Kinds(actuator().TakeEvents()), ElementsAre("action_applied"));
  ASSERT_TRUE(Apply({}).accepted());
  EXPECT_EQ(machine_.asked(), kAll) << "given back at once";
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
  EXPECT_THAT(receipts[0].changes(0).file(), HasSubstr("balloon_bytes"));
  EXPECT_EQ(receipts[0].changes(0).restored(), StrCat(kAll, "\n"));
}

TEST_F(Machines, WhoseGuestSaysNothingKeepThreeQuartersAndAllThatTheyWereCharged) {
  for (const uint64_t charged : {300 * kMiB, 900 * kMiB}) {
    memory_.usage_bytes = charged;
    for (int i = 0; i < 20; ++i) {
      machine_.Follow();
      if (i == 0) machine_.SetActual(kAll);
      Step();
    }
    const double least = std::max(0.75 * kAll, 1.05 * static_cast<double>(charged));
    EXPECT_NEAR(static_cast<double>(machine_.asked()), least, 8192);
    ASSERT_TRUE(Apply({}).accepted());
    EXPECT_EQ(machine_.asked(), kAll);
  }
}

TEST_F(Machines, AreAskedForTheNextStepWhenTheLastOneIsThere) {
  machine_.Tell(kAll, 900 * kMiB);
  ASSERT_TRUE(Squeeze().accepted());
  const uint64_t first = machine_.asked();
  for (int i = 0; i < 5; ++i) Step();
  EXPECT_EQ(machine_.asked(), first) << "its guest has no driver, or no memory to give";
  machine_.Follow();
  Step();
  EXPECT_LT(machine_.asked(), first);
}

TEST_F(Machines, ThatStallAreNotSqueezed) {
  memory_.stalled_ratio = 0.5;
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("waits for memory too much already"));
  memory_ = {};
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("is not known"));
  EXPECT_EQ(machine_.times_asked(), 0);
}

TEST_F(Machines, WithoutAUsableBalloonAreRefusedAndNeverSqueezedOtherwise) {
  machine_.LoseBalloon();
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("start it with -device virtio-balloon"));
  test::PutProcess(tree_, getpid(), {"/usr/bin/kvm", "-name", "web"});
  StartAgent();
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("start it with -qmp"));
  test::PutProcess(tree_, getpid(),
                   {"/usr/bin/kvm", "-name", "guest=web", "-mon", "chardev=charmonitor,id=monitor,mode=control"});
  StartAgent();
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("virtual_machines.libvirt_uri"));
  tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), StrCat(getpid(), "\n30\n"));
  test::PutProcess(tree_, 30, {"/usr/bin/kvm", "-name", "another"});
  EXPECT_THAT(RefusalOf(Squeeze()), HasSubstr("2 virtual machines run in"));
  EXPECT_EQ(MemoryHigh(), "max\n");
  EXPECT_EQ(*Restore(), 0) << "nothing to be restored";
}

TEST_F(Machines, ThatACrashedAgentSqueezedAreRestored) {
  ASSERT_TRUE(Squeeze().accepted());
  ASSERT_LT(machine_.asked(), kAll);
  // The guest has given nothing yet: it has what is to be restored, and would go on giving.
  StartAgent();
  const auto restored = Restore();
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, 1);
  EXPECT_EQ(machine_.asked(), kAll);
  EXPECT_EQ(*Restore(), 0);
}

TEST_F(Machines, ThatSomebodyElseSetsAreAskedAgainWithPatienceAndThenLeftToThem) {
  machine_.Tell(kAll, 900 * kMiB);
  constexpr uint64_t kGoal = 1000 * kMiB;
  ASSERT_TRUE(Squeeze(kGoal).accepted());
  machine_.Follow();
  Step(kGoal);
  actuator().TakeEvents();
  const int times = machine_.times_asked();
  for (int i = 0; i < options_.reapply_limit; ++i) {
    machine_.SetActual(machine_.actual() + 40 * kMiB);
    for (int second = 0; second < 50; second += 2) Step(kGoal);
  }
  machine_.SetActual(machine_.actual() + 40 * kMiB);
  clock_.Advance(absl::Seconds(2));
  actuator().Tick(Lookup());
  EXPECT_EQ(machine_.times_asked() - times, options_.reapply_limit);
  EXPECT_THAT(Kinds(actuator().TakeEvents()), Contains("control_given_up"));
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_REVERTED);
}

TEST_F(Machines, ThatEndAreWrittenOff) {
  ASSERT_TRUE(Squeeze().accepted());
  tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), "");
  clock_.Advance(absl::Seconds(2));
  actuator().Tick(Lookup());
  EXPECT_EQ(MemoryHigh(), "max\n") << "what was a machine is not squeezed otherwise";
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
  EXPECT_EQ(*Restore(), 0);
}

TEST_F(Machines, ThatAreStartedAnewAreNotAskedForWhatWasAskedOfTheLast) {
  StartAgent(absl::Seconds(20), absl::Hours(1));
  ASSERT_TRUE(Squeeze().accepted());
  const std::string socket = machine_.qemu().path();
  std::filesystem::remove(socket);
  test::FakeMachine next(tree_.Path("next"));
  test::PutProcess(tree_, 30, next.arguments());
  tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), "30\n");
  clock_.Advance(absl::Seconds(2));
  actuator().Tick(Lookup());
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
  EXPECT_EQ(next.times_asked(), 0);
}

TEST_F(Machines, ThatStartInASqueezedCgroupEndItsSqueeze) {
  tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), "");
  ASSERT_TRUE(Squeeze().accepted());
  ASSERT_NE(MemoryHigh(), "max\n");
  tree_.Put(StrCat("cgroup/", kVm, "/cgroup.procs"), StrCat(getpid(), "\n"));
  clock_.Advance(absl::Seconds(1));
  actuator().Tick(Lookup());
  EXPECT_EQ(MemoryHigh(), "max\n");
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_THAT(receipts[0].detail(), HasSubstr("a virtual machine was started in"));
  EXPECT_EQ(machine_.times_asked(), 0);
  ASSERT_TRUE(Squeeze().accepted());
  EXPECT_EQ(machine_.times_asked(), 1);
}

// Each step of asking QEMU fails in turn. Wherever that is, the machine has what it had, and the reason is told.
TEST_F(Machines, EveryFaultLeavesThemAsTheyWere) {
  struct Fault {
    const char* reason;
    std::function<void()> cause;
  };
  const std::string socket = machine_.qemu().path();
  const std::vector<Fault> faults = {
      {"No such file", [&] { std::filesystem::rename(socket, socket + ".away"); }},
      {"no answer in time", [&] { machine_.qemu().Greet(""); }},
      {"no QEMU's QMP monitor", [&] { machine_.qemu().Greet("hello\r\n"); }},
      {"qmp_capabilities", [&] { machine_.qemu().On("qmp_capabilities", ""); }},
      {"query-balloon", [&] { machine_.qemu().On("query-balloon", ""); }},
      {"query-balloon", [&] { machine_.LoseBalloon(); }},
      {"did not say how much memory", [&] { machine_.qemu().On("query-balloon", R"("return": {})"); }},
      {"busy", [&] { machine_.qemu().On("balloon", test::QmpError("GenericError", "busy")); }},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.reason);
    StartAgent(absl::Milliseconds(300));
    const std::string greeting = machine_.qemu().greeting();
    fault.cause();
    const auto result = Squeeze();
    EXPECT_THAT(RefusalOf(result), HasSubstr(fault.reason));
    EXPECT_THAT(RefusalOf(result), HasSubstr("virtual machine web"));
    EXPECT_THAT(RefusalOf(result), testing::Not(HasSubstr("undoing it failed")));
    EXPECT_EQ(machine_.times_asked(), 0);
    EXPECT_EQ(MemoryHigh(), "max\n");
    EXPECT_THAT(actuator().held(), IsEmpty());
    EXPECT_TRUE(actuator().RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok()) << "nothing is outstanding";
    machine_.qemu().Greet(greeting);
    machine_.qemu().On("qmp_capabilities", R"("return": {})");
    machine_.Answer();
    if (std::filesystem::exists(socket + ".away")) std::filesystem::rename(socket + ".away", socket);
  }
  printf("balloons: %zu failed requests\n", faults.size());
}

// It took the new size and did not say so: nobody knows, so it is asked for the old one until it answers.
TEST_F(Machines, AnAnswerThatGotLostIsUndone) {
  StartAgent(absl::Milliseconds(300));
  machine_.TakeSilently();
  const auto result = Squeeze();
  EXPECT_THAT(RefusalOf(result), HasSubstr("no answer in time"));
  EXPECT_THAT(RefusalOf(result), HasSubstr("undoing it failed too"));
  machine_.Answer();
  clock_.Advance(absl::Seconds(10));
  actuator().Tick(Lookup());
  EXPECT_EQ(machine_.asked(), kAll);
  EXPECT_THAT(Kinds(actuator().TakeEvents()), Contains("restore_done"));
  EXPECT_EQ(*Restore(), 0);
}

TEST_F(Machines, ARestoreThatFailsIsTriedAgain) {
  ASSERT_TRUE(Squeeze().accepted());
  const std::string socket = machine_.qemu().path();
  std::filesystem::rename(socket, socket + ".away");
  ASSERT_TRUE(Apply({}).accepted());
  const auto receipts = actuator().TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_RESTORE_FAILED) << "it runs, so nothing is written off";
  std::filesystem::rename(socket + ".away", socket);
  clock_.Advance(absl::Seconds(10));
  actuator().Tick(Lookup());
  EXPECT_EQ(machine_.asked(), kAll);
  EXPECT_EQ(*Restore(), 0);
}

TEST(MemoryOfMachine, IsItsGuests) {
  const MemoryState cgroup{5000, 3000, 0.25};
  host::BalloonState machine{.actual_bytes = 8000, .maximum_bytes = 10000};
  MemoryState memory = MemoryOfMachine(machine, cgroup);
  EXPECT_EQ(memory.usage_bytes, 8000u);
  EXPECT_EQ(memory.working_set_bytes, 5000u) << "all that it was charged for";
  EXPECT_EQ(memory.floor_bytes, MachineFloor(10000, std::nullopt));
  EXPECT_EQ(memory.stalled_ratio, 0.25);
  machine.guest_total_bytes = 7900;
  machine.guest_available_bytes = 6000;
  memory = MemoryOfMachine(machine, cgroup);
  EXPECT_EQ(memory.working_set_bytes, 2000u);
  EXPECT_EQ(memory.floor_bytes, 2625u);
  machine.actual_bytes = 6500;
  EXPECT_EQ(MemoryOfMachine(machine, cgroup).working_set_bytes, 1900u) << "told before the balloon grew";
  machine.guest_available_bytes = 9000;
  EXPECT_EQ(MemoryOfMachine(machine, cgroup).working_set_bytes, 0u);
}

TEST(MachineFloor, IsThreeQuartersUnlessTheGuestTells) {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  EXPECT_EQ(MachineFloor(8 * kGiB, std::nullopt), 6 * kGiB);
  EXPECT_EQ(MachineFloor(8 * kGiB, 2 * kGiB), 2 * kGiB + kGiB / 2);
}

}  // namespace
}  // namespace truce::agent
