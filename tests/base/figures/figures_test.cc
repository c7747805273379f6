#include "src/base/figures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

namespace truce {
namespace {

TEST(SummarizeTest, MedianAndQuartiles) {
  const Summary summary = Summarize({4, 1, 3, 2, 5});
  EXPECT_DOUBLE_EQ(summary.median, 3);
  EXPECT_DOUBLE_EQ(summary.spread.value(), 2);
  EXPECT_DOUBLE_EQ(Summarize({1, 2}).median, 1.5);
  EXPECT_FALSE(Summarize({7}).spread.has_value());
  EXPECT_TRUE(std::isnan(Summarize({}).median));
}

TEST(FigureTest, TargetsAreInclusiveAndNanMeetsNone) {
  EXPECT_EQ((Figure{"a", 1, "s", {}, AtMost(1)}).Met(), true);
  EXPECT_EQ((Figure{"a", 1.001, "s", {}, AtMost(1)}).Met(), false);
  EXPECT_EQ((Figure{"a", 1, "s", {}, AtLeast(1)}).Met(), true);
  EXPECT_EQ((Figure{"a", 0.9, "s", {}, AtLeast(1)}).Met(), false);
  EXPECT_EQ((Figure{"a", std::nan(""), "s", {}, AtMost(1)}).Met(), false);
  EXPECT_EQ((Figure{"a", 1, "s"}).Met(), std::nullopt);
}

FigureTable Example() {
  FigureTable table;
  table.Add({"cost", 0.5, "ratio", 0.25, AtMost(1)});
  table.Add({"say \"hi\"\n", std::numeric_limits<double>::quiet_NaN(), "us", std::nullopt, AtLeast(2)});
  table.AddSamples("free", {1, 2, 3}, "us");
  return table;
}

TEST(FigureTableTest, TextHasOneAlignedLinePerFigure) {
  FigureTable table;
  table.Add({"cost", 0.5, "ratio", 0.25, AtMost(1)});
  table.Add({"rate", 1234.5, "1/s", std::nullopt, AtLeast(2000)});
  EXPECT_EQ(table.ToText(),
            "NAME   VALUE  UNIT   SPREAD  TARGET   MET\n"
            "cost  0.5000  ratio  0.2500  <= 1     yes\n"
            "rate    1234  1/s         -  >= 2000  NO\n");
}

TEST(FigureTableTest, JsonHasAllKeysAndEscapes) {
  EXPECT_EQ(Example().ToJson(),
            "[\n"
            "  {\"name\": \"cost\", \"value\": 0.5, \"unit\": \"ratio\", \"spread\": 0.25, \"target\": \"<= 1\", "
            "\"met\": true},\n"
            "  {\"name\": \"say \\\"hi\\\"\\u000a\", \"value\": null, \"unit\": \"us\", \"spread\": null, \"target\": "
            "\">= 2\", "
            "\"met\": false},\n"
            "  {\"name\": \"free\", \"value\": 2, \"unit\": \"us\", \"spread\": 1, \"target\": null, \"met\": null}\n"
            "]\n");
  EXPECT_EQ(FigureTable().ToJson(), "[]\n");
}

TEST(ShowFiguresTest, CheckFailsOnlyOnAMissedTarget) {
  std::ostringstream out;
  EXPECT_EQ(ShowFigures(Example(), FigureFormat::kTable, false, out), 0);
  EXPECT_EQ(ShowFigures(Example(), FigureFormat::kTable, true, out), 1);
  FigureTable good;
  good.Add({"cost", 0.5, "ratio", std::nullopt, AtMost(1)});
  EXPECT_EQ(ShowFigures(good, FigureFormat::kJson, true, out), 0);
}

TEST(ProgressTest, SaysHowLongTheRestTakes) {
  std::ostringstream out;
  FakeClock clock;
  Progress progress(&out, &clock, 3);
  progress.Step("one");
  clock.Advance(absl::Seconds(10));
  progress.Step("two");
  EXPECT_EQ(out.str(), "[1/3] one\n[2/3] two, about 20 s left\n");
}

TEST(DescribeMachineTest, NamesCpuMemoryAndKernel) {
  const std::string machine = DescribeMachine();
  EXPECT_NE(machine.find("CPUs"), std::string::npos);
  EXPECT_NE(machine.find("Linux"), std::string::npos);
  EXPECT_EQ(DescribeMachine("/no/such/directory").find("unknown CPU"), 0u);
}

}  // namespace
}  // namespace truce
