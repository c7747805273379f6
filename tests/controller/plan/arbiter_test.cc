// What the arbiter learns from receipts: on single contentions, and on fifty pairs whose true effects it has to find
// out.
#include "controller/plan/arbiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <random>
#include <set>

#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::Optional;

const std::vector<v1::Lever> kCpuLevers = {v1::LEVER_CPU_PIN, v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_IDLE,
                                           v1::LEVER_CPU_QUOTA};

Contention Cpu(const std::string& victim = "web", const std::string& giver = "batch") {
  return {victim, giver, v1::RESOURCE_CPU, v1::WORKLOAD_CLASS_BEST_EFFORT, /*victim_critical=*/true};
}

TEST(ArbiterTest, BeginsWithTheSanePrior) {
  Arbiter arbiter;
  EXPECT_THAT(arbiter.Choose(Cpu(), kCpuLevers, 0), Optional(v1::LEVER_CPU_PIN));
  EXPECT_THAT(arbiter.Choose(Cpu(), {v1::LEVER_CPU_QUOTA, v1::LEVER_CPU_WEIGHT}, 0), Optional(v1::LEVER_CPU_QUOTA));
  Contention disk = Cpu();
  disk.resource = v1::RESOURCE_DISK;
  EXPECT_THAT(arbiter.Choose(disk, {v1::LEVER_CPU_PIN, v1::LEVER_CPU_QUOTA, v1::LEVER_DISK_CAP}, 0),
              Optional(v1::LEVER_DISK_CAP));
  EXPECT_EQ(arbiter.Choose(disk, {v1::LEVER_CPU_PIN}, 0), std::nullopt) << "of no use against a disk";
  EXPECT_EQ(arbiter.Choose(Cpu(), {}, 0), std::nullopt);
}

TEST(ArbiterTest, APairThatALeverDoesNotHelpGetsAnother) {
  Arbiter arbiter;
  for (int i = 0; i < 3; ++i) arbiter.Learn(Cpu(), v1::LEVER_CPU_PIN, 0.0, 0.4);
  EXPECT_THAT(arbiter.Choose(Cpu(), kCpuLevers, 0), Optional(v1::LEVER_CPU_QUOTA));
  EXPECT_EQ(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).receipts, 3);
  EXPECT_LT(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).recovery, 0.3);
  EXPECT_THAT(arbiter.Choose(Cpu("web", "other"), kCpuLevers, 0), Optional(v1::LEVER_CPU_PIN))
      << "one pair is one pair";
}

TEST(ArbiterTest, ManyPairsTeachTheTable) {
  Arbiter arbiter;
  for (int pair = 0; pair < 20; ++pair) {
    for (int i = 0; i < 5; ++i) arbiter.Learn(Cpu(StrCat("v", pair), "g"), v1::LEVER_CPU_PIN, 0.1, 0.4);
  }
  EXPECT_THAT(arbiter.Choose(Cpu("a newcomer", "g"), kCpuLevers, 0), Optional(v1::LEVER_CPU_QUOTA));
  Contention standard = Cpu();
  standard.giver_class = v1::WORKLOAD_CLASS_STANDARD;
  EXPECT_THAT(arbiter.Choose(standard, kCpuLevers, 0), Optional(v1::LEVER_CPU_PIN)) << "another class is another table";
}

TEST(ArbiterTest, WhereNothingHelpsNothingIsDone) {
  Arbiter arbiter;
  for (const v1::Lever lever : kCpuLevers) {
    for (int i = 0; i < 10; ++i) arbiter.Learn(Cpu(), lever, -0.05, 0.5);
  }
  EXPECT_EQ(arbiter.Choose(Cpu(), kCpuLevers, 0), std::nullopt);
}

// Whatever else happened to the victim meanwhile.
TEST(ArbiterTest, OneReceiptRulesNoLeverOut) {
  for (const auto giver_class : {v1::WORKLOAD_CLASS_BEST_EFFORT, v1::WORKLOAD_CLASS_STANDARD}) {
    for (int resource = v1::Resource_MIN; resource <= v1::Resource_MAX; ++resource) {
      Contention contention = Cpu();
      contention.giver_class = giver_class;
      contention.resource = static_cast<v1::Resource>(resource);
      for (const v1::Lever lever : LeversFor(contention.resource)) {
        Arbiter arbiter;
        const auto untried = arbiter.Choose(contention, {lever}, 0);
        arbiter.Learn(contention, lever, -5, 0.4);
        EXPECT_EQ(arbiter.Choose(contention, {lever}, 0), untried) << resource << " " << lever;
        arbiter.Learn(contention, lever, -5, 0.4);
        EXPECT_EQ(arbiter.Choose(contention, {lever}, 0), std::nullopt) << "twice is no chance: " << lever;
      }
    }
  }
  Arbiter arbiter;
  arbiter.Learn(Cpu(), v1::LEVER_CPU_PIN, -5, 0.4);
  EXPECT_THAT(arbiter.Choose(Cpu(), kCpuLevers, 0), Optional(v1::LEVER_CPU_QUOTA)) << "others are better by now";
}

