// The mover, order by order: every step with every outcome, and what must never happen on the way.
#include "agent/act/migrate/mover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include "src/base/enum_words.h"
#include "tests/agent/migrate/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;
constexpr auto kUnknown = v1::MIGRATION_PRESENCE_UNSPECIFIED;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;
constexpr auto kWorking = v1::MIGRATION_PROGRESS_WORKING;
constexpr auto kReserve = v1::MIGRATION_STEP_RESERVE;
constexpr auto kMove = v1::MIGRATION_STEP_MOVE;
constexpr auto kVerify = v1::MIGRATION_STEP_VERIFY;
constexpr auto kFinish = v1::MIGRATION_STEP_FINISH;
constexpr auto kRollBack = v1::MIGRATION_STEP_ROLL_BACK;

TEST_F(MoverTest, TheSourceMovesLooksAndLeaves) {
  OpenMover();
  world_.Put("m1", kRunning);
  Take({Source(kMove)});
  EXPECT_EQ(StatusOf().progress(), kWorking);
  v1::MigrationStatus status = AwaitAnswer(kMove);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.role(), v1::MIGRATION_ROLE_SOURCE);
  EXPECT_EQ(status.driver(), "fake");
  EXPECT_EQ(status.workload(), kWeb);
  EXPECT_EQ(status.moved_bytes(), 2000u);
  EXPECT_EQ(status.downtime().nanos(), 120'000'000);

  status = Do(Source(kVerify));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kStopped);
  status = Do(Source(kFinish));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kAbsent);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1", "leave m1"));
  EXPECT_THAT(EventKinds(), ElementsAre("migration_begun", "migration_moved"));
  EXPECT_EQ(events_[0].workload(), kWeb);
  EXPECT_THAT(events_[0].message(), HasSubstr("migration m1: moving it to web-2 by fake"));
  EXPECT_THAT(events_[1].message(), HasSubstr("moved it to web-2; it stood still for 120ms"));

  Take({});
  EXPECT_THAT(mover_->statuses(), IsEmpty()) << "it is over";
  OpenMover();
  EXPECT_THAT(mover_->statuses(), IsEmpty()) << "on disk too";
}

TEST_F(MoverTest, TheTargetReservesLooksAndSettles) {
  OpenMover();
  world_.Put("m1", kAbsent);
  v1::MigrationStatus status = Do(Target(kReserve));
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.role(), v1::MIGRATION_ROLE_TARGET);
  EXPECT_EQ(status.endpoint(), "fake:m1");

  world_.Put("m1", kRunning);  // it came
  status = Do(Target(kVerify));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(status.workload(), "here/web.service") << "its name on this host";
  status = Do(Target(kFinish));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(status.endpoint(), "fake:m1") << "what was said stays said";
  EXPECT_THAT(world_.changes(), ElementsAre("plan m1", "reserve m1", "settle m1"));
  EXPECT_THAT(EventKinds(), ElementsAre("migration_begun", "migration_moved"));
  EXPECT_EQ(events_[1].workload(), "here/web.service");
  Take({});
  EXPECT_THAT(mover_->statuses(), IsEmpty());
}

// What comes without running, such as a container's checkpoint, is let run when the source can't have it any more.
TEST_F(MoverTest, WhatCameStoppedIsLetRunByFinish) {
  OpenMover();
  Reserved();
  world_.Put("m1", kStopped);
  EXPECT_EQ(Do(Target(kVerify)).presence(), kStopped);
  EXPECT_EQ(Do(Target(kFinish)).presence(), kRunning);
}

TEST_F(MoverTest, RepeatedOrdersAreDoneOnce) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  for (int i = 0; i < 5; ++i) Take({Source(kMove)});
  EXPECT_EQ(StatusOf().progress(), kWorking);
  EXPECT_EQ(StatusOf().moved_bytes(), 1000u) << "how far it is";
  world_.Release("move");
  AwaitAnswer(kMove);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Do(Source(kMove)).progress(), kDone);
  Do(Source(kFinish));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Do(Source(kFinish)).progress(), kDone);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1", "leave m1"));
}

// The order of an earlier step, late or from a controller that lost its memory, undoes nothing.
TEST_F(MoverTest, AnOlderStepIsNotGoneBackTo) {
  OpenMover();
  Moved();
  Do(Source(kVerify));
  Take({Source(kMove)});
  Settle();
  EXPECT_EQ(StatusOf().step(), kVerify);
  Do(Source(kFinish));
  Take({Source(kMove)});
  Settle();
  EXPECT_EQ(StatusOf().step(), kFinish);
  EXPECT_EQ(world_.Count("move m1"), 1);
}

