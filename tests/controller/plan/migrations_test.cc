#include "controller/plan/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/plan/policy.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr auto kReserve = v1::MIGRATION_STEP_RESERVE;
constexpr auto kMove = v1::MIGRATION_STEP_MOVE;
constexpr auto kVerify = v1::MIGRATION_STEP_VERIFY;
constexpr auto kFinish = v1::MIGRATION_STEP_FINISH;
constexpr auto kRollBack = v1::MIGRATION_STEP_ROLL_BACK;
constexpr auto kWorking = v1::MIGRATION_PROGRESS_WORKING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;
constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;
constexpr auto kUnsaid = v1::MIGRATION_PRESENCE_UNSPECIFIED;

using Statuses = google::protobuf::RepeatedPtrField<v1::MigrationStatus>;

class MigrationsTest : public testing::Test {
 protected:
  MigrationsTest() {
    for (const char* host : {"a", "b"}) Say(host, {});
  }

  static v1::Migration Wish(const std::string& workload = "w", const std::string& from = "a",
                            const std::string& to = "b", const std::string& driver = "qemu") {
    v1::Migration migration;
    migration.set_workload(workload);
    migration.set_source_host(from);
    migration.set_target_host(to);
    migration.set_driver(driver);
    migration.set_memory_bytes(1 << 20);
    migration.set_cpu_cores(2);
    migration.set_victim("v");
    return migration;
  }
  std::string Begin(const v1::Migration& wish = Wish()) {
    const auto begun = migrations_.Begin(wish, policy_, now_);
    EXPECT_TRUE(begun.ok()) << begun.status();
    return begun.ok() ? begun->migration_id() : "";
  }
  // All that the host says: nothing but this.
  void Say(const std::string& host, const Statuses& statuses) {
    migrations_.OnStatuses(host, statuses, now_);
    migrations_.Tick(policy_, now_);
  }
  v1::MigrationStatus Status(v1::MigrationRole role, v1::MigrationStep step, v1::MigrationProgress progress,
                             v1::MigrationPresence presence = kUnsaid, const std::string& id = "run-m1") const {
    v1::MigrationStatus status;
    status.set_migration_id(id);
    status.set_role(role);
    status.set_step(step);
    status.set_progress(progress);
    status.set_presence(presence);
    if (progress == kRefused || progress == kFailed) status.set_reason("no luck");
    return status;
  }
  void Source(v1::MigrationStep step, v1::MigrationProgress progress, v1::MigrationPresence presence = kUnsaid) {
    Statuses statuses;
    *statuses.Add() = Status(v1::MIGRATION_ROLE_SOURCE, step, progress, presence);
    Say("a", statuses);
  }
  void Target(v1::MigrationStep step, v1::MigrationProgress progress, v1::MigrationPresence presence = kUnsaid) {
    Statuses statuses;
    *statuses.Add() = Status(v1::MIGRATION_ROLE_TARGET, step, progress, presence);
    if (step == kReserve) statuses.Mutable(0)->set_endpoint("b:49152");
    Say("b", statuses);
  }
  void Lose(const std::string& host) { migrations_.OnLost(host, now_); }
  void Wait(absl::Duration time) {
    now_.wall += time;
    now_.monotonic += time;
    migrations_.Tick(policy_, now_);
  }
  v1::DesiredSet Orders(const std::string& host) const {
    v1::DesiredSet desired;
    migrations_.FillOrders(host, policy_, &desired);
    return desired;
  }
  // What the host is ordered; UNSPECIFIED for nothing.
  v1::MigrationStep Step(const std::string& host) const {
    const v1::DesiredSet desired = Orders(host);
    EXPECT_LE(desired.migrations_size(), 1);
    return desired.migrations().empty() ? v1::MIGRATION_STEP_UNSPECIFIED : desired.migrations(0).step();
  }
  v1::Migration Last() const { return migrations_.List().back(); }
  std::string Phase() const { return v1::MigrationPhase_Name(Last().phase()).substr(16); }
  // Brings it to where the source has moved it.
  void MoveIt() {
    Begin();
    Target(kReserve, kDone);
    Source(kMove, kDone);
  }

  v1::Policy policy_ = DefaultPolicy();
  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(1000)};
  Migrations migrations_{"run"};
};

