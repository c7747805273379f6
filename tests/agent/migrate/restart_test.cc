// Agents that die in the middle: the next one knows what was begun, ends or leaves it as it should, and begins nothing
// twice. And disks that don't take what must be written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "tests/agent/migrate/rig.h"

namespace truce::agent {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;
constexpr auto kReserve = v1::MIGRATION_STEP_RESERVE;
constexpr auto kMove = v1::MIGRATION_STEP_MOVE;
constexpr auto kVerify = v1::MIGRATION_STEP_VERIFY;
constexpr auto kFinish = v1::MIGRATION_STEP_FINISH;
constexpr auto kRollBack = v1::MIGRATION_STEP_ROLL_BACK;

class RestartTest : public MoverTest {
 protected:
  // The agent dies within the call, which had this effect or none, and the next one comes.
  void DieWithin(const v1::MigrationOrder& order, const std::string& step) {
    world_.Block(step);
    Take({order});
    AwaitCall(StrCat(step, " ", order.migration_id()));
    OpenMover();
  }
  std::string Journal() const {
    std::ifstream in(host_.Path("state/migrations"));
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
};

// Whatever a driver changes, it is on disk before.
TEST_F(RestartTest, WhatIsBegunIsOnDiskBeforeTheDriverIsCalled) {
  std::map<std::string, MoveStage> on_disk;
  bool synced = false;
  disk_.SetHook([&synced](std::string_view step) {
    if (step == "before write") synced = false;
    if (step == "after sync") synced = true;
  });
  world_.SetHook([&](std::string_view step) {
    if (step == "look" || step == "ready" || step == "can_move") return;
    EXPECT_TRUE(synced || step == "recall" || step == "plan") << step;
    const auto journal = MoveJournal::Open(host_.Path("state"), SystemDisk());
    const auto record = (*journal)->records().find("m1");
    on_disk[std::string(step)] = record == (*journal)->records().end() ? MoveStage::kRefused : record->second.stage;
  });
  OpenMover();
  Reserved();
  Do(Target(kVerify));
  Do(Target(kFinish));
  Take({});
  Moved();
  Do(Source(kFinish));
  world_.SetHook(nullptr);
  EXPECT_EQ(on_disk["recall"], MoveStage::kRefused) << "nothing is changed yet";
  EXPECT_EQ(on_disk["plan"], MoveStage::kRefused);
  EXPECT_EQ(on_disk["reserve"], MoveStage::kReserving);
  EXPECT_EQ(on_disk["settle"], MoveStage::kArrived);
  EXPECT_EQ(on_disk["move"], MoveStage::kMoving);
  EXPECT_EQ(on_disk["leave"], MoveStage::kMoved);
}

// Target.

TEST_F(RestartTest, OneThatDiedWhileItReservedIsTidiedUp) {
  OpenMover();
  world_.Put("m1", kStopped);  // it had started the machine already
  DieWithin(Target(kReserve), "reserve");
  AwaitCall("drop m1");
  Settle();
  EXPECT_EQ(world_.Where("m1"), kAbsent);
  EXPECT_THAT(events_.back().message(), HasSubstr("the agent was started anew; what was reserved was dropped"));
}

TEST_F(RestartTest, AReservationOfAnEarlierRunIsDropped) {
  OpenMover();
  Reserved();
  OpenMover();
  Take({Target(kReserve)});  // whatever the controller says meanwhile
  EXPECT_EQ(AwaitAnswer(kReserve).progress(), kFailed);
  EXPECT_EQ(world_.Where("m1"), kAbsent);
  EXPECT_EQ(StatusOf().endpoint(), "fake:m1");
  EXPECT_EQ(Do(Target(kRollBack)).progress(), kDone);
}

TEST_F(RestartTest, OneThatCameMeanwhileIsLeftAlone) {
  OpenMover();
  Reserved();
  world_.Put("m1", kRunning);
  OpenMover();
  ASSERT_TRUE(Ticking([&] { return Told("migration_unattended"); }));
  EXPECT_EQ(Do(Target(kVerify)).presence(), kRunning);
  EXPECT_EQ(Do(Target(kFinish)).progress(), kDone);
  EXPECT_EQ(world_.Count("drop m1"), 0);
}

TEST_F(RestartTest, ADropThatFailsIsTriedAgain) {
  OpenMover();
  Reserved();
  world_.Fail("drop", absl::UnavailableError("busy"));
  OpenMover();
  Settle();
  EXPECT_THAT(StatusOf().reason(), HasSubstr("could not be dropped yet: busy"));
  world_.Fail("drop", absl::OkStatus());
  clock_.Advance(absl::Seconds(10));
  ASSERT_TRUE(Ticking([&] { return world_.Where("m1") == kAbsent && mover_->statuses().empty(); }));
}

TEST_F(RestartTest, FromVerifyOnATargetKeepsWhatItHas) {
  OpenMover();
  Reserved();
  Do(Target(kVerify));
  OpenMover();
  Settle();
  EXPECT_EQ(world_.Where("m1"), kStopped);
  EXPECT_EQ(Do(Target(kVerify)).presence(), kStopped);
  EXPECT_EQ(Do(Target(kFinish)).progress(), kDone);
}

TEST_F(RestartTest, SettlingAndDroppingAreDoneAgain) {
  for (const auto& [step, call] : {std::pair(kFinish, "settle"), std::pair(kRollBack, "drop")}) {
    OpenMover();
    const std::string id = StrCat("m-", call);
    world_.Put(id, kAbsent);
    Do(Target(kReserve, id));
    Do(Target(kVerify, id));
    DieWithin(Target(step, id), call);
    world_.Release(call);
    EXPECT_EQ(Do(Target(step, id)).progress(), kDone) << call;
    Take({});
  }
}

// Source.

TEST_F(RestartTest, OneThatDiedBeforeItMovedHasNotBegun) {
  OpenMover();
  world_.Put("m1", kRunning);
  DieWithin(Source(kMove), "recall");
  EXPECT_THAT(mover_->statuses(), IsEmpty());
  world_.Release("recall");
  EXPECT_EQ(Do(Source(kMove)).progress(), kDone) << "the order may begin it now";
}

TEST_F(RestartTest, OneThatDiedWhileItMovedIsEnded) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.SetDeaf(true);
  DieWithin(Source(kMove), "move");
  Take({Source(kMove)});
  world_.SetDeaf(false);
  const v1::MigrationStatus status = AwaitAnswer(kMove);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("the agent was started anew while it moved it"));
  EXPECT_EQ(world_.Where("m1"), kRunning);
  EXPECT_EQ(Do(Source(kVerify)).presence(), kRunning);
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone);
}