TEST_F(MoverTest, AnOrderThatLacksTheRestIsKnownFromTheFirst) {
  OpenMover();
  Moved();
  v1::MigrationOrder bare;
  bare.set_migration_id("m1");
  bare.set_role(v1::MIGRATION_ROLE_SOURCE);
  bare.set_step(kRollBack);
  bare.mutable_time_to_live()->set_seconds(30);
  const v1::MigrationStatus status = Do(bare);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.driver(), "fake");
  EXPECT_EQ(world_.Where("m1"), kRunning);
}

// MOVE, with each outcome, and what the steps after it may do then.
struct MoveCase {
  const char* name;
  absl::Status outcome;
  v1::MigrationPresence after;  // where it really is then
  v1::MigrationProgress told;
  v1::MigrationProgress finish;
};
class MoveOutcomes : public MoverTest, public testing::WithParamInterface<MoveCase> {
 protected:
  void Move() {
    OpenMover();
    world_.Put("m1", kRunning);
    world_.Fail("move", GetParam().outcome);
    const v1::MigrationStatus status = Do(Source(kMove));
    EXPECT_EQ(status.progress(), GetParam().told);
    EXPECT_THAT(status.reason(), HasSubstr("because"));
    world_.Put("m1", GetParam().after);
    EXPECT_THAT(EventKinds(), ElementsAre("migration_begun", "migration_failed"));
  }
};
TEST_P(MoveOutcomes, VerifyTellsWhereItIs) {
  Move();
  EXPECT_EQ(Do(Source(kVerify)).presence(), GetParam().after);
}
TEST_P(MoveOutcomes, RollBackLetsItRunUnlessItIsGone) {
  Move();
  const v1::MigrationStatus status = Do(Source(kRollBack));
  EXPECT_EQ(status.progress(), GetParam().after == kAbsent ? kFailed : kDone) << status.reason();
  EXPECT_EQ(world_.Where("m1"), GetParam().after == kAbsent ? kAbsent : kRunning);
  EXPECT_EQ(world_.Count("resume m1"), GetParam().after == kStopped ? 1 : 0);
}
TEST_P(MoveOutcomes, FinishRemovesWhatIsLeftUnlessItRuns) {
  Move();
  const v1::MigrationStatus status = Do(Source(kFinish));
  EXPECT_EQ(status.progress(), GetParam().finish) << status.reason();
  EXPECT_EQ(world_.Where("m1"), GetParam().after == kRunning ? kRunning : kAbsent);
}
INSTANTIATE_TEST_SUITE_P(
    All, MoveOutcomes,
    testing::Values(MoveCase{"Aborted", absl::AbortedError("because"), kRunning, kFailed, kRefused},
                    MoveCase{"Cancelled", absl::CancelledError("because"), kRunning, kFailed, kRefused},
                    MoveCase{"NotNow", absl::ResourceExhaustedError("because"), kRunning, kRefused, kRefused},
                    MoveCase{"UnknownAndRuns", absl::InternalError("because"), kRunning, kFailed, kFailed},
                    MoveCase{"UnknownAndStopped", absl::UnavailableError("because"), kStopped, kFailed, kDone},
                    MoveCase{"UnknownAndGone", absl::DeadlineExceededError("because"), kAbsent, kFailed, kDone}),
    [](const auto& one) { return one.param.name; });

TEST_F(MoverTest, WhatCannotBePreparedIsRefusedAndNothingIsChanged) {
  OpenMover();
  world_.Fail("recall", absl::FailedPreconditionError("it has no monitor"));
  v1::MigrationStatus status = Do(Source(kMove));
  EXPECT_EQ(status.progress(), kRefused);
  EXPECT_EQ(status.reason(), "it has no monitor");
  world_.SetMovable(false);
  EXPECT_THAT(Do(Source(kMove, "m2")).reason(), HasSubstr("the driver fake can't move system.slice/web.service"));
  world_.Fail("plan", absl::FailedPreconditionError("no port is free"));
  EXPECT_EQ(Do(Target(kReserve, "m3")).progress(), kRefused);
  world_.Fail("plan", absl::OkStatus());
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "plan m3"));
}

TEST_F(MoverTest, WhatAFailedReservationLeftIsDropped) {
  OpenMover();
  world_.Put("m1", kStopped);  // half a machine
  world_.Fail("reserve", absl::FailedPreconditionError("it did not start"));
  world_.Fail("drop", absl::UnavailableError("busy"));
  v1::MigrationStatus status = Do(Target(kReserve));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_EQ(status.reason(), "it did not start, and what was reserved could not be dropped yet: busy");
  world_.Fail("drop", absl::OkStatus());
  EXPECT_EQ(Do(Target(kRollBack)).presence(), kAbsent);
  EXPECT_THAT(world_.changes(), ElementsAre("plan m1", "reserve m1", "drop m1", "drop m1"));

  world_.Put("m2", kStopped);
  status = Do(Target(kReserve, "m2"));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_EQ(status.reason(), "it did not start; what was reserved was dropped");
  EXPECT_EQ(world_.Where("m2"), kAbsent);
  EXPECT_EQ(Do(Target(kRollBack, "m2")).progress(), kDone);
  EXPECT_EQ(world_.Count("drop m2"), 1);

  world_.Put("m3", kRunning);
  status = Do(Target(kReserve, "m3"));
  EXPECT_EQ(status.progress(), kFailed) << "nothing may be sent to it";
  EXPECT_EQ(status.presence(), kRunning) << "what runs is not dropped";
  EXPECT_EQ(status.reason(), "it did not start; it runs here by now and is left alone");
  EXPECT_EQ(Do(Target(kVerify, "m3")).presence(), kRunning);
}

