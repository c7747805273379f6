#include "src/host/balloon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "tests/fixtures/fake_machine.h"
#include "tests/fixtures/real_qemu.h"

namespace truce::host {
namespace {

using test::FakeMachine;
using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr absl::Duration kLong = absl::Seconds(20);

std::string MessageOf(const absl::Status& status) {
  return std::string(StdView(status.message()));
}

class QmpBalloon : public testing::Test {
 protected:
  test::Tree directory_;
  FakeMachine machine_{directory_.Path("monitor")};
  std::unique_ptr<Balloon> balloon_ = MakeQmpBalloon(directory_.Path("monitor"), kLong);
};

TEST_F(QmpBalloon, LooksAndAsks) {
  machine_.SetActual(700 * kMiB);
  auto state = balloon_->Look();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->actual_bytes, 700 * kMiB);
  EXPECT_EQ(state->maximum_bytes, kGiB);
  EXPECT_EQ(state->guest_total_bytes, std::nullopt);
  EXPECT_EQ(state->guest_available_bytes, std::nullopt);
  ASSERT_TRUE(balloon_->Ask(600 * kMiB).ok());
  EXPECT_EQ(machine_.asked(), 600 * kMiB);
  machine_.qemu().On("query-memory-size-summary",
                     StrCat(R"("return": {"base-memory": )", kGiB, R"(, "plugged-memory": )", 2 * kGiB, "}"));
  EXPECT_EQ(balloon_->Look()->maximum_bytes, 3 * kGiB) << "with what was plugged in";
}

TEST_F(QmpBalloon, WhatTheGuestSaysIsTakenWhileItIsFresh) {
  machine_.Tell(1000 * kMiB, 400 * kMiB);
  auto state = balloon_->Look();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->guest_total_bytes, 1000 * kMiB);
  EXPECT_EQ(state->guest_available_bytes, 400 * kMiB);
  machine_.Tell(1000 * kMiB, -1);
  EXPECT_EQ(balloon_->Look()->guest_available_bytes, std::nullopt) << "an old guest does not say";
  machine_.Tell(1000 * kMiB, 400 * kMiB, absl::Now() - absl::Minutes(2));
  EXPECT_EQ(balloon_->Look()->guest_available_bytes, std::nullopt) << "it no longer speaks";
  machine_.qemu().On("qom-get", R"("return": {"last-update": 0})");
  EXPECT_TRUE(balloon_->Look().ok());
  machine_.qemu().On("qom-list", test::QmpError("GenericError", "no"));
  EXPECT_TRUE(balloon_->Look().ok()) << "the rest is known all the same";
}

TEST_F(QmpBalloon, WithoutABalloonItSaysHowToGetOne) {
  machine_.LoseBalloon();
  for (const absl::Status& status : {balloon_->Look().status(), balloon_->Ask(kGiB)}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr("No balloon device has been activated"));
    EXPECT_THAT(MessageOf(status), HasSubstr("start it with -device virtio-balloon"));
  }
  machine_.Answer();
  machine_.qemu().On("query-memory-size-summary", test::QmpError("CommandNotFound", "has not been found"));
  EXPECT_TRUE(absl::IsFailedPrecondition(balloon_->Look().status())) << "NotFound is for a machine that is gone";
  const auto nowhere = MakeQmpBalloon("", kLong);
  EXPECT_THAT(MessageOf(nowhere->Look().status()), HasSubstr("start it with -qmp unix:PATH,server=on,wait=off"));
  EXPECT_THAT(MessageOf(nowhere->Ask(kGiB)), HasSubstr("start it with -qmp unix:PATH,server=on,wait=off"));
}

// One machine that a test holds in its hands.
class Held final : public Balloon {
 public:
  struct Hands {
    uint64_t actual = kGiB;
    std::vector<uint64_t> asked;
    absl::Status looking;
    absl::Status asking;
    int looks = 0;
  };
  explicit Held(Hands* hands) : hands_(hands) {}
  absl::StatusOr<BalloonState> Look() override {
    ++hands_->looks;
    if (!hands_->looking.ok()) return hands_->looking;
    return BalloonState{.actual_bytes = hands_->actual, .maximum_bytes = kGiB};
  }
  absl::Status Ask(uint64_t bytes) override {
    if (hands_->asking.ok()) hands_->asked.push_back(bytes);
    return hands_->asking;
  }

 private:
  Hands* const hands_;
};

