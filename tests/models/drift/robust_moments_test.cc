// Baselines: robust against outliers, addable, the same after storing, sound whatever comes.
#include "models/drift/robust_moments.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace truce {
namespace {

Behaviour Two(double a, double b) {
  Behaviour behaviour;
  behaviour.there[0] = behaviour.there[4] = true;
  behaviour.numbers[0] = a;
  behaviour.numbers[4] = b;
  return behaviour;
}

RobustMoments Normal(uint64_t seed, int count, double mean, double seconds) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, 1);
  RobustMoments moments;
  for (int i = 0; i < count; ++i) {
    const double shared = normal(random);
    moments.Add(seconds + i, Two(shared, shared + 0.3 * (normal(random) - mean)));
  }
  return moments;
}

void ExpectNear(const RobustMoments& a, const RobustMoments& b, double tolerance) {
  for (size_t i = 0; i < kTraitCount; ++i) {
    EXPECT_EQ(a.estimate().known[i], b.estimate().known[i]);
    EXPECT_NEAR(a.weight(i), b.weight(i), tolerance * (1 + a.weight(i)));
    EXPECT_NEAR(a.estimate().mean[i], b.estimate().mean[i], tolerance);
    EXPECT_NEAR(a.estimate().variance[i], b.estimate().variance[i], tolerance);
  }
  EXPECT_LT((a.estimate().correlation - b.estimate().correlation).cwiseAbs().maxCoeff(), tolerance);
}

TEST(RobustMomentsTest, LearnsMeanSpreadAndCorrelation) {
  const TraitEstimate estimate = Normal(1, 4000, 5, 1e9).estimate();
  EXPECT_NEAR(estimate.mean[0], 5, 0.1);
  EXPECT_NEAR(estimate.variance[0], 1, 0.2);
  EXPECT_GT(estimate.correlation(0, 4), 0.8);
  EXPECT_FALSE(estimate.known[1]);
}

TEST(RobustMomentsTest, OneInTenThatIsFarOffHardlyMovesIt) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  RobustMoments moments;
  for (int i = 0; i < 3000; ++i) moments.Add(i, i >= 100 && i % 10 == 0 ? Two(50, -50) : Two(normal(random), 0));
  EXPECT_LT(moments.estimate().mean[0], 2) << "the plain mean is 5";
}

TEST(RobustMomentsTest, OldOnesFade) {
  RobustMoments moments;
  for (int i = 0; i < 100; ++i) moments.Add(0, Two(1, 1));
  for (int i = 0; i < 100; ++i) moments.Add(10 * RobustMoments::kHalfLifeSeconds, Two(1.001, 1));
  EXPECT_NEAR(moments.weight(0), 100, 1);
}

TEST(RobustMomentsTest, MergingIsAssociativeAndCommutative) {
  const RobustMoments a = Normal(3, 200, 1, 1e9);
  const RobustMoments b = Normal(4, 300, 2, 1e9 + 86400);
  const RobustMoments c = Normal(5, 100, 0, 1e9 - 86400);
  RobustMoments left = a;
  left.Merge(b);
  left.Merge(c);
  RobustMoments right = b;
  right.Merge(c);
  RobustMoments all = a;
  all.Merge(right);
  ExpectNear(left, all, 1e-9);
  RobustMoments swapped = c;
  swapped.Merge(b);
  swapped.Merge(a);
  ExpectNear(left, swapped, 1e-9);
}

TEST(RobustMomentsTest, IsTheSameAfterStoring) {
  const RobustMoments moments = Normal(6, 257, 3, 1e9);
  RobustMoments estimated;
  estimated.Merge(moments);
  estimated.Merge(RobustMoments());
  RobustMoments twice = RobustMoments::FromWire(moments.ToWire());
  EXPECT_NEAR(twice.estimate().mean[0], moments.estimate().mean[0], 0.05);
  ExpectNear(RobustMoments::FromWire(twice.ToWire()), twice, 1e-12);
}

TEST(RobustMomentsTest, WhatMakesNoSenseIsAsGoodAsNone) {
  v1::TraitMoments wire = Normal(7, 50, 3, 1e9).ToWire();
  v1::TraitMoments short_one = wire;
  short_one.mutable_sums()->RemoveLast();
  EXPECT_EQ(RobustMoments::FromWire(short_one).weight(0), 0);
  v1::TraitMoments negative = wire;
  negative.set_weights(0, -1);
  EXPECT_EQ(RobustMoments::FromWire(negative).weight(0), 0);
  v1::TraitMoments unknown = wire;
  unknown.set_traits(0, "of_tomorrow");
  const RobustMoments rest = RobustMoments::FromWire(unknown);
  EXPECT_EQ(rest.weight(0), 0);
  EXPECT_GT(rest.weight(4), 10);
}

RC_GTEST_PROP(RobustMomentsPropertyTest, IsSoundWhateverComes, ()) {
  RobustMoments moments;
  for (int i = 0; i < 60; ++i) {
    Behaviour behaviour;
    for (size_t k = 0; k < kTraitCount; ++k) {
      behaviour.there[k] = *rc::gen::arbitrary<bool>();
      behaviour.numbers[k] =
          *rc::gen::element(0.0, 1.0, -30.0, 34.0, 1e300, std::nan(""), std::numeric_limits<double>::infinity());
    }
    moments.Add(*rc::gen::element(0.0, 1e9, 3e9, -1e9, 1e300, std::nan("")), behaviour);
  }
  const TraitEstimate& estimate = moments.estimate();
  std::array<double, kTraitCount> ones{};
  ones.fill(1);
  RC_ASSERT(SquaredLength(estimate, estimate.known, ones) >= 0);
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (!estimate.known[i]) continue;
    RC_ASSERT(std::isfinite(estimate.mean[i]));
    RC_ASSERT(estimate.variance[i] > 0);
  }
}

}  // namespace
}  // namespace truce