// As where TasksMax= of the agent's unit is too small: here no stack is small enough.
TEST(MoveTaskTest, AMoveForWhichThereIsNoThreadDidNotBegin) {
  pthread_attr_t usual;
  pthread_attr_t endless;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&endless), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&endless, size_t{1} << 50), 0);
  FakeWorld world;
  const auto status_of = [&](MoveTask kind, bool cancelled) {
    MoveTaskInput input{.task = kind, .driver = std::make_shared<FakeDriver>(world)};
    EXPECT_EQ(pthread_setattr_default_np(&endless), 0);
    MoveTaskThread task(std::move(input), cancelled);
    EXPECT_EQ(pthread_setattr_default_np(&usual), 0);
    EXPECT_TRUE(task.done());
    return task.Take().status;
  };
  const absl::Status move = status_of(MoveTask::kMove, false);
  EXPECT_TRUE(absl::IsResourceExhausted(move)) << move;
  EXPECT_THAT(std::string(move.message()), HasSubstr("TasksMax="));
  EXPECT_TRUE(absl::IsUnavailable(status_of(MoveTask::kMove, true))) << "an earlier run may have begun it";
  EXPECT_TRUE(absl::IsUnavailable(status_of(MoveTask::kLook, false)));
  EXPECT_THAT(world.calls(), IsEmpty());
  pthread_attr_destroy(&endless);
  pthread_attr_destroy(&usual);
}

// The source removes what it has on this word.
TEST_F(MoverTest, WhatWasLetRunIsDoneWhenItIsSeenToRun) {
  OpenMover();
  Reserved();
  Do(Target(kVerify));
  world_.SetSettlesTo(kStopped);
  Take({Target(kFinish)});
  AwaitCall("settle m1");
  Settle();
  EXPECT_EQ(StatusOf().step(), kFinish);
  EXPECT_EQ(StatusOf().progress(), v1::MIGRATION_PROGRESS_WORKING);
  EXPECT_EQ(StatusOf().reason(), "it was let run, and was not seen to run yet");

  world_.Put("m1", kRunning);
  clock_.Advance(absl::Seconds(3));
  const v1::MigrationStatus status = Do(Target(kFinish));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(world_.Count("settle m1"), 1) << "it is only looked at again";
}

TEST_F(MoverTest, WhatRanToItsEndIsDoneWhereTheDriverCanProveIt) {
  OpenMover();
  Reserved();
  Do(Target(kVerify));
  world_.SetSettlesTo(kAbsent);
  world_.SetArrived(true);
  const v1::MigrationStatus status = Do(Target(kFinish));
  EXPECT_EQ(status.progress(), kDone);
  EXPECT_EQ(status.presence(), kAbsent);
  EXPECT_TRUE(status.arrived());
}

// A size that was taken from it here would travel with it, and nobody would put it back.
TEST_F(MoverTest, WhatIsUnderActionIsNotMovedAndWhatIsMovedIsNotActedOn) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Put("m2", kRunning);
  target_.held_levers = {v1::LEVER_CPU_QUOTA, v1::LEVER_MEMORY_SQUEEZE};
  const v1::MigrationStatus status = Do(Source(kMove));
  EXPECT_EQ(status.progress(), kRefused);
  EXPECT_THAT(status.reason(), HasSubstr("(cpu_quota, memory_squeeze)"));
  EXPECT_THAT(world_.calls(), IsEmpty());
  EXPECT_EQ(mover_->MovingRefusal(kWeb), "");

  target_.held_levers.clear();
  world_.Block("move");
  Take({Source(kMove, "m2")});
  AwaitCall("move m2");
  EXPECT_THAT(mover_->MovingRefusal(kWeb), HasSubstr("is being moved to another host (m2)"));
  EXPECT_EQ(mover_->MovingRefusal("system.slice/db.service"), "");
  world_.Release("move");
  AwaitAnswer(kMove, "m2");
  EXPECT_NE(mover_->MovingRefusal(kWeb), "") << "it is stopped here and may come back";
  ASSERT_EQ(Do(Source(kRollBack, "m2")).progress(), kDone);
  EXPECT_EQ(mover_->MovingRefusal(kWeb), "");
}

