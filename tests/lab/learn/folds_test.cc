#include "lab/learn/folds.h"

#include <gmock/gmock.h>

#include <cmath>

#include "lab/learn/page.h"
#include "lab/learn/scoring.h"
#include "tests/models/interference/made_up.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

bool AnyOf(const InterferenceExample& example, const std::set<std::string>& programs) {
  return programs.contains(example.programs[0]) || programs.contains(example.programs[1]);
}

// Says what is true, or the opposite.
class Oracle : public Predictor {
 public:
  explicit Oracle(bool honest) : honest_(honest) {}
  absl::Status Fit(const ExampleList&, const ExampleList&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override {
    std::vector<InterferencePrediction> predictions;
    for (const InterferenceExample* example : examples) {
      InterferencePrediction prediction;
      const bool slowed = example->log_slowdown >= std::log1p(kNoticedSlowdown);
      prediction.log_slowdown = honest_ ? example->log_slowdown : 1 - example->log_slowdown;
      prediction.probability = slowed == honest_ ? 1 : 0;
      predictions.push_back(prediction);
    }
    return predictions;
  }

 private:
  const bool honest_;
};

class FailingPredictor : public Oracle {
 public:
  FailingPredictor() : Oracle(true) {}
  absl::Status Fit(const ExampleList&, const ExampleList&) override { return absl::InternalError("no memory"); }
};

TEST(LeaveProgramsOutTest, NobodyIsJudgedByWhoSawIt) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(13, 400, 1);
  const auto folds = LeaveProgramsOut(examples, 3, {0}, 7);
  ASSERT_TRUE(folds.ok()) << folds.status();
  EXPECT_EQ(folds->size(), 5u);
  std::set<std::string> held_out;
  for (const Fold& fold : *folds) {
    EXPECT_FALSE(fold.training.empty());
    EXPECT_FALSE(fold.validation.empty());
    EXPECT_FALSE(fold.test.empty());
    EXPECT_EQ(fold.training.size() + fold.validation.size() + fold.test.size(), examples.size());
    for (const auto* example : fold.training) {
      EXPECT_FALSE(AnyOf(*example, fold.held_out) || AnyOf(*example, fold.validating));
    }
    for (const auto* example : fold.validation) EXPECT_FALSE(AnyOf(*example, fold.held_out));
    for (const auto* example : fold.test) EXPECT_TRUE(AnyOf(*example, fold.held_out));
    for (const std::string& program : fold.held_out) EXPECT_TRUE(held_out.insert(program).second) << program;
  }
  EXPECT_EQ(held_out.size(), 13u) << "everybody is held out once";
}

TEST(LeaveProgramsOutTest, OnlyTheMomentsAskedForAreJudged) {
  std::vector<InterferenceExample> examples = MadeUpMeetings(9, 100, 1);
  for (size_t i = 0; i < examples.size(); ++i) examples[i].moment = static_cast<double>(i % 4);
  const auto folds = LeaveProgramsOut(examples, 2, {1, 3}, 7);
  ASSERT_TRUE(folds.ok());
  for (const Fold& fold : *folds) {
    for (const auto* example : fold.test) EXPECT_TRUE(example->moment == 1 || example->moment == 3);
  }
}

TEST(LeaveProgramsOutTest, TooFewProgramsAreAnError) {
  const auto folds = LeaveProgramsOut(MadeUpMeetings(5, 50, 1), 3, {0}, 7);
  EXPECT_TRUE(absl::IsInvalidArgument(folds.status()));
  EXPECT_THAT(std::string(folds.status().message()), HasSubstr("measure more of them"));
}

TEST(JudgeFoldsTest, GathersEveryTestExampleOfEveryFold) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(13, 300, 1);
  const auto folds = *LeaveProgramsOut(examples, 3, {0}, 7);
  int done = 0;
  const auto judged = JudgeFolds(
      folds, [] { return std::make_unique<Oracle>(true); }, {{}, {FeatureGroup::kPressure}}, 2, [&] { ++done; });
  ASSERT_TRUE(judged.ok());
  size_t expected = 0;
  for (const Fold& fold : folds) expected += fold.test.size();
  ASSERT_EQ(judged->size(), 2u);
  EXPECT_EQ((*judged)[0].size(), expected);
  EXPECT_EQ((*judged)[1].size(), expected);
  EXPECT_EQ(done, 5);
  for (const Judged& one : (*judged)[1]) EXPECT_TRUE(one.new_victim || one.new_aggressors);
}

