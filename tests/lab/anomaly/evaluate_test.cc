// Sets of labelled series, made up here.
#include "lab/anomaly/evaluate.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class LabelledSetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/labelled-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }

  std::filesystem::path directory_;
};

// Two weeks, five minutes apart, that jump after ten days.
std::string JumpCsv() {
  std::string text = "timestamp,value\n";
  for (int i = 0; i < 4032; ++i) {
    absl::StrAppend(&text, 300 * i, ",", 50 + 3 * std::sin(i * 0.7) + 2 * std::sin(i * 2.3) + (i > 2880 ? 40 : 0),
                    "\n");
  }
  return text;
}

TEST_F(LabelledSetTest, IsReadAndJudged) {
  std::filesystem::create_directory(directory_ / "data");
  Write("data/jump.csv", JumpCsv());
  Write("combined_windows.json",
        R"({"some/jump.csv": [["1970-01-10 20:00:00.000000", "1970-01-11 06:00:00.000000"]]})");
  const auto series = ReadLabelledSeries(directory_.string());
  ASSERT_TRUE(series.ok()) << series.status();
  ASSERT_THAT(*series, SizeIs(1));
  ASSERT_THAT(series->front().windows, SizeIs(1));
  EXPECT_EQ(series->front().windows[0].first, 9 * 288 + 20 * 12);
  EXPECT_EQ(series->front().windows[0].last, 10 * 288 + 6 * 12);
  const auto marks = JudgeDetector(Detector::kTruce, *series);
  ASSERT_THAT(marks, SizeIs(3));
  EXPECT_EQ(marks[0].shipped.windows_found, 1);
  EXPECT_GT(marks[0].shipped.normalised, 50);
  EXPECT_EQ(AlarmsOutside(series->front()).alarms, static_cast<double>(marks[0].shipped.false_positives));
}

TEST_F(LabelledSetTest, TheEndsOfTheScale) {
  Write("jump.csv", JumpCsv());
  Write("combined_windows.json", R"({"jump.csv": [["1970-01-10 20:00:00", "1970-01-11 06:00:00"]]})");
  const auto series = ReadLabelledSeries(directory_.string());
  ASSERT_TRUE(series.ok()) << series.status();
  for (const AnomalyMarks& marks : JudgeDetector(Detector::kNone, *series)) {
    EXPECT_DOUBLE_EQ(marks.best.normalised, 0) << marks.profile;
  }
  for (const AnomalyMarks& marks : JudgeDetector(Detector::kLabels, *series)) {
    EXPECT_DOUBLE_EQ(marks.best.normalised, 100) << marks.profile;
  }
}

TEST_F(LabelledSetTest, WhatIsMissingIsNamed) {
  const auto message = [&] { return std::string(ReadLabelledSeries(directory_.string()).status().message()); };
  EXPECT_THAT(message(), HasSubstr("holds no series"));
  Write("a.csv", "timestamp,value\n0,1\n300,2\n");
  EXPECT_THAT(message(), HasSubstr("holds no combined_windows.json"));
  Write("combined_windows.json", "{}");
  EXPECT_THAT(message(), HasSubstr("says nothing of a.csv"));
  Write("combined_windows.json", "[");
  EXPECT_THAT(message(), HasSubstr("is no JSON object"));
  Write("combined_windows.json", R"({"a.csv": [["1980-01-01 00:00:00", "1980-01-02 00:00:00"]]})");
  EXPECT_THAT(message(), HasSubstr("no value lies in the window"));
  Write("a.csv", "timestamp,value\n0,1\n300,x\n");
  EXPECT_THAT(message(), HasSubstr("line 3"));
  EXPECT_TRUE(absl::IsNotFound(ReadLabelledSeries((directory_ / "nowhere").string()).status()));
}

TEST(QuietSeriesTest, AreRepeatableAndOfTheLengthAskedFor) {
  for (const QuietKind kind : QuietKinds()) {
    EXPECT_THAT(QuietSeries(kind, 2, 1), SizeIs(4032)) << QuietName(kind);
    EXPECT_EQ(QuietSeries(kind, 1, 7), QuietSeries(kind, 1, 7)) << QuietName(kind);
  }
}

TEST(QuietSeriesTest, AlarmAtMostOnceAWeek) {
  for (const QuietKind kind : QuietKinds()) {
    EXPECT_LE(AlarmsOnMadeUp(kind, 8, 3).AWeek(), 1) << QuietName(kind);
  }
}

}  // namespace
}  // namespace truce::lab
