// What operators change is in force at once; whether it is also on disk they are told, and when it could not be, it is
// written as soon as the disk works again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr int64_t kPage = 4096;

class SilentSink final : public SessionSink {
 public:
  void Queue(v1::ConnectResponse) override {}
  void QueueClose(absl::Status) override {}
  void Pump() override {}
};
// How long after a failure it is tried again.
constexpr absl::Duration kRetry = absl::Seconds(10);

class DurableTest : public testing::Test {
 protected:
  DurableTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-durable-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    options_.file = directory_ + "/controller.db";
  }
  ~DurableTest() override {
    if (!release_.HasBeenNotified()) release_.Notify();
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    auto store = Store::Open(options_, clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    core_ = std::make_unique<ControllerCore>(std::move(options), clock_, *store_);
  }
  void Stop() {
    core_.reset();
    store_.reset();
  }
  // What a controller that starts now knows of earlier ones.
  StoredState AfterARestart() {
    Stop();
    StoredState known;
    {
      const auto store = Store::Open(options_, clock_);
      EXPECT_TRUE(store.ok()) << store.status();
      known = (*store)->restored();
    }
    Start();
    return known;
  }
  // What is done on web-1, where redis suffers from stress.
  v1::ListActionsResponse ActionsOnWeb1() {
    const uint64_t session = core_->OnOpened(std::make_shared<SilentSink>(), std::nullopt);
    v1::ConnectRequest hello;
    *hello.mutable_hello() = MakeHello("web-1");
    core_->OnMessage(session, hello);
    v1::ConnectRequest report;
    *report.mutable_report() = MakeScene();
    report.mutable_report()->mutable_workloads(0)->mutable_workload()->set_application("redis");
    report.mutable_report()->mutable_workloads(1)->mutable_workload()->set_application("stress");
    core_->OnMessage(session, report);
    const auto actions = core_->ListActions({});
    core_->OnClosed(session);
    EXPECT_TRUE(actions.ok()) << actions.status();
    return actions.ok() ? *actions : v1::ListActionsResponse();
  }
  v1::Lever ChosenLever() {
    const auto actions = ActionsOnWeb1();
    EXPECT_EQ(actions.actions_size(), 1) << actions.ShortDebugString();
    return actions.actions_size() == 1 ? actions.actions(0).action().lever() : v1::LEVER_UNSPECIFIED;
  }
  // The store's thread hangs from now on, as in a write to a dead disk, until `release_`.
  void HangStore() {
    absl::Notification hangs;
    v1::ReceiptBatch batch;
    batch.add_receipts()->mutable_action()->set_lease_id("a");
    ASSERT_TRUE(store_->AddReceipts("web-1", batch, [this, &hangs](const absl::Status&) {
      hangs.Notify();
      release_.WaitForNotification();
    }));
    hangs.WaitForNotification();
  }
  // Writes that the store has done once its queue is empty.
  uint64_t Written() {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (store_->status().queued > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    EXPECT_TRUE(store_->Flush().ok()) << store_->status().last_error;
    return store_->status().written;
  }
  void TickAfter(absl::Duration wait) {
    clock_.Advance(wait);
    core_->Tick();
  }

  v1::HoldResponse Hold(const std::string& reason) {
    v1::HoldRequest request;
    request.set_reason(reason);
    const auto response = core_->Hold(request, "alice");
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  }
  v1::SetModeResponse SetMode(v1::Mode mode) {
    v1::SetModeRequest request;
    request.mutable_rule()->set_mode(mode);
    const auto response = core_->SetMode(request, "alice");
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  }
  v1::ApplyPolicyResponse ApplyFloor(double cores) {
    v1::ApplyPolicyRequest request;
    *request.mutable_policy() = core_->GetPolicy().policy();
    request.mutable_policy()->set_floor_cores(cores);
    const auto response = core_->ApplyPolicy(request, "alice");
    EXPECT_TRUE(response.ok()) << response.status();
    return *response;
  }

  std::string directory_;
  StoreOptions options_;
  FakeClock clock_;
  absl::Notification release_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControllerCore> core_;
};

TEST_F(DurableTest, WhatIsOnDiskComesWithoutAWarning) {
  Start();
  EXPECT_THAT(Hold("release").warnings(), IsEmpty());
  EXPECT_THAT(SetMode(v1::MODE_ADVISE).warnings(), IsEmpty());
  EXPECT_THAT(ApplyFloor(0.25).warnings(), IsEmpty());
  EXPECT_THAT(core_->Resume({}, "alice")->warnings(), IsEmpty());
}

// A hanging disk with a full queue before it: nothing that is changed gets any further.
TEST_F(DurableTest, EachChangeWarnsWhileTheDiskHangsAndAllAreStoredOnceItIsBack) {
  options_.queue_capacity = 100;
  Start();
  HangStore();
  uint64_t rows = 0;
  for (v1::Decision decision; store_->Add(decision);) decision.set_id(++rows + 1);

  const auto tells = [](const std::string& what) {
    return ElementsAre(AllOf(HasSubstr(what + " is in force but could not be stored"), HasSubstr("queue is full")));
  };
  EXPECT_THAT(Hold("first").warnings(), tells("the hold"));
  EXPECT_THAT(core_->Resume({}, "alice")->warnings(), tells("the end of the hold"));
  EXPECT_THAT(Hold("second").warnings(), tells("the hold"));
  EXPECT_THAT(SetMode(v1::MODE_ADVISE).warnings(), tells("the new mode"));
  EXPECT_THAT(ApplyFloor(0.25).warnings(), tells("the new policy"));
  EXPECT_EQ(core_->GetPolicy().policy().floor_cores(), 0.25) << "in force all the same";
  v1::HoldRequest asked;
  asked.set_validate_only(true);
  EXPECT_THAT(core_->Hold(asked, "alice")->warnings(), IsEmpty()) << "a question changes nothing";

  TickAfter(kRetry);  // the disk hangs still
  release_.Notify();
  const uint64_t before = Written();
  core_->Tick();
  EXPECT_EQ(Written(), before) << "not tried every second";
  TickAfter(kRetry);
  const uint64_t after = Written();
  EXPECT_GT(after, before);
  TickAfter(kRetry);
  EXPECT_EQ(Written(), after) << "what is stored is not stored again";

  const StoredState known = AfterARestart();
  EXPECT_THAT(known.holds, ElementsAre(Pair("", "second")));
  ASSERT_TRUE(known.policy.has_value());
  EXPECT_EQ(known.policy->floor_cores(), 0.25);
  ASSERT_EQ(known.policy->mode_rules_size(), 1);
  EXPECT_EQ(known.policy->mode_rules(0).mode(), v1::MODE_ADVISE);
}

// The kill switch doesn't wait for who is to be stopped.
TEST_F(DurableTest, AHostCanBeHeldBeforeItIsBackAfterARestart) {
  Start();
  EXPECT_NE(ChosenLever(), v1::LEVER_UNSPECIFIED) << "it connects";
  EXPECT_THAT(AfterARestart().hosts, ElementsAre("web-1"));
  v1::HoldRequest request;
  request.set_host("web-9");
  EXPECT_TRUE(absl::IsNotFound(core_->Hold(request, "alice").status())) << "one that never was";
  request.set_host("web-1");
  const auto held = core_->Hold(request, "alice");
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_THAT(held->warnings(), ElementsAre(HasSubstr("web-1 has not connected since the controller started")));
  EXPECT_EQ(ActionsOnWeb1().actions_size(), 0) << "it comes back, and the reason to act with it";
  v1::ResumeRequest resume;
  resume.set_host("web-1");
  AfterARestart();
  EXPECT_TRUE(core_->Resume(resume, "alice").ok());
  EXPECT_EQ(ActionsOnWeb1().actions_size(), 1);
}

// A small write that has room says nothing of a larger one that had none.
TEST_F(DurableTest, ALaterHoldThatIsStoredStoresTheOlderPolicyToo) {
  Start();
  SetMode(v1::MODE_ADVISE);
  HangStore();
  EXPECT_THAT(ApplyFloor(0.25).warnings(), testing::SizeIs(1));
  release_.Notify();
  EXPECT_THAT(Hold("release").warnings(), IsEmpty());
  const StoredState known = AfterARestart();
  ASSERT_TRUE(known.policy.has_value());
  EXPECT_EQ(known.policy->floor_cores(), 0.25);
}

// What an older write says of itself must not be taken for what a newer one, which had no room, would have said.
TEST_F(DurableTest, AnOlderSaveThatGetsThroughLateDoesNotForgetANewerOne) {
  options_.queue_capacity = 100;
  Start();
  HangStore();
  EXPECT_THAT(SetMode(v1::MODE_ADVISE).warnings(), ElementsAre(HasSubstr("did not confirm it")))
      << "it waits in the queue";
  uint64_t rows = 0;
  for (v1::Decision decision; store_->Add(decision);) decision.set_id(++rows + 1);
  EXPECT_THAT(Hold("second").warnings(), ElementsAre(HasSubstr("queue is full")));
  release_.Notify();
  Written();
  TickAfter(kRetry);
  Written();
  EXPECT_THAT(AfterARestart().holds, ElementsAre(Pair("", "second")));
}

// Older controllers wrote a score of zero as nothing at all.
TEST_F(DurableTest, AStoredThresholdWithoutARestoreScoreKeepsTheZeroThatItMeant) {
  Start();
  v1::Policy policy = DefaultPolicy();
  v1::Threshold* threshold = policy.add_thresholds();
  threshold->set_victim("redis");
  threshold->set_trigger_score(15);
  store_->SaveState(policy, {}, [](const absl::Status&) {});
  ASSERT_TRUE(store_->Flush().ok());
  const StoredState known = AfterARestart();
  ASSERT_TRUE(known.policy.has_value());
  ASSERT_FALSE(known.policy->thresholds(1).has_restore_score());
  const v1::Policy in_force = core_->GetPolicy().policy();
  EXPECT_TRUE(in_force.thresholds(1).has_restore_score());
  EXPECT_EQ(in_force.thresholds(1).restore_score(), 0);
  EXPECT_TRUE(CheckPolicy(in_force).ok()) << CheckPolicy(in_force);
}

TEST_F(DurableTest, ZeroSurvivesTheStore) {
  Start();
  v1::ApplyPolicyRequest request;
  *request.mutable_policy() = core_->GetPolicy().policy();
  request.mutable_policy()->set_host_actions_per_minute(0);
  ASSERT_TRUE(core_->ApplyPolicy(request, "alice").ok());
  AfterARestart();
  EXPECT_EQ(core_->GetPolicy().policy().host_actions_per_minute(), 0u);
}

TEST_F(DurableTest, AHoldDoesNotFreezeThePolicyOfTheConfiguration) {
  Start();
  Hold("release");
  EXPECT_FALSE(AfterARestart().policy.has_value());
}

TEST_F(DurableTest, AChangeThatTheDiskDidNotConfirmInTimeIsAnEventToo) {
  Start();
  HangStore();
  EXPECT_THAT(Hold("release").warnings(), ElementsAre(HasSubstr("the store did not confirm it within 3s")));
  release_.Notify();
  const auto events = core_->ListEvents({});
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_TRUE(std::any_of(events->events().begin(), events->events().end(), [](const v1::Event& event) {
    return event.kind() == "store_failed" && event.message().find("the hold is in force") != std::string::npos;
  })) << events->ShortDebugString();
}

TEST_F(DurableTest, ReceiptsOfEarlierControllersTeachThisOne) {
  Start();
  EXPECT_EQ(ChosenLever(), v1::LEVER_CPU_PIN);
  v1::ReceiptBatch batch;
  for (int i = 0; i < 3; ++i) {
    v1::Receipt& receipt = *batch.add_receipts();
    v1::LeasedAction& action = *receipt.mutable_action();
    action.set_lease_id("L");
    action.set_lever(v1::LEVER_CPU_PIN);
    action.set_resource(v1::RESOURCE_CPU);
    action.set_victim_application("redis");
    action.set_workload_application("stress");
    action.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    receipt.mutable_ended_at()->set_seconds(20);
    receipt.set_victim_slowdown_before(0.5);
    receipt.set_victim_slowdown_after(0.5);
  }
  ASSERT_TRUE(store_->AddReceipts("web-2", batch, [](const absl::Status&) {}));
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(AfterARestart().receipts.size(), 3u);
  EXPECT_EQ(ChosenLever(), v1::LEVER_CPU_QUOTA) << "a pin did nothing for this pair";
}

// The store is at store.maximum_mib until what it keeps is old enough to go.
TEST_F(DurableTest, AFullDiskIsToldAndTriedAgainUntilThereIsRoom) {
  options_.maximum_bytes = 100 * kPage;
  options_.retention_age = absl::Hours(24);
  Start();
  v1::Decision large;
  large.set_id(1);
  large.mutable_decided_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
  large.set_reason(std::string(60 * kPage, 'x'));
  store_->Add(large);
  ASSERT_TRUE(store_->Flush().ok());

  const std::string reason(40 * kPage, 'y');
  EXPECT_THAT(Hold(reason).warnings(),
              ElementsAre(AllOf(HasSubstr("the hold is in force but could not be stored"),
                                HasSubstr("a controller that restarts before this is mended forgets it"),
                                HasSubstr("store.maximum_mib"))));
  (void)store_->Flush();
  const uint64_t failed = store_->status().failed;
  TickAfter(kRetry);
  (void)store_->Flush();
  EXPECT_GT(store_->status().failed, failed) << "tried again, and there is still no room";

  clock_.Advance(absl::Hours(48));
  // The store's thread prunes after what it was asked; a second question finds it done.
  (void)store_->Flush();
  (void)store_->Flush();
  core_->Tick();
  EXPECT_TRUE(store_->Flush().ok()) << store_->status().last_error;
  EXPECT_THAT(AfterARestart().holds, ElementsAre(Pair("", reason)));
}

}  // namespace
}  // namespace truce::controller
