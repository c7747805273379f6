// Leads between series: none by chance, whatever the series are like; those that are there, with lag and gain.
#include "models/forecast/leaders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

#include "tests/models/forecast/encoders.h"

namespace truce {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr size_t kSteps = 2000;

using Host = std::vector<std::vector<double>>;

// Feeds step by step; ids are places + 1. Calls `look` every hundred steps.
void Feed(const Host& host, LeaderFinder* finder, const std::function<void(size_t)>& look = nullptr) {
  std::vector<StepValue> step(host.size());
  for (size_t i = 0; i < host[0].size(); ++i) {
    for (size_t s = 0; s < host.size(); ++s) step[s] = {s + 1, host[s][i]};
    finder->Observe(step);
    if (look && i % 100 == 99) look(i);
  }
}

// The share of followers that were ever said to have a leader, on hosts whose series have none.
double FalseShare(const std::function<std::vector<double>(unsigned)>& make, size_t candidates) {
  constexpr unsigned kHosts = 2;
  constexpr size_t kSeries = 20;
  size_t wrong = 0;
  for (unsigned h = 0; h < kHosts; ++h) {
    Host host;
    for (size_t s = 0; s < kSeries; ++s) host.push_back(make(1000 * (h + 1) + 10 * static_cast<unsigned>(s)));
    LeaderFinder finder({.candidates = candidates});
    std::vector<bool> said(kSeries, false);
    Feed(host, &finder, [&](size_t) {
      for (size_t s = 0; s < kSeries; ++s) said[s] = said[s] || !finder.LeadersOf(s + 1).empty();
    });
    for (const bool one : said) wrong += one ? 1 : 0;
  }
  return static_cast<double>(wrong) / (kHosts * kSeries);
}

TEST(LeadersTest, IndependentSeriesHardlyEverLeadEachOther) {
  const struct {
    const char* name;
    std::function<std::vector<double>(unsigned)> make;
  } kinds[] = {
      {"noise", [](unsigned seed) { return Noise(kSteps, seed); }},
      {"random walks", [](unsigned seed) { return Sums(Noise(kSteps, seed)); }},
      {"slow autoregressions", [](unsigned seed) { return Arma(kSteps, 0.95, 0, 0, 50, seed); }},
      {"autoregressions that swing", [](unsigned seed) { return Arma(kSteps, 1.6, -0.8, 0, 50, seed); }},
      {"trends that last", [](unsigned seed) { return Sums(Arma(kSteps, 0.9, 0, 0, 0, seed)); }},
      {"one day for all", [](unsigned seed) { return Wave(kSteps, 288, 20, 50, seed); }},
      {"one long day for all", [](unsigned seed) { return Wave(kSteps, 1440, 200, 50, seed); }},
      {"spikes", [](unsigned seed) { return Spikes(kSteps, seed); }},
      {"restless at times", [](unsigned seed) { return RestlessAtTimes(kSteps, seed); }},
      {"jobs", [](unsigned seed) { return Jobs(kSteps, 0.03, 6, 0.05, seed); }},
      {"rare jobs without noise", [](unsigned seed) { return Jobs(kSteps, 0.005, 6, 0, seed); }},
      {"always the same", [](unsigned) { return std::vector<double>(kSteps, 5.0); }},
  };
  for (const auto& kind : kinds) {
    EXPECT_LE(FalseShare(kind.make, 19), 0.01) << kind.name << ", all pairs followed";
    EXPECT_LE(FalseShare(kind.make, 4), 0.01) << kind.name << ", candidates looked for";
  }
}

TEST(LeadersTest, SeriesThatMoveInTheSameStepDontLeadEachOther) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const std::vector<double> spikes = Spikes(kSteps, seed);
    std::vector<double> same = spikes;
    const std::vector<double> noise = Noise(kSteps, seed + 100);
    for (size_t i = 0; i < same.size(); ++i) same[i] = 5 + 3 * same[i] + noise[i];
    LeaderFinder finder;
    Feed({spikes, same}, &finder, [&](size_t step) {
      EXPECT_THAT(finder.LeadersOf(1), IsEmpty()) << "step " << step << ", seed " << seed;
      EXPECT_THAT(finder.LeadersOf(2), IsEmpty()) << "step " << step << ", seed " << seed;
    });
  }
}

TEST(LeadersTest, AnEncodersJobsLeadWhatIsStoredOfThem) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const std::vector<double> encoder = Jobs(2000, 0.03, 6, 0.1, seed);
    for (const size_t lag : {1, 2, 6, 12}) {
      LeaderFinder finder;
      Feed({encoder, Follow(encoder, lag, 40, 0, 0.3, seed + 50)}, &finder);
      const std::vector<Lead> leads = finder.LeadersOf(2);
      ASSERT_THAT(leads, SizeIs(1)) << "lag " << lag << ", seed " << seed;
      EXPECT_EQ(leads[0].leader, 1U);
      EXPECT_EQ(leads[0].lag_steps, lag);
      EXPECT_NEAR(leads[0].gain, 40, 3);
      EXPECT_GT(leads[0].correlation, 0.7);
      EXPECT_GE(leads[0].confidence, 0.99);
      EXPECT_THAT(finder.LeadersOf(1), IsEmpty()) << "what is stored doesn't start jobs";
    }
  }
}

TEST(LeadersTest, AreFoundThoughTheyComeEarlyOrLate) {
  int found = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const std::vector<double> encoder = Jobs(3000, 0.03, 6, 0.1, seed);
    LeaderFinder finder;
    Feed({encoder, Follow(encoder, 6, 40, 1, 0.2, seed + 50)}, &finder);
    const std::vector<Lead> leads = finder.LeadersOf(2);
    if (leads.empty()) continue;
    ++found;
    EXPECT_EQ(leads[0].leader, 1U);
    EXPECT_NEAR(static_cast<double>(leads[0].lag_steps), 6, 1);
    EXPECT_GT(leads[0].gain, 0);
  }
  EXPECT_GE(found, 18);
}