// The safety of the whole: nothing runs on two hosts, and what runs is not ended.

TEST_F(MoverTest, ASourceThatIsFoundRunningIsNotResumedAndNotRemoved) {
  OpenMover();
  Moved();
  world_.Put("m1", kRunning);  // somebody let it run by hand
  const v1::MigrationStatus status = Do(Source(kFinish));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_THAT(status.reason(), HasSubstr("what runs is not removed"));
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
}

TEST_F(MoverTest, WhatCannotBeLookedAtIsNotTouched) {
  OpenMover();
  Moved();
  for (const auto step : {kVerify, kFinish, kRollBack}) {
    world_.Fail("look", absl::InternalError("no answer"));
    EXPECT_EQ(Do(Source(step)).progress(), kFailed);
    EXPECT_EQ(StatusOf().reason(), "no answer");
    EXPECT_EQ(StatusOf().presence(), kUnknown);
    world_.Fail("look", absl::OkStatus());
    // A driver that can't tell is asked a few times more before that is said.
    world_.Put("m1", kUnknown);
    for (int tries = 0; tries < 3; ++tries) {
      clock_.Advance(absl::Seconds(10));
      Take({Source(step)});
      Settle();
    }
    EXPECT_EQ(StatusOf().progress(), kFailed);
    EXPECT_THAT(StatusOf().reason(), HasSubstr("can't tell where it stands"));
  }
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
}

TEST_F(MoverTest, ATargetThatRunsItDoesNotDropIt) {
  OpenMover();
  Reserved();
  world_.Put("m1", kRunning);
  const v1::MigrationStatus status = Do(Target(kRollBack));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_THAT(status.reason(), HasSubstr("what runs is not dropped"));
  EXPECT_EQ(Do(Target(kFinish)).progress(), kDone) << "and the way on is open";
}

TEST_F(MoverTest, ATargetDropsWhatCameAndDoesNotRun) {
  OpenMover();
  Reserved();
  const v1::MigrationStatus status = Do(Target(kRollBack));
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.presence(), kAbsent);
  EXPECT_THAT(world_.changes(), ElementsAre("plan m1", "reserve m1", "drop m1"));
  EXPECT_EQ(Do(Target(kVerify)).presence(), kAbsent);
  EXPECT_EQ(Do(Target(kFinish)).progress(), kRefused);
}

TEST_F(MoverTest, NothingCameSoNothingIsSettled) {
  OpenMover();
  Reserved();
  world_.Put("m1", kAbsent);  // the machine that waited died
  const v1::MigrationStatus status = Do(Target(kFinish));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_EQ(status.presence(), kAbsent);
  EXPECT_EQ(world_.Count("settle m1"), 0);
}

TEST_F(MoverTest, WhatIsAtHomeOrGoneForGoodIsNotRolledBack) {
  OpenMover();
  Reserved();
  Do(Target(kFinish));
  world_.Put("m1", kStopped);  // its owner stopped it
  EXPECT_EQ(Do(Target(kRollBack)).progress(), kRefused);
  EXPECT_EQ(world_.Count("drop m1"), 0) << "the source may have removed it";
  Take({});
  world_.Put("m2", kRunning);
  Do(Source(kMove, "m2"));
  Do(Source(kFinish, "m2"));
  EXPECT_EQ(Do(Source(kRollBack, "m2")).progress(), kRefused);
  EXPECT_EQ(Do(Source(kVerify, "m2")).presence(), kAbsent);
  Take({});
  world_.Put("m3", kRunning);
  Do(Source(kMove, "m3"));
  Do(Source(kRollBack, "m3"));
  EXPECT_EQ(Do(Source(kFinish, "m3")).progress(), kRefused) << "it was let run here again";
  EXPECT_EQ(Do(Source(kVerify, "m3")).presence(), kRunning);
}

TEST_F(MoverTest, VerifyLooksAgainWhileItIsOrdered) {
  OpenMover();
  Reserved();
  EXPECT_EQ(Do(Target(kVerify)).presence(), kStopped) << "its last bytes are still coming";
  world_.Put("m1", kRunning);
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Ticking([&] { return StatusOf().presence() == kRunning; }));
  EXPECT_EQ(StatusOf().progress(), kDone);
  const int looks = world_.Count("look m1");
  Settle();
  EXPECT_EQ(world_.Count("look m1"), looks) << "once a second, not more";
}

