#include "models/interference/model.h"

#include <gmock/gmock.h>

#include "tests/models/interference/made_up.h"

namespace truce {
namespace {

using testing::DoubleNear;
using testing::FloatNear;

InterferenceModel SomeModel(uint64_t seed = 3) {
  return InterferenceModel(RandomWeights(seed), Calibration(), AnythingGoes());
}

InterferenceExample SomeExample() {
  return MadeUpMeetings(8, 1, 5).front();
}

TEST(InterferenceModelTest, ManyWorkloadsAtOnceGetWhatEachWouldAlone) {
  InterferenceModel model = SomeModel();
  Rows inputs(2, static_cast<Eigen::Index>(kModelInputs));
  const InputSequence first = MadeUpSequence(1.5, 0.2);
  const InputSequence second = MadeUpSequence(0.2, 0);
  Rows fingerprints = Rows::Zero(2, model.fingerprint());
  Rows memory = Rows::Zero(2, model.memory());
  for (size_t i = 0; i < first.size(); ++i) {
    inputs.row(0) = Eigen::Map<const Row>(first[i].data(), inputs.cols());
    inputs.row(1) = Eigen::Map<const Row>(second[i].data(), inputs.cols());
    model.Step(inputs, &fingerprints, &memory);
  }
  EXPECT_TRUE(fingerprints.row(0).isApprox(model.Fingerprint(first), 1e-5F));
  EXPECT_TRUE(fingerprints.row(1).isApprox(model.Fingerprint(second), 1e-5F));
  EXPECT_FALSE(fingerprints.row(0).isApprox(fingerprints.row(1), 0.1F));
}

TEST(InterferenceModelTest, TheFingerprintHoldsTheMeanOfWhatWentIn) {
  InterferenceModel model = SomeModel();
  const auto mean = [&model](const InputSequence& sequence) {
    return Row(model.Fingerprint(sequence).segment(model.weights().hidden(), model.weights().projected()));
  };
  const InputSequence busy = MadeUpSequence(1.5, 0.2, 1);
  const InputSequence idle = MadeUpSequence(0.1, 0, 1);
  InputSequence both = busy;
  both.push_back(idle[0]);
  EXPECT_TRUE(mean(both).isApprox((mean(busy) + mean(idle)) / 2, 1e-5F)) << "of few all weigh the same";
  InputSequence long_ago = busy;
  for (int i = 0; i < 100; ++i) long_ago.push_back(idle[0]);
  EXPECT_TRUE(mean(long_ago).isApprox(mean(idle), 1e-5F)) << "it fades";
}

TEST(InterferenceModelTest, TheFingerprintEndsWithTheDemandForTheCpusThatItMayUse) {
  InterferenceModel model = SomeModel();
  const auto demand = [&model](const InputSequence& sequence) { return model.Fingerprint(sequence).tail<1>()(0); };
  EXPECT_THAT(demand(MadeUpSequence(1.5, 0.2)), FloatNear(0.95F, 1e-5F)) << "of two CPUs, used and waited for";
  EXPECT_THAT(demand(MadeUpSequence(1.9, 0.8)), FloatNear(1, 1e-5F)) << "nobody asks for more than all";
  InputSequence unseen = MadeUpSequence(1, 0, 2);
  Hide(FeatureGroup::kUsage, &unseen[0]);
  EXPECT_THAT(demand(unseen), FloatNear(0.5F, 1e-5F)) << "a sample without it does not count";
  unseen.resize(1);
  EXPECT_EQ(demand(unseen), 0);
}

TEST(InterferenceModelTest, AggressorsAddUpBeforeTheLink) {
  InterferenceModel model = SomeModel();
  InterferenceExample one = SomeExample();
  InterferenceExample other = one;
  other.aggressors = {MadeUpSequence(0.4, 0.3)};
  other.contexts = {{0.5F, 1, 0, 1, 1}};
  InterferenceExample both = one;
  both.aggressors.push_back(other.aggressors[0]);
  both.contexts.push_back(other.contexts[0]);
  const auto a = model.Predict(one);
  const auto b = model.Predict(other);
  const auto ab = model.Predict(both);
  EXPECT_THAT(std::expm1(ab.log_slowdown), DoubleNear(std::expm1(a.log_slowdown) + std::expm1(b.log_slowdown), 1e-5));
  for (size_t r = 0; r < kResourceCount; ++r) {
    EXPECT_THAT(ab.by_resource[r], DoubleNear(a.by_resource[r] + b.by_resource[r], 1e-5));
  }
  const double base = model.base_variance();
  EXPECT_THAT(ab.deviation * ab.deviation - base,
              DoubleNear(a.deviation * a.deviation + b.deviation * b.deviation - 2 * base, 1e-5));
}

TEST(InterferenceModelTest, NobodyIsSlowedByNobody) {
  InterferenceModel model = SomeModel();
  InterferenceExample alone = SomeExample();
  alone.aggressors.clear();
  alone.contexts.clear();
  EXPECT_EQ(model.Predict(alone).log_slowdown, 0);
}

TEST(InterferenceModelTest, WhatIsNotSharedIsNotContendedFor) {
  InterferenceModel model = SomeModel();
  InterferenceExample example = SomeExample();
  const auto of = [&](ModelResource resource) {
    return model.Predict(example).by_resource[static_cast<size_t>(resource)];
  };
  example.contexts[0] = {0, 0, 0, 0, 0};
  EXPECT_EQ(of(ModelResource::kCpu), 0);
  EXPECT_EQ(of(ModelResource::kLlc), 0);
  EXPECT_EQ(of(ModelResource::kMemoryBandwidth), 0);
  EXPECT_GT(of(ModelResource::kDisk), 0) << "disks are shared by all";
  example.contexts[0].siblings_of_victim = 1;
  EXPECT_GT(of(ModelResource::kCpu), 0);
  EXPECT_EQ(of(ModelResource::kLlc), 0);
  example.contexts[0].llc_of_victim = 0.5F;
  EXPECT_GT(of(ModelResource::kLlc), 0);
}

TEST(CalibrationTest, IsTheNormalDistributionUntilItLearnsBetter) {
  const Calibration normal;
  EXPECT_THAT(normal.Probability(0), FloatNear(0.5F, 1e-6F));
  for (const float x : {-3.0F, -1.0F, -0.3F, 0.5F, 1.0F, 2.0F}) {
    EXPECT_THAT(normal.Probability(x), FloatNear(0.5F * std::erfc(-x / std::sqrt(2.0F)), 0.01F)) << x;
  }
}

TEST(CalibrationTest, NeverLeavesTheRangeOfProbabilities) {
  const Calibration shy{0.5F, 0};
  EXPECT_LT(shy.Probability(3), 0.9F);
  EXPECT_GT(shy.Probability(-3), 0.1F);
  const Calibration bold{50, 10};
  for (const float x : {-1e9F, -1.0F, 0.3F, 1e9F}) {
    EXPECT_GE(bold.Probability(x), 0);
    EXPECT_LE(bold.Probability(x), 1);
  }
}

TEST(InterferenceModelTest, TheProbabilityIsThatOfDeviationsAboveTheBound) {
  InterferenceModel model(RandomWeights(3), Calibration{0.9F, -0.2F}, AnythingGoes());
  const InterferencePrediction one = model.Predict(SomeExample());
  EXPECT_THAT(one.deviations_above, DoubleNear((one.log_slowdown - std::log1p(0.05)) / one.deviation, 1e-4));
  EXPECT_THAT(one.probability, DoubleNear(1 / (1 + std::exp(-(0.9 * one.deviations_above - 0.2))), 1e-5));
  PairEffects effects;
  Rows victims, aggressors;
  Rows fingerprints(2, model.fingerprint());
  fingerprints << model.Fingerprint(SomeExample().victim), model.Fingerprint(SomeExample().aggressors[0]);
  model.Project(fingerprints, &victims, &aggressors);
  const auto shares = SomeExample().contexts[0].ToArray();
  Company company;
  model.Accompany(aggressors.rightCols(1), Eigen::Map<const Row>(shares.data(), PairContext::kSize), &company);
  model.Price(victims.row(0), company, &effects);
  EXPECT_THAT(effects.probability(0), FloatNear(static_cast<float>(one.probability), 1e-4F));
}

TEST(FamiliarityTest, WhatIsNoNumberIsNotFamiliar) {
  Familiarity familiarity;
  familiarity.distances = {1, 2, 3};
  EXPECT_EQ(familiarity.OfDistance(std::nanf("")), 0);
  EXPECT_EQ(familiarity.OfDistance(INFINITY), 0);
}

TEST(FamiliarityTest, FallsTheFartherOutAFingerprintLies) {
  Familiarity familiarity{Row::Zero(2), Rows::Identity(2, 2), {}};
  for (int i = 1; i <= 99; ++i) familiarity.distances.push_back(static_cast<float>(i) / 10);
  const auto of = [&](float x) {
    Row fingerprint(2);
    fingerprint << x, 0;
    return familiarity.Of(fingerprint);
  };
  EXPECT_EQ(of(1), 1) << "as usual as most";
  EXPECT_EQ(of(9.3F), 1) << "one in twenty lies as far out";
  EXPECT_THAT(of(9.75F), FloatNear(0.4F, 0.02F)) << "two in a hundred";
  EXPECT_EQ(of(1000), 0) << "nobody does";
  EXPECT_EQ((Familiarity{Row::Zero(2), Rows::Identity(2, 2), {}}).OfDistance(0), 0) << "knows nothing";
}

}  // namespace
}  // namespace truce