TEST_F(MigrationsTest, EachStepWaitsForTheOneBeforeAndTheTargetSettlesFirst) {
  EXPECT_EQ(Begin(), "run-m1");
  EXPECT_EQ(Phase(), "RESERVING");
  EXPECT_EQ(Step("a"), v1::MIGRATION_STEP_UNSPECIFIED);
  const v1::DesiredSet to_target = Orders("b");
  ASSERT_THAT(to_target.migrations(), SizeIs(1));
  const v1::MigrationOrder& order = to_target.migrations(0);
  EXPECT_EQ(order.step(), kReserve);
  EXPECT_EQ(order.role(), v1::MIGRATION_ROLE_TARGET);
  EXPECT_EQ(order.driver(), "qemu");
  EXPECT_EQ(order.peer_host(), "a");
  EXPECT_EQ(order.memory_bytes(), 1u << 20);
  EXPECT_EQ(order.cpu_cores(), 2);
  EXPECT_EQ(order.mode(), v1::MODE_ENFORCE);
  EXPECT_EQ(order.time_to_live().seconds(), 30);

  Target(kReserve, kWorking);
  EXPECT_EQ(Phase(), "RESERVING");
  Target(kReserve, kDone);
  EXPECT_EQ(Phase(), "MOVING");
  EXPECT_EQ(Step("a"), kMove);
  EXPECT_EQ(Orders("a").migrations(0).endpoint(), "b:49152");
  EXPECT_EQ(Step("b"), kReserve) << "renewed, so that the reservation lives";

  Source(kMove, kWorking);
  Source(kMove, kDone);
  EXPECT_EQ(Phase(), "VERIFYING");
  EXPECT_EQ(Step("a"), kVerify);
  EXPECT_EQ(Step("b"), kVerify);
  Source(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "VERIFYING");
  Target(kVerify, kDone, kRunning);
  EXPECT_EQ(Phase(), "FINISHING");
  EXPECT_EQ(Step("b"), kFinish);
  EXPECT_EQ(Step("a"), kVerify) << "nothing is removed before the target is settled";
  Target(kFinish, kDone, kRunning);
  EXPECT_EQ(Step("a"), kFinish);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
  EXPECT_THAT(Orders("b").migrations(), IsEmpty());
  EXPECT_THAT(migrations_.TakeEnded(), SizeIs(1));
  EXPECT_THAT(migrations_.TakeEnded(), IsEmpty()) << "told once";
}

TEST_F(MigrationsTest, SaysWhoseOrdersChangedAndWhatIsToBeStored) {
  Begin();
  EXPECT_THAT(migrations_.TakeChangedHosts(), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(migrations_.TakeChanged(), SizeIs(1));
  EXPECT_THAT(migrations_.TakeChangedHosts(), IsEmpty());
  Target(kReserve, kDone);
  EXPECT_THAT(migrations_.TakeChangedHosts(), ElementsAre("a"));
  ASSERT_THAT(migrations_.TakeChanged(), SizeIs(1));
  Source(kMove, kWorking);
  EXPECT_THAT(migrations_.TakeChanged(), IsEmpty()) << "only its phases";
}

TEST_F(MigrationsTest, WhatArrivedStoppedIsLetRunByTheTargetAndElseGoesBack) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "FINISHING");
  Target(kFinish, kFailed, kStopped);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_EQ(Step("b"), kRollBack);
  EXPECT_EQ(Step("a"), kVerify) << "the target drops it first";
  Target(kRollBack, kDone, kAbsent);
  EXPECT_EQ(Step("a"), kRollBack);
  Source(kRollBack, kDone, kRunning);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
  EXPECT_THAT(Last().detail(), HasSubstr("b could not let it run: no luck"));
}

TEST_F(MigrationsTest, ARefusalChangesNothingAndTheSourceIsAskedForNothing) {
  Begin();
  Target(kReserve, kRefused);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  Target(kRollBack, kDone, kAbsent);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
  EXPECT_THAT(Last().detail(), HasSubstr("b can't receive it: no luck"));
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
}

TEST_F(MigrationsTest, ASourceThatRefusesKeepsItUnlessItWasSeenAtTheMove) {
  Begin();
  Target(kReserve, kDone);
  Source(kMove, kRefused);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
  Target(kRollBack, kDone, kAbsent);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
  Wait(absl::Hours(2));
  migrations_ = Migrations("run");
  for (const char* host : {"a", "b"}) Say(host, {});
  Begin();
  Target(kReserve, kDone);
  Source(kMove, kWorking);
  Source(kMove, kRefused);
  EXPECT_EQ(Phase(), "VERIFYING") << "it may have moved it after all";
}

