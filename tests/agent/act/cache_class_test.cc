// LEVER_CACHE_CLASS from the desired set to the groups of resctrl and back, whatever fails, comes or goes meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <map>
#include <optional>

#include "src/host/resctrl.h"
#include "src/host/writer_host.h"
#include "tests/agent/act/rig.h"
#include "tests/fixtures/fake_resctrl.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kHalfGroup[] = "truce-L3-1f8-MB-100";
constexpr char kJob[] = "batch/job";

class CacheClass : public testing::Test {
 protected:
  CacheClass() : kernel_(tree_, test::Xeon()) {
    spdlog::set_level(spdlog::level::off);
    tree_.Put("cgroup/cgroup.controllers", "cpu memory\n");
    Fill(kJob, {11, 12});
    Fill("batch/job/worker", {13});
    Fill("batch/twin", {21});
    Fill("web", {31});
    for (const int thread : {1, 11, 12, 13, 21, 31}) kernel_.Place(thread);
    layout_.emplace(*host::CgroupLayout::Detect(tree_.Path("cgroup")));
    options_.state_directory = tree_.Path("state");
    Start();
  }

  // As after a crash: nothing of the run before is restored but by this one.
  void Start() {
    actuator_.reset();
    OpenResctrl();
    options_.resctrl = resctrl_.get();
    auto actuator = OpenActuatorOn(disk_, options_, *layout_, clock_, *writer_);
    ASSERT_TRUE(actuator.ok()) << actuator.status();
    actuator_ = *std::move(actuator);
  }
  void OpenResctrl(uid_t user = 0) {
    auto resctrl = host::Resctrl::Open(kernel_.Options(user));
    resctrl_ = resctrl.ok() ? *std::move(resctrl) : nullptr;
    files_.emplace(host::HostControlWriterOptions{
        .resctrl = resctrl_.get(), .no_resctrl = resctrl.status(), .run_directory = tree_.Path("run")});
    writer_.emplace(*files_);
  }
  // As `truce-agent restore` does it.
  absl::StatusOr<int> Restore(uid_t user = 0) {
    return RestoreFromJournalOn(disk_, options_.state_directory, *layout_, [&]() -> host::ControlWriter& {
      OpenResctrl(user);
      return *writer_;
    });
  }
  void Fill(const std::string& path, const std::vector<int>& threads) const {
    std::string list;
    for (const int thread : threads) StrAppend(&list, thread, "\n");
    tree_.Put(StrCat("cgroup/", path, "/cgroup.threads"), list);
  }
  TargetLookup Lookup() {
    return [this](const std::string& name) -> std::optional<ActionTarget> {
      auto cgroup = host::Cgroup::Open(*layout_, name);
      if (!cgroup.ok()) return std::nullopt;
      cgroups_[name] = *std::move(cgroup);
      ActionTarget target;
      target.name = name;
      target.instance = cgroups_[name]->instance();
      target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
      target.mode = mode_;
      target.allowed_levers = {v1::LEVER_CACHE_CLASS};
      target.cgroup = cgroups_[name].get();
      target.cpu_usage_cores = 2;
      target.instructions_per_second = instructions_;
      if (name == "web") target.slowdown_ratio = target.slowdown_since_onset = slowdown_;
      return target;
    };
  }
  v1::ActionResult Apply(const v1::LeasedAction& action) {
    return actuator_->Apply(Set({action}), Lookup()).results(0);
  }
  void Release() { ASSERT_TRUE(actuator_->Apply(Set({}), Lookup()).accepted()); }
  void Tick(absl::Duration by = absl::Seconds(1)) {
    clock_.Advance(by);
    actuator_->Tick(Lookup());
  }

  test::Tree tree_;
  test::FakeResctrl kernel_;
  std::optional<host::CgroupLayout> layout_;
  std::unique_ptr<host::Resctrl> resctrl_;
  std::optional<host::HostControlWriter> files_;
  std::optional<host::FaultyControlWriter> writer_;
  ActuatorOptions options_;
  FakeClock clock_;
  Disk& disk_ = SystemDisk();
  std::unique_ptr<Actuator> actuator_;
  std::map<std::string, std::unique_ptr<host::Cgroup>> cgroups_;
  v1::Mode mode_ = v1::MODE_ENFORCE;
  std::optional<double> instructions_;
  std::optional<double> slowdown_;
};

