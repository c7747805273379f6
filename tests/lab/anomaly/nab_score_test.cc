// The benchmark's rules, against numbers worked out by hand.
#include "lab/anomaly/nab_score.h"

#include <gtest/gtest.h>

#include <cmath>

namespace truce::lab {
namespace {

const NabProfile& Standard() {
  return NabProfiles()[0];
}

// 1,000 points, of which 150 are probation; one window of 100 points.
const std::vector<AnomalyWindow> kWindow = {{500, 599}};

NabJudge::Marks Judge(const std::vector<size_t>& detections, const NabProfile& profile = Standard(),
                      const std::vector<AnomalyWindow>& windows = kWindow) {
  std::vector<double> scores(1000, 0);
  for (const size_t at : detections) scores[at] = 1;
  const NabSeries series{scores, windows};
  return NabJudge({&series, 1}, profile).At(0.5);
}

TEST(NabScoreTest, Sigmoid) {
  EXPECT_DOUBLE_EQ(NabSigmoid(0), 0);
  EXPECT_NEAR(NabSigmoid(-1), 0.98661, 1e-5);
  EXPECT_NEAR(NabSigmoid(1), -0.98661, 1e-5);
  EXPECT_NEAR(NabSigmoid(-0.5), 0.84828, 1e-5);
  EXPECT_DOUBLE_EQ(NabSigmoid(3.01), -1);
}

TEST(NabScoreTest, Probation) {
  EXPECT_EQ(NabProbation(1000), 150);
  EXPECT_EQ(NabProbation(4032), 604);
  EXPECT_EQ(NabProbation(5000), 750);
  EXPECT_EQ(NabProbation(22000), 750);
}

TEST(NabScoreTest, OnlyTheBestDetectionInAWindowCounts) {
  EXPECT_DOUBLE_EQ(Judge({500}).raw, 1) << "the first point";
  EXPECT_NEAR(Judge({550}).raw, 0.84828 / 0.98661, 1e-4) << "the middle: (599 - 550 + 1) / 100 before the end";
  EXPECT_NEAR(Judge({599}).raw, (2 / (1 + std::exp(-0.05)) - 1) / 0.98661, 1e-4) << "the last";
  EXPECT_DOUBLE_EQ(Judge({500, 501, 550, 599}).raw, 1);
}

TEST(NabScoreTest, FalseAlarmsCostLessJustAfterAWindow) {
  EXPECT_DOUBLE_EQ(Judge({}).raw, -1) << "missed";
  EXPECT_DOUBLE_EQ(Judge({500, 400}).raw, 1 - 0.11) << "before any window in full";
  EXPECT_NEAR(Judge({500, 620}).raw, 1 + 0.11 * (2 / (1 + std::exp(5 * 21.0 / 99)) - 1), 1e-9);
  EXPECT_NEAR(Judge({500, 950}).raw, 1 - 0.11, 1e-9) << "more than three windows after";
  EXPECT_DOUBLE_EQ(Judge({500, 10, 20}).raw, 1) << "probation";
}

TEST(NabScoreTest, Profiles) {
  EXPECT_DOUBLE_EQ(Judge({500, 400}, NabProfiles()[1]).raw, 1 - 0.22);
  EXPECT_DOUBLE_EQ(Judge({}, NabProfiles()[2]).raw, -2);
  EXPECT_DOUBLE_EQ(Judge({}, NabProfiles()[2]).normalised, 0);
  EXPECT_NEAR(Judge({400}, NabProfiles()[2]).normalised, -100 * 0.11 / 3, 1e-9);
}

TEST(NabScoreTest, NormalisedFromNothingToPerfect) {
  EXPECT_DOUBLE_EQ(Judge({}).normalised, 0);
  EXPECT_DOUBLE_EQ(Judge({500}).normalised, 100);
  EXPECT_DOUBLE_EQ(Judge({500, 400}).normalised, 100 * 1.89 / 2);
  const std::vector<AnomalyWindow> two = {{200, 299}, {500, 599}};
  EXPECT_DOUBLE_EQ(Judge({200}, Standard(), two).normalised, 50);
  EXPECT_EQ(Judge({200}, Standard(), two).windows_found, 1);
  EXPECT_TRUE(std::isnan(Judge({200}, Standard(), {}).normalised));
}

TEST(NabScoreTest, WindowsThatEndInProbationDontCount) {
  const std::vector<AnomalyWindow> windows = {{50, 149}, {500, 599}};
  EXPECT_EQ(Judge({}, Standard(), windows).windows, 1);
  EXPECT_DOUBLE_EQ(Judge({500}, Standard(), windows).normalised, 100);
}

TEST(NabScoreTest, TheBestThresholdWeighsFindsAgainstFalseAlarms) {
  std::vector<double> scores(1000, 0);
  scores[500] = 0.7;
  scores[300] = 0.9;
  for (size_t i = 200; i < 250; ++i) scores[i] = 0.4;
  const NabSeries series{scores, kWindow};
  const NabJudge judge({&series, 1}, Standard());
  EXPECT_DOUBLE_EQ(judge.Best().threshold, 0.7);
  EXPECT_DOUBLE_EQ(judge.Best().raw, 1 - 0.11);
  EXPECT_EQ(judge.Best().false_positives, 1);
  EXPECT_DOUBLE_EQ(judge.At(0.4).raw, 1 - 51 * 0.11);
}

TEST(NabScoreTest, WithoutAnyUseNoDetectionIsBest) {
  const std::vector<double> scores(1000, 0.5);
  const NabSeries series{scores, kWindow};
  const NabJudge::Marks best = NabJudge({&series, 1}, Standard()).Best();
  EXPECT_DOUBLE_EQ(best.normalised, 0);
  EXPECT_GT(best.threshold, 1);
}

TEST(NabScoreTest, SeriesAreScoredTogether) {
  std::vector<double> first(1000, 0);
  std::vector<double> second(1000, 0);
  first[500] = 0.8;
  second[400] = 0.9;
  const std::vector<NabSeries> series = {{first, kWindow}, {second, kWindow}};
  const NabJudge::Marks marks = NabJudge(series, Standard()).At(0.5);
  EXPECT_DOUBLE_EQ(marks.raw, 1 - 1 - 0.11);
  EXPECT_EQ(marks.windows, 2);
}

}  // namespace
}  // namespace truce::lab
