// The kernel's schemata and Truce's classes: what is read, what is written, and which ways are chosen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>

#include "src/host/resctrl_schemata.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ResctrlSchemata, ReadsWhatTheKernelPads) {
  const auto schemata =
      ParseSchemata("  SMBA:0=2048;1=2048\n    MB:0=2048;1=  16\n    L2:0=ff\n    L3:0=00ff;1=ffff\n");
  ASSERT_TRUE(schemata.ok()) << schemata.status();
  EXPECT_EQ(FormatClass(*schemata), "L3:0=ff;1=ffff MB:0=2048;1=16");
  EXPECT_EQ(FormatSchemata(*schemata), "L3:0=ff;1=ffff\nMB:0=2048;1=16\n");
}

TEST(ResctrlSchemata, RefusesWhatIsNone) {
  for (const char* text : {"L3:0=xyz\n", "L3\n", "L3:\n", "L3:0\n", "MB:0=f\n", "L3:0=1;0=2\n", "L3:a=1\n"}) {
    EXPECT_FALSE(ParseSchemata(text).ok()) << text;
  }
  for (const char* text : {"", "default", "L2:0=f", "L3:0=f + MB:0=1", "default + L3:0=f"}) {
    EXPECT_FALSE(ParseClass(text).ok()) << text;
  }
}

TEST(ResctrlSchemata, AGroupsNameSaysItsClass) {
  EXPECT_EQ(GroupName(*ParseClass("MB:0=50;1=50 L3:0=f0;1=f0")), "truce-L3-f0-MB-50");
  EXPECT_EQ(GroupName(*ParseClass("L3CODE:0=f L3DATA:0=3f")), "truce-L3CODE-f-L3DATA-3f");
  // Written down, since groups of an earlier build must be known again.
  EXPECT_EQ(GroupName(*ParseClass("L3:0=f0;1=ff MB:0=50;1=50")), "truce-L3-xe9118cdf-MB-50");
  EXPECT_NE(GroupName(*ParseClass("L3:0=f0;1=ff")), GroupName(*ParseClass("L3:0=ff;1=f0")));
}

TEST(ResctrlSchemata, KnowsWhichWaysSomebodyHasAlone) {
  EXPECT_THAT(TakenWays("0=XXSSSSEE;1=PPSSSSSS\n"), ElementsAre(Pair(0, 0x03), Pair(1, 0xc0)));
  EXPECT_THAT(TakenWays("0=00HHSSSS\n"), ElementsAre(Pair(0, 0)));
  EXPECT_THAT(TakenWays(""), ElementsAre());
}

TEST(ResctrlSchemata, ChoosesFromTheTopAndApartFromDevices) {
  EXPECT_EQ(ChooseWays(0x7ff, 0, 6), 0x7e0u);
  EXPECT_EQ(ChooseWays(0x7ff, 0x600, 6), 0x1f8u) << "the two highest are used by devices";
  EXPECT_EQ(ChooseWays(0x7ff, 0x600, 10), 0x7feu) << "it can't be helped";
  EXPECT_EQ(ChooseWays(0x73f, 0, 4), 0x03cu) << "not across the gap";
  EXPECT_EQ(ChooseWays(0x333, 0, 3), std::nullopt);
  EXPECT_EQ(ChooseWays(0, 0, 1), std::nullopt);
  EXPECT_EQ(ChooseWays(~uint64_t{0}, 0, 64), ~uint64_t{0});
  EXPECT_EQ(ChooseWays(0x7ff, 0, 0), std::nullopt);
}

TEST(ResctrlSchemata, RoundsUp) {
  EXPECT_EQ(WaysFor(0.5, 11, 1), 6);
  EXPECT_EQ(WaysFor(0.5, 12, 1), 6);
  EXPECT_EQ(WaysFor(0.3, 10, 1), 3) << "0.3 x 10 is a little more than 3 in binary";
  EXPECT_EQ(WaysFor(0.1, 20, 4), 4);
  EXPECT_EQ(WaysFor(1, 11, 1), 11);
  EXPECT_EQ(RoundUp(33, 10, 10), 40u);
  EXPECT_EQ(RoundUp(3, 10, 10), 10u);
  EXPECT_EQ(RoundUp(30, 10, 10), 30u);
  EXPECT_EQ(RoundUp(33, 0, 0), 33u);
}

// Whatever is usable: the mask is in one piece, as large as wanted, within what is usable, and there is none only where
// nowhere are so many ways in a row.
RC_GTEST_PROP(ResctrlSchemata, EveryMaskIsLegal, (uint32_t usable, uint32_t shared)) {
  const int ways = *rc::gen::inRange(1, 33);
  const auto mask = ChooseWays(usable, shared, ways);
  const uint64_t run = (uint64_t{1} << ways) - 1;
  bool any = false;
  for (int shift = 0; shift + ways <= 32; ++shift) any = any || (usable & (run << shift)) == run << shift;
  RC_ASSERT(mask.has_value() == any);
  if (!mask) return;
  RC_ASSERT(std::popcount(*mask) == ways);
  RC_ASSERT((*mask & ~uint64_t{usable}) == 0u);
  RC_ASSERT(*mask >> std::countr_zero(*mask) == run);
}

}  // namespace
}  // namespace truce::host