TEST_F(MigrationsTest, AMoveThatFailsIsLookedAtOnBothHostsBeforeAnythingIsDone) {
  Begin();
  Target(kReserve, kDone);
  Source(kMove, kFailed);
  EXPECT_EQ(Phase(), "VERIFYING");
  Source(kVerify, kDone, kRunning);
  EXPECT_EQ(Phase(), "VERIFYING");
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_THAT(Last().detail(), AllOf(HasSubstr("it still runs on a"), HasSubstr("no luck")));
}

TEST_F(MigrationsTest, TheTargetIsNotAskedToLookWhileTheSourceMayStillSend) {
  Begin();
  Target(kReserve, kDone);
  Source(kMove, kWorking);
  migrations_.Hold("a", "hold", now_);
  migrations_.Tick(policy_, now_);
  EXPECT_EQ(Phase(), "VERIFYING");
  EXPECT_EQ(Step("a"), kVerify) << "which cancels the move where that is possible";
  EXPECT_EQ(Step("b"), kReserve);
  Source(kVerify, kDone, kRunning);
  EXPECT_EQ(Step("b"), kVerify);
}

TEST_F(MigrationsTest, WhatRunsOnTheTargetIsNeverTakenBackAlsoOnHold) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  migrations_.Hold("", "hold", now_);
  Target(kVerify, kDone, kRunning);
  EXPECT_EQ(Phase(), "FINISHING");
}

TEST_F(MigrationsTest, OnHoldWhatHasNotBegunToRunElsewhereIsTakenBack) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  migrations_.Hold("b", "an operator put the host on hold", now_);
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_EQ(Last().detail(), "an operator put the host on hold");
}

TEST_F(MigrationsTest, ItRunsOnBothIsUncertainAndNobodyIsToldAnythingMore) {
  MoveIt();
  Source(kVerify, kDone, kRunning);
  Target(kVerify, kDone, kRunning);
  EXPECT_EQ(Phase(), "UNCERTAIN");
  EXPECT_THAT(Last().detail(), AllOf(HasSubstr("both hosts say that it runs there"), HasSubstr("look there")));
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
  EXPECT_THAT(Orders("b").migrations(), IsEmpty());
}

TEST_F(MigrationsTest, ASilentHostIsWaitedForUntilItsLeaseHasRunOut) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Wait(absl::Seconds(100));
  Lose("b");
  Wait(absl::Seconds(25));
  EXPECT_EQ(Phase(), "VERIFYING") << "the step's time is over, the lease lives";
  Wait(absl::Seconds(10));
  EXPECT_EQ(Phase(), "UNCERTAIN");
  EXPECT_THAT(Last().detail(), AllOf(HasSubstr("a says that it is stopped there"), HasSubstr("b does not answer")));
}

TEST_F(MigrationsTest, OneThatIsSeenRunningIsEnoughWhereTheOtherIsSilent) {
  Begin();
  Target(kReserve, kDone);
  Lose("a");
  Wait(absl::Seconds(31));
  EXPECT_EQ(Phase(), "VERIFYING");
  EXPECT_EQ(Step("b"), kReserve);
  Wait(kStepLimit);
  EXPECT_EQ(Step("b"), kVerify);
  Target(kVerify, kDone, kRunning);
  EXPECT_EQ(Phase(), "VERIFYING") << "the source may come back";
  Wait(kStepLimit);
  EXPECT_EQ(Phase(), "FINISHING");
  Target(kFinish, kDone, kRunning);
  EXPECT_EQ(Step("a"), kVerify) << "nobody knows yet what the source has";
  Wait(kStepLimit);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_THAT(Last().detail(), HasSubstr("a did not say that it removed what is left"));
}

TEST_F(MigrationsTest, AHostThatComesBackLateIsToldWhatIsLeftToDo) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kRunning);
  Lose("a");
  Target(kFinish, kDone, kRunning);
  Wait(kStepLimit);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_EQ(Step("a"), kFinish);
  Source(kVerify, kDone, kStopped);
  EXPECT_EQ(Step("a"), kFinish);
  EXPECT_THAT(migrations_.Open(), IsEmpty()) << "it is not taken for an unknown one";
  Source(kFinish, kDone, kAbsent);
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
}