TEST(ArbiterTest, HarmWeighsNoMoreThanHelp) {
  Arbiter arbiter;
  for (const double recovery : {0.8, 0.8, -50.0}) arbiter.Learn(Cpu(), v1::LEVER_CPU_PIN, recovery, 0.4);
  EXPECT_THAT(arbiter.Choose(Cpu(), {v1::LEVER_CPU_PIN}, 0), Optional(v1::LEVER_CPU_PIN));
  EXPECT_GT(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).recovery, 0.4);
}

TEST(ArbiterTest, ACriticalVictimIsNoPlaceForExperiments) {
  Arbiter arbiter;
  Contention contention = Cpu();
  for (int i = 0; i < 200; ++i) ASSERT_THAT(arbiter.Choose(contention, kCpuLevers, i), Optional(v1::LEVER_CPU_PIN));
  contention.victim_critical = false;
  int others = 0;
  for (int i = 0; i < 200; ++i) others += arbiter.Choose(contention, kCpuLevers, i) != v1::LEVER_CPU_PIN;
  EXPECT_GT(others, 10) << "elsewhere the others are tried now and then";
}

TEST(ArbiterTest, SaysTheSameUntilItLearnsOrThePeriodIsOver) {
  ArbiterOptions wide;
  wide.exploration = 20;  // nearly every draw is another lever, or none
  Arbiter arbiter(wide);
  Contention contention = Cpu();
  contention.victim_critical = false;
  std::set<std::optional<v1::Lever>> over_periods;
  for (int64_t period = 0; period < 50; ++period) {
    const auto lever = arbiter.Choose(contention, kCpuLevers, period);
    for (int i = 0; i < 10; ++i) ASSERT_EQ(arbiter.Choose(contention, kCpuLevers, period), lever);
    over_periods.insert(lever);
  }
  EXPECT_GT(over_periods.size(), 3u);
  std::set<std::optional<v1::Lever>> over_receipts;
  for (int i = 0; i < 50; ++i) {
    over_receipts.insert(arbiter.Choose(contention, kCpuLevers, 0));
    for (const v1::Lever lever : kCpuLevers) arbiter.Learn(contention, lever, 0.6, 0.4);
  }
  EXPECT_GT(over_receipts.size(), 3u);
}

TEST(ArbiterTest, ReceiptsThatMakeNoSenseAreCutOff) {
  Arbiter arbiter;
  const double prior = arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).recovery;
  arbiter.Learn(Cpu(), v1::LEVER_CPU_PIN, std::numeric_limits<double>::quiet_NaN(), 0);
  EXPECT_EQ(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).recovery, prior);
  arbiter.Learn(Cpu(), v1::LEVER_CPU_PIN, 1e300, std::numeric_limits<double>::infinity());
  EXPECT_LE(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).recovery, 1);
  EXPECT_TRUE(std::isfinite(arbiter.Expect(Cpu(), v1::LEVER_CPU_PIN).worth));
}

TEST(ArbiterTest, ForgetsThePairsThatTaughtNothingForLong) {
  ArbiterOptions options;
  options.most_pairs = 10;
  Arbiter arbiter(options);
  for (int pair = 0; pair < 100; ++pair) arbiter.Learn(Cpu(StrCat("v", pair)), v1::LEVER_CPU_PIN, 0.5, 0.4);
  EXPECT_EQ(arbiter.Expect(Cpu("v0"), v1::LEVER_CPU_PIN).receipts, 0);
  EXPECT_EQ(arbiter.Expect(Cpu("v99"), v1::LEVER_CPU_PIN).receipts, 1);
  EXPECT_NEAR(arbiter.Expect(Cpu("v0"), v1::LEVER_CPU_PIN).recovery, (8 * 0.85 + 10 * 0.5) / 18, 1e-9);
}

// A pair with what each lever truly does for it, which the arbiter sees through noisy receipts only.
struct HiddenPair {
  Contention contention;
  std::vector<v1::Lever> usable;
  std::map<v1::Lever, double> recovery;
  double best = 0;
};

