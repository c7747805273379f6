#include "lab/learn/folds.h"

#include <gmock/gmock.h>

#include <algorithm>
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
      folds, [] { return std::make_unique<Oracle>(true); }, {View(), {.missing = {FeatureGroup::kPressure}}}, 2,
      [&] { ++done; });
  ASSERT_TRUE(judged.ok());
  size_t expected = 0;
  for (const Fold& fold : folds) expected += fold.test.size();
  ASSERT_EQ(judged->size(), 2u);
  EXPECT_EQ((*judged)[0].size(), expected);
  EXPECT_EQ((*judged)[1].size(), expected);
  EXPECT_EQ(done, 5);
  for (const Judged& one : (*judged)[1]) EXPECT_TRUE(one.new_victim || one.new_aggressor);
}

TEST(LeaveProgramsOutTest, AFamilyGoesTogether) {
  std::vector<InterferenceExample> examples = MadeUpMeetings(13, 400, 1);
  for (InterferenceExample& example : examples) {
    for (std::string& program : example.programs) {
      if (program == "p1" || program == "p5" || program == "p9" || program == "p12") program = "kin-" + program;
    }
  }
  const auto folds = LeaveProgramsOut(examples, 3, {0}, 7, HeldOutBy::kFamily);
  ASSERT_TRUE(folds.ok()) << folds.status();
  EXPECT_EQ(folds->size(), 5u);
  std::set<std::string> held_out;
  for (const Fold& fold : *folds) {
    held_out.insert(fold.held_out.begin(), fold.held_out.end());
    const auto kin = std::count_if(fold.held_out.begin(), fold.held_out.end(),
                                   [](const std::string& program) { return program.starts_with("kin-"); });
    EXPECT_TRUE(kin == 0 || kin == 4) << kin;
  }
  EXPECT_EQ(held_out.size(), 13u);
}

// Notes how much it was shown of the neighbours.
class Spy : public Oracle {
 public:
  explicit Spy(std::set<size_t>* lengths) : Oracle(true), lengths_(lengths) {}
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override {
    for (const InterferenceExample* example : examples) {
      lengths_->insert(example->aggressors[0].size());
      EXPECT_EQ(example->victim.size(), 12u) << "all of the victim is shown";
    }
    return Oracle::Predict(examples);
  }

 private:
  std::set<size_t>* const lengths_;
};

TEST(JudgeFoldsTest, OfNewcomersNothingIsShownFromBeforeTheyMet) {
  std::vector<InterferenceExample> examples = MadeUpMeetings(13, 300, 1);
  for (size_t i = 0; i < examples.size(); ++i) examples[i].moment = static_cast<double>(i % 3);
  const auto folds = *LeaveProgramsOut(examples, 3, {0, 1, 2}, 7);
  std::set<size_t> lengths;
  const auto judged = JudgeFolds(
      folds, [&] { return std::make_unique<Spy>(&lengths); }, {{.newcomers = true}}, 1, [] {});
  ASSERT_TRUE(judged.ok());
  EXPECT_EQ(lengths, (std::set<size_t>{1, 2}));
  for (const Judged& one : (*judged)[0]) EXPECT_GE(one.example->moment, 1) << "at 0 there is nothing to judge by";
}

TEST(JudgeFoldsTest, AFailureIsTold) {
  const std::vector<InterferenceExample> examples = MadeUpMeetings(13, 300, 1);
  const auto folds = *LeaveProgramsOut(examples, 3, {0}, 7);
  const auto judged = JudgeFolds(
      folds, [] { return std::make_unique<FailingPredictor>(); }, {View()}, 2, [] {});
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
      folds, [honest] { return std::make_unique<Oracle>(honest); }, {View()}, 1, [] {}))[0];
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

TEST(MarksOfTest, WhatIsSaidOftenOfOneMeetingIsOneLabelAndNoOrder) {
  std::vector<InterferenceExample> examples = MadeUpMeetings(13, 5, 1);
  std::vector<Judged> judged;
  for (size_t i = 0; i < examples.size(); ++i) {
    examples[i].programs[0] = "victim";
    examples[i].log_slowdown = static_cast<double>(i);
    for (const double said : {0.9, 1.1}) {
      Judged& one = judged.emplace_back();
      one.example = &examples[i];
      one.prediction.log_slowdown = said * static_cast<double>(i);
    }
  }
  const Marks marks = MarksOf(judged, 20, 1);
  EXPECT_EQ(marks.labels, 5u);
  EXPECT_NEAR(marks.rank.value, 1, 1e-9) << "of the means";
  judged.resize(6);  // three meetings
  EXPECT_TRUE(std::isnan(MarksOf(judged, 20, 1).rank.value));
  for (InterferenceExample& example : examples) example.log_slowdown = 1;
  judged.clear();
  for (const InterferenceExample& example : examples) judged.push_back({.example = &example});
  EXPECT_TRUE(std::isnan(MarksOf(judged, 20, 1).rank.value)) << "there is no order to be found";
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
  evaluation.noise_floor = std::nan("");  // nothing was measured twice
  evaluation.foresight.bursts = 1;
  evaluation.foresight.known.auc = {std::nan("")};  // all of one kind
  const std::string unknown = EvaluationPage(evaluation);
  EXPECT_THAT(unknown, HasSubstr("<td>– "));
  for (const std::string& one : {page, unknown}) EXPECT_THAT(one, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace truce::lab