TEST_F(CacheClass, IsAppliedChangedAndTakenBack) {
  const std::string before = kernel_.Snapshot();
  v1::LeasedAction action = CacheShare("c", kJob, 0.5);
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_THAT(kernel_.Tasks(kHalfGroup), ElementsAre(11, 12, 13));
  Tick();
  action.set_memory_bandwidth_ratio(0.3);
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_THAT(kernel_.Groups(), ElementsAre("truce-L3-1f8-MB-30"));
  Tick();
  Release();
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_THAT(Kinds(actuator_->TakeEvents()), ElementsAre("action_applied", "action_changed", "action_released"));
  const std::vector<v1::Receipt> receipts = actuator_->TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  ASSERT_EQ(receipts[0].changes_size(), 1);
  EXPECT_EQ(receipts[0].changes(0).file(), "batch/job/cache_class");
  EXPECT_EQ(receipts[0].changes(0).original(), "default\n");
  EXPECT_EQ(receipts[0].changes(0).written(), "L3:0=1f8;1=1f8 MB:0=30;1=30\n");
  EXPECT_EQ(receipts[0].changes(0).restored(), "default\n");
}

TEST_F(CacheClass, InAdviseModeNothingIsDone) {
  const std::string before = kernel_.Snapshot();
  mode_ = v1::MODE_ADVISE;
  EXPECT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_ADVISED);
  v1::LeasedAction in_bytes = CacheShare("c", kJob, 0);
  in_bytes.set_memory_bandwidth_bytes_per_second(5'000'000'000);
  EXPECT_THAT(Apply(in_bytes).reason(), HasSubstr("by a share and not in bytes")) << "and what can't be is said";
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_EQ(kernel_.calls(), 0);
}

TEST_F(CacheClass, WithoutClassesItIsRefused) {
  actuator_.reset();
  OpenResctrl(/*user=*/998);
  options_.resctrl = nullptr;
  actuator_ = *OpenActuatorOn(disk_, options_, *layout_, clock_, *writer_);
  EXPECT_THAT(Apply(CacheShare("c", kJob, 0.5)).reason(), HasSubstr("says why, under resctrl"));
}

TEST_F(CacheClass, IsNoProtectionOfOneself) {
  EXPECT_THAT(Apply(For(kJob, CacheShare("c", kJob, 0.5))).reason(), HasSubstr("would not protect it"));
}

// The write of the control with each error, and each call of the kernel with each.
TEST_F(CacheClass, EachFailureLeavesEverythingAsItWas) {
  const std::string before = kernel_.Snapshot();
  const v1::LeasedAction action = CacheShare("c", kJob, 0.5);
  int cases = 0;
  for (const int error : {EBUSY, EINVAL, ENOENT, EACCES, ENOSPC}) {
    for (int n = 0; n <= 5; ++n) {
      SCOPED_TRACE(testing::Message() << (n == 0 ? "the write" : StrCat("call ", n)) << " fails with errno " << error);
      if (n == 0) {
        writer_->FailWrite(1, error);
      } else {
        kernel_.Fail(n, error);
      }
      const v1::ActionResult result = Apply(action);
      ASSERT_EQ(result.state(), v1::ACTION_STATE_REFUSED);
      EXPECT_THAT(result.reason(), HasSubstr("writing 'L3:0=1f8;1=1f8 MB:0=100;1=100' to batch/job/cache_class"));
      EXPECT_THAT(result.reason(), Not(HasSubstr("undoing it failed")));
      EXPECT_EQ(kernel_.Snapshot(), before);
      EXPECT_THAT(actuator_->held(), IsEmpty());
      actuator_.reset();
      EXPECT_EQ(*Restore(), 0) << "nothing is outstanding";
      Start();
      ++cases;
    }
  }
  printf("cache classes: %d failed writes and calls\n", cases);
  EXPECT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED) << "and the next try works";
}

// Nothing works any more from some call on, not even the way back, as if the agent was killed there.
TEST_F(CacheClass, AHalfMadeChangeIsUndoneByTheNextStart) {
  const std::string before = kernel_.Snapshot();
  for (int n = 1; n <= 5; ++n) {
    SCOPED_TRACE(n);
    kernel_.SetHook([this, last = kernel_.calls() + n] {
      if (kernel_.calls() >= last) kernel_.FailAll(EIO);
    });
    EXPECT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_REFUSED);
    if (n > 3) {
      EXPECT_NE(kernel_.Snapshot(), before) << "some threads are in the class";
    }
    kernel_.SetHook(nullptr);
    kernel_.FailAll(0);
    Start();
    EXPECT_EQ(kernel_.Snapshot(), before);
  }
  printf("cache classes: 5 kill points\n");
}

TEST_F(CacheClass, WhenClassesRunOutItIsTriedAgainSoon) {
  for (int i = 0; i < 7; ++i) kernel_.AddGroup(StrCat("theirs-", i));
  const v1::ActionResult result = Apply(CacheShare("c", kJob, 0.5));
  EXPECT_THAT(result.reason(), HasSubstr("Out of CLOSIDs"));
  EXPECT_EQ(result.retry_after().seconds(), 10);
}