std::vector<HiddenPair> HiddenPairs(std::mt19937_64& random) {
  const std::vector<std::pair<v1::Resource, std::vector<v1::Lever>>> kinds = {
      {v1::RESOURCE_CPU, kCpuLevers},
      {v1::RESOURCE_MEMORY_BANDWIDTH, {v1::LEVER_CACHE_CLASS, v1::LEVER_CPU_PIN, v1::LEVER_CPU_QUOTA}},
      {v1::RESOURCE_MEMORY, {v1::LEVER_MEMORY_SQUEEZE, v1::LEVER_CPU_QUOTA}},
      {v1::RESOURCE_DISK, {v1::LEVER_DISK_CAP, v1::LEVER_CPU_QUOTA}},
      {v1::RESOURCE_CPU, kCpuLevers}};
  std::normal_distribution<double> table_error(0, 0.2);
  std::normal_distribution<double> pair_error(0, 0.25);
  std::bernoulli_distribution balanced(0.1);
  std::map<std::pair<v1::Resource, v1::Lever>, double> table;
  std::vector<HiddenPair> pairs(50);
  for (size_t i = 0; i < pairs.size(); ++i) {
    HiddenPair& pair = pairs[i];
    const auto& [resource, levers] = kinds[i % kinds.size()];
    pair.contention = {StrCat("v", i), StrCat("g", i), resource, v1::WORKLOAD_CLASS_BEST_EFFORT, false};
    pair.usable = levers;
    const bool nothing_helps = balanced(random);
    for (const v1::Lever lever : levers) {
      const auto [mean, is_new] = table.try_emplace({resource, lever});
      if (is_new) mean->second = PriorOf(resource, lever)->first + table_error(random);
      pair.recovery[lever] = nothing_helps ? 0 : std::clamp(mean->second + pair_error(random), -0.2, 1.0);
      pair.best = std::max(pair.best, pair.recovery[lever]);
    }
  }
  return pairs;
}

// Recovery in all decisions up to each, as a share of what was possible; the last of every pair beside it.
using Chooser = std::function<std::optional<v1::Lever>(const HiddenPair&)>;
std::map<int, double> SharesOfTheBest(const std::vector<HiddenPair>& pairs, const Chooser& choose,
                                      const std::function<void(const HiddenPair&, v1::Lever, double)>& learn) {
  std::map<int, double> shares;
  double got = 0;
  double possible = 0;
  for (int decision = 1; decision <= 100; ++decision) {
    for (const HiddenPair& pair : pairs) {
      possible += pair.best;
      const auto lever = choose(pair);
      if (!lever) continue;
      got += pair.recovery.at(*lever);
      learn(pair, *lever, pair.recovery.at(*lever));
    }
    if (decision == 10 || decision == 30 || decision == 100) shares[decision] = got / possible;
  }
  return shares;
}

TEST(ArbiterSimulationTest, FindsWhatHelpsFiftyPairs) {
  std::map<std::string, std::map<int, double>> mean;
  constexpr int kWorlds = 20;
  for (uint64_t seed = 1; seed <= kWorlds; ++seed) {
    std::mt19937_64 random(seed);
    const std::vector<HiddenPair> pairs = HiddenPairs(random);
    std::normal_distribution<double> noise(0, 0.15);
    ArbiterOptions options;
    options.seed = seed;
    Arbiter arbiter(options);
    int64_t period = 0;
    const auto forget = [](const HiddenPair&, v1::Lever, double) {};
    const std::map<std::string, std::map<int, double>> shares = {
        {"arbiter",
         SharesOfTheBest(
             pairs, [&](const HiddenPair& pair) { return arbiter.Choose(pair.contention, pair.usable, period++); },
             [&](const HiddenPair& pair, v1::Lever lever, double truth) {
               const double cost = PriorOf(pair.contention.resource, lever)->second;
               arbiter.Learn(pair.contention, lever, truth + noise(random), cost);
             })},
        {"always quota", SharesOfTheBest(
                             pairs, [](const HiddenPair&) { return std::optional(v1::LEVER_CPU_QUOTA); }, forget)},
        {"random", SharesOfTheBest(
                       pairs,
                       [&](const HiddenPair& pair) {
                         std::uniform_int_distribution<size_t> any(0, pair.usable.size() - 1);
                         return std::optional(pair.usable[any(random)]);
                       },
                       forget)}};
    for (const auto& [who, of] : shares) {
      for (const auto& [decisions, share] : of) mean[who][decisions] += share / kWorlds;
    }
  }
  printf("share of the best possible recovery, 50 pairs, mean of %d worlds:\n", kWorlds);
  for (const auto& [who, of] : mean) {
    printf("  %-13s after 10 decisions a pair %.2f, 30 %.2f, 100 %.2f\n", who.c_str(), of.at(10), of.at(30),
           of.at(100));
  }
  for (const int decisions : {10, 30, 100}) {
    EXPECT_GT(mean["arbiter"][decisions], mean["always quota"][decisions] + 0.1);
    EXPECT_GT(mean["arbiter"][decisions], mean["random"][decisions] + 0.1);
  }
  EXPECT_GT(mean["arbiter"][10], 0.8);
  EXPECT_GT(mean["arbiter"][100], 0.9);
}

}  // namespace
}  // namespace truce::controller
