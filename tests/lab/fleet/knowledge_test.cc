// What is known of the hidden interference: exact averages, and errors as large as the shipped model's.
#include "lab/fleet/knowledge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lab/fleet/meetings.h"

namespace truce::lab::fleet {
namespace {

TEST(KnowledgeTest, SignaturesAreAveragesOverTheOthers) {
  Truth truth;
  truth.pressure = {{1, 0, 0, 0, 0, 0}, {2, 0, 0, 0, 0, 0}, {4, 0, 0, 0, 0, 0}};
  truth.sensitivity = {{0.1, 0, 0, 0, 0, 0}, {0.2, 0, 0, 0, 0, 0}, {0.3, 0, 0, 0, 0, 0}};
  truth.bias.assign(9, 1);
  truth.bias[0 * 3 + 2] = 2;
  std::mt19937_64 random(1);
  const Knowledge knowledge = Learn(truth, random);
  const Signature first = knowledge.Said(0);
  EXPECT_NEAR(first.suffers[0], (0.1 * 2 + 0.1 * 4 * 2) / 2, 1e-12);
  EXPECT_NEAR(first.hurts[0], (0.2 + 0.3) / 2, 1e-12);
  EXPECT_EQ(first.hurts[1], 0);
}

TEST(KnowledgeTest, CalibrationMakesNoMarkBetterThanTheTargetAndOneJustAsGood) {
  std::mt19937_64 random(3);
  const Truth truth = DrawTruth({}, random);
  Knowledge knowledge = Learn(truth, random);
  const std::vector<Meeting> meetings = DrawMeetings(truth, 3'000, random);
  const ModelMarks perfect = MarksOf(knowledge, meetings);
  ASSERT_GT(perfect.auc, kShippedMarks.auc);
  ASSERT_GT(perfect.rank, kShippedMarks.rank);
  ASSERT_LT(perfect.error, kShippedMarks.error);
  const auto real = Calibrate(meetings, kShippedMarks, &knowledge);
  ASSERT_TRUE(real.ok()) << real.status();
  EXPECT_LE(real->auc, kShippedMarks.auc + 0.0021);
  EXPECT_LE(real->rank, kShippedMarks.rank + 0.0021);
  EXPECT_GE(real->error, kShippedMarks.error - 0.0021);
  const bool just = std::abs(real->auc - kShippedMarks.auc) < 0.004 ||
                    std::abs(real->rank - kShippedMarks.rank) < 0.004 ||
                    std::abs(real->error - kShippedMarks.error) < 0.004;
  EXPECT_TRUE(just) << real->auc << " " << real->error << " " << real->rank;
  EXPECT_GT(knowledge.error, 0.2);
}

TEST(KnowledgeTest, AWorldThatCantBeKnownSoBadlyIsRefused) {
  std::mt19937_64 random(3);
  const Truth truth = DrawTruth({}, random);
  Knowledge knowledge = Learn(truth, random);
  const std::vector<Meeting> meetings = DrawMeetings(truth, 500, random);
  const auto real = Calibrate(meetings, {.auc = 0.1, .error = 0.1, .rank = 0.1}, &knowledge);
  EXPECT_THAT(real.status().ToString(), testing::HasSubstr("the world is too simple"));
}

TEST(MeetingsTest, TheyLookLikeThoseThatWereMeasured) {
  std::mt19937_64 random(5);
  const Truth truth = DrawTruth({}, random);
  const std::vector<Meeting> meetings = DrawMeetings(truth, 8'000, random);
  const MeetingFacts facts = FactsOf(meetings);
  EXPECT_NEAR(facts.slowed, kMeasuredMeetings.slowed, 0.1);
  EXPECT_NEAR(facts.mean, kMeasuredMeetings.mean, 0.05);
  EXPECT_NEAR(facts.apart_slowed, kMeasuredMeetings.apart_slowed, 0.1);
  EXPECT_NEAR(facts.apart_mean, kMeasuredMeetings.apart_mean, 0.015);
}

}  // namespace
}  // namespace truce::lab::fleet