TEST_F(CacheClass, AFailedChangeLeavesTheValueBefore) {
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  const std::string before = kernel_.Snapshot();
  kernel_.Fail(4, EINVAL);
  EXPECT_EQ(Apply(CacheShare("c", kJob, 0.2)).state(), v1::ACTION_STATE_REFUSED);
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_EQ(actuator_->held()[0].action().cache_ratio(), 0.5);
}

TEST_F(CacheClass, AFailedRestoreIsTriedAgain) {
  const std::string before = kernel_.Snapshot();
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  kernel_.FailAll(EBUSY);
  Release();
  EXPECT_THAT(Kinds(actuator_->TakeEvents()), Contains("restore_failed"));
  kernel_.FailAll(0);
  for (int i = 0; i < 10; ++i) Tick();
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_THAT(Kinds(actuator_->TakeEvents()), Contains("restore_done"));
}

TEST_F(CacheClass, ThreadsThatComeAreTakenInAtOnceAndWithoutAWord) {
  v1::LeasedAction action = CacheShare("c", kJob, 0.5);
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  actuator_->TakeEvents();
  for (int i = 0; i < 20; ++i) {
    kernel_.Place(100 + i);
    Fill(kJob, {11, 12, 100 + i});
    ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
    Tick();
    EXPECT_TRUE(kernel_.Tasks(kHalfGroup).contains(100 + i));
  }
  EXPECT_THAT(actuator_->TakeEvents(), IsEmpty());
  EXPECT_EQ(actuator_->held().size(), 1u) << "and not given up as fought over";
}

TEST_F(CacheClass, WhoTakesThreadsOutIsNotFoughtForEver) {
  const std::string before = kernel_.Snapshot();
  const v1::LeasedAction action = CacheShare("c", kJob, 0.5);
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  for (const int backoff : {5, 10, 20}) {
    kernel_.Place(11);
    for (int second = 0; second < backoff; ++second) {
      Tick();
      ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
      ASSERT_FALSE(kernel_.Tasks(kHalfGroup).contains(11)) << backoff << " " << second;
    }
    Tick();
    ASSERT_TRUE(kernel_.Tasks(kHalfGroup).contains(11)) << backoff;
  }
  kernel_.Place(11);
  Tick();
  EXPECT_THAT(Kinds(actuator_->TakeEvents()), Contains("control_given_up"));
  EXPECT_EQ(kernel_.Snapshot(), before) << "nobody stays in a class that nobody answers for";
}

TEST_F(CacheClass, WhatOthersManageIsRefusedAndWhatTheyTakeIsTheirs) {
  kernel_.AddGroup("realtime");
  kernel_.Place(21, "realtime");
  EXPECT_THAT(Apply(CacheShare("t", "batch/twin", 0.5)).reason(), HasSubstr("somebody else manages them"));
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  actuator_->TakeEvents();
  kernel_.Place(12, "realtime");
  for (int i = 0; i < 5; ++i) Tick();
  EXPECT_THAT(Kinds(actuator_->TakeEvents()), ElementsAre("action_failed")) << "said once";
  EXPECT_TRUE(kernel_.Tasks("realtime").contains(12));
  Release();
  EXPECT_THAT(kernel_.Groups(), ElementsAre("realtime"));
  EXPECT_THAT(kernel_.Tasks("realtime"), ElementsAre(12, 21));
  EXPECT_EQ(actuator_->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_RELEASED);
}

