// Readers and parsers of kernel files: what a kernel writes is read right, and what it never writes does no harm.
#include "src/host/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Text made of what kernel files are made of, so that garbage gets far into a parser.
rc::Gen<std::string> KernelLikeText() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::vector<std::string>{
                          "0", "1", "18446744073709551615", "99999999999999999999", "-", ",", " ", "\n", "=", "some",
                          "full", "total=", "usage_usec", "usage", "max", "\t", ":", std::string(1, '\0'), "\xff"})),
                      [](const std::vector<std::string>& parts) {
                        std::string text;
                        for (const std::string& part : parts) text += part;
                        return text;
                      });
}

TEST(CpuListTest, ReadsWhatTheKernelWrites) {
  EXPECT_THAT(*ParseCpuList("0-3,8\n"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(*ParseCpuList("5"), ElementsAre(5));
  EXPECT_THAT(*ParseCpuList(""), IsEmpty());
  EXPECT_THAT(*ParseCpuList("\n"), IsEmpty());
  EXPECT_THAT(*ParseCpuList("3,1-2,2"), ElementsAre(1, 2, 3)) << "sorted, each once";
}

TEST(CpuListTest, RefusesWhatIsNone) {
  for (const char* text :
       {"a", "1-", "-1", "3-1", "1,,2", "0-70000", "1;2", "0x3", "1-2-3", "0-3:1/2", "99999999999"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseCpuList(text).status())) << text;
  }
}

TEST(CpuListTest, ALongListOfWideRangesIsRefusedAndNotUnrolled) {
  // 10,000 such ranges would be 2.6 GB; a controller's nonsense must not cost the agent its memory.
  std::string text = "0-65535";
  for (int i = 0; i < 10000; ++i) text += ",0-65535";
  EXPECT_TRUE(absl::IsInvalidArgument(ParseCpuList(text).status()));
}

RC_GTEST_PROP(CpuListTest, ParsingWhatWasFormattedGivesTheSameCpus, ()) {
  const auto set = *rc::gen::container<std::set<int>>(rc::gen::inRange(0, 200));
  const std::vector<int> cpus(set.begin(), set.end());
  const auto parsed = ParseCpuList(FormatCpuList(cpus));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == cpus);
}

