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

KnownEffects::SizeOf Each(double cores) {
  return [cores](std::string_view) { return KnownEffects::Size{cores, 1}; };
}

// Ten applications, the a-th of which hurts 0.02 x 2^(a - 4); all suffer alike.
KnownEffects TenOf(double cores) {
  KnownEffects known;
  for (int a = 0; a < 10; ++a) known.Learn(StrCat("app-", a), Signature(0.02 * std::exp2(a - 4), 0.03));
  known.Redraw(Each(cores));
  return known;
}

TEST(KnownEffectsTest, BeforeTheFirstSignatureNothingIsKnownAndThenTheRestIsUsual) {
  KnownEffects known;
  EXPECT_TRUE(known.empty());
  known.Redraw(Each(1));
  EXPECT_EQ(known.effects().Of("web").hurts[kCache], 0);
  v1::Signature silent = Signature(1, 1);
  silent.mutable_resources(0)->clear_usual_ratio();
  known.Learn("web", silent);
  EXPECT_TRUE(known.empty()) << "without what is usual a ratio says nothing";
  EXPECT_FALSE(known.stale());
  known.Learn("web", Signature(0.1, 0.02));
  EXPECT_TRUE(known.stale() && known.outgrown());
  known.Redraw(Each(1));
  EXPECT_FALSE(known.stale() || known.outgrown());
  const ApplicationEffects& web = known.effects().Of("web");
  EXPECT_DOUBLE_EQ(web.hurts[kCache], 0.1 / 0.2);
  EXPECT_DOUBLE_EQ(web.suffers[kCache], 0.02 / 0.2);
  EXPECT_TRUE(web.known);
  // Two that are usual slow each other by what is usual.
  const ApplicationEffects& other = known.effects().Of("x");
  EXPECT_NEAR(other.hurts[kCache] * other.suffers[kCache], 0.04, 1e-12);
  EXPECT_FALSE(other.known);
}

TEST(KnownEffectsTest, FromTenApplicationsOnTheMiddleOfTheFleetCountsAndDrawsTheOthersToIt) {
  const KnownEffects known = TenOf(2);
  const ApplicationEffects& middle = known.effects().Of("nobody");
  EXPECT_DOUBLE_EQ(middle.cores, 1);
  const double by_core = middle.hurts[kCache];
  // The fifth or the sixth of them, by core.
  EXPECT_THAT(by_core, testing::AnyOf(testing::DoubleNear(0.05, 1e-9), testing::DoubleNear(0.1, 1e-9)));
  EXPECT_NEAR(middle.suffers[kCache], 0.03 / 0.2, 1e-12);
  for (int a = 0; a < 10; ++a) {
    const ApplicationEffects& one = known.effects().Of(StrCat("app-", a));
    const double said = 0.02 * std::exp2(a - 4) / 0.2;
    EXPECT_NEAR(std::log(one.hurts[kCache] / (2 * by_core)), KnownEffects::kTrust * std::log(said / (2 * by_core)),
                1e-9);
    EXPECT_NEAR(one.suffers[kCache], 0.03 / 0.2, 1e-9) << "all say the same";
  }
}

TEST(KnownEffectsTest, WhatIsSaidBetweenRedrawsIsDrawnToTheMiddleOfTheLast) {
  KnownEffects known = TenOf(2);
  const double before = known.effects().Of("app-9").hurts[kCache];
  const double middle = known.effects().Of("nobody").hurts[kCache];
  known.Learn("app-9", Signature(0.02 * std::exp2(6), 0.03));
  EXPECT_NEAR(known.effects().Of("app-9").hurts[kCache] / before, std::pow(2, KnownEffects::kTrust), 1e-9);
  EXPECT_EQ(known.effects().Of("nobody").hurts[kCache], middle);
  // Of a new one nobody knows the size yet: it stays as it was said.
  known.Learn("new", Signature(1, 0.03));
  EXPECT_DOUBLE_EQ(known.effects().Of("new").hurts[kCache], 1 / 0.2);
  EXPECT_FALSE(known.outgrown()) << "eleven are not twice as many as ten";
}