TEST_F(MigrationsTest, WhatSomebodyElsePlacesHasNoTarget) {
  Begin(Wish("w", "a", "", "kubernetes"));
  migrations_.Tick(policy_, now_);
  EXPECT_EQ(Phase(), "MOVING");
  EXPECT_EQ(Step("a"), kMove);
  Source(kMove, kDone);
  Source(kVerify, kDone, kAbsent);
  EXPECT_EQ(Step("a"), kFinish);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
}

TEST_F(MigrationsTest, WithoutATargetAFailedMoveOfWhichNothingIsLeftIsUncertain) {
  Begin(Wish("w", "a", "", "kubernetes"));
  migrations_.Tick(policy_, now_);
  Source(kMove, kFailed);
  Source(kVerify, kDone, kAbsent);
  EXPECT_EQ(Phase(), "UNCERTAIN");
  EXPECT_THAT(Last().detail(), HasSubstr("a says that nothing of it is there: look"));
}

TEST_F(MigrationsTest, OneAtATimeOnAHost) {
  Begin();
  for (const v1::Migration& other : {Wish("x", "c", "b"), Wish("x", "b", "c"), Wish("w", "a", "c")}) {
    const auto refused = migrations_.Begin(other, policy_, now_);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr("has a migration under way (run-m1: w from a to b)"));
  }
  EXPECT_TRUE(migrations_.MayBegin(Wish("x", "c", "d"), policy_, now_).ok());
}

TEST_F(MigrationsTest, RatesBoundWhatBeginsOnAHostAndInTheFleet) {
  policy_.set_host_migrations_per_hour(1);
  policy_.set_fleet_migrations_per_hour(2);
  Begin();
  Target(kReserve, kRefused);
  Target(kRollBack, kDone, kAbsent);
  Wait(absl::Minutes(30));
  EXPECT_THAT(std::string(migrations_.MayBegin(Wish("x", "c", "b"), policy_, now_).message()),
              HasSubstr("host b had its 1 migrations of this hour"));
  Begin(Wish("x", "c", "d"));
  EXPECT_THAT(std::string(migrations_.MayBegin(Wish("y", "e", "f"), policy_, now_).message()),
              HasSubstr("the fleet had its 2 migrations of this hour"));
  Wait(absl::Minutes(30));
  EXPECT_TRUE(migrations_.MayBegin(Wish("y", "e", "b"), policy_, now_).ok()) << "an hour after the first";
  policy_.set_fleet_migrations_per_hour(0);
  EXPECT_FALSE(migrations_.MayBegin(Wish("y", "e", "f"), policy_, now_).ok()) << "zero means none";
}

TEST_F(MigrationsTest, AProposalIsRenewedBegunUnderItsIdOrWithdrawn) {
  const std::string id = migrations_.Propose(Wish(), now_).migration_id();
  Wait(absl::Minutes(9));
  v1::Migration better = Wish("w", "a", "c");
  EXPECT_EQ(migrations_.Propose(better, now_).migration_id(), id);
  Wait(absl::Minutes(9));
  EXPECT_EQ(Phase(), "PROPOSED") << "it was repeated";
  EXPECT_EQ(Last().target_host(), "c");
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
  EXPECT_THAT(migrations_.TakeChanged(), IsEmpty()) << "proposals are not stored";
  EXPECT_EQ(Begin(better), id);
  EXPECT_THAT(migrations_.List(), SizeIs(1));
  migrations_.Propose(Wish("x", "d", "e"), now_);
  Wait(absl::Minutes(10));
  EXPECT_EQ(Phase(), "WITHDRAWN");
}

TEST_F(MigrationsTest, OnHoldProposalsAreWithdrawn) {
  migrations_.Propose(Wish(), now_);
  migrations_.Hold("c", "elsewhere", now_);
  EXPECT_EQ(Phase(), "PROPOSED");
  migrations_.Hold("b", "an operator put the host on hold", now_);
  EXPECT_EQ(Phase(), "WITHDRAWN");
}

