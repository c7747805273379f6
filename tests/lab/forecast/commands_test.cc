// Commands are where they are looked for, and evaluate without forecast is what it was.
#include "lab/forecast/commands.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>

#include "lab/learn/commands.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() {
    app_.require_subcommand(1);
    AddLearningCommands(app_, chosen_);
    AddForecastCommands(app_, chosen_);
  }
  // Parses, runs, and gives the exit code; stderr is what was said.
  int Run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(arguments);
    testing::internal::CaptureStderr();
    const int code = chosen_();
    said_ = testing::internal::GetCapturedStderr();
    return code;
  }

  CLI::App app_;
  std::function<int()> chosen_;
  std::string said_;
};

TEST_F(CommandsTest, EvaluateTakesAFileOrForecast) {
  const test::Tree tree;
  EXPECT_EQ(Run({"evaluate", tree.Path("none.db")}), 1);
  EXPECT_THAT(said_, HasSubstr("none.db"));
  EXPECT_EQ(Run({"evaluate", "forecast", tree.root(), "--sets", "crane"}), 1);
  EXPECT_THAT(said_, HasSubstr("crane"));
  EXPECT_THROW(app_.parse("evaluate"), CLI::RequiredError);
  EXPECT_THROW(app_.parse("evaluate forecast"), CLI::RequiredError);
  EXPECT_THROW(app_.parse("evaluate forecast dir --sets moon"), CLI::ValidationError);
}

TEST_F(CommandsTest, ForecastSaysItsSpeedAndWhatItLacks) {
  const test::Tree tree;
  tree.Put("in.csv", "series,t,value\na,0,1\na,1,2\na,2,3\n");
  const std::vector<std::string> arguments = {
      "forecast",    "--input", tree.Path("in.csv"), "--output", tree.Path("out"), "--train-until", "2",
      "--quantiles", "0.5,0.9", "--horizon",         "3",        "--model"};
  const auto with = [&](const std::string& model) {
    std::vector<std::string> all = arguments;
    all.push_back(model);
    return all;
  };
  EXPECT_EQ(Run(with("naive")), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("1 series, 2 forecasts of 3 steps by naive"), HasSubstr("a second")));
  EXPECT_EQ(Run(with("oracle")), 2);
  EXPECT_THAT(said_, AllOf(HasSubstr("'oracle'"), HasSubstr("max-hour-yesterday")));
}

TEST_F(CommandsTest, ANumberOfValuesIsNotNegative) {
  const std::string forecast = "forecast --input i --output o --train-until ";
  for (const char* const wrong : {"-1", "1", "1e12"}) {
    EXPECT_THROW(app_.parse(forecast + wrong), CLI::ParseError) << wrong;
  }
  EXPECT_NO_THROW(app_.parse(forecast + "2"));
}

TEST_F(CommandsTest, PatienceNeedsSomethingHeldOut) {
  const test::Tree tree;
  EXPECT_EQ(Run({"train", "forecast", "--output", tree.Path("m"), "--patience", "3"}), 2);
  EXPECT_THAT(said_, AllOf(HasSubstr("--patience"), HasSubstr("--held-out")));
}

}  // namespace
}  // namespace truce::lab