TEST_F(MoverTest, EndsAreTriedAgainUntilTheySucceed) {
  OpenMover();
  Moved();
  world_.Fail("leave", absl::UnavailableError("the monitor is busy"));
  Take({Source(kFinish)});
  AwaitCall("leave m1", 1);
  Settle();
  EXPECT_EQ(StatusOf().progress(), kWorking) << "that may pass by itself";
  for (int tries = 2; tries <= 3; ++tries) {
    clock_.Advance(absl::Seconds(2));
    AwaitCall("leave m1", tries);
    Settle();
  }
  EXPECT_EQ(StatusOf().progress(), kFailed) << "it has not";
  EXPECT_EQ(StatusOf().reason(), "the monitor is busy");
  clock_.Advance(absl::Seconds(2));
  Settle();
  EXPECT_EQ(world_.Count("leave m1"), 3);
  world_.Fail("leave", absl::OkStatus());
  clock_.Advance(absl::Seconds(8));
  EXPECT_TRUE(Ticking([&] { return StatusOf().progress() == kDone; }));
  EXPECT_EQ(StatusOf().reason(), "");
}

// Orders that run out, and orders that are no longer sent.

enum class Silence { kExpired, kMissing };
class Unattended : public MoverTest, public testing::WithParamInterface<Silence> {
 protected:
  void FallSilent() {
    if (GetParam() == Silence::kExpired) {
      LetExpire();
    } else {
      Take({});
    }
  }
};

TEST_P(Unattended, AReservationIsDropped) {
  OpenMover();
  Reserved();
  FallSilent();
  AwaitCall("drop m1");
  Settle();
  EXPECT_EQ(world_.Where("m1"), kAbsent);
  EXPECT_THAT(EventKinds(), Contains("migration_failed"));
  if (GetParam() == Silence::kMissing) {
    EXPECT_THAT(mover_->statuses(), IsEmpty());
    return;
  }
  EXPECT_EQ(StatusOf().progress(), kFailed);
  EXPECT_THAT(StatusOf().reason(), HasSubstr("its order was not renewed in time; what was reserved was dropped"));
  EXPECT_EQ(Do(Target(kReserve)).progress(), kFailed) << "it is not reserved twice";
  EXPECT_EQ(world_.Count("reserve m1"), 1);
  EXPECT_EQ(Do(Target(kRollBack)).progress(), kDone);
}

TEST_P(Unattended, AReservationThatIsBeingMadeIsDroppedWhenItIs) {
  OpenMover();
  world_.Put("m1", kAbsent);
  world_.Block("reserve");
  Take({Target(kReserve)});
  AwaitCall("reserve m1");
  FallSilent();
  world_.Release("reserve");
  AwaitCall("drop m1");
  Settle();
  EXPECT_EQ(world_.Where("m1"), kAbsent);
}

TEST_P(Unattended, WhatCameAndRunsIsLeftAlone) {
  OpenMover();
  Reserved();
  world_.Put("m1", kRunning);
  FallSilent();
  ASSERT_TRUE(Ticking([&] { return !EventKinds().empty() && EventKinds().back() == "migration_unattended"; }));
  EXPECT_EQ(StatusOf().presence(), kRunning) << "and told, as long as it is here";
  EXPECT_EQ(Do(Target(kFinish)).progress(), kDone) << "a controller that comes back can go on";
  EXPECT_EQ(world_.Count("drop m1"), 0);
}

TEST_P(Unattended, FromVerifyOnATargetDropsNothingByItself) {
  OpenMover();
  Reserved();
  Do(Target(kVerify));
  FallSilent();
  Settle();
  clock_.Advance(absl::Minutes(5));
  Settle();
  EXPECT_EQ(world_.Where("m1"), kStopped) << "the source may have been told to remove it";
  EXPECT_THAT(EventKinds(), Contains("migration_unattended"));
  EXPECT_EQ(Do(Target(kRollBack)).progress(), kDone);
}

TEST_P(Unattended, AMoveIsCancelled) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  FallSilent();
  ASSERT_TRUE(Ticking([&] { return Told("migration_failed"); }));
  Settle();
  EXPECT_EQ(world_.Where("m1"), kRunning);
  if (GetParam() == Silence::kMissing) {
    EXPECT_THAT(mover_->statuses(), IsEmpty()) << "it is as before, and nobody asks";
    return;
  }
  EXPECT_EQ(StatusOf().progress(), kFailed);
  EXPECT_THAT(StatusOf().reason(), HasSubstr("its order was not renewed in time"));
  EXPECT_EQ(Do(Source(kMove)).progress(), kFailed);
  EXPECT_EQ(world_.Count("move m1"), 1);
}

TEST_P(Unattended, AMoveBeyondTheLastMomentIsNotTakenBack) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  world_.SetDeaf(true);
  Take({Source(kMove)});
  AwaitCall("move m1");
  FallSilent();
  mover_->Tick();  // it is told to stop, and does not
  world_.Release("move");
  ASSERT_TRUE(Ticking([&] { return Told("migration_moved"); }));
  Settle();
  clock_.Advance(absl::Minutes(5));
  Settle();
  EXPECT_EQ(world_.Where("m1"), kStopped) << "it runs on the target";
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
  EXPECT_EQ(StatusOf().presence(), kStopped) << "and is told, ordered or not";
  EXPECT_THAT(EventKinds(), Contains("migration_unattended"));
}