TEST_F(RestartTest, OneThatHadMovedIsToldSo) {
  OpenMover();
  world_.Put("m1", kRunning);
  world_.SetDeaf(true);
  DieWithin(Source(kMove), "move");
  world_.Put("m1", kStopped);  // it was over before anybody could end it
  world_.Release("move");
  EXPECT_EQ(Do(Source(kMove)).progress(), kDone);
  EXPECT_EQ(Do(Source(kVerify)).presence(), kStopped);
  EXPECT_EQ(Do(Source(kFinish)).progress(), kDone);
}

TEST_F(RestartTest, AMoveThatWasOverIsLeftAsItIs) {
  OpenMover();
  Moved();
  OpenMover();
  EXPECT_EQ(StatusOf().step(), kMove);
  EXPECT_EQ(StatusOf().progress(), kDone);
  EXPECT_EQ(StatusOf().moved_bytes(), 2000u);
  Settle();
  EXPECT_EQ(world_.Where("m1"), kStopped);
  EXPECT_THAT(world_.changes(), ElementsAre("recall m1", "move m1"));
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone);
  EXPECT_EQ(world_.Where("m1"), kRunning);
}

TEST_F(RestartTest, LeavingAndResumingAreDoneAgain) {
  for (const auto& [step, call] : {std::pair(kFinish, "leave"), std::pair(kRollBack, "resume")}) {
    OpenMover();
    const std::string id = StrCat("m-", call);
    world_.Put(id, kRunning);
    Do(Source(kMove, id));
    DieWithin(Source(step, id), call);
    EXPECT_EQ(StatusOf(id).step(), kMove) << "what was answered last";
    // The dead one's call is over before the next one looks.
    world_.Release(call);
    ASSERT_TRUE(Await([&] { return world_.Where(id) == (step == kFinish ? kAbsent : kRunning); }));
    EXPECT_EQ(Do(Source(step, id)).progress(), kDone) << call;
    Take({});
    Settle();
  }
}

