// What workloads on a host suffer, by hand.
#include "lab/fleet/truth.h"

#include <gtest/gtest.h>

namespace truce::lab::fleet {
namespace {

// Two applications that meet in the last-level cache alone: 0 presses with 2 and feels 0.1, 1 presses with 1 and feels
// 0.4; what 1 suffers from 0 is 1.5 times what both say of themselves.
Truth TwoOfThem() {
  Truth truth;
  truth.pressure = {{0, 2, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}};
  truth.sensitivity = {{0, 0.1, 0, 0, 0, 0}, {0, 0.4, 0, 0, 0, 0}};
  truth.bias = {1, 1, 1.5, 1};
  truth.mean_pressure = {1, 1.5, 1, 1, 1, 1};
  return truth;
}

TEST(TruthTest, TwoOnAHostSlowEachOther) {
  const Truth truth = TwoOfThem();
  const Presence pair[] = {{.application = 0, .demand_cores = 4, .cpus = 4},
                           {.application = 1, .demand_cores = 2, .cpus = 4}};
  std::vector<Suffering> sufferings;
  HostTruth(truth).Suffer(8, pair, &sufferings);
  ASSERT_EQ(sufferings.size(), 2U);
  EXPECT_DOUBLE_EQ(sufferings[0].used_cores, 4);
  EXPECT_DOUBLE_EQ(sufferings[1].used_cores, 2);
  // 2 x 1/2 + 1 x 1/4 of the host, half of that against the mean of 1.5.
  const double pressure = 1.25 / 3;
  const double crowding = (1 + pressure) / (1 + pressure * pressure / 4);
  EXPECT_NEAR(sufferings[0].slowdown, 0.1 * crowding * 1 * 0.25, 1e-9);
  // It uses half of what it may: 0.4 + 0.6 / 2.
  EXPECT_NEAR(sufferings[1].slowdown, 0.7 * 0.4 * crowding * 1.5 * 2 * 0.5, 1e-9);
}

TEST(TruthTest, OneAloneSuffersNothing) {
  const Truth truth = TwoOfThem();
  const Presence one[] = {{.application = 1, .demand_cores = 8, .cpus = 8}};
  std::vector<Suffering> sufferings;
  HostTruth(truth).Suffer(8, one, &sufferings);
  EXPECT_EQ(sufferings[0].slowdown, 0);
}

TEST(TruthTest, FactorsOfAWorkloadMultiply) {
  const Truth truth = TwoOfThem();
  std::vector<Suffering> plain;
  std::vector<Suffering> touchy;
  Presence pair[] = {{.application = 0, .demand_cores = 1, .cpus = 1},
                     {.application = 1, .demand_cores = 1, .cpus = 1}};
  HostTruth(truth).Suffer(8, pair, &plain);
  pair[1].sensitivity_factor = 2;
  HostTruth(truth).Suffer(8, pair, &touchy);
  EXPECT_NEAR(touchy[1].slowdown, 2 * plain[1].slowdown, 1e-9);
  EXPECT_EQ(touchy[0].slowdown, plain[0].slowdown);
}

TEST(TruthTest, TooLittleCpuTimeGoesByClassAndNobodyGetsMoreThanItAsksFor) {
  Truth truth = TwoOfThem();
  truth.sensitivity = {{}, {}};
  const Presence three[] = {
      {.application = 0, .workload_class = WorkloadClass::kCritical, .demand_cores = 2, .cpus = 4},
      {.application = 0, .workload_class = WorkloadClass::kStandard, .demand_cores = 4, .cpus = 4},
      {.application = 1, .workload_class = WorkloadClass::kBestEffort, .demand_cores = 8, .cpus = 8}};
  std::vector<Suffering> sufferings;
  HostTruth(truth).Suffer(8, three, &sufferings);
  // 2 + 4 + 8 of 8. By weights 4, 2, 1 a part of 8 / 24: critical has all; then 6 / 16 for the others.
  EXPECT_DOUBLE_EQ(sufferings[0].used_cores, 2);
  EXPECT_DOUBLE_EQ(sufferings[1].used_cores, 4 * 2 * 6.0 / 16);
  EXPECT_DOUBLE_EQ(sufferings[2].used_cores, 8 * 6.0 / 16);
  EXPECT_NEAR(sufferings[2].slowdown, 16 / 6.0 - 1, 1e-9);
}

TEST(TruthTest, DrawnTruthHasTheMeanThatWasMeasured) {
  TruthOptions options;
  std::mt19937_64 random(7);
  const Truth truth = DrawTruth(options, random);
  ASSERT_EQ(truth.applications(), 60U);
  HostTruth host(truth);
  std::vector<Suffering> sufferings;
  double sum = 0;
  int count = 0;
  for (int32_t v = 0; v < 60; ++v) {
    for (int32_t a = 0; a < 60; ++a) {
      if (a == v) continue;
      const Presence pair[] = {{.application = v, .demand_cores = 1, .cpus = 1},
                               {.application = a, .demand_cores = 1, .cpus = 1}};
      host.Suffer(2, pair, &sufferings);
      sum += sufferings[0].slowdown;
      ++count;
    }
  }
  EXPECT_NEAR(sum / count, options.apart_mean, 1e-6);
}

}  // namespace
}  // namespace truce::lab::fleet
