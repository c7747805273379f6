#include "lab/learn/train.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <tuple>
#include <utility>

#include "lab/dataset.h"
#include "lab/learn/evaluate.h"
#include "models/interference/model_file.h"
#include "src/host/file.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A data set as collect would have made it, of programs that hunger for CPU more or less and share it or not.
class TrainTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    measured_ = std::make_unique<test::Tree>();
    auto dataset = *Dataset::Open(measured_->Path("lab.db"), "a machine of its own", "0:0:0:0,1:1:0:0");
    std::mt19937_64 random(5);
    for (int meeting = 0; meeting < 60; ++meeting) {
      const int first = meeting % kPrograms;
      const int second = (first + 1 + static_cast<int>(random() % (kPrograms - 1))) % kPrograms;
      const bool shared = random() % 2 == 0;
      const double begin = 1000.0 * meeting;
      const double slowdown = shared ? std::max(0.0, Cores(first) + Cores(second) - 1) : 0;
      DatasetLife a = Live(*dataset, first, {0}, begin, slowdown);
      DatasetLife b = Live(*dataset, second, {shared ? 0 : 1}, begin, slowdown);
      Ran(*dataset, meeting, begin, {{a.id, 100, 10, 0.01}});
      Ran(*dataset, meeting, begin + 20,
          {{a.id, 100 / (1 + slowdown), 10, 0.01}, {b.id, 100 / (1 + slowdown), 10, 0.01}});
      Ran(*dataset, meeting, begin + 40, {{b.id, 100, 10, 0.01}});
    }
  }

  static void TearDownTestSuite() { measured_.reset(); }

  TrainTest() { std::filesystem::copy_file(measured_->Path("lab.db"), file_); }

  static constexpr int kPrograms = 10;
  static double Cores(int program) { return 0.1 + 0.09 * program; }

  static DatasetLife Live(Dataset& dataset, int program, std::vector<int> cpus, double begin, double slowdown) {
    Program description;
    description.name = "p" + std::to_string(program);
    description.kind = "made up";
    DatasetLife life;
    life.program = description.name;
    life.load = "high";
    life.cpus = std::move(cpus);
    life.id = *dataset.Add(life, description);
    for (int second = 1; second <= 50; ++second) {
      DatasetSample sample;
      sample.at = begin + second;
      sample.readings.set(Reading::kCpuUsageCores, Cores(program));
      sample.readings.set(Reading::kCpuAllowedCount, 1);
      sample.readings.set(Reading::kPsiCpuSomeRatio, second > 20 && second <= 30 ? slowdown / (1 + slowdown) : 0);
      life.samples.push_back(sample);
    }
    const absl::Status added = dataset.AddSamples(life);
    EXPECT_TRUE(added.ok()) << added;
    return life;
  }
  static void Ran(Dataset& dataset, int meeting, double begin, std::vector<DatasetMember> members) {
    DatasetSegment segment;
    segment.meeting = meeting;
    segment.begin = begin;
    segment.end = begin + 10;
    segment.seconds = 10;
    segment.members = std::move(members);
    const auto added = dataset.Add(segment);
    ASSERT_TRUE(added.ok()) << added.status();
  }

  TrainOptions Quick() const {
    TrainOptions options;
    options.file = file_;
    options.output = tree_.Path("m.truce");
    options.version = "test";
    options.held_out = 2;
    options.bootstrap_draws = 5;
    options.training.most_epochs = 4;
    options.training.projected = options.training.hidden = options.training.pair = 8;
    options.training.learning_rate = 1e-2;
    return options;
  }

  static inline std::unique_ptr<test::Tree> measured_;  // Once for all tests: hundreds of transactions.
  test::Tree tree_;
  const std::string file_ = tree_.Path("lab.db");
};

TEST_F(TrainTest, MakesAModelThatAgentsTakeAndACardThatSaysHowGoodItIs) {
  std::ostringstream progress;
  const TrainOptions options = Quick();
  const absl::Status status = Train(options, progress);
  ASSERT_TRUE(status.ok()) << status;
  auto model = ParseModel(*host::ReadFile(options.output), options.output);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->version, "test");
  EXPECT_EQ(model->machine, "a machine of its own");
  ASSERT_EQ(model->skills.size(), Masks().size());
  EXPECT_GT(model->skills[0].accuracy, 0.6);
  EXPECT_FALSE(model->model.familiarity().distances.empty());
  ASSERT_EQ(model->references.size(), 10u) << "it knows the programs that it learned from";
  EXPECT_EQ(model->references[3].name, "p3");
  EXPECT_EQ(model->references[3].kind, "made up");
  const std::string card = *host::ReadFile(tree_.Path("m.md"));
  EXPECT_THAT(card, AllOf(HasSubstr("# Interference model test"), HasSubstr("a machine of its own"),
                          HasSubstr("10 programs, 60 meetings"), HasSubstr("held out")));
  EXPECT_THAT(progress.str(), HasSubstr("all programs"));
}