TEST_F(RestartTest, ADriverThatIsNotConfiguredAnyMoreIsTold) {
  OpenMover();
  Moved();
  drivers_ = {"other"};
  OpenMover();
  const v1::MigrationStatus status = Do(Source(kVerify));
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("the driver fake is not configured here any more"));
  drivers_ = {"fake"};
  OpenMover();
  EXPECT_EQ(Do(Source(kRollBack)).progress(), kDone) << "and it is still known";
}

// Disks.

TEST_F(RestartTest, WhatCannotBeWrittenDownIsNotBegun) {
  world_.Put("m1", kRunning);
  for (const auto call : {FaultyDisk::Call::kOpen, FaultyDisk::Call::kWrite, FaultyDisk::Call::kSync}) {
    disk_.Fail(FaultyDisk::Call::kNone, 0);
    // One whose file is there and open does not open it again.
    if (call != FaultyDisk::Call::kOpen) OpenMover();
    disk_.Fail(call, ENOSPC);
    if (call == FaultyDisk::Call::kOpen) OpenMover();
    const std::string id = StrCat("m", static_cast<int>(call));
    EXPECT_EQ(Do(Source(kMove, id)).progress(), kRefused);
    EXPECT_THAT(StatusOf(id).reason(), HasSubstr("nothing is migrated without it; free some space"));
    EXPECT_EQ(Do(Target(kReserve, StrCat("t", id))).progress(), kRefused);
    Take({});
  }
  EXPECT_THAT(world_.changes(), testing::Each(testing::AnyOf(HasSubstr("recall"), HasSubstr("plan"))));
}

TEST_F(RestartTest, AReservationThatCannotBeWrittenDownIsDropped) {
  OpenMover();
  world_.Put("m1", kAbsent);
  world_.Block("reserve");
  Take({Target(kReserve)});
  AwaitCall("reserve m1");
  disk_.Fail(FaultyDisk::Call::kWrite, ENOSPC);
  world_.Release("reserve");
  EXPECT_EQ(AwaitAnswer(kReserve).progress(), kFailed);
  EXPECT_EQ(world_.Where("m1"), kAbsent);
}

TEST_F(RestartTest, AnEndThatCannotBeWrittenDownIsAnEndAllTheSame) {
  OpenMover();
  Moved();
  disk_.Fail(FaultyDisk::Call::kWrite, ENOSPC);
  EXPECT_EQ(Do(Source(kFinish)).progress(), kDone);
  // The next agent finds it moved, looks, and there is nothing to do.
  disk_.Fail(FaultyDisk::Call::kNone, 0);
  OpenMover();
  EXPECT_EQ(Do(Source(kFinish)).progress(), kDone);
  EXPECT_EQ(world_.Where("m1"), kAbsent);
}

TEST_F(RestartTest, VerifyIsNotAnsweredBeforeItIsWrittenDown) {
  OpenMover();
  Reserved();
  disk_.Fail(FaultyDisk::Call::kSync, EIO);
  EXPECT_EQ(Do(Target(kVerify)).progress(), kFailed) << "a restart would drop it, and the source may go by then";
  disk_.Fail(FaultyDisk::Call::kNone, 0);
  clock_.Advance(absl::Seconds(5));
  ASSERT_TRUE(Ticking([&] { return StatusOf().progress() == kDone; }));
}

// Cut anywhere: what is known is what was whole, and nothing is invented.
TEST_F(RestartTest, AJournalThatEndsAnywhereIsUsedAsFarAsItGoes) {
  OpenMover();
  Moved();
  Take({Source(kMove)});
  const std::string whole = Journal();
  for (size_t size = 0; size <= whole.size(); size += 7) {
    std::ofstream(host_.Path("state/migrations"), std::ios::trunc) << whole.substr(0, size);
    const auto journal = MoveJournal::Open(host_.Path("state"), SystemDisk());
    ASSERT_TRUE(journal.ok()) << journal.status();
    EXPECT_THAT((*journal)->problems(), IsEmpty()) << "a torn end is normal, at " << size;
    for (const auto& [id, record] : (*journal)->records()) {
      EXPECT_EQ(id, "m1");
      EXPECT_TRUE(record.stage == MoveStage::kMoving || record.stage == MoveStage::kMoved);
      EXPECT_EQ(record.memory, "memory of system.slice/web.service machine");
    }
  }
}