class TargetOfBalloons : public testing::Test {
 protected:
  TargetOfBalloons() {
    tree_.Put("cgroup/cgroup.controllers", "memory\n");
    tree_.Put("cgroup/vm/cgroup.procs", "20\n");
    Start(20);
    layout_.emplace(*CgroupLayout::Detect(tree_.Path("cgroup")));
    cgroup_ = *Cgroup::Open(*layout_, "vm");
    Open();
  }

  void Start(int pid) { test::PutProcess(tree_, pid, {"/usr/bin/qemu-system-x86_64", "-name", "web"}); }
  // As a process that has asked for nothing yet.
  void Open(absl::Duration quiet = absl::ZeroDuration()) {
    balloons_.emplace(BalloonsOptions{.procfs = tree_.Path("proc"),
                                      .make = [this](const VirtualMachine&) { return std::make_unique<Held>(&hands_); },
                                      .search_every = absl::ZeroDuration(),
                                      .look_every = absl::ZeroDuration(),
                                      .quiet = quiet});
  }
  uint64_t Target() {
    const auto target = balloons_->Target(*cgroup_);
    EXPECT_TRUE(target.ok()) << target.status();
    return target.value_or(0);
  }

  test::Tree tree_;
  Held::Hands hands_;
  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> cgroup_;
  std::optional<Balloons> balloons_;
};

TEST_F(TargetOfBalloons, IsWhatWasAskedForWhileTheGuestIsOnItsWay) {
  hands_.actual = 900 * kMiB;
  EXPECT_EQ(Target(), 900 * kMiB) << "nothing was asked for yet";
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_EQ(Target(), 600 * kMiB) << "and the guest has given nothing";
  for (const uint64_t actual : {890 * kMiB, 895 * kMiB, 700 * kMiB, 600 * kMiB, 612 * kMiB}) {
    hands_.actual = actual;
    EXPECT_EQ(Target(), 600 * kMiB) << "with " << actual;
  }
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 900 * kMiB).ok());
  hands_.actual = 800 * kMiB;
  EXPECT_EQ(Target(), 900 * kMiB) << "on its way back";
}

TEST_F(TargetOfBalloons, IsWhatTheGuestHasWhenThatMovesTheWrongWay) {
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  hands_.actual = 600 * kMiB;
  EXPECT_EQ(Target(), 600 * kMiB);
  hands_.actual = 700 * kMiB;
  EXPECT_EQ(Target(), 700 * kMiB) << "somebody gave it more, or it took more";
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_EQ(hands_.asked, (std::vector<uint64_t>{600 * kMiB, 600 * kMiB}));
  EXPECT_EQ(Target(), 600 * kMiB);
  hands_.actual = 500 * kMiB;
  EXPECT_EQ(Target(), 600 * kMiB) << "as near as before";
  hands_.actual = 400 * kMiB;
  EXPECT_EQ(Target(), 400 * kMiB) << "somebody took more of it";
}

TEST_F(TargetOfBalloons, IsAskedForOnceByOneProcessAndAlwaysByANewOne) {
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_EQ(hands_.asked.size(), 1u);
  // The agent was killed before the guest gave anything, and what is restored is what the guest still has.
  Open();
  EXPECT_EQ(Target(), kGiB);
  ASSERT_TRUE(balloons_->Ask(*cgroup_, kGiB).ok());
  EXPECT_EQ(hands_.asked.back(), kGiB) << "or the guest would go on to 600 MiB";
}

TEST_F(TargetOfBalloons, IsForgottenWithItsMachine) {
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_EQ(Target(), 600 * kMiB);
  tree_.Put("cgroup/vm/cgroup.procs", "30\n");
  Start(30);
  EXPECT_TRUE(absl::IsNotFound(balloons_->Target(*cgroup_).status())) << "another machine was asked for that";
  EXPECT_EQ(Target(), kGiB);
}

TEST_F(TargetOfBalloons, IsUnknownAfterAnAskThatFailed) {
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  hands_.asking = absl::UnavailableError("no answer");
  EXPECT_TRUE(absl::IsUnavailable(balloons_->Ask(*cgroup_, 500 * kMiB)));
  hands_.asking = absl::OkStatus();
  EXPECT_EQ(Target(), kGiB);
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_EQ(hands_.asked.size(), 2u) << "asked again, since the other may have been taken";
}