TEST_F(MigrationsTest, WhoIsUnderWayOrWasMovedIsBusyAndWhoWasTakenBackIsNotMovedAgainSoSoon) {
  EXPECT_FALSE(migrations_.IsBusy("a", "w", now_));
  MoveIt();
  EXPECT_TRUE(migrations_.IsBusy("a", "w", now_));
  EXPECT_TRUE(migrations_.IsBusy("b", "w", now_));
  EXPECT_FALSE(migrations_.IsBusy("a", "v", now_));
  EXPECT_DOUBLE_EQ(migrations_.Reserved()["b"][kPlaceCpuCores], 2);
  Source(kVerify, kDone, kStopped);
  Statuses named;
  *named.Add() = Status(v1::MIGRATION_ROLE_TARGET, kVerify, kDone, kRunning);
  named.Mutable(0)->set_workload("machine.slice/w2");
  Say("b", named);
  Target(kFinish, kDone, kRunning);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_FALSE(migrations_.IsBusy("a", "w", now_));
  Wait(absl::Minutes(29));
  EXPECT_TRUE(migrations_.IsBusy("b", "machine.slice/w2", now_)) << "by its name there";
  EXPECT_FALSE(migrations_.WasTriedLately("a", "w", now_));
  Wait(absl::Minutes(1));
  EXPECT_FALSE(migrations_.IsBusy("b", "machine.slice/w2", now_));

  policy_.set_host_migrations_per_hour(9);
  const auto begun = migrations_.Begin(Wish("x"), policy_, now_);
  ASSERT_TRUE(begun.ok()) << begun.status();
  Statuses refused;
  *refused.Add() = Status(v1::MIGRATION_ROLE_TARGET, kReserve, kRefused, kUnsaid, begun->migration_id());
  Say("b", refused);
  *refused.Mutable(0) = Status(v1::MIGRATION_ROLE_TARGET, kRollBack, kDone, kAbsent, begun->migration_id());
  Say("b", refused);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
  EXPECT_FALSE(migrations_.IsBusy("a", "x", now_)) << "levers may be used";
  EXPECT_TRUE(migrations_.WasTriedLately("a", "x", now_));
}

TEST_F(MigrationsTest, AHostSpeaksOnlyForItsOwnPart) {
  MoveIt();
  Statuses foreign;
  *foreign.Add() = Status(v1::MIGRATION_ROLE_TARGET, kVerify, kDone, kRunning);
  *foreign.Add() = Status(v1::MIGRATION_ROLE_SOURCE, kVerify, kDone, kAbsent);
  Say("c", foreign);
  EXPECT_EQ(Phase(), "VERIFYING");
  EXPECT_EQ(Last().source().step(), kMove);
}

TEST_F(MigrationsTest, AControllerThatIsStartedAnewLetsHostsSpeakFirst) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  const std::vector<v1::Migration> stored = migrations_.TakeChanged();
  migrations_ = Migrations("next");
  migrations_.Restore(stored, now_);
  migrations_.Tick(policy_, now_);
  EXPECT_EQ(Phase(), "VERIFYING");
  EXPECT_THAT(Orders("b").migrations(), IsEmpty());
  // The target had been told to finish by the time that the old controller ended.
  Target(kFinish, kWorking);
  EXPECT_EQ(Step("b"), kFinish) << "it goes on with what it is at";
  EXPECT_THAT(Orders("a").migrations(), IsEmpty());
  Source(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "FINISHING");
  EXPECT_FALSE(migrations_.MayBegin(Wish("x", "a", "c"), policy_, now_).ok());
}

TEST_F(MigrationsTest, AMoveGoesOnOverARestartOfTheController) {
  Begin();
  Target(kReserve, kDone);
  const std::vector<v1::Migration> stored = migrations_.TakeChanged();
  migrations_ = Migrations("next");
  migrations_.Restore(stored, now_);
  Source(kMove, kWorking);
  EXPECT_EQ(Step("a"), kMove);
  Target(kReserve, kDone);
  EXPECT_EQ(Phase(), "MOVING");
  EXPECT_EQ(Step("a"), kMove);
  EXPECT_EQ(Orders("a").migrations(0).endpoint(), "b:49152");
}

// The old controller had asked the target to look although the source still moved; the target then fell silent.
TEST_F(MigrationsTest, WhatATargetSawBeforeARestartMayBeOlderThanTheEndOfTheMove) {
  Begin();
  Target(kReserve, kDone);
  const std::vector<v1::Migration> stored = migrations_.TakeChanged();
  migrations_ = Migrations("next");
  migrations_.Restore(stored, now_);
  Source(kVerify, kWorking);
  Wait(absl::Seconds(150));
  Source(kVerify, kDone, kStopped);
  EXPECT_EQ(Step("b"), kVerify);
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Phase(), "UNCERTAIN") << "it may run there by now: nothing is dropped";
}