TEST_F(TrainTest, OneThatWasEndedGoesOn) {
  TrainOptions options = Quick();
  options.checkpoints = tree_.Path("checkpoints");
  const std::string output = std::exchange(options.output, tree_.Path("not/there/m.truce"));
  std::ostringstream first;
  EXPECT_FALSE(Train(options, first).ok()) << "ends when all was trained, and nothing could be written";
  EXPECT_THAT(first.str(), HasSubstr("epoch 1 of"));
  EXPECT_FALSE(std::filesystem::is_empty(options.checkpoints));
  options.output = output;
  std::ostringstream second;
  const absl::Status status = Train(options, second);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(second.str(), Not(HasSubstr("epoch 1 of"))) << "nothing is trained again";
  EXPECT_FALSE(std::filesystem::exists(options.checkpoints)) << "of no use any more";
  options.checkpoints.clear();
  options.output = tree_.Path("anew.truce");
  ASSERT_TRUE(Train(options, second).ok());
  EXPECT_EQ(*host::ReadFile(output), *host::ReadFile(options.output));
}

TEST(MeasuredTwiceTest, MarksOneMeasurementByTheOther) {
  DatasetContent content;
  content.lives[1] = {1, "a", "high", {0}, {}};
  content.lives[2] = {2, "b", "high", {0}, {}};
  // Two meetings: 100 operations alone; together 80 and 50 of a's in the first, 50 and 60 of them in the second.
  for (const auto& [meeting, a_together, b_together] : {std::tuple{1, 80.0, 50.0}, {2, 50.0, 60.0}}) {
    const double begin = 1000.0 * meeting;
    content.segments.push_back({0, meeting, begin, begin + 10, 10, 0, 0, {{1, 100, 10, 0.01}}});
    content.segments.push_back(
        {0, meeting, begin + 10, begin + 20, 10, 0, 0, {{1, a_together, 10, 0.01}, {2, b_together, 10, 0.01}}});
    content.segments.push_back({0, meeting, begin + 20, begin + 30, 10, 0, 0, {{2, 100, 10, 0.01}}});
  }
  const Marks marks = MeasuredTwice(content, 5, 1);
  EXPECT_EQ(marks.labels, 4u) << "two victims, either measurement for the other";
  const double a = 100 / 50.0 - 100 / 80.0;
  const double b = 100 / 50.0 - 100 / 60.0;
  EXPECT_NEAR(marks.error.value, (a + b) / 2, 1e-9);
}

TEST_F(TrainTest, NothingIsWrittenWhenTheDataSetIsNoGood) {
  TrainOptions options = Quick();
  std::ostringstream progress;
  options.file = tree_.Path("missing.db");
  EXPECT_TRUE(absl::IsNotFound(Train(options, progress)));
  options.file = file_;
  options.held_out = 5;
  const absl::Status few = Train(options, progress);
  EXPECT_TRUE(absl::IsInvalidArgument(few)) << few;
  EXPECT_FALSE(host::ReadFile(options.output).ok());
}

TEST_F(TrainTest, EvaluateSetsEverybodySideBySide) {
  EvaluateOptions options;
  options.file = file_;
  options.held_out = 3;
  options.bootstrap_draws = 5;
  std::ostringstream progress;
  const auto evaluation = Evaluate(options, Checkpoints::None(), progress);
  ASSERT_TRUE(evaluation.ok()) << evaluation.status();
  EXPECT_EQ(evaluation->predictors.size(), 6u);
  EXPECT_EQ(evaluation->sure.size(), 6u);
  EXPECT_EQ(evaluation->masked.size(), Masks().size() - 1) << "no counters: there were none to be hidden";
  EXPECT_EQ(evaluation->moments.size(), JudgedMoments().size());
  EXPECT_EQ(evaluation->programs, 10u);
  ASSERT_EQ(evaluation->again.size(), 1u);
  EXPECT_EQ(evaluation->again[0].marks.auc.value, 1) << "what is measured without noise repeats";
  EXPECT_NEAR(evaluation->again[0].marks.error.value, 0, 1e-9);
  std::ostringstream tables;
  WriteEvaluation(*evaluation, tables);
  EXPECT_THAT(tables.str(), AllOf(HasSubstr("Truce's LSTM"), HasSubstr("boosted trees"), HasSubstr("only CPU usage")));
  EXPECT_FALSE(EvaluationFigures(*evaluation).figures().empty());
}

}  // namespace
}  // namespace truce::lab