TEST_F(TargetOfBalloons, ARefusalChangesNothingAndIsUndoneByNothing) {
  hands_.asking = absl::FailedPreconditionError("not now");
  EXPECT_FALSE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  EXPECT_TRUE(balloons_->Ask(*cgroup_, kGiB).ok()) << "as it is";
  EXPECT_FALSE(balloons_->Ask(*cgroup_, kGiB).ok())
      << "asked for again, what an earlier process asked for is to be undone";
  EXPECT_FALSE(balloons_->Ask(*cgroup_, kGiB).ok());
  hands_.asking = absl::OkStatus();
  ASSERT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
  hands_.asking = absl::FailedPreconditionError("not now");
  EXPECT_FALSE(balloons_->Ask(*cgroup_, 500 * kMiB).ok());
  EXPECT_EQ(Target(), 600 * kMiB);
  EXPECT_TRUE(balloons_->Ask(*cgroup_, 600 * kMiB).ok());
}

TEST_F(TargetOfBalloons, NeedsOneMachine) {
  tree_.Put("cgroup/vm/cgroup.procs", "");
  EXPECT_TRUE(absl::IsNotFound(balloons_->Target(*cgroup_).status()));
  EXPECT_TRUE(absl::IsNotFound(balloons_->Ask(*cgroup_, kGiB)));
  tree_.Put("cgroup/vm/cgroup.procs", "20\n30\n");
  Start(30);
  const auto two = balloons_->Target(*cgroup_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(two)) << two;
  EXPECT_THAT(MessageOf(two), HasSubstr("2 virtual machines run in vm; start each in a cgroup of its own"));
}

TEST_F(TargetOfBalloons, ErrorsNameTheMachineAndTellAGoneSocketFromAGoneMachine) {
  hands_.looking = absl::FailedPreconditionError("no balloon");
  EXPECT_EQ(MessageOf(balloons_->Look(*cgroup_).status()), "virtual machine web: no balloon");
  hands_.looking = absl::NotFoundError("nobody listens");
  const auto status = balloons_->Target(*cgroup_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << "or its journal entry would be closed: " << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("virtual machine web runs, but can't be asked: nobody listens"));
  Open();
  EXPECT_FALSE(balloons_->Target(*cgroup_).ok());
  tree_.Remove("proc/20");
  EXPECT_TRUE(absl::IsNotFound(balloons_->Target(*cgroup_).status()));
}

TEST_F(TargetOfBalloons, WhoDoesNotAnswerIsLeftAloneForAWhile) {
  Open(absl::Hours(1));
  hands_.looking = absl::UnavailableError("no answer in time");
  EXPECT_TRUE(absl::IsUnavailable(balloons_->Target(*cgroup_).status()));
  EXPECT_TRUE(absl::IsUnavailable(balloons_->Ask(*cgroup_, kGiB)));
  EXPECT_EQ(hands_.looks, 1) << "the caller's time is not spent on it again";
  tree_.Put("cgroup/vm/cgroup.procs", "30\n");
  Start(30);
  hands_.looking = absl::OkStatus();
  EXPECT_EQ(Target(), kGiB) << "that was another machine";
}

// QEMU itself, with a balloon that no guest drives.
TEST(RealBalloon, QemuIsLookedAtAndAsked) {
  if (const auto missing = test::RealQemu::Missing()) GTEST_SKIP() << *missing;
  test::RealQemu qemu({"-S", "-machine", "pc", "-accel", "tcg", "-m", "256", "-device",
                       "virtio-balloon-pci,id=balloon0,guest-stats-polling-interval=2"});
  ASSERT_TRUE(qemu.up()) << qemu.why();
  const auto balloon = MakeQmpBalloon(qemu.monitor(), kLong);
  const auto state = balloon->Look();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->actual_bytes, 256 * kMiB);
  EXPECT_EQ(state->maximum_bytes, 256 * kMiB);
  EXPECT_EQ(state->guest_available_bytes, std::nullopt) << "no guest has said anything";
  EXPECT_TRUE(balloon->Ask(128 * kMiB).ok());
  EXPECT_EQ(balloon->Look()->actual_bytes, 256 * kMiB) << "nobody gives";
}

TEST(RealBalloon, AMachineWithoutOneSaysHowToGetOne) {
  if (const auto missing = test::RealQemu::Missing()) GTEST_SKIP() << *missing;
  test::RealQemu qemu({"-S", "-machine", "pc", "-accel", "tcg", "-m", "64"});
  ASSERT_TRUE(qemu.up()) << qemu.why();
  const auto balloon = MakeQmpBalloon(qemu.monitor(), kLong);
  EXPECT_THAT(MessageOf(balloon->Look().status()), HasSubstr("start it with -device virtio-balloon"));
  EXPECT_THAT(MessageOf(balloon->Ask(32 * kMiB)), HasSubstr("start it with -device virtio-balloon"));
}

}  // namespace
}  // namespace truce::host
