// Tables and words for people: alignment, widths, units, and names that try to steer the terminal.
#include "controller/cli/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "controller/cli/suggest.h"
#include "src/base/enum_words.h"
#include "truce/v1/types.pb.h"

namespace truce::cli {
namespace {

using testing::ElementsAre;

std::string Printed(const Table& table, const Paper& paper = {}) {
  std::ostringstream out;
  table.Print(out, paper);
  return out.str();
}

TEST(TableTest, AlignsByDisplayWidthAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"CPU", Align::kRight}, {"NOTE"}});
  table.AddRow({"データ", "12.50", "wide"});
  table.AddRow({"e\xCC\x81tude", "0.10", ""});
  EXPECT_EQ(Printed(table),
            "NAME      CPU  NOTE\n"
            "データ  12.50  wide\n"
            "e\xCC\x81tude    0.10  -\n");
}

TEST(TableTest, ShowsWideColumnsOnlyWhenAsked) {
  Table table({{"NAME"}, {"KERNEL", Align::kLeft, true}, {"AGE", Align::kRight}});
  table.AddRow({"web-17", "6.1.0", "5s"});
  EXPECT_EQ(Printed(table), "NAME    AGE\nweb-17   5s\n");
  EXPECT_EQ(Printed(table, {.wide = true}), "NAME    KERNEL  AGE\nweb-17  6.1.0    5s\n");
}

TEST(TableTest, ElidesTheMiddleOfElasticCellsToFitTheTerminal) {
  Table table({{"NAME", Align::kLeft, false, true}, {"CPU", Align::kRight}});
  table.AddRow({"kubepods.slice/kubepods-burstable.slice/cri-containerd-0123456789.scope", "1.00"});
  const std::string narrow = Printed(table, {.width = 30});
  EXPECT_EQ(narrow,
            "NAME                       CPU\n"
            "kubepods.sl…456789.scope  1.00\n");
  EXPECT_NE(Printed(table).find("kubepods-burstable"), std::string::npos) << "a pipe gets whole names";
}

TEST(TableTest, ColoursOnlyWhenAsked) {
  Table table({{"NAME"}});
  table.AddRow({Cell("gone", Tone::kBad)});
  EXPECT_EQ(Printed(table).find('\x1b'), std::string::npos);
  EXPECT_NE(Printed(table, {.colour = true}).find("\x1b[31mgone\x1b[0m"), std::string::npos);
}

TEST(TableTest, NamesCannotSteerTheTerminal) {
  Table table({{"NAME"}});
  table.AddRow({"evil\x1b[2J\nroot\x7f\xE2\x80\xAE\xFF"});
  EXPECT_EQ(Printed(table), "NAME\nevil\\x1b[2J\\x0aroot\\x7f\\xe2\\x80\\xae\\xff\n");
}

TEST(FormatTest, AgesAreWholeUnits) {
  EXPECT_EQ(FormatAge(absl::Seconds(-3)), "0s");
  EXPECT_EQ(FormatAge(absl::Milliseconds(5900)), "5s");
  EXPECT_EQ(FormatAge(absl::Seconds(59)), "59s");
  EXPECT_EQ(FormatAge(absl::Seconds(60)), "1m");
  EXPECT_EQ(FormatAge(absl::Minutes(119)), "1h");
  EXPECT_EQ(FormatAge(absl::Hours(100)), "4d");
  EXPECT_EQ(FormatAge(absl::UnixEpoch(), {}, false), "-");
}

TEST(FormatTest, BytesInPowersOf1024) {
  EXPECT_EQ(FormatBytes(0), "0");
  EXPECT_EQ(FormatBytes(1023), "1023");
  EXPECT_EQ(FormatBytes(1024), "1.0K");
  EXPECT_EQ(FormatBytes(1.2 * 1024 * 1024 * 1024), "1.2G");
  EXPECT_EQ(FormatBytes(512.0 * 1024 * 1024), "512M");
  EXPECT_EQ(FormatBytes(1023.9 * 1024), "1.0M");
}

TEST(FormatTest, ReadingsCarryTheirUnit) {
  EXPECT_EQ(FormatReading("psi_cpu_some_ratio", 0.256), "26%");
  EXPECT_EQ(FormatReading("psi_cpu_some_ratio", 0.0041), "0.4%");
  EXPECT_EQ(FormatReading("cpu_usage_cores", 1.234), "1.23");
  EXPECT_EQ(FormatReading("memory_usage_bytes", 2048), "2.0K");
  EXPECT_EQ(FormatReading("disk_read_bytes_per_second", 2048), "2.0K/s");
  EXPECT_EQ(FormatReading("instructions_per_second", 2.5e9), "2.50G/s");
  EXPECT_EQ(FormatReading("disk_latency_seconds", 0.0042), "4.2ms");
  EXPECT_EQ(FormatReading("cycles_per_instruction", 1.5), "1.50");
}

TEST(FormatTest, WrapsAtBlanksByDisplayWidth) {
  EXPECT_THAT(Wrap("redis is slow because of stress", 13), ElementsAre("redis is slow", "because of", "stress"));
  EXPECT_THAT(Wrap("averyverylongword b", 5), ElementsAre("averyverylongword", "b"));
  EXPECT_THAT(Wrap("no limit at all", 0), ElementsAre("no limit at all"));
}

TEST(WordsTest, EnumsAreLowerCaseWordsBothWays) {
  EXPECT_EQ(EnumWord(v1::WORKLOAD_CLASS_BEST_EFFORT), "best_effort");
  EXPECT_EQ(EnumFromWord<v1::WorkloadClass>("best_effort"), v1::WORKLOAD_CLASS_BEST_EFFORT);
  EXPECT_EQ(EnumWord(v1::LEVER_CPU_PIN), "cpu_pin");
  EXPECT_THAT(EnumWords<v1::Mode>(), ElementsAre("observe", "advise", "enforce"));
  EXPECT_EQ(EnumCell(v1::MODE_UNSPECIFIED), "-");
  EXPECT_EQ(EnumWord(static_cast<v1::Mode>(77)), "77") << "a newer controller's mode must not vanish";
}

TEST(SuggestTest, FindsSlipsOfTheFingersOnly) {
  EXPECT_EQ(EditDistance("pairs", "apirs"), 1);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(Nearest("hots", {"hosts", "pairs"}), "hosts");
  EXPECT_EQ(Nearest("work", {"hosts", "workloads"}), "workloads");
  EXPECT_EQ(Nearest("banana", {"hosts", "pairs"}), "");
}

}  // namespace
}  // namespace truce::cli