TEST_F(MigrationsTest, RestoredEndsKeepRatesAndRests) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kRunning);
  Target(kFinish, kDone, kRunning);
  Source(kFinish, kDone, kAbsent);
  const std::vector<v1::Migration> stored = migrations_.TakeChanged();
  ASSERT_THAT(stored, SizeIs(1));
  migrations_ = Migrations("next");
  now_.wall += absl::Minutes(10);
  now_.monotonic = absl::Seconds(5);  // another boot
  migrations_.Restore(stored, now_);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_TRUE(migrations_.IsBusy("b", "w", now_));
  policy_.set_host_migrations_per_hour(1);
  EXPECT_FALSE(migrations_.MayBegin(Wish("x", "c", "b"), policy_, now_).ok());
  Wait(absl::Minutes(51));
  EXPECT_FALSE(migrations_.IsBusy("b", "w", now_));
  EXPECT_TRUE(migrations_.MayBegin(Wish("x", "c", "b"), policy_, now_).ok());
}

TEST_F(MigrationsTest, UnknownOnesAreAdoptedAndBroughtToTheirEnd) {
  Statuses source;
  *source.Add() = Status(v1::MIGRATION_ROLE_SOURCE, kVerify, kDone, kStopped, "lost-m7");
  source.Mutable(0)->set_workload("w");
  source.Mutable(0)->set_driver("libvirt");
  Statuses target;
  *target.Add() = Status(v1::MIGRATION_ROLE_TARGET, kVerify, kDone, kRunning, "lost-m7");
  target.Mutable(0)->set_workload("w-there");
  Say("b", target);
  EXPECT_EQ(Step("b"), kVerify) << "nothing new before the source has spoken";
  Say("a", source);
  EXPECT_EQ(Phase(), "FINISHING");
  EXPECT_EQ(Last().migration_id(), "lost-m7");
  EXPECT_EQ(Last().workload(), "w");
  EXPECT_EQ(Last().driver(), "libvirt");
  EXPECT_EQ(Last().source_host(), "a");
  EXPECT_EQ(Last().target_host(), "b");
}

TEST_F(MigrationsTest, AnUnknownOneOfWhichOnlyOneHostSpeaksEndsAsFarAsIsCertain) {
  Statuses source;
  *source.Add() = Status(v1::MIGRATION_ROLE_SOURCE, kVerify, kDone, kStopped, "lost-m7");
  Say("a", source);
  Wait(absl::Seconds(151));
  Wait(kStepLimit);
  EXPECT_EQ(Phase(), "UNCERTAIN") << "the target, whoever that is, may run it";
  source.Mutable(0)->set_migration_id("lost-m8");
  source.Mutable(0)->set_presence(kRunning);
  Say("a", source);
  Wait(absl::Seconds(151));
  Wait(kStepLimit);
  EXPECT_EQ(Phase(), "ROLLING_BACK") << "it runs there";
  Wait(kStepLimit);
  *source.Mutable(0) = Status(v1::MIGRATION_ROLE_SOURCE, kRollBack, kDone, kRunning, "lost-m8");
  Say("a", source);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
}

// What the hosts' journals were called tells an agent whether it could have lost what it is asked about.
TEST_F(MigrationsTest, OrdersNameTheJournalOfThen) {
  v1::Migration wish = Wish();
  wish.set_source_journal("ja");
  wish.set_target_journal("jb");
  Begin(wish);
  EXPECT_EQ(Orders("b").migrations(0).journal(), "jb");
  Target(kReserve, kDone);
  EXPECT_EQ(Orders("a").migrations(0).journal(), "ja");
}

TEST_F(MigrationsTest, NothingIsMovedWhileActionsAreHeldOnIt) {
  Begin();
  migrations_.SetActedOn("run-m1", true);
  Target(kReserve, kDone);
  EXPECT_EQ(Step("a"), v1::MIGRATION_STEP_UNSPECIFIED);
  Wait(kReserveLimit / 2);
  migrations_.SetActedOn("run-m1", false);
  Wait(absl::Seconds(1));
  EXPECT_EQ(Step("a"), kMove);
}

