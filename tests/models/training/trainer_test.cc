#include "models/training/trainer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "models/judgement.h"
#include "models/training/calibrate.h"
#include "models/training/network.h"
#include "tests/models/interference/made_up.h"

namespace truce {
namespace {

TrainingOptions Small() {
  TrainingOptions options;
  options.projected = 8;
  options.hidden = 8;
  options.pair = 8;
  options.most_epochs = 30;
  options.learning_rate = 1e-2;
  return options;
}

ExampleList Pointers(const std::vector<InterferenceExample>& examples) {
  ExampleList list;
  for (const InterferenceExample& example : examples) list.push_back(&example);
  return list;
}

bool GoOn(const EpochReport&) {
  return true;
}

TEST(NetworkTest, TheAgentsForwardPassIsTheTrainingsForwardPass) {
  torch::manual_seed(4);
  NetworkShape shape;
  InterferenceNet net(shape);
  // The agent gets inputs as they are, whatever training makes of them.
  net->Standardise(torch::randn({shape.inputs / 2}), torch::rand({shape.inputs / 2}) + 0.5);
  net->IgnoreShares({2, 3});
  InterferenceModel model(net->Export(), Calibration(), Familiarity());
  const std::vector<InterferenceExample> examples = MadeUpMeetings(7, 20, 9);
  torch::NoGradGuard no_gradient;
  for (InterferenceExample example : examples) {
    constexpr int64_t kLater = 3;  // the aggressor began later
    InputSequence& aggressor = example.aggressors[0];
    aggressor.erase(aggressor.begin(), aggressor.begin() + kLater);
    for (const size_t second : {0u, 4u}) Hide(FeatureGroup::kUsage, &example.victim[second]);
    const auto steps = static_cast<int64_t>(example.victim.size());
    torch::Tensor inputs = torch::zeros({2, steps, static_cast<int64_t>(kModelInputs)});
    for (int64_t step = 0; step < steps; ++step) {
      for (size_t k = 0; k < kModelInputs; ++k) {
        inputs[0][step][static_cast<int64_t>(k)] = example.victim[static_cast<size_t>(step)][k];
        if (step < kLater) continue;
        inputs[1][step][static_cast<int64_t>(k)] = aggressor[static_cast<size_t>(step - kLater)][k];
      }
    }
    const torch::Tensor lengths = torch::tensor({steps, steps - kLater});
    const torch::Tensor state = net->Encode(inputs, lengths, torch::zeros({2, net->state()}));
    const torch::Tensor embeddings = state.narrow(1, 0, net->fingerprint());
    const auto shares = example.contexts[0].ToArray();
    const torch::Tensor context = torch::tensor(std::vector<float>(shares.begin(), shares.end())).unsqueeze(0);
    const PairOutput output = net->Pair(embeddings.narrow(0, 0, 1), embeddings.narrow(0, 1, 1), context);
    const InterferencePrediction prediction = model.Predict(example);
    EXPECT_NEAR(prediction.log_slowdown, std::log1p(output.by_resource.sum().item<double>()), 1e-5);
    for (size_t r = 0; r < kResourceCount; ++r) {
      EXPECT_NEAR(prediction.by_resource[r], output.by_resource[0][static_cast<int64_t>(r)].item<double>(), 1e-5);
    }
    EXPECT_NEAR(prediction.deviation * prediction.deviation,
                output.variance.item<double>() + net->BaseVariance().item<double>(), 1e-5);
  }
}

TEST(TrainInterferenceTest, FindsTheLawAndTellsItForProgramsNeverSeen) {
  const std::vector<InterferenceExample> all = MadeUpMeetings(24, 900, 1);
  ExampleList training, validation, test;
  for (const InterferenceExample& example : all) {
    const auto any = [&](const std::set<std::string>& held) {
      return held.contains(example.programs[0]) || held.contains(example.programs[1]);
    };
    (any({"p5", "p13", "p20"}) ? test : any({"p3", "p17"}) ? validation : training).push_back(&example);
  }
  InterferenceModel model = TrainInterference(training, validation, Small(), GoOn).model;
  std::vector<double> probabilities, predicted, measured;
  std::vector<bool> slowed;
  for (const InterferenceExample* example : test) {
    const InterferencePrediction prediction = model.Predict(*example);
    probabilities.push_back(prediction.probability);
    predicted.push_back(prediction.log_slowdown);
    measured.push_back(example->log_slowdown);
    slowed.push_back(example->log_slowdown >= std::log1p(kNoticedSlowdown));
  }
  EXPECT_GT(Auc(probabilities, slowed), 0.95);
  EXPECT_LT(MeanAbsoluteError(predicted, measured), 0.1);
  EXPECT_LT(BrierScore(probabilities, slowed), 0.1);
}

TEST(TrainInterferenceTest, TheSameSeedGivesTheSameModel) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(8, 80, 2);
  TrainingOptions options = Small();
  options.most_epochs = 3;
  const auto once = TrainInterference(Pointers(examples), {}, options, GoOn);
  const auto again = TrainInterference(Pointers(examples), {}, options, GoOn);
  EXPECT_EQ(once.model.weights().project, again.model.weights().project);
  EXPECT_EQ(once.model.weights().slowdown, again.model.weights().slowdown);
  options.seed = 99;
  const auto other = TrainInterference(Pointers(examples), {}, options, GoOn);
  EXPECT_NE(once.model.weights().project, other.model.weights().project);
}

TEST(TrainInterferenceTest, StopsWhenHeldOutProgramsGetNoBetterAndKeepsTheBest) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(8, 60, 3);
  std::vector<InterferenceExample> noise = MadeUpMeetings(8, 60, 4);
  std::mt19937 random(1);
  for (InterferenceExample& example : noise)
    example.log_slowdown = std::uniform_real_distribution<double>(0, 1)(random);
  TrainingOptions options = Small();
  options.most_epochs = 200;
  options.patience = 3;
  int epochs = 0;
  int best = 0;
  const auto trained = TrainInterference(Pointers(examples), Pointers(noise), options, [&](const EpochReport& told) {
    ++epochs;
    if (told.best) best = told.epoch;
    return true;
  });
  EXPECT_LT(epochs, 200);
  EXPECT_EQ(trained.epochs, best);
  EXPECT_GE(best, options.least_epochs);
}