TEST(LeadersTest, AreFoundAmongManyThatTheyHaveNothingToDoWith) {
  Host host;
  for (unsigned s = 0; s < 100; ++s) {
    host.push_back(s % 2 == 0 ? Jobs(1200, 0.03, 6, 0.1, s) : Arma(1200, 0.9, 0, 0, 50, s));
  }
  for (const size_t leader : {10, 50, 90}) host[leader + 5] = Follow(host[leader], leader / 10, 3, 0, 0.3, 7);
  LeaderFinder finder;
  Feed(host, &finder);
  for (size_t s = 0; s < host.size(); ++s) {
    const std::vector<Lead> leads = finder.LeadersOf(s + 1);
    if (s == 15 || s == 55 || s == 95) {
      ASSERT_THAT(leads, SizeIs(1)) << s;
      EXPECT_EQ(leads[0].leader, s - 5 + 1);
      EXPECT_EQ(leads[0].lag_steps, (s - 5) / 10);
    } else {
      EXPECT_THAT(leads, IsEmpty()) << s;
    }
  }
}

TEST(LeadersTest, UnitsChangeTheGainAndNothingElse) {
  const std::vector<double> encoder = Jobs(1500, 0.03, 6, 0.1, 3);
  const std::vector<double> storage = Follow(encoder, 6, 40, 0, 0.3, 4);
  Host scaled = {encoder, storage};
  for (double& value : scaled[0]) value = 1e-6 * value - 3;
  for (double& value : scaled[1]) value *= 1e6;
  LeaderFinder finder, other;
  Feed({encoder, storage}, &finder);
  Feed(scaled, &other);
  const Lead lead = finder.LeadersOf(2).at(0);
  const Lead same = other.LeadersOf(2).at(0);
  EXPECT_EQ(lead.lag_steps, same.lag_steps);
  EXPECT_NEAR(lead.correlation, same.correlation, 1e-3);
  EXPECT_NEAR(lead.gain, same.gain * 1e-12, 1e-2 * lead.gain);
}

TEST(LeadersTest, ThePushIsWhatTheLeaderDidThatHasYetToArrive) {
  std::vector<double> encoder = Jobs(1500, 0.03, 6, 0, 3);
  encoder.insert(encoder.end(), 20, 1.0);
  // Now: 5 more since two steps ago, 1 less in the newest.
  encoder.insert(encoder.end(), {6.0, 6.0, 5.0});
  LeaderFinder finder;
  Feed({encoder, Follow(encoder, 4, 40, 0, 0.01, 4)}, &finder);
  const Lead lead = finder.LeadersOf(2).at(0);
  ASSERT_EQ(lead.lag_steps, 4U);
  const LeaderPush push = finder.PushOn(2);
  EXPECT_NEAR(push.share, lead.correlation, 1e-9);
  EXPECT_NEAR(push.change[0], 0, 1e-6) << "in one step nothing has changed yet";
  EXPECT_NEAR(push.change[1], 5 * lead.gain, 1e-6);
  EXPECT_NEAR(push.change[2], 5 * lead.gain, 1e-6);
  EXPECT_NEAR(push.change[3], 4 * lead.gain, 1e-6);
  EXPECT_NEAR(push.change[4], 4 * lead.gain, 1e-6) << "later there is nothing more";
  EXPECT_EQ(finder.PushOn(1).share, 0) << "nobody leads the encoder";
  EXPECT_EQ(finder.PushOn(77).share, 0) << "not known";
}

TEST(LeadersTest, MissingValuesAndAbsentSeriesAreNoReason) {
  const std::vector<double> encoder = Jobs(3000, 0.03, 6, 0.1, 3);
  const std::vector<double> storage = Follow(encoder, 6, 40, 0, 0.3, 4);
  LeaderFinder finder({.memory_steps = 500});
  std::mt19937 random(5);
  for (size_t i = 0; i < encoder.size(); ++i) {
    std::vector<StepValue> step = {{1, random() % 20 == 0 ? kMissing : encoder[i]}};
    if (random() % 20 != 0) step.push_back({2, storage[i]});
    if (i < 100) step.push_back({3, 1e300});
    finder.Observe(step);
    if (i == 300) {
      EXPECT_EQ(finder.series(), 3U);
    }
  }
  EXPECT_EQ(finder.series(), 2U) << "one that is gone for long is forgotten";
  ASSERT_THAT(finder.LeadersOf(2), SizeIs(1));
  EXPECT_EQ(finder.LeadersOf(2)[0].lag_steps, 6U);
}

TEST(LeadersTest, ALeadThatIsOverIsForgotten) {
  std::vector<double> encoder = Jobs(6000, 0.03, 6, 0.1, 3);
  std::vector<double> storage = Follow(encoder, 6, 40, 0, 0.3, 4);
  const std::vector<double> alone = Follow(Jobs(6000, 0.03, 6, 0.1, 99), 6, 40, 0, 0.3, 5);
  std::copy(alone.begin() + 2000, alone.end(), storage.begin() + 2000);
  LeaderFinder finder;
  size_t led_until = 0;
  Feed({encoder, storage}, &finder, [&](size_t step) {
    if (!finder.LeadersOf(2).empty()) led_until = step;
  });
  EXPECT_GE(led_until, 2000U);
  EXPECT_LT(led_until, 5000U);
}

}  // namespace
}  // namespace truce
