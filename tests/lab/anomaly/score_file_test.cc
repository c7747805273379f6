#include "lab/anomaly/score_file.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "lab/anomaly/timestamp.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Ten days with a jump on the ninth.
std::string Input(int lines) {
  std::string text = "timestamp,value\n";
  for (int i = 0; i < lines; ++i) {
    const double value = 50 + 3 * std::sin(i * 0.7) + 2 * std::sin(i * 2.3) + (i > 2500 ? 40 : 0);
    absl::StrAppend(
        &text, absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(1393000000 + 300 * i), absl::UTCTimeZone()),
        ",", value, "\n");
  }
  return text;
}

TEST(TimestampTest, BothForms) {
  EXPECT_EQ(*ParseTimestamp("1970-01-02 00:00:01"), 86401);
  EXPECT_EQ(*ParseTimestamp("2014-02-26 13:45:00.500000"), 1393422300.5);
  EXPECT_EQ(*ParseTimestamp("12.5"), 12.5);
  EXPECT_THAT(ParseTimestamp("yesterday").status().message(), HasSubstr("YYYY-MM-DD"));
  EXPECT_FALSE(ParseTimestamp("2014-02-30 00:00:00").ok());
  EXPECT_FALSE(ParseTimestamp("").ok());
  EXPECT_FALSE(ParseTimestamp("inf").ok());
}

TEST(ScoreFileTest, CutInputNeverChangesEarlierScores) {
  const auto whole = ScoreAnomalies("whole", Input(2880));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_GE(whole->alarms, 1);
  for (const int lines : {1, 2, 100, 577, 2000, 2501, 2502, 2700}) {
    const auto cut = ScoreAnomalies("cut", Input(lines));
    ASSERT_TRUE(cut.ok()) << cut.status();
    EXPECT_EQ(cut->text, whole->text.substr(0, cut->text.size())) << lines;
    EXPECT_EQ(cut->values, lines);
  }
}

TEST(ScoreFileTest, TheTextOfOtherColumnsIsLeftAlone) {
  const auto scored = ScoreAnomalies("f", "host,timestamp,value\r\nweb 1,10,1.500\r\nweb 1,20,\r\n\r\n,30,NaN\n");
  ASSERT_TRUE(scored.ok()) << scored.status();
  EXPECT_EQ(scored->text, "host,timestamp,value,anomaly_score\nweb 1,10,1.500,0\nweb 1,20,,0\n,30,NaN,0\n");
  EXPECT_EQ(scored->values, 3);
}

TEST(ScoreFileTest, ScoresAreNumbersFromZeroToOne) {
  const auto scored = ScoreAnomalies("f", Input(2880));
  ASSERT_TRUE(scored.ok());
  std::vector<std::string> lines = absl::StrSplit(scored->text, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2881);
  EXPECT_EQ(lines[0], "timestamp,value,anomaly_score");
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(lines[i], ',');
    ASSERT_EQ(fields.size(), 3);
    const double score = std::stod(fields[2]);
    EXPECT_TRUE(score >= 0 && score <= 1) << lines[i];
  }
}

TEST(ScoreFileTest, WhatIsWrongIsNamedWithItsLine) {
  const auto message = [](const std::string& text) {
    return std::string(ScoreAnomalies("f.csv", text).status().message());
  };
  EXPECT_THAT(message("time,value\n1,2\n"), StartsWith("f.csv:1: no column 'timestamp'"));
  EXPECT_THAT(message("timestamp,value\n1,2\nx,3\n"), StartsWith("f.csv:3: 'x' is no time"));
  EXPECT_THAT(message("timestamp,value\n1,2\n2,high\n"), StartsWith("f.csv:3: the value 'high'"));
  EXPECT_THAT(message("timestamp,value\n1,inf\n"), StartsWith("f.csv:2: the value 'inf'"));
  EXPECT_THAT(message("timestamp,value\n7\n"), StartsWith("f.csv:2: has 1 fields"));
  EXPECT_THAT(message("timestamp,value\n"), HasSubstr("holds no values"));
  EXPECT_THAT(message(""), HasSubstr("holds no values"));
}

TEST(ScoreFileTest, TimesThatGoBackwardsAreCounted) {
  const auto scored = ScoreAnomalies("f", "timestamp,value\n10,1\n5,1\n7,1\n6,1\n");
  ASSERT_TRUE(scored.ok());
  EXPECT_EQ(scored->times_backwards, 2);
}

TEST(ScoreFileTest, AMissingFileIsNamed) {
  const auto scored = ScoreAnomalyFile("/nowhere/in.csv", "/nowhere/out.csv");
  EXPECT_TRUE(absl::IsNotFound(scored.status())) << scored.status();
  EXPECT_THAT(scored.status().message(), HasSubstr("/nowhere/in.csv"));
}

TEST(ScoreFileTest, AnEmptyFileIsSaidToBeEmpty) {
  const test::Tree tree{{"in.csv", ""}};
  const auto scored = ScoreAnomalyFile(tree.Path("in.csv"), tree.Path("out.csv"));
  EXPECT_TRUE(absl::IsInvalidArgument(scored.status())) << scored.status();
  EXPECT_THAT(scored.status().message(), HasSubstr("in.csv: it is empty"));
}

}  // namespace
}  // namespace truce::lab
