// Forecasts of a file come from what was known at their origin, in a form that stays.
#include "lab/forecast/forecast_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lab/forecast/methods.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class ForecastFileTest : public testing::Test {
 protected:
  ForecastFileTest() {
    options_.input = tree_.Path("in.csv");
    options_.output = tree_.Path("out.csv");
    options_.model = "naive";
    options_.train_until = 3;
    options_.horizon = 2;
    options_.quantiles = {0.5, 0.95};
  }

  std::string Output() const {
    std::ifstream file(options_.output);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  ptrdiff_t FilesThere() const {
    using std::filesystem::directory_iterator;
    return std::distance(directory_iterator(tree_.root()), directory_iterator());
  }
  std::string Problem() const { return std::string(ForecastFile(options_).status().message()); }

  test::Tree tree_;
  ForecastFileOptions options_;
};

TEST_F(ForecastFileTest, OriginsAreTheTimesOfKnownValues) {
  tree_.Put("in.csv",
            "series,t,value\n"
            "a,1375308000.5,1\na,1375308060.5,1\na,1375308120.5,1\na,1375308300.5,7\na,1375308360.5,1\n"
            "\"b, c\",0,2\n\"b, c\",10,2\n\"b, c\",20,2\n"
            "short,0,1\nshort,1,1\n");
  const auto summary = ForecastFile(options_);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(summary->too_short, ElementsAre("short"));
  EXPECT_EQ(summary->forecasts, 4u);
  EXPECT_EQ(Output(),
            "series,origin,h,q0.5,q0.95\n"
            "a,1375308120.5,1,1,1\na,1375308120.5,2,1,1\n"
            "a,1375308300.5,1,7,13\na,1375308300.5,2,7,13\n"
            "a,1375308360.5,1,1,7\na,1375308360.5,2,1,7\n"
            "\"b, c\",20,1,2,2\n\"b, c\",20,2,2,2\n")
      << "naive was wrong by 6 once, so that may happen again";

  options_.stride = 2;
  ASSERT_TRUE(ForecastFile(options_).ok());
  EXPECT_THAT(Output(), testing::Not(HasSubstr("1375308300.5")));
}

TEST_F(ForecastFileTest, WhatIsThereIsReplacedOnlyByAWholeFileAndALinkStays) {
  tree_.Put("in.csv", "series,t,value\na,0,1\na,1,1\na,2,1\n");
  tree_.Put("real.csv", "before");
  tree_.Put("out.csv.partial", "somebody's");
  tree_.Link("out.csv", "real.csv");
  ASSERT_TRUE(ForecastFile(options_).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(options_.output));
  EXPECT_THAT(Output(), StartsWith("series,origin,h,"));
  options_.output = tree_.Path("out.csv.partial");
  EXPECT_EQ(Output(), "somebody's");
  EXPECT_EQ(FilesThere(), 4);
}

// Two restless series of 120 values; from `until` on they are something else, at other times.
std::string MadeUp(size_t until, double other) {
  std::string text = "series,t,value\n";
  for (size_t i = 0; i < 120; ++i) {
    const double value = static_cast<double>(i * i % 17 + i % 5);
    const double t = 60.0 * static_cast<double>(i) + (i < until ? 0 : 7 * other);
    absl::StrAppend(&text, "a,", t, ",", i < until ? value : value * other, "\n");
    absl::StrAppend(&text, "b,", t, ",", i < until ? 100 - value : other, "\n");
  }
  return text;
}

TEST_F(ForecastFileTest, TheFutureChangesNothing) {
  options_.train_until = 80;
  for (const ForecastMethod& method : ForecastMethods()) {
    SCOPED_TRACE(method.name);
    options_.model = method.name;
    // The origins up to the 100th value, of both series.
    std::vector<std::string> before;
    for (const double other : {1.0, 3.0}) {
      tree_.Put("in.csv", MadeUp(100, other));
      const auto summary = ForecastFile(options_);
      ASSERT_TRUE(summary.ok()) << summary.status();
      std::string& known = before.emplace_back();
      std::string later;
      for (const std::string& line : std::vector<std::string>(absl::StrSplit(Output(), '\n'))) {
        const std::vector<std::string> fields = absl::StrSplit(line, ',');
        if (fields.size() < 2 || fields[1] == "origin") continue;
        (std::stod(fields[1]) <= 60 * 99 ? known : later) += line + "\n";
      }
      EXPECT_EQ(std::count(known.begin(), known.end(), '\n'), 2 * 21 * 2);
      EXPECT_FALSE(later.empty());
    }
    EXPECT_EQ(before[0], before[1]);
  }
}