TEST_P(Unattended, AStoppedSourceStaysStoppedUntilSomebodySaysOtherwise) {
  OpenMover();
  Moved();
  FallSilent();
  Settle();
  EXPECT_EQ(StatusOf().presence(), kStopped);
  // An operator looks, and lets it run here.
  world_.Put("m1", kRunning);
  Take({});
  clock_.Advance(absl::Seconds(31));
  EXPECT_TRUE(Ticking([&] { return mover_->statuses().empty(); })) << "that is the end of it";
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
}

TEST_P(Unattended, WhatHasNotBegunDoesNotBegin) {
  OpenMover();
  world_.Block("recall");
  Take({Source(kMove)});
  AwaitCall("recall m1");
  FallSilent();
  world_.Release("recall");
  ASSERT_TRUE(Ticking([&] { return Told("migration_refused"); }));
  Settle();
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1"));
}

INSTANTIATE_TEST_SUITE_P(All, Unattended, testing::Values(Silence::kExpired, Silence::kMissing),
                         [](const auto& one) { return one.param == Silence::kExpired ? "Expired" : "Missing"; });

TEST_F(MoverTest, ARenewedOrderHolds) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(absl::Seconds(20));
    mover_->Tick();
    Take({Source(kMove)});
  }
  world_.Release("move");
  EXPECT_EQ(AwaitAnswer(kMove).progress(), kDone);
}

TEST_F(MoverTest, NoOrderHoldsForever) {
  OpenMover();
  world_.Put("m1", kAbsent);
  v1::MigrationOrder order = Target(kReserve);
  order.mutable_time_to_live()->set_seconds(1'000'000);
  Do(order);
  clock_.Advance(absl::Minutes(5));
  AwaitCall("drop m1");
}

// Other things that end a move.

TEST_F(MoverTest, OnHoldNothingBeginsAndAMoveIsCancelled) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  Take({Source(kMove), Target(kReserve, "m2")}, /*hold=*/true);
  EXPECT_EQ(StatusOf("m2").progress(), kRefused);
  EXPECT_THAT(StatusOf("m2").reason(), HasSubstr("on hold"));
  EXPECT_THAT(AwaitAnswer(kMove).reason(), HasSubstr("the host is on hold"));
  EXPECT_EQ(world_.Where("m1"), kRunning);
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone) << "what leads to a safe end goes on";
}

TEST_F(MoverTest, AReservationIsTakenBackOnHoldByItsOwnStep) {
  OpenMover();
  Reserved();
  Take({Target(kReserve)}, /*hold=*/true);
  Settle();
  EXPECT_EQ(world_.Where("m1"), kStopped) << "the source may still be sending";
  Take({Target(kRollBack)}, /*hold=*/true);
  EXPECT_EQ(AwaitAnswer(kRollBack).presence(), kAbsent);
}

TEST_F(MoverTest, VerifyEndsAMoveAndThenLooks) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  const v1::MigrationStatus status = Do(Source(kVerify));
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_THAT(EventKinds(), Contains("migration_failed"));
  EXPECT_THAT(events_.back().message(), HasSubstr("the controller ended it"));
}

TEST_F(MoverTest, AMoveEndsWhenItsWorkloadMayNotBeMovedAnyMore) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  target_.mode = v1::MODE_ADVISE;
  Take({Source(kMove)});
  EXPECT_THAT(AwaitAnswer(kMove).reason(), HasSubstr("is in mode advise"));
  EXPECT_EQ(world_.Where("m1"), kRunning);
}

TEST_F(MoverTest, AWorkloadOutOfSightForItsLastMomentsIsMovedOn) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  Take({Source(kMove)});
  AwaitCall("move m1");
  const v1::MigrationOrder order = Source(kMove);
  host_.Remove(StrCat("cgroup/", kWeb));
  Take({order});
  world_.Release("move");
  EXPECT_EQ(AwaitAnswer(kMove).progress(), kDone);
}

// Several at a time.

