// The pilot finds the temperatures at which the cost falls.
#include "controller/plan/pack/cooling.h"

#include <gtest/gtest.h>

namespace truce::controller::pack {
namespace {

constexpr double kBetweenPilotAndMain = 0.1200001;
constexpr double kBeforeLastDescent = 0.9499999;

// A pilot through `cost`, a function of the temperature.
template <typename Cost>
void Pilot(Cooling& cooling, Cost cost) {
  for (double passed = 0.02; passed < 0.12; passed += 1e-4) {
    ASSERT_EQ(Cooling::PhaseAt(passed), Cooling::Phase::kPilot);
    const double temperature = cooling.Temperature(passed);
    cooling.Note(temperature, cost(temperature));
  }
}

TEST(CoolingTest, ItCoolsWhereTheCostFalls) {
  Cooling cooling;
  cooling.Begin(1'000);
  // From 2,000 at 1,000 degrees and more to 1,000 at 10 and less.
  Pilot(cooling, [](double temperature) {
    return temperature >= 1'000 ? int64_t{2'000'000} : temperature <= 10 ? int64_t{1'000'000} : int64_t{1'200'000};
  });
  EXPECT_FALSE(cooling.Choose(1'500'000, 900'000, 1));
  EXPECT_NEAR(cooling.Temperature(kBetweenPilotAndMain), 1'000, 50);
  EXPECT_NEAR(cooling.Temperature(kBeforeLastDescent), 10, 1);
  EXPECT_EQ(cooling.Temperature(0), 0);
  EXPECT_EQ(cooling.Temperature(0.99), 0);
}

TEST(CoolingTest, WithoutTimeForThatItBeginsWhereTheDescentEnded) {
  Cooling cooling;
  cooling.Begin(1'000);
  Pilot(cooling, [](double temperature) {
    return temperature >= 1'000 ? int64_t{2'000'000} : temperature <= 10 ? int64_t{1'000'000} : int64_t{1'200'000};
  });
  EXPECT_TRUE(cooling.Choose(900'000, 900'000, 1)) << "the pilot found nothing better";
  EXPECT_NEAR(cooling.Temperature(kBetweenPilotAndMain), 10, 1);
}

TEST(CoolingTest, ACostThatNeverFallsIsNoTrouble) {
  Cooling cooling;
  cooling.Begin(1);
  Pilot(cooling, [](double) { return int64_t{0}; });
  EXPECT_FALSE(cooling.Choose(0, 0, 1));
  const double first = cooling.Temperature(kBetweenPilotAndMain);
  EXPECT_GT(first, 0);
  EXPECT_LE(cooling.Temperature(kBeforeLastDescent), first);
  Cooling without_pilot;
  without_pilot.Begin(1);
  EXPECT_FALSE(without_pilot.Choose(5, 5, 1));
  EXPECT_GT(without_pilot.Temperature(kBetweenPilotAndMain), 0);
}

}  // namespace
}  // namespace truce::controller::pack