TEST_F(MigrationsTest, ActionsThatAreNotReleasedEndIt) {
  Begin();
  migrations_.SetActedOn("run-m1", true);
  Target(kReserve, kDone);
  Wait(kReserveLimit);
  EXPECT_EQ(Step("b"), kRollBack);
  Target(kRollBack, kDone, kAbsent);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
  EXPECT_THAT(Last().detail(), HasSubstr("a did not release within 2m what it holds on it"));
}

// What its owner paused, or what was done soon after it came, has come all the same, where the driver can prove it.
TEST_F(MigrationsTest, WhatHasArrivedIsThereWhateverBecameOfIt) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Step("b"), kFinish);
  Statuses statuses;
  *statuses.Add() = Status(v1::MIGRATION_ROLE_TARGET, kFinish, kDone, kStopped);
  statuses.Mutable(0)->set_arrived(true);
  Say("b", statuses);
  EXPECT_EQ(Step("a"), kFinish);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
}

// It came after all: the target refuses to drop what runs.
TEST_F(MigrationsTest, WhatTurnsOutToRunOnTheTargetHasMoved) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kAbsent);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  Target(kRollBack, kFailed, kRunning);
  EXPECT_EQ(Phase(), "FINISHING");
  Target(kFinish, kDone, kRunning);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
  EXPECT_THAT(Last().detail(), HasSubstr("runs on b already"));
}

TEST_F(MigrationsTest, WhatTurnsOutToRunOnBothIsForAnOperator) {
  Begin();
  Target(kReserve, kDone);
  Source(kMove, kFailed);
  Source(kVerify, kDone, kRunning);
  Target(kVerify, kDone, kAbsent);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  Target(kRollBack, kFailed, kRunning);
  EXPECT_EQ(Phase(), "UNCERTAIN");
  EXPECT_THAT(Last().detail(), HasSubstr("both hosts say that it runs there"));

  // Somebody stopped one of them.
  ASSERT_TRUE(migrations_.Verify("run-m1", "alice", now_).ok());
  Say("a", {});
  EXPECT_EQ(Step("a"), kVerify);
  Source(kVerify, kDone, kRunning);
  Target(kVerify, kDone, kStopped);
  EXPECT_EQ(Step("b"), kRollBack);
  Target(kRollBack, kDone, kAbsent);
  Source(kRollBack, kDone, kRunning);
  EXPECT_EQ(Phase(), "ROLLED_BACK");
}

TEST_F(MigrationsTest, LookingAgainResumesNothingThatMayBeOlder) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Lose("b");
  Wait(absl::Minutes(5));
  ASSERT_EQ(Phase(), "UNCERTAIN");
  Say("b", {});
  ASSERT_TRUE(migrations_.Verify("run-m1", "alice", now_).ok());
  EXPECT_FALSE(migrations_.Verify("run-m1", "alice", now_).ok()) << "it is under way";
  EXPECT_FALSE(migrations_.Begin(Wish("other"), policy_, now_).ok());
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kAbsent);
  EXPECT_EQ(Phase(), "UNCERTAIN") << "it may have run there, and what the source has is from before";
  ASSERT_TRUE(migrations_.Verify("run-m1", "alice", now_).ok());
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kRunning);
  Target(kFinish, kDone, kRunning);
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
}

// A controller that starts anew while an operator has it looked at again.
TEST_F(MigrationsTest, ARestartDoesNotForgetThatItMayHaveRunOnTheTarget) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kRunning);
  ASSERT_EQ(Phase(), "FINISHING");
  Lose("b");
  Wait(absl::Minutes(5));
  ASSERT_EQ(Phase(), "UNCERTAIN");
  Say("b", {});
  ASSERT_TRUE(migrations_.Verify("run-m1", "alice", now_).ok());
  const std::vector<v1::Migration> stored = {Last()};
  migrations_ = Migrations("new");
  migrations_.Restore(stored, now_);
  for (int i = 0; i < 5; ++i) {
    Wait(absl::Seconds(5));
    Source(kVerify, kDone, kStopped);
    Target(kVerify, kDone, kAbsent);
  }
  EXPECT_EQ(Phase(), "UNCERTAIN") << "what the source has is older: " << Last().detail();
}

