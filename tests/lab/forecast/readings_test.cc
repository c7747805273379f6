// A series of a file is what was read, on a grid of its own, with its gaps.
#include "lab/forecast/readings.h"

#include <gmock/gmock.h>

#include <cmath>

#include "lab/forecast/csv.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsNan;

std::string ProblemOf(const std::string& text) {
  return std::string(ParseSeriesCsv("in.csv", text).status().message());
}

std::vector<std::string> Names(const std::vector<NamedReadings>& all) {
  std::vector<std::string> names;
  for (const NamedReadings& one : all) names.push_back(one.series);
  return names;
}

std::vector<double> ValuesOf(const NamedReadings& one) {
  std::vector<double> values;
  for (const TimedValue& reading : one.readings) values.push_back(reading.value);
  return values;
}

TEST(ParseSeriesCsvTest, SeriesMayBeMixedAndInAnyOrderOfTime) {
  const auto all = ParseSeriesCsv("in.csv",
                                  "\xef\xbb\xbfvalue,series,t,note\r\n"
                                  "3,b,20,x\r\n"
                                  "1,a,10,\r\n"
                                  "\r\n"
                                  "2,b,10,\r\n"
                                  "4,\"a, \"\"quoted\"\"\",10,\r\n"
                                  ",b,15,\r\n"
                                  "NaN,b,30,\r\n"
                                  "0.5,a,5,");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_THAT(Names(*all), ElementsAre("b", "a", "a, \"quoted\""));
  EXPECT_THAT(ValuesOf((*all)[0]), ElementsAre(2, 3)) << "a missing value is no value";
  EXPECT_THAT(ValuesOf((*all)[1]), ElementsAre(0.5, 1));
  EXPECT_EQ((*all)[1].readings[0].line, 9u);
}

TEST(ParseSeriesCsvTest, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_THAT(ProblemOf(""), AllOf(HasSubstr("in.csv"), HasSubstr("series,t,value")));
  EXPECT_THAT(ProblemOf("series,time,value\na,1,2\n"), AllOf(HasSubstr("line 1"), HasSubstr("'t'")));
  EXPECT_THAT(ProblemOf("series,t,value\na,1,2\na,2\n"), AllOf(HasSubstr("line 3"), HasSubstr("no value")));
  EXPECT_THAT(ProblemOf("series,t,value\na,1,2\na,2,lots\n"), AllOf(HasSubstr("line 3"), HasSubstr("value 'lots'")));
  EXPECT_THAT(ProblemOf("series,t,value\na,inf,2\n"), AllOf(HasSubstr("line 2"), HasSubstr("t 'inf'")));
  EXPECT_THAT(ProblemOf("series,t,value\na,,2\n"), AllOf(HasSubstr("line 2"), HasSubstr("t is missing")));
  EXPECT_THAT(ProblemOf("series,t,value\n\"a,1,2\n"), AllOf(HasSubstr("line 2"), HasSubstr("quote")));
  EXPECT_THAT(ProblemOf("series,t,value\na,1,\n"), HasSubstr("no value in it"));
  EXPECT_THAT(ProblemOf("series,t,value\na,1,2\na,2,-1e37\n"), AllOf(HasSubstr("line 3"), HasSubstr("value -1e+37")));
  EXPECT_EQ(ProblemOf("series,t,value\na,1,-1e36\n"), "");
}

TEST(ParseSeriesCsvTest, AMomentHasOneValue) {
  EXPECT_THAT(ProblemOf("series,t,value\na,1375308176,1\nb,1375308176,2\na,1375308176,3\n"),
              AllOf(HasSubstr("line 4"), HasSubstr("'a'"), HasSubstr("t = 1375308176"), HasSubstr("line 2")));
}

TEST(FindGridTest, TheSpacingIsTheMedianDistance) {
  const std::vector<TimedValue> readings = {{100, 0, 1}, {160, 0, 2}, {221, 0, 3}, {401, 0, 4}};
  const auto grid = FindGrid("a", readings);
  ASSERT_TRUE(grid.ok()) << grid.status();
  EXPECT_EQ(grid->start_seconds, 100);
  EXPECT_EQ(grid->spacing_seconds, 61);
  EXPECT_EQ(FindGrid("a", {{0, 1, 1}, {60, 1, 2}, {180, 1, 3}})->spacing_seconds, 60) << "the gap is the longer one";
  EXPECT_THAT(std::string(FindGrid("lone", {{1, 1, 1}}).status().message()), HasSubstr("lone"));
}

TEST(FindGridTest, ASpacingThatFillsTheMemoryWithADayIsRefused) {
  const auto problem = FindGrid("a", {{0, 1, 1}, {1, 1, 2}, {1.001, 1, 3}, {1.002, 1, 4}}).status();
  EXPECT_THAT(std::string(problem.message()), AllOf(HasSubstr("line 3"), HasSubstr("'a'"), HasSubstr("seconds")));
  const double now = 1'375'308'000.02;
  EXPECT_TRUE(FindGrid("a", {{now, 1, 1}, {now + 0.01, 1, 2}, {now + 0.02, 1, 3}}).ok());
}

TEST(SnapOntoGridTest, GapsAreMissingAndJitterIsNot) {
  const auto series = SnapOntoGrid("a", {0, 60}, {{0, 1, 1}, {61, 2, 2}, {239, 3, 3}, {245, 4, 4}});
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_THAT(series->values, ElementsAre(1, 2, IsNan(), IsNan(), 3)) << "the first of two at one point counts";
  EXPECT_EQ(series->TimeOf(4), 240);
}

TEST(SnapOntoGridTest, TimesInAnotherUnitAreNotASeriesOfGaps) {
  const auto series = SnapOntoGrid("a", {0, 60}, {{0, 1, 1}, {60, 2, 2}, {1e12, 3, 3}});
  EXPECT_THAT(std::string(series.status().message()), AllOf(HasSubstr("'a'"), HasSubstr("seconds")));
}

TEST(SeriesOfReadingsTest, PublishedSetsMayRepeatAMoment) {
  const std::vector<TimedValue> readings = {{300, 5, 2}, {0, 1, 3}, {300, 6, 4}};
  EXPECT_FALSE(SeriesOfReadings("a", Repeats::kRefuse, 300, readings).ok());
  const auto series = SeriesOfReadings("a", Repeats::kFirst, 300, readings);
  ASSERT_TRUE(series.ok()) << series.status();
  EXPECT_THAT(series->values, ElementsAre(1, 5));
}

TEST(CsvFieldTest, ReadsBackAsItWas) {
  for (const std::string name : {"plain", "with, comma", "with \"quotes\"", " padded ", "\"", ""}) {
    const std::string line = CsvField(name) + ",1";
    CsvReader csv("f", line);
    ASSERT_TRUE(csv.Next().value());
    EXPECT_THAT(csv.fields(), ElementsAre(name, "1"));
  }
}

}  // namespace
}  // namespace truce::lab