TEST_F(MoverTest, SeveralGoOnAtATimeAndNoMore) {
  OpenMover();
  std::vector<v1::MigrationOrder> orders;
  for (const char* name : {"a", "b", "c"}) {
    const std::string workload = StrCat("system.slice/", name, ".service");
    AddWorkload(workload);
    v1::MigrationOrder order = Source(kMove, name);
    order.set_workload(workload);
    order.set_workload_instance(InstanceOf(workload));
    orders.push_back(order);
    world_.Put(name, kRunning);
  }
  world_.Block("move");
  Take(orders);
  EXPECT_EQ(StatusOf("c").progress(), kRefused);
  EXPECT_THAT(StatusOf("c").reason(), HasSubstr("at most 2 migrations at a time (migration.most_at_a_time)"));
  AwaitCall("move a");
  AwaitCall("move b");
  EXPECT_EQ(world_.at_a_time(), 2) << "side by side";
  world_.Release("move");
  EXPECT_EQ(AwaitAnswer(kMove, "a").progress(), kDone);
  EXPECT_EQ(AwaitAnswer(kMove, "b").progress(), kDone);
  // One that is over makes room.
  orders[0].set_step(kFinish);
  orders[1].set_step(kFinish);
  Take(orders);
  AwaitAnswer(kFinish, "a");
  AwaitAnswer(kFinish, "b");
  orders[2].set_migration_id("d");
  world_.Put("d", kRunning);
  Take(orders);
  EXPECT_EQ(AwaitAnswer(kMove, "d").progress(), kDone);
}

TEST_F(MoverTest, OneWorkloadHasOneMigration) {
  OpenMover();
  Moved();
  Take({Source(kMove), Source(kMove, "m2")});
  EXPECT_THAT(StatusOf("m2").reason(), HasSubstr("the migration m1 of the same workload is not over here"));
  Take({Source(kMove, "m3")});
  EXPECT_EQ(StatusOf("m3").progress(), kRefused) << "it is stopped here, whether m1 is ordered or not";
}

TEST_F(MoverTest, TheSameIdTwiceInASetIsOneOrder) {
  OpenMover();
  world_.Put("m1", kRunning);
  Take({Source(kMove), Target(kReserve)});
  AwaitAnswer(kMove);
  EXPECT_EQ(mover_->statuses().size(), 1u);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
}

// Orders for what this host never began.

TEST_F(MoverTest, AStrangerIsAsItWas) {
  OpenMover();
  v1::MigrationStatus status = Do(Source(kVerify, "s1"));
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(status.workload(), kWeb);
  EXPECT_EQ(Do(Source(kRollBack, "s2")).progress(), kDone);
  EXPECT_EQ(Do(Source(kFinish, "s3")).progress(), kRefused) << "a running workload is not removed on hearsay";
  EXPECT_EQ(Do(Target(kVerify, "t1")).presence(), kAbsent);
  EXPECT_EQ(Do(Target(kRollBack, "t2")).presence(), kAbsent);
  EXPECT_EQ(Do(Target(kFinish, "t3")).progress(), kRefused);
  host_.Remove(StrCat("cgroup/", kWeb));
  v1::MigrationOrder order = Order(v1::MIGRATION_ROLE_TARGET, kVerify, "s4");
  order.set_role(v1::MIGRATION_ROLE_SOURCE);
  EXPECT_EQ(Do(order).presence(), kAbsent);
  order.set_step(kRollBack);
  EXPECT_EQ(Do(order).progress(), kFailed) << "nothing of it is here";
  order.set_step(kFinish);
  EXPECT_EQ(Do(order).progress(), kDone) << "nothing is left";
  EXPECT_THAT(world_.calls(), IsEmpty());
  Take({});
  EXPECT_THAT(mover_->statuses(), IsEmpty());
}

TEST_F(MoverTest, AfterARefusalTheLaterStepsTellThatNothingChanged) {
  OpenMover();
  target_.mode = v1::MODE_OBSERVE;
  EXPECT_EQ(Do(Source(kMove)).progress(), kRefused);
  EXPECT_EQ(Do(Source(kVerify)).presence(), kRunning);
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone);
  world_.Fail("plan", absl::FailedPreconditionError("no"));
  EXPECT_EQ(Do(Target(kReserve, "m2")).progress(), kRefused);
  EXPECT_EQ(Do(Target(kRollBack, "m2")).presence(), kAbsent);
}

TEST_F(MoverTest, StepsAreForTheirPart) {
  OpenMover();
  EXPECT_THAT(Do(Source(kReserve)).reason(), HasSubstr("the step reserve is not for the source of a migration"));
  EXPECT_THAT(Do(Target(kMove, "m2")).reason(), HasSubstr("the step move is not for the target"));
  Take({Source(v1::MIGRATION_STEP_UNSPECIFIED, "m3")});
  EXPECT_EQ(StatusOf("m3").reason(), "the order names no step");
  EXPECT_THAT(world_.calls(), IsEmpty());
}

// What drivers say of the host and its workloads.

