// A quota that follows its workload's demand: within its bounds, up at once, down slowly, and gone without a trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

class Follows : public OnEveryTree {
 protected:
  std::string QuotaNow() { return rig.tree.Get(rig.tree.Quota("batch/b")); }
  double CoresNow() { return std::stod(QuotaNow()) / 100000.0; }
  ActionTarget& target() { return rig->workloads["batch/b"]; }
  void Seconds(int count) {
    for (int i = 0; i < count; ++i) rig.Tick();
  }
};

TEST_P(Follows, BeginsWithAllComesDownAndGoesUpWithTheForecast) {
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(2));
  target().cpu_usage_cores = 0.5;
  auto renew = [&](int seconds) {
    for (int i = 0; i < seconds; i += 10) {
      ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
      Seconds(10);
    }
  };
  renew(100);
  EXPECT_NEAR(CoresNow(), 0.6, 0.6 * QuotaFollower::kDeadband);
  target().cpu_foretold_cores = 1.5;
  Seconds(1);
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(1.8)) << "before it is used";
  target().cpu_foretold_cores.reset();
  renew(100);
  EXPECT_NEAR(CoresNow(), 0.6, 0.6 * QuotaFollower::kDeadband);
  target().cpu_usage_cores = 0.01;
  renew(100);
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(0.25)) << "never below the least";
  target().cpu_usage_cores = 5;
  Seconds(1);
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(2)) << "nor above the most";
  ASSERT_TRUE(rig.Apply({}).accepted());
  EXPECT_EQ(rig.tree.Snapshot(), before);
  const v1::Receipt receipt = rig.actuator().TakeReceipts().at(0);
  EXPECT_FALSE(receipt.has_cost_core_seconds()) << "what follows the need takes nothing";
}

TEST_P(Follows, TheReactiveOneIsNotToldWhatIsForetold) {
  v1::LeasedAction action = Follow("f", "batch/b", 0.25, 2);
  action.mutable_follow()->set_reactive(true);
  target().cpu_usage_cores = 0.5;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(rig.Apply({action}).accepted());
    Seconds(10);
  }
  target().cpu_foretold_cores = 1.5;
  Seconds(1);
  EXPECT_NEAR(CoresNow(), 0.6, 0.6 * QuotaFollower::kDeadband);
}

TEST_P(Follows, ACrashOnTheWayRestoresWhatWasThereBefore) {
  rig.tree.Put(rig.tree.Quota("batch/b"), rig.tree.QuotaText(3));
  const auto before = rig.tree.Snapshot();
  ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
  target().cpu_usage_cores = 0.5;
  Seconds(25);
  EXPECT_NE(rig.tree.Snapshot(), before);
  rig.Crash();
  ASSERT_TRUE(rig->Restore().ok());
  EXPECT_EQ(rig.tree.Snapshot(), before);
}

TEST_P(Follows, AWriteThatFailsIsTriedAgainAndTold) {
  ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
  (void)rig.actuator().TakeEvents();
  target().cpu_usage_cores = 0.5;
  rig->writer.FailFile(rig.tree.Quota("batch/b"), EBUSY);
  Seconds(12);
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(2));
  EXPECT_THAT(Kinds(rig.actuator().TakeEvents()), testing::ElementsAre("action_failed"));
  rig->writer.FailFile(rig.tree.Quota("batch/b"), 0);
  Seconds(1);
  EXPECT_NE(QuotaNow(), rig.tree.QuotaText(2));
}

TEST_P(Follows, BoundsThatMakeNoSenseAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [&](double least, double most, double headroom) {
    v1::LeasedAction action = Follow("f", "batch/b", least, 2);
    action.mutable_follow()->set_most_cores(most);
    action.mutable_follow()->set_headroom_ratio(headroom);
    return rig.Apply({action}).results(0).reason();
  };
  EXPECT_THAT(refused(0.5, 3, 0.2), HasSubstr("makes no sense")) << "above the quota that it begins with";
  EXPECT_THAT(refused(1.5, 1, 0.2), HasSubstr("is not within"));
  EXPECT_THAT(refused(0, 2, 0.2), HasSubstr("guard.floor_cores"));
  EXPECT_THAT(refused(nan, 2, 0.2), HasSubstr("guard.floor_cores"));
  EXPECT_THAT(refused(0.5, nan, 0.2), HasSubstr("makes no sense"));
  EXPECT_THAT(refused(0.5, 2, nan), HasSubstr("headroom"));
  EXPECT_THAT(refused(0.5, 2, -1), HasSubstr("headroom"));
  EXPECT_THAT(refused(0.5, 2, 0.2), testing::IsEmpty());
}

TEST_P(Follows, ACriticalWorkloadIsLeftAlone) {
  target().workload_class = v1::WORKLOAD_CLASS_CRITICAL;
  EXPECT_THAT(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).results(0).reason(), HasSubstr("never reduced"));
}

// A quota that protects somebody takes its place, and gives it back.
TEST_P(Follows, GivesWayToAQuotaThatProtectsSomebody) {
  target().cpu_usage_cores = 0.5;
  ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
  ASSERT_TRUE(rig.Apply({For("web", Quota("q", "batch/b", 0.3))}).accepted());
  Seconds(15);
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(0.3)) << "it follows nothing";
  ASSERT_TRUE(rig.Apply({Follow("f", "batch/b", 0.25, 2)}).accepted());
  EXPECT_EQ(QuotaNow(), rig.tree.QuotaText(2));
}

INSTANTIATE_TEST_SUITE_P(Trees, Follows, testing::Values(TreeKind::kV2, TreeKind::kHybrid, TreeKind::kV1),
                         TreeParamName);

}  // namespace
}  // namespace truce::agent
