// The scout: drivers that answer at once, late, and never.
#include "agent/act/migrate/scout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "tests/agent/migrate/rig.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ScoutTest : public testing::Test {
 protected:
  ScoutTest() {
    host_.Put("cgroup/cgroup.controllers", "cpu\n");
    host_.Put(StrCat("cgroup/", kWeb, "/cpu.stat"), "usage_usec 1\n");
    layout_ = std::make_unique<host::CgroupLayout>(*host::CgroupLayout::Detect(host_.Path("cgroup")));
    cgroup_ = *host::Cgroup::Open(*layout_, kWeb);
  }
  ~ScoutTest() override {
    quick_.Release("ready");
    slow_.Release("ready");
    slow_.Release("can_move");
    scout_.reset();
    // A thread that was left to itself is still in its driver, and that in the world.
    EXPECT_TRUE(Await([&] { return drivers_[0].expired() && drivers_[1].expired(); }));
  }
  void Open(absl::Duration first_answer) {
    const std::vector<std::shared_ptr<MigrationDriver>> drivers = {std::make_shared<FakeDriver>(slow_, "slow"),
                                                                   std::make_shared<FakeDriver>(quick_, "quick")};
    drivers_.assign(drivers.begin(), drivers.end());
    scout_ = std::make_unique<Scout>(drivers, *layout_, clock_, first_answer);
  }
  std::string Reason(const std::string& driver) const {
    return std::string(StdView(scout_->ReadinessOf(driver).to_receive.message()));
  }
  bool IsReady(const std::string& driver) const { return scout_->ReadinessOf(driver).to_receive.ok(); }
  std::vector<std::string> Able() { return scout_->DriversFor({kWeb, "systemd", "web", cgroup_.get()}); }

  test::Tree host_;
  std::unique_ptr<host::CgroupLayout> layout_;
  std::unique_ptr<host::Cgroup> cgroup_;
  FakeClock clock_;
  FakeWorld slow_;
  FakeWorld quick_;
  std::vector<std::weak_ptr<MigrationDriver>> drivers_;
  std::unique_ptr<Scout> scout_;
};

TEST_F(ScoutTest, WhatIsSaidAtOnceIsKnownAtOnce) {
  slow_.Fail("ready", absl::FailedPreconditionError("install it"));
  Open(kPatience);
  EXPECT_TRUE(IsReady("quick"));
  EXPECT_EQ(Reason("slow"), "install it");
  EXPECT_THAT(Reason("other"), HasSubstr("is not configured on this host"));
}

// A libvirtd that hangs must hold up neither the agent's start nor the other drivers.
TEST_F(ScoutTest, OneThatHangsFromTheStartIsNotWaitedFor) {
  slow_.Block("ready");
  Open(absl::Milliseconds(20));
  EXPECT_THAT(Reason("slow"), HasSubstr("has not said yet whether it is ready"));
  ASSERT_TRUE(Await([&] { return IsReady("quick"); }));
  ASSERT_TRUE(Await([&] { return Able() == std::vector<std::string>{"quick"}; }));
  scout_->Tick();
  clock_.Advance(Scout::kDeadline);
  EXPECT_THAT(Reason("slow"), HasSubstr("the driver slow was asked and has not answered for 30s"));
  for (int minute = 0; minute < 5; ++minute) {
    clock_.Advance(Scout::kAgain);
    scout_->Tick();
  }
  EXPECT_EQ(slow_.asked("ready"), 1) << "questions to who hangs don't pile up";
  slow_.Release("ready");
  ASSERT_TRUE(Await([&] { return IsReady("slow"); }));
}

TEST_F(ScoutTest, OneThatHangsLaterIsNotReadyAnyMore) {
  Open(kPatience);
  ASSERT_TRUE(Await([&] { return Able().size() == 2; }));
  slow_.Block("ready");
  clock_.Advance(Scout::kAgain);
  scout_->Tick();
  ASSERT_TRUE(Await([&] { return slow_.asked("ready") == 2; }));
  EXPECT_TRUE(IsReady("slow")) << "so far it is only slow";
  scout_->Tick();
  clock_.Advance(Scout::kDeadline);
  EXPECT_FALSE(IsReady("slow"));
  EXPECT_THAT(Able(), ElementsAre("quick"));
  EXPECT_TRUE(IsReady("quick"));
  slow_.Release("ready");
  ASSERT_TRUE(Await([&] { return IsReady("slow"); }));
  EXPECT_THAT(Able(), ElementsAre("slow", "quick"));
}

// Many workloads, each of which takes long to be looked at.
TEST_F(ScoutTest, AWorkloadIsAskedAboutOnceHoweverLongTheAnswerTakes) {
  slow_.Block("can_move");
  Open(kPatience);
  host_.Put("cgroup/system.slice/other.service/cpu.stat", "usage_usec 1\n");
  const auto other = *host::Cgroup::Open(*layout_, "system.slice/other.service");
  (void)Able();
  ASSERT_TRUE(Await([&] { return slow_.asked("can_move") == 1; }));
  for (int minute = 0; minute < 5; ++minute) {
    clock_.Advance(Scout::kAgain);
    (void)Able();
    (void)scout_->DriversFor({"system.slice/other.service", "systemd", "other", other.get()});
  }
  slow_.Release("can_move");
  ASSERT_TRUE(Await([&] { return slow_.asked("can_move") == 2; }));
  clock_.Advance(Scout::kAgain);
  scout_->Tick();
  ASSERT_TRUE(Await([&] { return slow_.asked("ready") == 2; })) << "what was asked before is answered by now";
  EXPECT_EQ(slow_.asked("can_move"), 2);
}

TEST_F(ScoutTest, WhetherItIsReadyIsAskedFirst) {
  std::vector<std::string> steps;
  absl::Mutex mutex;
  Open(kPatience);
  slow_.Block("can_move");
  (void)Able();
  ASSERT_TRUE(Await([&] { return slow_.asked("can_move") == 1; }));
  slow_.SetHook([&](std::string_view step) {
    const absl::MutexLock lock(&mutex);
    steps.emplace_back(step);
  });
  host_.Put("cgroup/system.slice/other.service/cpu.stat", "usage_usec 1\n");
  const auto other = *host::Cgroup::Open(*layout_, "system.slice/other.service");
  (void)scout_->DriversFor({"system.slice/other.service", "systemd", "other", other.get()});
  clock_.Advance(Scout::kAgain);
  scout_->Tick();
  slow_.Release("can_move");
  ASSERT_TRUE(Await([&] { return slow_.asked("can_move") == 2; }));
  slow_.SetHook(nullptr);
  const absl::MutexLock lock(&mutex);
  EXPECT_THAT(steps, ElementsAre("ready", "can_move"));
}

TEST_F(ScoutTest, TheEndWaitsForNobodyForever) {
  slow_.Block("ready");
  Open(absl::Milliseconds(1));
  ASSERT_TRUE(Await([&] { return slow_.asked("ready") == 1; }));
  scout_->Stop(absl::Milliseconds(1));
  scout_.reset();
  EXPECT_EQ(slow_.asked("ready"), 1);
}

}  // namespace
}  // namespace truce::agent