TEST(CpuListTest, FormatsAsTheKernelDoes) {
  EXPECT_EQ(FormatCpuList({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(FormatCpuList({1, 2}), "1-2");
  EXPECT_EQ(FormatCpuList({}), "");
}

TEST(FlatKeyedTest, TheKeyIsAWholeWordAtTheStartOfALine) {
  const char* text = "usage_usec 10\nusage 20\nuser_usage 30\nnr_throttled 4\nthrottled 5";
  EXPECT_EQ(FlatKeyed(text, "usage_usec"), 10u);
  EXPECT_EQ(FlatKeyed(text, "usage"), 20u);
  EXPECT_EQ(FlatKeyed(text, "throttled"), 5u) << "the last line has no line break";
  EXPECT_EQ(FlatKeyed(text, "nr_throttled"), 4u);
  EXPECT_EQ(FlatKeyed(text, "use"), std::nullopt);
  EXPECT_EQ(FlatKeyed(text, "nr"), std::nullopt);
  EXPECT_EQ(FlatKeyed("usage max\n", "usage"), std::nullopt);
  EXPECT_EQ(FlatKeyed("usage 18446744073709551615\n", "usage"), 18446744073709551615u);
  EXPECT_EQ(FlatKeyed("usage 18446744073709551616\n", "usage"), std::nullopt) << "does not wrap";
  EXPECT_EQ(FlatKeyed("usage -1\n", "usage"), std::nullopt);
}

RC_GTEST_PROP(FlatKeyedTest, FindsEachKeyOfAnyFileEvenWhenKeysArePrefixesOfEachOther, ()) {
  const auto names = *rc::gen::container<std::set<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab_")))));
  std::string text;
  uint64_t value = 0;
  for (const std::string& name : names) absl::StrAppend(&text, name, " ", ++value, "\n");
  value = 0;
  for (const std::string& name : names) RC_ASSERT(FlatKeyed(text, name) == ++value);
  RC_ASSERT(FlatKeyed(text, "abc") == std::nullopt);
}

TEST(FirstNumberTest, ReadsANumberOrSaysThatThereIsNone) {
  EXPECT_EQ(FirstNumber("-1\n"), -1);
  EXPECT_EQ(FirstNumber("100000 100000"), 100000);
  EXPECT_EQ(FirstNumber("max 100000"), std::nullopt);
  EXPECT_EQ(FirstNumber(""), std::nullopt);
  EXPECT_EQ(FirstNumber("9223372036854771712"), 9223372036854771712);
}

TEST(NextWordTest, CutsWordsAtAnyBlank) {
  std::string_view text = "  a\tbc\n d ";
  EXPECT_EQ(NextWord(&text), "a");
  EXPECT_EQ(NextWord(&text), "bc");
  EXPECT_EQ(NextWord(&text), "d");
  EXPECT_EQ(NextWord(&text), "");
  EXPECT_EQ(NextWord(&text), "");
}

TEST(PressureTest, ReadsBothLinesOrTheOneThatIsThere) {
  const PressureTotals both = ParsePressure(
      "some avg10=0.12 avg60=0.00 avg300=0.00 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=789\n");
  EXPECT_EQ(both.some_us, 123456u);
  EXPECT_EQ(both.full_us, 789u);
  const PressureTotals old = ParsePressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
  EXPECT_EQ(old.some_us, 5u);
  EXPECT_EQ(old.full_us, std::nullopt) << "cpu.pressure of old kernels has no full line, and that is not zero";
  EXPECT_EQ(ParsePressure("").some_us, std::nullopt);
}

RC_GTEST_PROP(ParsersTest, GarbageNeverCrashesAndWordsCoverTheText, ()) {
  const std::string text = *KernelLikeText();
  FlatKeyed(text, "usage");
  FirstNumber(text);
  ParsePressure(text);
  if (const auto cpus = ParseCpuList(text); cpus.ok()) {
    for (int cpu : *cpus) RC_ASSERT(cpu >= 0);
  }
  size_t seen = 0;
  ForEachLine(text, [&](std::string_view line) {
    RC_ASSERT(line.find('\n') == std::string_view::npos);
    seen += line.size();
  });
  RC_ASSERT(seen == text.size() - static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
  std::string_view rest = text;
  for (std::string_view word = NextWord(&rest); !word.empty(); word = NextWord(&rest)) {
    RC_ASSERT(word.find_first_of(" \t\n") == std::string_view::npos);
  }
  RC_ASSERT(rest.empty());
}

TEST(ReadTest, AFileIsReadWholeWhateverItsSizeAndAgainAfterItChanged) {
  test::Tree tree;
  ReadBuffer buffer;
  tree.Put("file", "");
  const UniqueFd fd(open(tree.Path("file").c_str(), O_RDONLY));
  ASSERT_TRUE(fd.valid());
  for (size_t size : {0u, 1u, 4095u, 4096u, 4097u, 8192u, 100000u, 3u}) {
    std::string content(size, 'x');
    if (size > 0) content.back() = 'y';
    tree.Put("file", content);
    EXPECT_EQ(*ReadWhole(fd.get(), buffer, "file"), content) << size;
    EXPECT_EQ(*ReadWholeAt(AT_FDCWD, tree.Path("file").c_str(), buffer), content) << size;
  }
}

TEST(ReadTest, AKernelListOfSeveralPagesIsReadToItsEnd) {
  // The kernel hands such lists (maps, cgroup.procs, cgroup.threads) over a page at a time, each a little short of it.
  const UniqueFd fd(open("/proc/self/maps", O_RDONLY));
  ASSERT_TRUE(fd.valid());
  ReadBuffer once;
  ReadBuffer again;
  const std::string whole = std::string(*ReadWhole(fd.get(), once, "maps"));
  const std::string_view expected = *ReadWholeAt(AT_FDCWD, "/proc/self/maps", again);
  ASSERT_GT(expected.size(), 8192u) << "a test program has more mappings than that";
  // The heap may have grown between the two; the last line is a mapping of the kernel's.
  EXPECT_EQ(whole.substr(whole.rfind('\n', whole.size() - 2)),
            expected.substr(expected.rfind('\n', expected.size() - 2)));
}

TEST(ReadTest, WhatIsNotThereIsNotFoundAndNamed) {
  ReadBuffer buffer;
  const auto missing = ReadWholeAt(AT_FDCWD, "/nowhere/cpu.stat", buffer);
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), testing::HasSubstr("/nowhere/cpu.stat"));
  EXPECT_TRUE(absl::IsNotFound(ReadFile("/nowhere").status()));
  EXPECT_FALSE(ReadFile("/proc").ok()) << "a directory";
}

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  int number = -1;
  {
    UniqueFd first(open("/dev/null", O_RDONLY));
    number = first.get();
    ASSERT_GE(number, 0);
    UniqueFd second = std::move(first);
    EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(second.get(), number);
    EXPECT_NE(fcntl(number, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
  UniqueFd released(open("/dev/null", O_RDONLY));
  const int kept = released.release();
  EXPECT_FALSE(released.valid());
  EXPECT_EQ(close(kept), 0);
}

}  // namespace
}  // namespace truce::host
