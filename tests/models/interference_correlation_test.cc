// The formula that decides whom a slow victim blames, against values worked out by hand from the paper's definition.
#include "models/interference_correlation.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace truce {
namespace {

TEST(InterferenceCorrelationTest, MatchesHandComputedValues) {
  // Usage 1/4 and 3/4; signal 4 over threshold 2 gives 1 - 2/4 = 0.5, signal 1 gives 1/2 - 1 = -0.5.
  EXPECT_DOUBLE_EQ(InterferenceCorrelation({4, 1}, 2, {1, 3}), 0.25 * 0.5 + 0.75 * -0.5);
  EXPECT_DOUBLE_EQ(InterferenceCorrelation({4, 1}, 2, {3, 1}), 0.75 * 0.5 + 0.25 * -0.5);
  // Three times: 10 over 2 gives 0.8, 2 gives 0, 0 gives -1.
  EXPECT_DOUBLE_EQ(InterferenceCorrelation({10, 2, 0}, 2, {2, 5, 3}), 0.2 * 0.8 + 0.5 * 0 + 0.3 * -1);
}

TEST(InterferenceCorrelationTest, TheExtremes) {
  EXPECT_NEAR(InterferenceCorrelation({1e9, 0}, 1, {1, 0}), 1, 1e-6) << "runs only when the victim suffers badly";
  EXPECT_DOUBLE_EQ(InterferenceCorrelation({1e9, 0}, 1, {0, 1}), -1) << "runs only when the victim is well";
  EXPECT_EQ(InterferenceCorrelation({4, 1}, 2, {0, 0}), 0) << "never ran";
  EXPECT_EQ(InterferenceCorrelation({4, 1}, 0, {1, 1}), 0) << "no threshold";
  EXPECT_EQ(InterferenceCorrelation({}, 2, {}), 0);
}

// Numbers from 0 to 1,000 in steps of 0.01.
rc::Gen<std::vector<double>> Amounts(size_t count) {
  return rc::gen::container<std::vector<double>>(
      count, rc::gen::map(rc::gen::inRange(0, 100'001), [](int hundredths) { return hundredths / 100.0; }));
}

RC_GTEST_PROP(InterferenceCorrelationTest, StaysBetweenMinusOneAndOne, ()) {
  const auto count = *rc::gen::inRange<size_t>(1, 50);
  const auto signal = *Amounts(count);
  const auto usage = *Amounts(count);
  const double threshold = *rc::gen::inRange(1, 1000) / 10.0;
  const double correlation = InterferenceCorrelation(signal, threshold, usage);
  RC_ASSERT(std::isfinite(correlation));
  RC_ASSERT(correlation >= -1 - 1e-9);
  RC_ASSERT(correlation <= 1 + 1e-9);
}

RC_GTEST_PROP(InterferenceCorrelationTest, TheScaleOfUsageDoesNotMatter, ()) {
  const auto signal = *Amounts(20);
  auto usage = *Amounts(20);
  const double before = InterferenceCorrelation(signal, 3, usage);
  for (double& amount : usage) amount *= 1e6;
  RC_ASSERT(std::abs(InterferenceCorrelation(signal, 3, usage) - before) < 1e-9);
}

RC_GTEST_PROP(InterferenceCorrelationTest, ASteadyNeighbourNeverPassesTheShareOfTimeInWhichTheVictimSuffered, ()) {
  // What makes a limit on the share of suffering in a window a limit on false blame.
  const auto signal = *Amounts(40);
  const double threshold = *rc::gen::inRange(1, 100'000) / 100.0;
  double suffered = 0;
  for (double value : signal) suffered += value > threshold ? 1.0 / 40 : 0;
  RC_ASSERT(InterferenceCorrelation(signal, threshold, std::vector<double>(40, 1.5)) <= suffered + 1e-9);
}

TEST(NormalTailTest, MatchesTheTables) {
  EXPECT_DOUBLE_EQ(NormalTail(0, 1, 0), 0.5);
  EXPECT_NEAR(NormalTail(0, 1, 1.96), 0.0249979, 1e-6);
  EXPECT_NEAR(NormalTail(0, 1, -1.96), 0.9750021, 1e-6);
  EXPECT_NEAR(NormalTail(10, 2, 13), NormalTail(0, 1, 1.5), 1e-12) << "mean and deviation shift and scale";
  EXPECT_NEAR(NormalTail(0, 1, 40), 0, 1e-12);
}

RC_GTEST_PROP(NormalTailTest, FallsAsTheBoundRises, ()) {
  const double low = *rc::gen::inRange(-500, 500) / 100.0;
  const double step = *rc::gen::inRange(0, 500) / 100.0;
  RC_ASSERT(NormalTail(0, 1, low) >= NormalTail(0, 1, low + step));
  RC_ASSERT(std::abs(NormalTail(0, 1, low) + NormalTail(0, 1, -low) - 1) < 1e-12);
}

}  // namespace
}  // namespace truce