TEST_F(ForecastFileTest, ThreadsChangeNothing) {
  std::string text = "series,t,value\n";
  for (int i = 0; i < 40 * 50; ++i) absl::StrAppend(&text, "s", i % 40, ",", i / 40, ",", i * 7919 % 101, "\n");
  tree_.Put("in.csv", text);
  options_.model = "ar-12";
  options_.train_until = 30;
  options_.threads = 1;
  ASSERT_TRUE(ForecastFile(options_).ok());
  const std::string one = Output();
  options_.threads = 4;
  ASSERT_TRUE(ForecastFile(options_).ok());
  EXPECT_EQ(Output(), one);
}

TEST_F(ForecastFileTest, WhatCannotBeDoneIsSaidAndLeavesNothing) {
  tree_.Put("in.csv", "series,t,value\na,0,1\na,1,1\na,2,1\n");
  options_.model = "oracle";
  EXPECT_THAT(Problem(), AllOf(HasSubstr("'oracle'"), HasSubstr("naive")));
  options_.model = "naive";
  options_.train_until = 1;
  EXPECT_THAT(Problem(), HasSubstr("--train-until"));
  options_.train_until = 4;
  EXPECT_THAT(Problem(), AllOf(HasSubstr("4 values"), HasSubstr("in.csv")));
  options_.train_until = 3;
  options_.quantiles = {0.9, 0.5};
  EXPECT_THAT(Problem(), HasSubstr("quantile"));
  options_.quantiles = {0.5};
  tree_.Put("in.csv", "series,t,value\na,0,1\na,1,1\na,2,1\na,1e12,1\n");
  EXPECT_THAT(Problem(), AllOf(HasSubstr("line 5"), HasSubstr("seconds")));
  EXPECT_EQ(FilesThere(), 1) << "nothing but the input";
  options_.output = options_.input;
  EXPECT_THAT(Problem(), HasSubstr("replace the input"));
  options_.input = tree_.Path("none.csv");
  EXPECT_TRUE(absl::IsNotFound(ForecastFile(options_).status()));
}

TEST_F(ForecastFileTest, TimesTooCloseAndValuesTooLargeAreRefusedByEveryMethod) {
  for (const ForecastMethod& method : ForecastMethods()) {
    SCOPED_TRACE(method.name);
    options_.model = method.name;
    tree_.Put("in.csv", "series,t,value\na,0,1\na,0.0001,2\na,0.0002,1\na,0.0003,1\n");
    EXPECT_THAT(Problem(), AllOf(HasSubstr("in.csv"), HasSubstr("line 3"), HasSubstr("'a'"), HasSubstr("seconds")));
    tree_.Put("in.csv", "series,t,value\na,0,1e308\na,1,-1e308\na,2,1e308\n");
    EXPECT_THAT(Problem(), AllOf(HasSubstr("line 2"), HasSubstr("1e+308"), HasSubstr("larger unit")));
  }
}

TEST_F(ForecastFileTest, ARecursionThatLeavesAllNumbersIsAnError) {
  std::string text = "series,t,value\n";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&text, "a,", i, ",", std::pow(2, i) + i * i % 7, "\n");
  tree_.Put("in.csv", text);
  options_.model = "ar-12";
  options_.train_until = 60;
  ASSERT_TRUE(ForecastFile(options_).ok()) << Problem();
  options_.horizon = 5000;
  EXPECT_THAT(Problem(), AllOf(HasSubstr("series 'a'"), HasSubstr("ar-12 can't follow these values")));
}

}  // namespace
}  // namespace truce::lab
