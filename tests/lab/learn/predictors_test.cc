#include <gmock/gmock.h>

#include <cmath>

#include "lab/learn/folds.h"
#include "lab/learn/lstm.h"
#include "lab/learn/scoring.h"
#include "tests/models/interference/made_up.h"

namespace truce::lab {
namespace {

const std::vector<InterferenceExample>& Examples() {
  static const std::vector<InterferenceExample> kExamples = MadeUpMeetings(20, 1000, 3);
  return kExamples;
}

Marks MarksFor(const std::function<std::unique_ptr<Predictor>()>& make) {
  const auto folds = *LeaveProgramsOut(Examples(), 5, {0}, 2);
  const auto judged = JudgeFolds(folds, make, {View()}, 2, [] {});
  EXPECT_TRUE(judged.ok()) << judged.status();
  return MarksOf((*judged)[0], 1, 1);
}

// In the made-up world slowdown follows from what both want of the CPUs that they share, so everybody who looks there
// finds it; the bounds are what each of them can do.
TEST(PredictorsTest, CpuSumFindsContentionForCpus) {
  EXPECT_GT(MarksFor(NewCpuSumPredictor).auc.value, 0.8);
}

TEST(PredictorsTest, LinearFindsMostOfIt) {
  const Marks marks = MarksFor(NewLinearPredictor);
  EXPECT_GT(marks.auc.value, 0.9);
  EXPECT_LT(marks.error.value, 0.2);
}

TEST(PredictorsTest, BoostedTreesFindIt) {
  const Marks marks = MarksFor([] { return NewBoostedTreesPredictor(1); });
  EXPECT_GT(marks.auc.value, 0.95);
  EXPECT_LT(marks.error.value, 0.15);
}

TEST(PredictorsTest, CollaborativeFilteringKnowsProgramsByTheCompanyTheyKept) {
  const Marks marks = MarksFor([] { return NewCollaborativePredictor(2, 1); });
  EXPECT_GT(marks.auc.value, 0.8);
}

TEST(PredictorsTest, LstmFindsIt) {
  TrainingOptions options;
  options.projected = options.hidden = options.pair = 8;
  options.learning_rate = 1e-2;
  options.most_epochs = 45;
  int trained = 0;
  const auto count = [&trained](int) { ++trained; };
  const Marks marks = MarksFor([&] { return std::make_unique<LstmPredictor>(options, 1, count, Checkpoints::None()); });
  EXPECT_GT(marks.auc.value, 0.95);
  EXPECT_LT(marks.error.value, 0.15);
  EXPECT_EQ(trained, 4);
}

TEST(PredictorsTest, CorrelationSeesWhoMovesWithThePain) {
  std::vector<InterferenceExample> examples;
  for (int i = 0; i < 200; ++i) {
    const bool guilty = i % 2 == 0;
    InterferenceExample example;
    example.moment = 6;
    example.aggressors.resize(1);
    for (int second = 0; second < 20; ++second) {
      // Both neighbours were seen at full load by themselves, while the victim was alone.
      const bool hurts = guilty && second >= 14;
      example.victim.push_back(MadeUpSequence(0.8, hurts ? 0.4 : 0.01, 1)[0]);
      example.aggressors[0].push_back(MadeUpSequence(1.0, 0, 1)[0]);
    }
    example.contexts = {{1, 1, 0, 1, 1}};
    example.log_slowdown = guilty ? 0.4 : 0;
    example.programs = {"v", "a"};
    examples.push_back(example);
  }
  ExampleList list;
  for (const auto& example : examples) list.push_back(&example);
  const auto predictor = NewCorrelationPredictor();
  ASSERT_TRUE(predictor->Fit(list, {}).ok());
  const auto predictions = *predictor->Predict(list);
  EXPECT_GT(predictions[0].probability, 0.8);
  EXPECT_LT(predictions[1].probability, 0.2);
  // Before they met, it cannot say anything.
  examples[0].moment = 0;
  examples[1].moment = 0;
  const auto before = *predictor->Predict({&examples[0], &examples[1]});
  EXPECT_EQ(before[0].probability, before[1].probability);
}

TEST(FlatFeaturesTest, HaveOneLengthWhateverTheMeeting) {
  InterferenceExample two = Examples()[0];
  InterferenceExample three = two;
  three.aggressors.push_back(MadeUpSequence(0.3, 0));
  three.contexts.push_back({});
  InterferenceExample alone = two;
  alone.aggressors.clear();
  alone.contexts.clear();
  EXPECT_EQ(FlatFeatures(two).size(), FlatFeatures(three).size());
  EXPECT_EQ(FlatFeatures(two).size(), FlatFeatures(alone).size());
  EXPECT_NE(FlatFeatures(two), FlatFeatures(three));
}

TEST(RecentCoresTest, AreThoseOfTheLastSeconds) {
  InputSequence sequence = MadeUpSequence(0.1, 0, 20);
  const InputSequence later = MadeUpSequence(1.5, 0, 5);
  sequence.insert(sequence.end(), later.begin(), later.end());
  EXPECT_NEAR(RecentCores(sequence), 1.5, 1e-4);
}

}  // namespace
}  // namespace truce::lab