TEST_F(MigrationsTest, ThatItWasSeenOnTheTargetIsStoredAlthoughItsPhaseStays) {
  MoveIt();
  Source(kVerify, kFailed, kUnsaid);
  migrations_.TakeChanged();
  Target(kVerify, kDone, kRunning);
  ASSERT_EQ(Phase(), "VERIFYING") << "the source has not said where it stands";
  const std::vector<v1::Migration> changed = migrations_.TakeChanged();
  ASSERT_THAT(changed, SizeIs(1));
  EXPECT_TRUE(changed[0].may_have_run_on_target());
}

TEST_F(MigrationsTest, IsNotMovedOntoOneThatRunsOrToNowhere) {
  Begin();
  Target(kReserve, kDone, kRunning);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_THAT(Last().detail(), HasSubstr("b says that it runs there already"));
  EXPECT_NE(Step("a"), kMove);
}

TEST_F(MigrationsTest, IsNotMovedToAnEndpointThatNobodyNamed) {
  Begin();
  Statuses statuses;
  *statuses.Add() = Status(v1::MIGRATION_ROLE_TARGET, kReserve, kDone);
  Say("b", statuses);
  EXPECT_EQ(Phase(), "ROLLING_BACK");
  EXPECT_THAT(Last().detail(), HasSubstr("b does not say where it receives it"));
}

TEST_F(MigrationsTest, AnOperatorsProgramNeedsNoEndpoint) {
  Begin(Wish("w", "a", "b", "command"));
  Statuses statuses;
  *statuses.Add() = Status(v1::MIGRATION_ROLE_TARGET, kReserve, kDone);
  Say("b", statuses);
  EXPECT_EQ(Step("a"), kMove);
}

TEST_F(MigrationsTest, TheSourceKeepsWhatItHasUntilTheTargetIsSeenToRun) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kStopped);
  ASSERT_EQ(Step("b"), kFinish);
  Target(kFinish, kDone, kStopped);
  EXPECT_EQ(Step("a"), kVerify) << "nothing is removed on a word without a look";
  Target(kFinish, kDone, kAbsent);
  EXPECT_EQ(Step("a"), kVerify);
  Wait(absl::Minutes(3));
  EXPECT_EQ(Phase(), "UNCERTAIN");
}

TEST_F(MigrationsTest, WhatTheTargetLetsRunJustAsItIsTakenBackIsFinishedThere) {
  MoveIt();
  Source(kVerify, kDone, kStopped);
  Target(kVerify, kDone, kStopped);
  Target(kFinish, kFailed, kStopped);
  ASSERT_EQ(Phase(), "ROLLING_BACK");
  Target(kFinish, kDone, kRunning);  // its next try, before the new order came
  EXPECT_EQ(Phase(), "FINISHING") << Last().detail();
  Source(kFinish, kDone, kAbsent);
  EXPECT_EQ(Phase(), "MOVED");
}

TEST_F(MigrationsTest, AnAdoptedOneIsLookedAtAgainOnceBothHostsAreKnown) {
  Statuses target;
  *target.Add() = Status(v1::MIGRATION_ROLE_TARGET, kVerify, kDone, kStopped, "old-m9");
  target.Mutable(0)->set_driver("qemu");
  Say("b", target);
  for (int i = 0; i < 20; ++i) {
    Wait(absl::Minutes(1));
    Say("b", target);
  }
  ASSERT_EQ(Phase(), "UNCERTAIN");
  const auto refused = migrations_.Verify("old-m9", "alice", now_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("only b ever spoke of migration old-m9"));

  migrations_.TakeChanged();
  Statuses source;
  *source.Add() = Status(v1::MIGRATION_ROLE_SOURCE, kVerify, kDone, kRunning, "old-m9");
  source.Mutable(0)->set_workload("machine/w");
  Say("a", source);
  EXPECT_EQ(Last().source_host(), "a");
  EXPECT_EQ(Last().workload(), "machine/w");
  EXPECT_THAT(migrations_.TakeChanged(), SizeIs(1)) << "to be stored";
  ASSERT_TRUE(migrations_.Verify("old-m9", "alice", now_).ok());
  EXPECT_EQ(Last().verifications(), 1);
  Say("a", source);
  Say("b", target);
  EXPECT_EQ(Phase(), "ROLLING_BACK") << "it runs where it came from: " << Last().detail();
}

}  // namespace
}  // namespace truce::controller
