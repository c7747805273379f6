// What truce-lab drift measures: changes that are put in are found, unchanged programs and more load are not.
#include "lab/drift/evaluate.h"

#include <gtest/gtest.h>

#include <random>

namespace truce::lab {
namespace {

DatasetLife MakeLife(const std::string& program, double faults, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(1, 0.1);
  DatasetLife life;
  life.program = program;
  for (int i = 0; i < 60; ++i) {
    DatasetSample sample;
    sample.readings.set(Reading::kCpuUsageCores, i % 10 == 9 ? 0 : 0.8 * normal(random));
    sample.readings.set(Reading::kPageFaultsPerSecond, faults * sample.readings.value(Reading::kCpuUsageCores));
    sample.readings.set(Reading::kCpuSystemRatio, 0.1 * normal(random));
    life.samples.push_back(sample);
  }
  return life;
}

DriftLife MakeDriftLife(const std::string& program, double faults, uint64_t seed) {
  const DatasetLife life = MakeLife(program, faults, seed);
  return {program, ReportsOf(life), ScaledReportsOf(life, 3)};
}

TEST(DriftStreamTest, LeavesOutTheSecondsInWhichItStoodStill) {
  EXPECT_EQ(ReportsOf(MakeLife("a", 300, 1)).size(), 54u);
}

TEST(DriftStreamTest, BlocksAreAsTheyWere) {
  const std::vector<DriftReport> reports = ReportsOf(MakeLife("a", 300, 1));
  ReportStream stream(reports, 7);
  const DriftReport* before = &stream.Next();
  for (size_t i = 1; i < ReportStream::kBlock; ++i) {
    const DriftReport* next = &stream.Next();
    EXPECT_EQ(next, before + 1);
    before = next;
  }
}

TEST(DriftEvaluationTest, FindsWhatIsPutInAndNothingElse) {
  const std::vector<DriftLife> lives = {MakeDriftLife("a", 300, 1), MakeDriftLife("b", 20'000, 2)};
  const DriftEvaluation evaluation = EvaluateDrift(lives, {.days = 0.2, .changes = 20, .seed = 3});
  EXPECT_EQ(evaluation.alarms, 0);
  EXPECT_NEAR(evaluation.workload_days, 0.4, 1e-9);
  ASSERT_GT(evaluation.replaced.size(), 3u) << "half of what is drawn are the same program twice";
  for (const InjectedChange& change : evaluation.replaced) {
    EXPECT_GT(change.most_different, 2);
    EXPECT_FALSE(change.alarmed_before);
    EXPECT_LE(change.found_after_seconds.value_or(1e9), 60);
  }
  for (const InjectedChange& change : evaluation.scaled) EXPECT_FALSE(change.found_after_seconds.has_value());
  for (const Figure& figure : DriftFigures(evaluation).figures()) {
    EXPECT_TRUE(figure.Met().value_or(true)) << figure.name << " " << figure.value;
  }
}

}  // namespace
}  // namespace truce::lab