TEST(JudgeFoldsTest, AFailureIsTold) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(13, 300, 1);
  const auto folds = *LeaveProgramsOut(examples, 3, {0}, 7);
  const auto judged = JudgeFolds(
      folds, [] { return std::make_unique<FailingPredictor>(); }, {{}}, 2, [] {});
  EXPECT_THAT(std::string(judged.status().message()), HasSubstr("no memory"));
}

TEST(CalibrateAcrossTest, AFoldIsCalibratedOnWhatTheOthersSaidOfOtherPrograms) {
  constexpr size_t kEach = 200;
  std::vector<Fold> folds(2);
  folds[0].held_out = {"a"};
  folds[1].held_out = {"b"};
  std::vector<InterferenceExample> examples(3 * kEach);
  std::vector<Judged> judged(3 * kEach);
  for (size_t i = 0; i < judged.size(); ++i) {
    const bool slowed = i % 2 == 0;
    examples[i].log_slowdown = slowed ? 0.5 : 0;
    judged[i].example = &examples[i];
    InterferencePrediction& prediction = judged[i].prediction;
    prediction.deviation = 0.1;
    if (i < kEach) {  // what is said of "a" always comes true
      examples[i].programs = {"a", "c"};
      prediction.deviations_above = slowed ? 2 : -2;
      prediction.log_slowdown = examples[i].log_slowdown;
    } else if (i < 2 * kEach) {  // what is said of "b" says nothing
      examples[i].programs = {"b", "c"};
      judged[i].fold = 1;
      prediction.deviations_above = i % 4 < 2 ? 2 : -2;
      prediction.log_slowdown = examples[i].log_slowdown + 1;
    } else {  // true as well, but of "a" too
      examples[i].programs = {"b", "a"};
      judged[i].fold = 1;
      prediction.deviations_above = slowed ? 2 : -2;
      prediction.log_slowdown = examples[i].log_slowdown;
    }
  }
  // With something hidden, all of it came true; but the first is calibrated on.
  std::vector<Judged> masked = judged;
  for (size_t i = kEach; i < 2 * kEach; ++i) masked[i].prediction.deviations_above = i % 2 == 0 ? 2 : -2;
  std::vector<std::vector<Judged>> masks = {judged, masked};
  CalibrateAcross(folds, &masks);
  for (const std::vector<Judged>& mask : masks) {
    EXPECT_NEAR(mask[0].prediction.probability, 0.5, 0.05) << "by what was said of b";
    EXPECT_NEAR(mask[0].prediction.reach, 1, 0.01);
    EXPECT_GT(mask[2 * kEach].prediction.probability, 0.95) << "by what was said of a";
    EXPECT_NEAR(mask[2 * kEach].prediction.reach, 0, 0.01);
  }
}

std::vector<Judged> JudgedBy(bool honest, const std::vector<InterferenceExample>& examples) {
  const auto folds = *LeaveProgramsOut(examples, 3, {0}, 7);
  return (*JudgeFolds(
      folds, [honest] { return std::make_unique<Oracle>(honest); }, {{}}, 1, [] {}))[0];
}

TEST(MarksOfTest, TheTruthGetsTheBestMarksAndItsOppositeTheWorst) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(13, 300, 1);
  const Marks best = MarksOf(JudgedBy(true, examples), 50, 1);
  EXPECT_EQ(best.auc.value, 1);
  EXPECT_EQ(best.brier.value, 0);
  EXPECT_EQ(best.error.value, 0);
  EXPECT_NEAR(best.rank.value, 1, 1e-9);
  const Marks worst = MarksOf(JudgedBy(false, examples), 50, 1);
  EXPECT_EQ(worst.auc.value, 0);
  EXPECT_EQ(worst.brier.value, 1);
  EXPECT_NEAR(worst.rank.value, -1, 1e-9);
  EXPECT_LE(worst.error.interval.low, worst.error.value);
  EXPECT_GE(worst.error.interval.high, worst.error.value);
}

TEST(EvaluationPageTest, IsOnePageThatNeedsNothingElse) {
  Evaluation evaluation;
  evaluation.noise_floor = 0.05;
  evaluation.machine = "A <strange> machine";
  evaluation.examples = MadeUpMeetings(13, 300, 1);
  evaluation.judged = JudgedBy(true, evaluation.examples);
  evaluation.predictors = {{"ours", MarksOf(evaluation.judged, 10, 1)},
                           {"theirs", MarksOf(JudgedBy(false, evaluation.examples), 10, 1)}};
  evaluation.again = {{"again", MarksOf({}, 10, 1)}};
  const std::string page = EvaluationPage(evaluation);
  EXPECT_THAT(page, HasSubstr("A &lt;strange> machine"));
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("theirs"));
  EXPECT_THAT(page, HasSubstr("<td>again<td>–"));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace truce::lab
