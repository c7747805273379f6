// What may be ordered while the store has not written down yet why.
#include "controller/serve/migration_writes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kSource = v1::MIGRATION_ROLE_SOURCE;
constexpr auto kTarget = v1::MIGRATION_ROLE_TARGET;
constexpr absl::Duration kStart = absl::Hours(1);

v1::Migration In(v1::MigrationPhase phase) {
  v1::Migration migration;
  migration.set_migration_id("m1");
  migration.set_phase(phase);
  return migration;
}

class MigrationWritesTest : public testing::Test {
 protected:
  // The steps that are left of these.
  std::vector<v1::MigrationStep> Ordered(const std::vector<std::pair<v1::MigrationRole, v1::MigrationStep>>& wanted) {
    v1::DesiredSet desired;
    for (const auto& [role, step] : wanted) {
      v1::MigrationOrder& order = *desired.add_migrations();
      order.set_migration_id("m1");
      order.set_role(role);
      order.set_step(step);
    }
    writes_.HoldBack(
        now_, [this](const std::string&) { return only_renewed_; }, [this](const std::string&) { return open_; },
        &desired);
    std::vector<v1::MigrationStep> steps;
    for (const auto& order : desired.migrations()) steps.push_back(order.step());
    return steps;
  }
  void Store(v1::MigrationPhase phase) {
    EXPECT_TRUE(writes_.OnStored("m1", writes_.Begin(In(phase), now_), absl::OkStatus(), now_));
  }

  MigrationWrites writes_;
  bool only_renewed_ = false;
  bool open_ = true;
  absl::Duration now_ = kStart;
};

TEST_F(MigrationWritesTest, UntilAPhaseIsStoredTheStepBeforeGoesOn) {
  const uint64_t reserving = writes_.Begin(In(v1::MIGRATION_PHASE_RESERVING), now_);
  EXPECT_THAT(Ordered({{kTarget, v1::MIGRATION_STEP_RESERVE}}), IsEmpty());
  EXPECT_TRUE(writes_.OnStored("m1", reserving, absl::OkStatus(), now_));
  EXPECT_THAT(Ordered({{kTarget, v1::MIGRATION_STEP_RESERVE}}), ElementsAre(v1::MIGRATION_STEP_RESERVE));
  const uint64_t moving = writes_.Begin(In(v1::MIGRATION_PHASE_MOVING), now_);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_MOVE}, {kTarget, v1::MIGRATION_STEP_RESERVE}}),
              ElementsAre(v1::MIGRATION_STEP_RESERVE));
  EXPECT_FALSE(writes_.OnStored("m1", reserving, absl::OkStatus(), now_)) << "an older write says nothing of this one";
  EXPECT_TRUE(writes_.OnStored("m1", moving, absl::OkStatus(), now_));
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_MOVE}}), ElementsAre(v1::MIGRATION_STEP_MOVE));
  writes_.Begin(In(v1::MIGRATION_PHASE_VERIFYING), now_);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_VERIFY}}), ElementsAre(v1::MIGRATION_STEP_MOVE))
      << "renewed, so that it does not run out meanwhile";
}

// Of one that a host spoke of and nobody knew.
TEST_F(MigrationWritesTest, WhatHostsAreAtAnyhowIsRenewed) {
  writes_.Begin(In(v1::MIGRATION_PHASE_VERIFYING), now_);
  only_renewed_ = true;
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_MOVE}}), ElementsAre(v1::MIGRATION_STEP_MOVE));
  only_renewed_ = false;
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_VERIFY}}), ElementsAre(v1::MIGRATION_STEP_MOVE));
}

TEST_F(MigrationWritesTest, WhatIsRefusedIsWrittenAgainAndDoesNotBegin) {
  const uint64_t number = writes_.Begin(In(v1::MIGRATION_PHASE_MOVING), now_);
  now_ += MigrationWrites::kAgain;
  EXPECT_THAT(writes_.Due(now_), IsEmpty()) << "it is on its way";
  EXPECT_FALSE(writes_.OnStored("m1", number, absl::InternalError("disk full"), now_));
  EXPECT_THAT(writes_.Due(now_), IsEmpty());
  now_ += MigrationWrites::kAgain;
  ASSERT_THAT(writes_.Due(now_), SizeIs(1));
  EXPECT_THAT(writes_.Stuck(now_), IsEmpty());
  writes_.Begin(writes_.Due(now_)[0], now_);
  now_ = kStart + MigrationWrites::kPatience;
  EXPECT_THAT(writes_.Stuck(now_), ElementsAre("m1")) << "since the first try";
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_MOVE}}), IsEmpty()) << "whatever the time";
  Store(v1::MIGRATION_PHASE_MOVING);
  EXPECT_THAT(writes_.Stuck(now_), IsEmpty());
}

// A workload may stand still on both hosts.
TEST_F(MigrationWritesTest, TheWayToAnEndIsGoneWithoutTheStoreIfNeedBe) {
  Store(v1::MIGRATION_PHASE_MOVING);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_MOVE}}), ElementsAre(v1::MIGRATION_STEP_MOVE));
  writes_.Begin(In(v1::MIGRATION_PHASE_ROLLING_BACK), now_);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_ROLL_BACK}}), ElementsAre(v1::MIGRATION_STEP_MOVE));
  now_ += MigrationWrites::kPatience;
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_ROLL_BACK}}), ElementsAre(v1::MIGRATION_STEP_ROLL_BACK));
  EXPECT_THAT(writes_.Stuck(now_), IsEmpty());
}

// A host that was away is told for a day what it owes.
TEST_F(MigrationWritesTest, OfWhatHasEndedNothingIsRemembered) {
  Store(v1::MIGRATION_PHASE_FINISHING);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_FINISH}}), ElementsAre(v1::MIGRATION_STEP_FINISH));
  EXPECT_EQ(writes_.remembered(), 1u);
  open_ = false;
  Store(v1::MIGRATION_PHASE_MOVED);
  EXPECT_THAT(Ordered({{kSource, v1::MIGRATION_STEP_FINISH}}), ElementsAre(v1::MIGRATION_STEP_FINISH));
  EXPECT_EQ(writes_.remembered(), 0u);
}

TEST_F(MigrationWritesTest, ThatItIsNotStoredIsToldOnce) {
  EXPECT_EQ(writes_.TakeUntold("m1"), nullptr);
  const uint64_t number = writes_.Begin(In(v1::MIGRATION_PHASE_RESERVING), now_);
  writes_.OnStored("m1", number, absl::InternalError("disk full"), now_);
  EXPECT_NE(writes_.TakeUntold("m1"), nullptr);
  writes_.Begin(In(v1::MIGRATION_PHASE_ROLLING_BACK), now_);
  EXPECT_EQ(writes_.TakeUntold("m1"), nullptr);
}

}  // namespace
}  // namespace truce::controller
