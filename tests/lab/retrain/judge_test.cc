// A challenger takes the champion's place when it is better for sure, and not by chance.
#include "lab/retrain/judge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace truce::lab {
namespace {

struct Fleet {
  size_t workloads = 20;
  size_t series_each = 2;
  size_t blocks = 8;
  // Of the challenger's loss over the champion's.
  double factor = 1;
  // Deviations of the difference, in parts of the champion's loss: of a series at one time, of a workload at all times,
  // and of all workloads at one time.
  double own = 0.3, lasting = 0.05, common = 0.05;
};

std::vector<SeriesLosses> Draw(const Fleet& fleet, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> common(fleet.blocks);
  for (double& one : common) one = fleet.common * normal(random);
  std::vector<SeriesLosses> losses;
  for (size_t workload = 0; workload < fleet.workloads; ++workload) {
    const double lasting = fleet.lasting * normal(random);
    for (size_t series = 0; series < fleet.series_each; ++series) {
      SeriesLosses& one = losses.emplace_back();
      one.workload = workload;
      // Some series are far harder than others.
      const double level = std::exp(0.7 * normal(random)) / static_cast<double>(fleet.blocks);
      double carried = 0;
      for (size_t block = 0; block < fleet.blocks; ++block) {
        carried = 0.4 * carried + fleet.own * normal(random);
        one.champion.push_back(level);
        one.challenger.push_back(level * (fleet.factor + lasting + common[block] + carried));
      }
    }
  }
  return losses;
}

int Accepted(const Fleet& fleet, int seeds) {
  int accepted = 0;
  for (int seed = 1; seed <= seeds; ++seed) accepted += Judge(Draw(fleet, static_cast<uint64_t>(seed))).better;
  return accepted;
}

TEST(JudgeTest, OneThatIsBetterIsAccepted) {
  const Judgement judgement = Judge(Draw({.workloads = 60, .factor = 0.85}, 1));
  EXPECT_TRUE(judgement.better);
  EXPECT_NEAR(judgement.gain_ratio, 0.15, 0.05);
  EXPECT_LE(judgement.p_value, kMostChance);
  EXPECT_EQ(judgement.series, 120u);
  EXPECT_EQ(judgement.workloads, 60u);
  EXPECT_GE(Accepted({.workloads = 60, .factor = 0.85}, 100), 95);
}

TEST(JudgeTest, OneThatIsEqualIsNotAcceptedInNinetyNineOfAHundred) {
  EXPECT_LE(Accepted({}, 1'000), 10);
  EXPECT_LE(Accepted({.workloads = kLeastJudgedWorkloads}, 1'000), 10) << "as few as are judged at all";
  EXPECT_LE(Accepted({.common = 0.3}, 1'000), 10) << "what goes well at one time goes well everywhere";
  EXPECT_LE(Accepted({.lasting = 0.3}, 1'000), 10) << "some workloads are better served at all times";
}

TEST(JudgeTest, OneThatIsWorseIsNotAccepted) {
  EXPECT_EQ(Accepted({.factor = 1.05}, 300), 0);
}

TEST(JudgeTest, AGainThatIsSureButSmallIsNotEnough) {
  const Judgement judgement =
      Judge(Draw({.workloads = 200, .factor = 0.995, .own = 0.005, .lasting = 0.001, .common = 0.001}, 1));
  EXPECT_LE(judgement.p_value, kMostChance);
  EXPECT_GT(judgement.gain_ratio, 0);
  EXPECT_FALSE(judgement.better);
}

TEST(JudgeTest, FewWorkloadsDecideNothing) {
  EXPECT_FALSE(Judge(Draw({.workloads = kLeastJudgedWorkloads - 1, .factor = 0.2, .own = 0.01}, 1)).better);
  EXPECT_TRUE(Judge(Draw({.workloads = kLeastJudgedWorkloads, .factor = 0.2, .own = 0.01}, 1)).better);
  EXPECT_FALSE(Judge({}).better);
}

}  // namespace
}  // namespace truce::lab
