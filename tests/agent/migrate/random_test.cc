// Anything in any order: orders, silence, restarts, failures and a workload that comes and goes. Whatever happens, what
// runs is not ended, what is stopped is resumed in ROLL_BACK only, and nothing is begun twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/agent/migrate/rig.h"

namespace truce::agent {
namespace {

constexpr v1::MigrationStep kSourceSteps[] = {v1::MIGRATION_STEP_MOVE, v1::MIGRATION_STEP_VERIFY,
                                              v1::MIGRATION_STEP_FINISH, v1::MIGRATION_STEP_ROLL_BACK};
constexpr v1::MigrationStep kTargetSteps[] = {v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_STEP_VERIFY,
                                              v1::MIGRATION_STEP_FINISH, v1::MIGRATION_STEP_ROLL_BACK};
constexpr const char* kCalls[] = {"recall", "move", "plan", "reserve", "look", "leave", "settle", "resume", "drop"};

class RandomTest : public MoverTest, public testing::WithParamInterface<int> {
 protected:
  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }

  void Disturb() {
    const absl::Status kErrors[] = {absl::OkStatus(),
                                    absl::OkStatus(),
                                    absl::AbortedError("a"),
                                    absl::InternalError("i"),
                                    absl::UnavailableError("u"),
                                    absl::CancelledError("c")};
    switch (Pick(8)) {
      case 0:
        world_.Fail(kCalls[Pick(std::size(kCalls))], kErrors[Pick(std::size(kErrors))]);
        break;
      case 1:
        for (const char* call : kCalls) world_.Fail(call, absl::OkStatus());
        break;
      case 2:
        clock_.Advance(absl::Seconds(Pick(40)));
        break;
      case 3:
        Take({});
        break;
      case 4:
        disk_.Fail(Pick(2) == 0 ? FaultyDisk::Call::kSync : FaultyDisk::Call::kNone, EIO);
        break;
      case 5:
        // A restart between two steps; those in the middle of one have tests of their own.
        Settle();
        OpenMover();
        break;
      default:
        break;
    }
  }

  std::mt19937 random_{static_cast<uint32_t>(GetParam())};
};

TEST_P(RandomTest, NothingThatRunsIsEnded) {
  OpenMover();
  const bool source = GetParam() % 2 == 0;
  const v1::MigrationRole role = source ? v1::MIGRATION_ROLE_SOURCE : v1::MIGRATION_ROLE_TARGET;
  world_.Put("m1", source ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_ABSENT);
  for (int i = 0; i < 60; ++i) {
    Disturb();
    // What left for good is another one when it is moved anew.
    if (source && mover_->statuses().empty()) world_.Put("m1", v1::MIGRATION_PRESENCE_RUNNING);
    const int chosen = Pick(4);
    const v1::MigrationStep step = source ? kSourceSteps[chosen] : kTargetSteps[chosen];
    Take({Order(role, step)}, /*hold=*/Pick(10) == 0);
    for (int ticks = Pick(20); ticks > 0; --ticks) {
      mover_->Tick();
      absl::SleepFor(absl::Microseconds(200));
    }
    // On a target it may come at any moment once there is somebody to receive it.
    if (!source && world_.Where("m1") == v1::MIGRATION_PRESENCE_STOPPED && Pick(6) == 0) {
      Settle();
      world_.Put("m1", v1::MIGRATION_PRESENCE_RUNNING);
    }
    for (const v1::MigrationStatus& status : mover_->statuses()) {
      EXPECT_NE(status.progress(), v1::MIGRATION_PROGRESS_UNSPECIFIED) << status.ShortDebugString();
      if (status.progress() == v1::MIGRATION_PROGRESS_REFUSED || status.progress() == v1::MIGRATION_PROGRESS_FAILED) {
        EXPECT_NE(status.reason(), "") << status.ShortDebugString();
      }
    }
    ASSERT_THAT(world_.offences(), testing::IsEmpty()) << "after step " << i;
  }
  // However it went, a healthy host and a patient controller bring it to an end.
  for (const char* call : kCalls) world_.Fail(call, absl::OkStatus());
  disk_.Fail(FaultyDisk::Call::kNone, 0);
  Settle();
  const auto ends = [&](v1::MigrationStep step) {
    Take({Order(role, step)});
    clock_.Advance(absl::Seconds(10));
    Take({Order(role, step)});
    Settle();
    const v1::MigrationStatus status = AwaitAnswer(step);
    return status.progress() == v1::MIGRATION_PROGRESS_DONE;
  };
  const bool finished = ends(v1::MIGRATION_STEP_FINISH);
  EXPECT_TRUE(finished || ends(v1::MIGRATION_STEP_ROLL_BACK)) << StatusOf().ShortDebugString();
  Take({});
  Settle();
  EXPECT_THAT(mover_->statuses(), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTest, testing::Range(1, 41));

}  // namespace
}  // namespace truce::agent