TEST_F(RestartTest, ABrokenLineIsNamedAndTheRestIsUsed) {
  OpenMover();
  Moved();
  AddWorkload("system.slice/db.service");
  v1::MigrationOrder order = Source(kMove, "m2");
  order.set_workload("system.slice/db.service");
  order.set_workload_instance(InstanceOf("system.slice/db.service"));
  world_.Put("m2", kRunning);
  Take({Source(kMove), order});
  AwaitAnswer(kMove, "m2");
  std::string text = Journal();
  const size_t second = text.find("\tm2\t");
  ASSERT_NE(second, std::string::npos);
  for (size_t at = second; at != std::string::npos; at = text.find("\tm2\t", at + 1)) text[at + 1] = 'x';
  std::ofstream(host_.Path("state/migrations"), std::ios::trunc) << text;

  OpenMover();
  ASSERT_TRUE(Ticking([&] { return Told("journal_damaged"); }));
  EXPECT_THAT(events_, Contains(testing::ResultOf([](const v1::Event& event) { return event.message(); },
                                                  HasSubstr("the checksum does not match"))));
  EXPECT_EQ(StatusOf("m1").progress(), kDone) << "the other one is known";
  Take({Source(kVerify), [&] {
          v1::MigrationOrder verify = order;
          verify.set_step(kVerify);
          return verify;
        }()});
  const v1::MigrationStatus status = AwaitAnswer(kVerify, "m2");
  EXPECT_EQ(status.progress(), kFailed) << "of the lost one nothing is made up";
  EXPECT_THAT(status.reason(), HasSubstr("is not the one that was here when it began"));
  EXPECT_EQ(status.presence(), v1::MIGRATION_PRESENCE_UNSPECIFIED);
  EXPECT_TRUE(std::filesystem::exists(host_.Path("state/migrations.broken")));
  // What this run refused itself has no record that could be lost.
  target_.mode = v1::MODE_OBSERVE;
  EXPECT_EQ(Do(Source(kMove, "m3")).progress(), kRefused);
  EXPECT_EQ(Do(Source(kVerify, "m3")).presence(), kRunning);
  EXPECT_EQ(Do(Source(kRollBack, "m3")).progress(), kDone);
}

// "I have no record" is worth something only from who can't have lost one.
TEST_F(RestartTest, WhatMayHaveBeenForgottenIsNotSaidToBeAbsent) {
  OpenMover();
  Reserved();
  const v1::MigrationOrder verify = Target(kVerify);
  v1::MigrationOrder unknown = Target(kVerify, "m2");
  v1::MigrationOrder at_home = Source(kVerify, "m3");
  ASSERT_EQ(Do(verify).presence(), kStopped);
  OpenMover();
  EXPECT_EQ(Do(unknown).presence(), kAbsent) << "its journal is the one of then";
  EXPECT_EQ(Do(at_home).presence(), kRunning);
  std::filesystem::remove_all(host_.Path("state"));
  OpenMover();
  EXPECT_NE(mover_->journal(), verify.journal());
  for (v1::MigrationOrder order : {verify, unknown, at_home}) {
    for (const v1::MigrationStep step : {kVerify, kRollBack, kFinish}) {
      order.set_step(step);
      const v1::MigrationStatus status = Do(order);
      EXPECT_EQ(status.progress(), kFailed) << order.migration_id() << " " << step;
      EXPECT_EQ(status.presence(), v1::MIGRATION_PRESENCE_UNSPECIFIED) << order.migration_id() << " " << step;
    }
  }
  unknown.clear_journal();
  EXPECT_EQ(Do(unknown).progress(), kFailed) << "nobody says which one it was";
  EXPECT_EQ(Do(Target(kRollBack, "m4")).presence(), kAbsent) << "one that begins from now on is told as before";
  EXPECT_EQ(world_.Where("m1"), kStopped) << "nothing was done on hearsay";
}

TEST_F(RestartTest, AJournalKeepsItsNameForAsLongAsItIsWhole) {
  OpenMover();
  const std::string name = mover_->journal();
  EXPECT_EQ(name.size(), 32u);
  Moved();
  ASSERT_EQ(Do(Source(kFinish)).progress(), kDone);
  Take({});
  Settle();
  OpenMover();
  EXPECT_EQ(mover_->journal(), name) << "also when all that was in it is over";
  // A disk that does not take a name: there is none, and so nothing is proven by it.
  std::filesystem::remove_all(host_.Path("state"));
  disk_.Fail(FaultyDisk::Call::kSync, EIO);
  OpenMover();
  EXPECT_EQ(mover_->journal(), "");
  EXPECT_EQ(Do(Target(kVerify, "m5")).progress(), kFailed);
}

}  // namespace
}  // namespace truce::agent