TEST(TrainInterferenceTest, EndsWhenToldTo) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(8, 60, 3);
  int epochs = 0;
  (void)TrainInterference(Pointers(examples), {}, Small(), [&](const EpochReport&) { return ++epochs < 2; });
  EXPECT_EQ(epochs, 2);
  epochs = 0;
  const auto early = TrainInterference(Pointers(examples), Pointers(examples), Small(),
                                       [&](const EpochReport&) { return ++epochs < 2; });
  EXPECT_EQ(early.epochs, 2) << "with what it had learned by then";
}

TEST(TrainInterferenceTest, GoesOnFromACheckpointAsIfItWasNeverEnded) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(8, 80, 2);
  const std::vector<InterferenceExample> others = MadeUpMeetings(8, 40, 7);
  TrainingOptions options = Small();
  options.most_epochs = 6;
  // Nothing to stop by: the last epoch's weights count, so whatever is lost on the way shows.
  const auto whole = TrainInterference(Pointers(examples), {}, options, GoOn);
  std::optional<std::string> state;
  int refused = 0;
  const TrainingCheckpoint checkpoint{[&] { return state; }, [&](const std::string& saved) { state = saved; },
                                      [&](const std::string&) { ++refused; }};
  int epochs = 0;
  const auto end_after = [&epochs](int most) {
    return [&epochs, most](const EpochReport&) { return ++epochs < most; };
  };
  (void)TrainInterference(Pointers(examples), {}, options, end_after(2), checkpoint);
  (void)TrainInterference(Pointers(examples), {}, options, end_after(5), checkpoint);
  const auto resumed = TrainInterference(Pointers(examples), {}, options, end_after(100), checkpoint);
  EXPECT_EQ(epochs, 6) << "no epoch is run twice";
  EXPECT_EQ(resumed.model.weights().project, whole.model.weights().project);
  EXPECT_EQ(resumed.model.weights().slowdown, whole.model.weights().slowdown);
  (void)TrainInterference(Pointers(examples), {}, options, end_after(100), checkpoint);
  EXPECT_EQ(epochs, 6) << "one that had ended is not trained on";
  EXPECT_EQ(refused, 0);
  (void)TrainInterference(Pointers(others), {}, options, end_after(100), checkpoint);
  EXPECT_EQ(refused, 1) << "other data";
  EXPECT_EQ(epochs, 12) << "begins anew";
  state = "damaged";
  const auto anew = TrainInterference(Pointers(examples), {}, options, end_after(100), checkpoint);
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(anew.model.weights().project, whole.model.weights().project);
}