TEST_F(MoverTest, DriversAreAskedOnceAMinuteAndNeverWaitedFor) {
  drivers_ = {"fake", "other"};
  OpenMover();
  EXPECT_THAT(mover_->ReadyDrivers(), ElementsAre("fake", "other")) << "known from the start";
  EXPECT_EQ(world_.asked("ready"), 2);
  const auto cgroup = host::Cgroup::Open(*layout_, kWeb);
  const Movable web{kWeb, "systemd", "web", cgroup->get()};
  world_.Block("can_move");
  EXPECT_THAT(mover_->DriversFor(web), IsEmpty()) << "not known yet";
  EXPECT_THAT(mover_->DriversFor(web), IsEmpty());
  world_.Release("can_move");
  ASSERT_TRUE(Await([&] { return mover_->DriversFor(web).size() == 2; }));
  EXPECT_THAT(mover_->DriversFor(web), ElementsAre("fake", "other"));
  EXPECT_EQ(world_.asked("can_move"), 2);

  world_.SetMovable(false);
  world_.Fail("ready", absl::FailedPreconditionError("libvirt does not answer"));
  mover_->Tick();
  EXPECT_EQ(mover_->DriversFor(web).size(), 2u) << "for a minute";
  clock_.Advance(absl::Minutes(1));
  mover_->Tick();
  ASSERT_TRUE(Await([&] { return mover_->DriversFor(web).empty() && mover_->ReadyDrivers().empty(); }));
  EXPECT_EQ(mover_->MissingDrivers().at("fake"), "libvirt does not answer");
  world_.Put("m1", kRunning);
  EXPECT_EQ(Do(Source(kMove)).reason(), "libvirt does not answer");
}

TEST_F(MoverTest, OneThatCanOnlySendIsToldSo) {
  world_.Fail("ready_to_receive", absl::FailedPreconditionError("set migration.address"));
  OpenMover();
  EXPECT_THAT(mover_->ReadyDrivers(), IsEmpty());
  EXPECT_EQ(mover_->MissingDrivers().at("fake"), "set migration.address");
  EXPECT_EQ(Do(Target(kReserve, "m2")).reason(), "set migration.address");
  world_.Put("m1", kRunning);
  EXPECT_EQ(Do(Source(kMove)).progress(), kDone);
}

TEST_F(MoverTest, WithoutDriversEveryOrderIsRefused) {
  drivers_ = {};
  OpenMover();
  EXPECT_THAT(Do(Source(kMove)).reason(), HasSubstr("no driver is configured on this host (migration.drivers)"));
  EXPECT_THAT(Do(Target(kReserve, "m2")).reason(), HasSubstr("no driver is configured"));
  const auto cgroup = host::Cgroup::Open(*layout_, kWeb);
  EXPECT_THAT(mover_->DriversFor({kWeb, "systemd", "web", cgroup->get()}), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(host_.Path("state/migrations"))) << "nothing to write down";
}

TEST_F(MoverTest, WhatDriversSayIsFitForTheWire) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Fail("move", absl::AbortedError("caf\xe9 \xff"));
  v1::DesiredSet copy;
  const v1::MigrationStatus status = Do(Source(kMove));
  EXPECT_TRUE(IsUtf8(status.reason())) << status.reason();
  for (const v1::Event& event : events_) EXPECT_TRUE(IsUtf8(event.message()));
}

// The end of the agent.

TEST_F(MoverTest, StopEndsAMoveAndWithdrawsReservations) {
  OpenMover();
  Reserved();
  world_.Put("m2", kRunning);
  world_.Block("move");
  Take({Target(kReserve), Source(kMove, "m2")});
  AwaitCall("move m2");
  mover_->Stop(kPatience);
  EXPECT_EQ(world_.Where("m1"), kAbsent);
  EXPECT_EQ(world_.Where("m2"), kRunning);
  EXPECT_THAT(StatusOf("m2").reason(), HasSubstr("the agent stops"));
  world_.Release("move");
  OpenMover();
  Settle();
  EXPECT_EQ(world_.Count("move m2"), 1) << "and the next agent has nothing to end";
}

TEST_F(MoverTest, StopLeavesWhatHasMovedAndWhatRuns) {
  OpenMover();
  Moved();
  mover_->Stop(kPatience);
  EXPECT_EQ(world_.Where("m1"), kStopped);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
}

TEST_F(MoverTest, StopWaitsForNobodyForever) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.Block("move");
  world_.SetDeaf(true);
  Take({Source(kMove)});
  AwaitCall("move m1");
  const absl::Time began = absl::Now();
  mover_->Stop(absl::Milliseconds(50));
  EXPECT_LT(absl::Now() - began, kPatience / 2);
  // The next agent is told how it ended, and does not begin it anew.
  OpenMover();
  world_.Release("move");
  ASSERT_TRUE(Ticking([&] { return StatusOf().progress() != kWorking && StatusOf().step() == kMove; }));
  ASSERT_TRUE(Await([&] { return world_.Where("m1") == kStopped; }));
}

}  // namespace
}  // namespace truce::agent
