// Features: the same program on another machine looks the same, and what is missing is missing and not zero.
#include "models/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace truce {
namespace {

size_t Find(std::string_view name) {
  for (size_t i = 0; i < kFeatureCount; ++i) {
    if (FeatureName(i) == name) return i;
  }
  ADD_FAILURE() << "no feature " << name;
  return 0;
}

TEST(FeaturesTest, NamesAreDistinctAndEveryGroupHasOne) {
  std::set<std::string_view> names;
  std::set<FeatureGroup> groups;
  for (size_t i = 0; i < kFeatureCount; ++i) {
    EXPECT_TRUE(names.insert(FeatureName(i)).second) << FeatureName(i);
    groups.insert(FeatureGroupOf(i));
  }
  EXPECT_EQ(groups.size(), kFeatureGroupCount);
}

TEST(FeaturesTest, AnEmptySampleHasNothing) {
  for (const float value : MakeModelInput(Sample())) EXPECT_EQ(value, 0);
}

TEST(FeaturesTest, MissingIsToldFromZero) {
  Sample sample;
  sample.set(Reading::kPsiIoSomeRatio, 0.0);
  const ModelInput input = MakeModelInput(sample);
  EXPECT_EQ(input[Find("psi_io_some")], 0);
  EXPECT_EQ(input[kFeatureCount + Find("psi_io_some")], 1);
  EXPECT_EQ(input[kFeatureCount + Find("psi_io_full")], 0);
}

TEST(FeaturesTest, RatesPerCoreDoNotDependOnTheShareOfACpu) {
  const auto with = [](double cores) {
    Sample sample;
    sample.set(Reading::kCpuUsageCores, cores);
    sample.set(Reading::kPageFaultsPerSecond, 5000 * cores);
    return MakeModelInput(sample)[Find("page_faults_per_core_log")];
  };
  EXPECT_NEAR(with(1.0), with(0.25), 1e-6);
  EXPECT_GT(with(1.0), 0);
  Sample idle;
  idle.set(Reading::kCpuUsageCores, 0.001);
  idle.set(Reading::kPageFaultsPerSecond, 3);
  EXPECT_EQ(MakeModelInput(idle)[kFeatureCount + Find("page_faults_per_core_log")], 0) << "says nothing of an idle one";
}

TEST(FeaturesTest, DemandIsWhatWasUsedAndWaitedForOfTheCpusThatItMayUse) {
  Sample sample;
  EXPECT_EQ(CpuDemand(MakeModelInput(sample)), std::nullopt);
  sample.set(Reading::kPsiCpuSomeRatio, 0.3);
  EXPECT_EQ(CpuDemand(MakeModelInput(sample)), std::nullopt) << "what was used is not known";
  sample.set(Reading::kCpuUsageCores, 2);
  sample.set(Reading::kCpuAllowedCount, 4);
  EXPECT_FLOAT_EQ(*CpuDemand(MakeModelInput(sample)), 0.8F);
  sample.set(Reading::kPsiCpuSomeRatio, 0.9);
  EXPECT_FLOAT_EQ(*CpuDemand(MakeModelInput(sample)), 1);
  ModelInput without = MakeModelInput(sample);
  Hide(FeatureGroup::kPressure, &without);
  EXPECT_FLOAT_EQ(*CpuDemand(without), 0.5F);
}

TEST(FeaturesTest, WhateverIsReadStaysInRange) {
  for (const double value : {-1e30, -1.0, 0.0, 1e-30, 1.0, 1e30, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    Sample sample;
    for (size_t i = 0; i < kReadingCount; ++i) sample.set(static_cast<Reading>(i), value);
    for (const float feature : MakeModelInput(sample)) {
      EXPECT_TRUE(std::isfinite(feature)) << value;
      EXPECT_GE(feature, -1) << value;
      EXPECT_LE(feature, 8) << value;
    }
  }
}

TEST(FeaturesTest, AHiddenGroupIsAsIfItsSourceWereMissing) {
  Sample whole;
  Sample without;
  whole.set(Reading::kCpuUsageCores, 1.0);
  without.set(Reading::kCpuUsageCores, 1.0);
  whole.set(Reading::kPsiCpuSomeRatio, 0.5);
  whole.set(Reading::kPsiIoFullRatio, 0.25);
  ModelInput input = MakeModelInput(whole);
  ASSERT_NE(input, MakeModelInput(without));
  Hide(FeatureGroup::kPressure, &input);
  EXPECT_EQ(input, MakeModelInput(without));
}

}  // namespace
}  // namespace truce