TEST(TrainInterferenceTest, WhatIsTheSameForAllNeverCounts) {
  const size_t steal = FeatureNamed("host_steal");
  std::vector<InterferenceExample> examples = MadeUpMeetings(8, 80, 2);
  for (InterferenceExample& example : examples) {
    for (InputSequence* sequence : {&example.victim, &example.aggressors[0]}) {
      for (ModelInput& input : *sequence) input[kFeatureCount + steal] = 1;  // there, and zero
    }
  }
  TrainingOptions options = Small();
  options.most_epochs = 5;
  InterferenceModel model = TrainInterference(Pointers(examples), {}, options, GoOn).model;
  InterferenceExample robbed = examples[0];
  for (ModelInput& input : robbed.victim) input[steal] = 0.5;
  EXPECT_EQ(model.Predict(robbed).log_slowdown, model.Predict(examples[0]).log_slowdown);
}

TEST(TrainInterferenceTest, SharesThatAreTheSameForAllMoveNothing) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(8, 80, 2);
  TrainingOptions options = Small();
  options.most_epochs = 5;
  InterferenceModel model = TrainInterference(Pointers(examples), {}, options, GoOn).model;
  const auto sharing = std::find_if(examples.begin(), examples.end(),
                                    [](const auto& example) { return example.contexts[0].cpus_of_victim > 0; });
  ASSERT_NE(sharing, examples.end());
  InterferenceExample elsewhere = *sharing;  // on a machine with SMT, which nothing was learned of
  auto shares = elsewhere.contexts[0].ToArray();
  shares[2] = 0.5F;
  elsewhere.contexts[0] = {shares[0], shares[1], shares[2], shares[3], shares[4]};
  EXPECT_EQ(model.Predict(elsewhere).log_slowdown, model.Predict(*sharing).log_slowdown);
}

TEST(TrainInterferenceTest, WhatItLearnedStaysTrueOnLongSequences) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(16, 500, 6);
  InterferenceModel model = TrainInterference(Pointers(examples), {}, Small(), GoOn).model;
  for (size_t i = 0; i < 20; ++i) {
    InterferenceExample longer = examples[i];
    longer.victim.resize(3000, longer.victim.front());
    longer.aggressors[0].resize(3000, longer.aggressors[0].front());
    EXPECT_NEAR(model.Predict(longer).log_slowdown, model.Predict(examples[i]).log_slowdown, 0.1) << i;
  }
}

TEST(FitCalibrationTest, MakesOverconfidentProbabilitiesTrue) {
  std::mt19937 random(8);
  std::vector<double> said;
  std::vector<bool> happened;
  for (int i = 0; i < 4000; ++i) {
    const double truth = std::uniform_real_distribution<double>(0.05, 0.95)(random);
    said.push_back(3 * std::log(truth / (1 - truth)));  // three times too far from the bound
    happened.push_back(std::bernoulli_distribution(truth)(random));
  }
  const Calibration calibration = FitCalibration(said, happened);
  EXPECT_NEAR(calibration.slope, 1.0 / 3, 0.04);
  EXPECT_NEAR(calibration.intercept, 0, 0.1);
}

TEST(FitCalibrationTest, LeavesThemAloneWithNothingToLearnFrom) {
  EXPECT_NEAR(FitCalibration({}, {}).slope, kLogisticOfNormal, 1e-6);
  EXPECT_NEAR(FitCalibration({}, {}).intercept, 0, 1e-6);
  const Calibration few = FitCalibration({2}, {false});
  EXPECT_GT(few.slope, 0.3);
}

TEST(FitIntervalTest, HoldsFourFifthsOfTheCases) {
  std::vector<double> off;
  for (int i = 1; i <= 99; ++i) off.push_back(i);
  EXPECT_EQ(FitInterval(off), 80);
  EXPECT_NEAR(FitInterval({5, 5, 5}), 1.28, 0.01) << "too few";
}

TEST(FitFamiliarityTest, AnUnknownKindLiesFartherOutThanTheKnown) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1);
  Rows known = Rows::NullaryExpr(500, 3, [&] { return normal(random); });
  known.col(0) *= 10;  // a direction in which they differ
  const Rows unseen = known.topRows(200);
  const Familiarity familiarity = FitFamiliarity(known, unseen);
  Row strange = Row::Zero(3);
  strange(1) = 12;
  Row usual = Row::Zero(3);
  usual(0) = 12;
  EXPECT_LT(familiarity.Of(strange), 0.05);
  EXPECT_GT(familiarity.Of(usual), 0.5);
}

}  // namespace
}  // namespace truce
