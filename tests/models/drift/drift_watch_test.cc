// Whether drift is told when it comes, once, and not when nothing does.
#include "models/drift/drift_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

#include "models/drift/f_distribution.h"

namespace truce {
namespace {

using News = DriftWatch::News;

// A workload with three traits that swing with autocorrelation `r` about their levels.
class Program {
 public:
  explicit Program(uint64_t seed, double r = 0.6) : random_(seed), r_(r) {}
  Behaviour Next(double shift = 0) {
    Behaviour behaviour;
    for (size_t i = 0; i < 3; ++i) {
      swing_[i] = r_ * swing_[i] + std::sqrt(1 - r_ * r_) * 0.2 * normal_(random_);
      behaviour.there[i] = true;
      behaviour.numbers[i] = 4 + static_cast<double>(i) + swing_[i] + (i == 1 ? shift : 0);
    }
    return behaviour;
  }

 private:
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double r_;
  std::array<double, 3> swing_{};
};

struct Watching {
  DriftWatch watch;
  SharedBaseline shared;
  double seconds = 1e9;
  News Step(const Behaviour& behaviour) { return watch.Observe(seconds += 5, behaviour, &shared); }
};

TEST(UpperTailOfFTest, AgreesWithTables) {
  EXPECT_NEAR(UpperTailOfF(4.9646, 1, 10), 0.05, 1e-5);
  EXPECT_NEAR(UpperTailOfF(10.967, 3, 6), 0.00755, 1e-4);
  EXPECT_NEAR(UpperTailOfF(2.0, 5, 5) + UpperTailOfF(0.5, 5, 5), 1, 1e-9) << "1/F is F too";
  // By the t distribution: P(|t| >= 10) with 4 degrees of freedom.
  EXPECT_NEAR(UpperTailOfF(100, 1, 4), 5.619e-4, 1e-6);
  EXPECT_EQ(UpperTailOfF(-1, 3, 3), 1);
  EXPECT_TRUE(std::isnan(UpperTailOfF(std::nan(""), 3, 3)));
}

RC_GTEST_PROP(DriftWatchPropertyTest, NeverAlarmsOnWhatIsConstant, ()) {
  const Behaviour constant = Program(*rc::gen::arbitrary<uint64_t>()).Next();
  Watching one;
  for (int i = 0; i < 1000; ++i) RC_ASSERT(one.Step(constant) == News::kNone);
}

TEST(DriftWatchTest, UnchangedOnesDontAlarmWhateverTheirAutocorrelation) {
  for (const double r : {0.0, 0.6, 0.95}) {
    int alarms = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Program program(seed, r);
      Watching one;
      for (int i = 0; i < 4320; ++i) alarms += one.Step(program.Next()) == News::kBegan ? 1 : 0;
    }
    EXPECT_EQ(alarms, 0) << r << ", in five days of reports";
  }
}

TEST(DriftWatchTest, AChangeIsToldOnceWithinAMinuteWithItsDirection) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Program program(seed);
    Watching one;
    for (int i = 0; i < 360; ++i) ASSERT_EQ(one.Step(program.Next()), News::kNone) << seed;
    const double changed = one.seconds;
    int told = 0;
    for (int i = 0; i < 200; ++i) {
      if (one.Step(program.Next(2)) != News::kBegan) continue;
      ++told;
      EXPECT_LE(one.seconds - changed, 60) << seed;
      const auto shifts = one.watch.Shifts();
      ASSERT_EQ(shifts.size(), 3u);
      EXPECT_EQ(shifts[0].trait, 1u);
      EXPECT_GT(shifts[0].deviation, 5);
      EXPECT_GT(one.watch.Magnitude(one.shared), 2);
      EXPECT_LT(one.watch.significance(), DriftWatch::kSignificance);
      EXPECT_GE(one.watch.began_seconds(), changed);
    }
    EXPECT_EQ(told, 1) << seed;
  }
}

TEST(DriftWatchTest, AShortExcursionIsNone) {
  Program program(3);
  Watching one;
  for (int i = 0; i < 360; ++i) one.Step(program.Next());
  for (int i = 0; i < 2; ++i) EXPECT_EQ(one.Step(program.Next(2)), News::kNone);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.Step(program.Next()), News::kNone);
}

TEST(DriftWatchTest, WhoComesBackAndWhoStays) {
  Program program(4);
  Watching one;
  for (int i = 0; i < 360; ++i) one.Step(program.Next());
  std::vector<News> news;
  const auto steps = [&](int count, double shift) {
    for (int i = 0; i < count; ++i) {
      const News told = one.Step(program.Next(shift));
      if (told != News::kNone) news.push_back(told);
    }
  };
  steps(150, 2);
  steps(100, 0);
  EXPECT_THAT(news, testing::ElementsAre(News::kBegan, News::kCameBack));
  news.clear();
  steps(1500, 3);
  EXPECT_THAT(news, testing::ElementsAre(News::kBegan, News::kAdopted)) << "after an hour it is usual";
}

TEST(DriftWatchTest, WhoGoesToAndFroIsNotToldOfEachTime) {
  Program program(5);
  Watching one;
  for (int i = 0; i < 360; ++i) one.Step(program.Next());
  int told = 0;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 40; ++i) told += one.Step(program.Next(i < 12 ? 2 : 0)) == News::kBegan ? 1 : 0;
  }
  EXPECT_GE(told, 1);
  EXPECT_LE(told, 3);
}

TEST(DriftWatchTest, NothingIsSaidBeforeItsWaysAreKnown) {
  Program program(6);
  Watching one;
  for (int i = 0; i < DriftWatch::kLeastLearned; ++i) {
    EXPECT_EQ(one.Step(program.Next(i < 20 ? 0 : 3)), News::kNone);
    EXPECT_EQ(one.watch.significance(), 1);
  }
}

TEST(DriftWatchTest, ReportsWithoutTraitsChangeNothing) {
  Watching one;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.Step(Behaviour()), News::kNone);
  EXPECT_EQ(one.watch.learned(), 0);
}

}  // namespace
}  // namespace truce