TEST(KnownEffectsTest, WhoseSizeNobodyKnowsStaysAsItWasSaid) {
  const KnownEffects known = TenOf(0);
  EXPECT_DOUBLE_EQ(known.effects().Of("app-4").hurts[kCache], 0.02 / 0.2);
  EXPECT_DOUBLE_EQ(known.effects().Of("nobody").cores, 0);
  EXPECT_DOUBLE_EQ(known.effects().Of("nobody").hurts[kCache], 0.2);
}

TEST(KnownEffectsTest, ASizeThatWasKnownIsKept) {
  KnownEffects known = TenOf(2);
  known.Redraw([](std::string_view) { return KnownEffects::Size{0, 1}; });
  EXPECT_DOUBLE_EQ(known.effects().Of("app-3").cores, 2);
  EXPECT_DOUBLE_EQ(known.effects().Of("nobody").cores, 1);
}

TEST(KnownEffectsTest, CrumbsDoNotMakeTheMiddleHarmful) {
  // All of them 0.001 cores, with effects that are noise: a core of such is not a thousand times that.
  const KnownEffects known = TenOf(0.001);
  EXPECT_LE(known.effects().Of("nobody").hurts[kCache], 4 * 0.2 / 0.2);
}

TEST(KnownEffectsTest, WhoInventsApplicationsOnOneHostDoesNotMoveTheMiddle) {
  KnownEffects known;
  for (int a = 0; a < 12; ++a) known.Learn(StrCat("app-", a), Signature(0.1, 0.03));
  for (int a = 0; a < 60; ++a) known.Learn(StrCat("fake-", a), Signature(10, 10));
  // The twelve are on forty hosts, the sixty on one.
  known.Redraw([](std::string_view name) {
    return name.starts_with("app-") ? KnownEffects::Size{2, 40.0 / 12} : KnownEffects::Size{0.01, 1.0 / 60};
  });
  EXPECT_NEAR(known.effects().Of("nobody").hurts[kCache], 0.1 / 0.2 / 2, 1e-9);
  EXPECT_NEAR(known.effects().Of("app-3").hurts[kCache], 0.1 / 0.2, 1e-9);
}

TEST(KnownEffectsTest, WhateverNewNamesComeWhoRunsStaysKnown) {
  KnownEffects known;
  for (int a = 0; a < 10'001; ++a) known.Learn(StrCat("app-", a), Signature(0.1, 0.1));
  EXPECT_FALSE(known.effects().Of("app-10000").known) << "there is no room";
  EXPECT_EQ(known.effects().known.size(), 10'000U);
  // Of those that are there ten run.
  known.Redraw([](std::string_view name) {
    return name.size() == 5 ? KnownEffects::Size{1, 1} : KnownEffects::Size{};
  });
  EXPECT_EQ(known.effects().known.size(), 10U);
  known.Learn("new", Signature(0.1, 0.1));
  EXPECT_TRUE(known.effects().Of("new").known);
}

TEST(HurtsOfTest, ALargerWorkloadHurtsMoreWithinBounds) {
  ApplicationEffects effects;
  effects.hurts[kCache] = 0.5;
  EXPECT_EQ(HurtsOf(effects, 8)[kCache], 0.5) << "nobody knows how large the others are";
  effects.cores = 2;
  EXPECT_EQ(HurtsOf(effects, 1)[kCache], 0.25);
  EXPECT_EQ(HurtsOf(effects, 4)[kCache], 1);
  EXPECT_EQ(HurtsOf(effects, 0)[kCache], 0.5) << "nobody knows how large it is";
  EXPECT_EQ(HurtsOf(effects, 100)[kCache], 25) << "nothing is known of it, and it is large";
  EXPECT_EQ(HurtsOf(effects, 1e300)[kCache], 5000);
  effects.known = true;
  EXPECT_EQ(HurtsOf(effects, 4)[kCache], 1);
  EXPECT_EQ(HurtsOf(effects, 100)[kCache], 5);
  EXPECT_EQ(HurtsOf(effects, 1e-3)[kCache], 0.05);
}

}  // namespace
}  // namespace truce::controller
