// When the demand model is retrained, and what is told of it.
#include "controller/learn/retraining_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace truce::controller {
namespace {

using State = RetrainingSchedule::State;

constexpr size_t kEnough = 1'000'000;
constexpr absl::Duration kDay = absl::Hours(24);

Retrainer::Outcome Ended(absl::Status status, bool promoted = false) {
  Retrainer::Outcome outcome;
  outcome.status = std::move(status);
  outcome.verdict.set_promoted(promoted);
  outcome.verdict.set_sentence("it is so");
  return outcome;
}

TEST(RetrainingScheduleTest, OnceADayWhenThereIsEnoughHistory) {
  RetrainingSchedule schedule({}, absl::ZeroDuration());
  EXPECT_FALSE(schedule.Due(absl::Minutes(59), kEnough, kDay)) << "a controller that starts has other things to do";
  EXPECT_FALSE(schedule.Due(kDay, 29'999, kDay));
  EXPECT_FALSE(schedule.Due(kDay, kEnough, absl::Hours(5)));
  EXPECT_TRUE(schedule.Due(absl::Hours(1), kEnough, absl::Hours(6)));
  schedule.OnStarted(absl::Hours(1));
  EXPECT_EQ(schedule.state(), State::kRunning);
  EXPECT_FALSE(schedule.Due(3 * kDay, kEnough, kDay)) << "one at a time";
  const auto news = schedule.OnOutcome(Ended(absl::OkStatus(), true), absl::Hours(2));
  ASSERT_TRUE(news.has_value());
  EXPECT_EQ(news->kind, "model_retrained");
  EXPECT_EQ(news->message, "it is so");
  EXPECT_FALSE(schedule.Due(absl::Hours(24), kEnough, kDay));
  EXPECT_TRUE(schedule.Due(absl::Hours(25), kEnough, kDay));
  schedule.OnStarted(absl::Hours(25));
  EXPECT_EQ(schedule.OnOutcome(Ended(absl::OkStatus()), absl::Hours(26))->kind, "model_kept");
  EXPECT_EQ(schedule.ByOutcome().at("kept"), 1u);
  EXPECT_EQ(schedule.ByOutcome().at("promoted"), 1u);
}

TEST(RetrainingScheduleTest, SoonerWhenTheErrorRoseButNotAtOnceAgain) {
  RetrainingSchedule schedule({}, absl::ZeroDuration());
  schedule.OnStarted(absl::Hours(1));
  (void)schedule.OnOutcome(Ended(absl::OkStatus()), absl::Hours(2));
  schedule.OnErrorRose(absl::Hours(3));
  EXPECT_FALSE(schedule.Due(absl::Hours(6), kEnough, kDay));
  EXPECT_TRUE(schedule.Due(absl::Hours(7), kEnough, kDay));
  schedule.OnErrorRose(absl::Hours(9));
  EXPECT_TRUE(schedule.Due(absl::Hours(9), kEnough, kDay));
}

TEST(RetrainingScheduleTest, FailuresAreToldOnceAndTriedAgainMoreAndMoreSeldom) {
  RetrainingSchedule schedule({}, absl::ZeroDuration());
  absl::Duration now = absl::Hours(1);
  int told = 0;
  std::vector<double> waits;
  for (int i = 0; i < 7; ++i) {
    schedule.OnStarted(now);
    told += schedule.OnOutcome(Ended(absl::FailedPreconditionError("there is no truce-lab")), now).has_value();
    EXPECT_EQ(schedule.state(), State::kNoProgram);
    const absl::Duration failed = now;
    schedule.OnErrorRose(now);
    while (!schedule.Due(now, kEnough, kDay)) now += absl::Minutes(30);
    waits.push_back(absl::ToDoubleHours(now - failed));
  }
  EXPECT_THAT(waits, testing::ElementsAre(1, 2, 4, 8, 16, 24, 24));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(schedule.OnOutcome(Ended(absl::InternalError("crashed")), now)->message, "crashed") << "another reason";
  EXPECT_EQ(schedule.state(), State::kFailing);
  EXPECT_TRUE(schedule.OnOutcome(Ended(absl::OkStatus()), now).has_value());
  EXPECT_TRUE(schedule.OnOutcome(Ended(absl::InternalError("crashed")), now).has_value()) << "it had worked meanwhile";
  EXPECT_FALSE(schedule.OnOutcome(Ended(absl::CancelledError("stops")), now).has_value());
  EXPECT_EQ(schedule.ByOutcome().at("failed"), 9u);
}

}  // namespace
}  // namespace truce::controller
