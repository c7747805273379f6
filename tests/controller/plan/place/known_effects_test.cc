#include "controller/plan/place/known_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kCache = 1;
static_assert(kCache == EffectOf(v1::RESOURCE_LLC));

// Through the cache; usual programs slow each other by 4 %.
v1::Signature Signature(double hurts, double suffers) {
  v1::Signature signature;
  v1::ResourceEffect& effect = *signature.add_resources();
  effect.set_resource(v1::RESOURCE_LLC);
  effect.set_hurts_ratio(hurts);
  effect.set_suffers_ratio(suffers);
  effect.set_usual_ratio(0.04);
  return signature;
}

TEST(KnownEffectsTest, BeforeTheFirstSignatureNothingIsKnownAndThenTheRestIsUsual) {
  KnownEffects known;
  EXPECT_TRUE(known.empty());
  EXPECT_EQ(known.Of("web").hurts[kCache], 0);
  v1::Signature silent = Signature(1, 1);
  silent.mutable_resources(0)->clear_usual_ratio();
  known.Learn("web", silent, 1);
  EXPECT_TRUE(known.empty()) << "without what is usual a ratio says nothing";
  known.Learn("web", Signature(0.1, 0.02), 1);
  EXPECT_DOUBLE_EQ(known.Of("web").hurts[kCache], 0.1 / 0.2);
  EXPECT_DOUBLE_EQ(known.Of("web").suffers[kCache], 0.02 / 0.2);
  EXPECT_TRUE(known.Of("web").known);
  // Two that are usual slow each other by what is usual.
  EXPECT_NEAR(known.Of("x").hurts[kCache] * known.Of("y").suffers[kCache], 0.04, 1e-12);
  EXPECT_FALSE(known.Of("x").known);
}

TEST(KnownEffectsTest, FromTenApplicationsOnTheMiddleOfTheFleetCountsAndDrawsTheOthersToIt) {
  KnownEffects known;
  // Each of two cores; by core they hurt 0.05 x 2^(a - 4) / 0.2.
  for (int a = 0; a < 10; ++a) known.Learn(StrCat("app-", a), Signature(0.1 * std::exp2(a - 4), 0.03), 2);
  for (int a = 0; a < 10; ++a) known.Learn(StrCat("app-", a), Signature(0.1 * std::exp2(a - 4), 0.03), 2);
  const ApplicationEffects& middle = known.Of("nobody");
  EXPECT_DOUBLE_EQ(middle.cores, 1);
  const double by_core = middle.hurts[kCache];
  EXPECT_THAT(by_core, testing::AnyOf(testing::DoubleNear(0.25, 1e-9), testing::DoubleNear(0.5, 1e-9)));
  EXPECT_NEAR(middle.suffers[kCache], 0.03 / 0.2, 1e-12);
  for (int a = 0; a < 10; ++a) {
    const ApplicationEffects& one = known.Of(StrCat("app-", a));
    const double said = 0.1 * std::exp2(a - 4) / 0.2;
    EXPECT_NEAR(std::log(one.hurts[kCache] / (2 * by_core)), KnownEffects::kTrust * std::log(said / (2 * by_core)),
                1e-9);
    EXPECT_NEAR(one.suffers[kCache], 0.03 / 0.2, 1e-9) << "all say the same";
  }
}

TEST(KnownEffectsTest, WhoseSizeNobodyKnowsStaysAsItWasSaid) {
  KnownEffects known;
  for (int a = 0; a < 12; ++a) known.Learn(StrCat("app-", a), Signature(0.1 + a, 0.1 + a), 0);
  EXPECT_DOUBLE_EQ(known.Of("app-3").hurts[kCache], 3.1 / 0.2);
  EXPECT_DOUBLE_EQ(known.Of("nobody").cores, 0);
  EXPECT_DOUBLE_EQ(known.Of("nobody").hurts[kCache], 0.2);
}

TEST(KnownEffectsTest, ASizeThatWasKnownIsKept) {
  KnownEffects known;
  known.Learn("web", Signature(0.1, 0.1), 2);
  known.Learn("web", Signature(0.2, 0.1), 0);
  EXPECT_DOUBLE_EQ(known.Of("web").cores, 2);
  EXPECT_DOUBLE_EQ(known.Of("web").hurts[kCache], 1);
}

TEST(HurtsOfTest, ALargerWorkloadHurtsMoreWithinBounds) {
  ApplicationEffects effects;
  effects.hurts[kCache] = 0.5;
  EXPECT_EQ(HurtsOf(effects, 8)[kCache], 0.5) << "nobody knows how large the others are";
  effects.cores = 2;
  EXPECT_EQ(HurtsOf(effects, 1)[kCache], 0.25);
  EXPECT_EQ(HurtsOf(effects, 4)[kCache], 1);
  EXPECT_EQ(HurtsOf(effects, 1e6)[kCache], 5);
  EXPECT_EQ(HurtsOf(effects, 0)[kCache], 0.05);
}

}  // namespace
}  // namespace truce::controller
