// truce-lab fleet as a whole, on a small fleet.
#include "lab/fleet/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "lab/fleet/report.h"

namespace truce::lab::fleet {
namespace {

class ExperimentTest : public testing::Test {
 protected:
  FleetOptions Small() {
    FleetOptions options;
    options.world.hosts = 40;
    options.world.workloads_per_host = 16;
    options.world.hours = 3;
    options.seeds = 2;
    return options;
  }
  ShutdownSignals signals_;
  std::ostringstream progress_;
};

TEST_F(ExperimentTest, AllPoliciesAreShownBesideEachOther) {
  const auto result = RunFleet(Small(), signals_, progress_);
  ASSERT_TRUE(result.ok()) << result.status();
  std::ostringstream shown;
  WriteFleet(*result, shown);
  for (const std::string& policy : PolicyNames()) EXPECT_THAT(shown.str(), testing::HasSubstr(policy));
  EXPECT_THAT(shown.str(), testing::HasSubstr("truce (perfect) against the best of the others"));
  ASSERT_EQ(result->fewest.size(), 2U);
  for (const FewestHosts& fewest : result->fewest) {
    for (const double hosts : fewest.hosts) {
      EXPECT_GE(hosts, 20);
      EXPECT_LE(hosts, 40);
    }
  }
  // Ours does better by who must not suffer, and best with perfect knowledge.
  for (size_t i = 0; i < 2; ++i) {
    const double best = FindBest(*result, i)->mean;
    const double real = FindOurs(*result, kReal)->outcomes[i].critical().Mean();
    const double perfect = FindOurs(*result, kPerfect)->outcomes[i].critical().Mean();
    EXPECT_LT(real, best);
    EXPECT_LT(perfect, real);
  }
  const FigureTable figures = FleetFigures(*result);
  EXPECT_THAT(figures.ToJson(), testing::HasSubstr("reached (real)"));
}

TEST_F(ExperimentTest, ThreadsChangeNothing) {
  FleetOptions options = Small();
  options.policies = {"random-spread", "truce"};
  const auto two = RunFleet(options, signals_, progress_);
  options.threads = 1;
  const auto one = RunFleet(options, signals_, progress_);
  ASSERT_TRUE(two.ok() && one.ok());
  EXPECT_EQ(FleetFigures(*two).ToJson(), FleetFigures(*one).ToJson());
}

TEST_F(ExperimentTest, SomeOfThemGiveNoVerdict) {
  FleetOptions options = Small();
  options.policies = {"first-fit"};
  options.seeds = 1;
  const auto result = RunFleet(options, signals_, progress_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rows.size(), 1U);
  EXPECT_TRUE(result->fewest.empty());
  EXPECT_TRUE(FleetFigures(*result).AllMet());
}

TEST_F(ExperimentTest, WhatThereIsNotIsRefused) {
  FleetOptions options = Small();
  options.policies = {"clairvoyant"};
  EXPECT_THAT(RunFleet(options, signals_, progress_).status().ToString(),
              testing::HasSubstr("there is no policy 'clairvoyant'"));
  options = Small();
  options.seeds = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(RunFleet(options, signals_, progress_).status()));
}

}  // namespace
}  // namespace truce::lab::fleet
