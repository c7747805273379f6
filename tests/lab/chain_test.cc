// Who meets whom: everybody meets everybody before anybody meets anybody twice, and a run that goes on does not repeat.
#include "lab/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace truce::lab {
namespace {

using testing::ElementsAre;

TEST(ChainTest, CpuSetsShareAllSomeOrNone) {
  EXPECT_THAT(CpuSets({0, 1}), ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(0, 1)));
  EXPECT_THAT(CpuSets({2, 4, 5, 7}),
              ElementsAre(ElementsAre(2), ElementsAre(2, 4), ElementsAre(5, 7), ElementsAre(2, 4, 5, 7)));
  EXPECT_THAT(CpuSets({3}), ElementsAre(ElementsAre(3)));
}

TEST(ChainTest, VisitsArePreferredWhereThereWereFewest) {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
  Chain chain(names, {0, 1}, {}, 0.7, 7);
  Setting current = chain.First();
  std::map<std::set<size_t>, int> met;
  std::map<size_t, int> loads;
  for (int i = 0; i < 150; ++i) {
    const Setting next = chain.Next(current);
    ASSERT_NE(next.program, current.program) << "nobody meets himself";
    ++met[{current.program, next.program}];
    ++loads[next.load == Load::kHigh ? 1 : 0];
    current = next;
  }
  EXPECT_EQ(met.size(), 15u) << "every pair of six";
  const auto [least, most] =
      std::minmax_element(met.begin(), met.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  EXPECT_LE(most->second - least->second, 6);
  EXPECT_GT(loads[0], 20);
  EXPECT_GT(loads[1], 60);
}

TEST(ChainTest, GoesOnWithTheUnmet) {
  Chain chain({"a", "b", "c"}, {0}, {{"a\nb", 1}, {"b\nc", 1}}, 0.7, 1);
  EXPECT_EQ(chain.Next({.program = 0, .cpus = {0}}).program, 2u) << "a has not met c";
}

TEST(ChainTest, TheSameSeedMakesTheSameChain) {
  const auto walk = [](uint64_t seed) {
    Chain chain({"a", "b", "c", "d"}, {0, 1, 2, 3}, {}, 0.7, seed);
    std::string path;
    Setting current = chain.First();
    for (int i = 0; i < 20; ++i) {
      current = chain.Next(current);
      path += static_cast<char>('a' + current.program);
      path += static_cast<char>('0' + current.cpus.size());
    }
    return path;
  };
  EXPECT_EQ(walk(3), walk(3));
  EXPECT_NE(walk(3), walk(4));
}

TEST(ChainTest, WhoIsExcludedIsNeverDrawnAgain) {
  Chain chain({"a", "b", "c", "d"}, {0}, {}, 0.7, 1);
  chain.Exclude(1);
  EXPECT_EQ(chain.usable(), 3u);
  for (int i = 0; i < 30; ++i) {
    EXPECT_NE(chain.First().program, 1u);
    EXPECT_NE(chain.Next({.program = 0, .cpus = {0}}).program, 1u);
    EXPECT_EQ(chain.Guest({.program = 0}, {.program = 2}).program, 3u);
  }
}

TEST(ChainTest, AGuestIsSomebodyElse) {
  Chain chain({"a", "b", "c"}, {0}, {}, 0.7, 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(chain.Guest({.program = 0}, {.program = 2}).program, 1u);
}

}  // namespace
}  // namespace truce::lab