TEST_F(CacheClass, AWorkloadThatEndsLeavesNoGroup) {
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  for (const int thread : {11, 12, 13}) kernel_.End(thread);
  tree_.Remove(StrCat("cgroup/", kJob));
  Tick();
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
  EXPECT_EQ(actuator_->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
}

TEST_F(CacheClass, ACrashIsRestoredByTheNextStart) {
  const std::string before = kernel_.Snapshot();
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  Start();
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_EQ(actuator_->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_SHUTDOWN);
  EXPECT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
}

// `truce-agent restore`, after a crash before which somebody left the workload with its class.
TEST_F(CacheClass, ACrashIsRestoredByRestore) {
  const std::string before = kernel_.Snapshot();
  for (const uid_t user : {0, 998}) {
    ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
    Fill(kJob, {11});
    actuator_.reset();
    const auto restored = Restore(user);
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ(kernel_.Snapshot(), before);
    EXPECT_EQ(*Restore(), 0);
    Fill(kJob, {11, 12});
    Start();
  }
}

TEST_F(CacheClass, RestoreLeavesTheClassesOfARunningAgentAlone) {
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  EXPECT_FALSE(Restore().ok());
  EXPECT_THAT(kernel_.Groups(), ElementsAre(kHalfGroup));
}

TEST_F(CacheClass, WhatCantBeRestoredStaysInTheJournal) {
  const std::string before = kernel_.Snapshot();
  ASSERT_EQ(Apply(CacheShare("c", kJob, 0.5)).state(), v1::ACTION_STATE_APPLIED);
  actuator_.reset();
  kernel_.FailAll(EPERM);
  EXPECT_FALSE(Restore(/*user=*/998).ok());
  kernel_.FailAll(0);
  EXPECT_EQ(*Restore(), 1);
  EXPECT_EQ(kernel_.Snapshot(), before);
}

// CPU time says nothing of what a workload lost that waits for memory longer.
TEST_F(CacheClass, WhatItCostsIsToldByInstructions) {
  slowdown_ = 0.5;
  instructions_ = 2e9;
  v1::LeasedAction action = For("web", CacheShare("c", kJob, 0.5));
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  slowdown_ = 0.1;
  instructions_ = 1.5e9;
  Tick(absl::Seconds(10));
  Release();
  const v1::Receipt receipt = actuator_->TakeReceipts()[0];
  EXPECT_DOUBLE_EQ(receipt.workload_loss_ratio(), 0.25);
  EXPECT_DOUBLE_EQ(receipt.cost_core_seconds(), 0);
  instructions_.reset();
  ASSERT_EQ(Apply(action).state(), v1::ACTION_STATE_APPLIED);
  Tick(absl::Seconds(10));
  Release();
  EXPECT_FALSE(actuator_->TakeReceipts()[0].has_workload_loss_ratio()) << "not known is not nothing";
}

TEST_F(CacheClass, ValuesThatMakeNoSenseOrGoTooLowAreRefused) {
  const auto reason = [this](double cache, double bandwidth, uint64_t bytes) {
    v1::LeasedAction action = CacheShare("c", kJob, cache);
    action.set_memory_bandwidth_ratio(bandwidth);
    action.set_memory_bandwidth_bytes_per_second(bytes);
    return Apply(action).reason();
  };
  EXPECT_THAT(reason(0, 0, 0), HasSubstr("must bound the cache or the memory bandwidth"));
  EXPECT_THAT(reason(1.5, 0, 0), HasSubstr("1.5 of the cache makes no sense"));
  EXPECT_THAT(reason(-0.5, 0, 0), HasSubstr("makes no sense"));
  EXPECT_THAT(reason(std::nan(""), 0, 0), HasSubstr("makes no sense"));
  EXPECT_THAT(reason(0, 2, 0), HasSubstr("2 of the memory bandwidth makes no sense"));
  EXPECT_THAT(reason(0.05, 0, 0), HasSubstr("below the floor of 0.1 (guard.floor_cache_ratio)"));
  EXPECT_THAT(reason(0.5, 0.05, 0), HasSubstr("(guard.floor_memory_bandwidth_ratio)"));
  EXPECT_THAT(reason(0, 0, 100'000'000), HasSubstr("(guard.floor_memory_bandwidth_bytes_per_second)"));
  EXPECT_THAT(reason(0, 0, uint64_t{1} << 60), HasSubstr("makes no sense"));
  EXPECT_THAT(reason(0, 0.5, 5'000'000'000), HasSubstr("and not both"));
  EXPECT_THAT(reason(1, 0, 0), HasSubstr("would bound nothing"));
  EXPECT_EQ(kernel_.calls(), 0);
}

TEST_F(CacheClass, IsDescribedForPeople) {
  v1::LeasedAction action = CacheShare("c", kJob, 0.5);
  EXPECT_EQ(Describe(action), "cache_class of 50 % of the cache");
  action.set_memory_bandwidth_ratio(0.3);
  EXPECT_EQ(Describe(action), "cache_class of 50 % of the cache and 30 % of the memory bandwidth");
  v1::LeasedAction other = action;
  EXPECT_TRUE(SameLeverValue(action, other));
  other.set_cache_ratio(0.4);
  EXPECT_FALSE(SameLeverValue(action, other));
  other = action;
  other.set_memory_bandwidth_ratio(0);
  EXPECT_FALSE(SameLeverValue(action, other));
  other.set_memory_bandwidth_bytes_per_second(5'000'000'000);
  EXPECT_EQ(Describe(other), "cache_class of 50 % of the cache and 5000000000 bytes of memory a second");
}

}  // namespace
}  // namespace truce::agent
