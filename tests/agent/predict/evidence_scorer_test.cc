// The evidence scorer on scripted scenes with known culprits: it must name the right one soon, and nobody when there is
// none. Noise is seeded.
#include "agent/predict/evidence_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/predict/stage.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// The controller acts on a pair from this score on, as shipped.
constexpr double kTrigger = 60;
// A pair below this one is let go.
constexpr double kRestore = 20;

// A victim that waits a little, and a steady neighbour, for as long as a baseline needs and a bit more.
void SetUsualDay(Stage& stage, int rounds = 20) {
  stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.05};
  stage["steady"] = {.cores = 0.5, .cpu_waiting = 0.05};
  stage.Rounds(rounds);
}

TEST(EvidenceScorerTest, AHogIsNamedWithinThreeRoundsAndTheSteadyNeighbourIsNot) {
  Stage stage;
  SetUsualDay(stage);
  ASSERT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_HEALTHY);
  stage["hog"] = {.cores = 2, .cpu_waiting = 0.3};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  int rounds = 0;
  do {
    stage.Round();
    EXPECT_LT(stage.Score("victim", "steady"), kRestore) << "round " << rounds;
  } while (++rounds < 3 && stage.Score("victim", "hog") < kTrigger);
  EXPECT_GE(stage.Score("victim", "hog"), kTrigger) << "after " << rounds << " rounds";
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_NEIGHBOUR);
  EXPECT_THAT(stage.Verdict("victim").detail, HasSubstr("w/hog"));
  EXPECT_EQ(stage.Diagnosis("steady"), v1::DIAGNOSIS_HEALTHY);
  RecordProperty("rounds_to_detect", rounds);
}

TEST(EvidenceScorerTest, APairCarriesItsEvidence) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(3);
  const auto pair = stage.Pair("victim", "hog");
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->resource(), v1::RESOURCE_CPU);
  EXPECT_EQ(pair->source(), v1::SCORE_SOURCE_EVIDENCE);
  EXPECT_GT(pair->scored_at().seconds(), 0);
  EXPECT_LE(pair->score(), 100);
  EXPECT_GT(pair->confidence(), 0.3) << "the shipped policy asks for that much";
  EXPECT_LE(pair->confidence(), 1);
  const v1::Evidence& evidence = pair->evidence();
  EXPECT_EQ(evidence.signal(), "cpu_wait");
  EXPECT_EQ(evidence.usage_reading(), "cpu_usage_cores");
  EXPECT_NEAR(evidence.baseline_mean(), 0.05 / 0.6, 0.02);
  EXPECT_NEAR(evidence.observed(), 0.4 / 0.5, 0.1);
  EXPECT_NEAR(evidence.aggressor_usage(), 2, 0.2);
  EXPECT_EQ(evidence.outlier_count(), 5u);
  EXPECT_GE(evidence.correlation(), 0.35);
  EXPECT_NEAR(evidence.attributed_ratio(), 1, 0.01);
  // 1.083 s a second of work before, 1.8 s now.
  EXPECT_NEAR(evidence.victim_slowdown_ratio(), 1.8 / 1.083 - 1, 0.1);
  EXPECT_NEAR(pair->severity(), evidence.victim_slowdown_ratio() * evidence.attributed_ratio(), 1e-9);
  EXPECT_FALSE(evidence.summary().empty());
}

TEST(EvidenceScorerTest, AThousandRoundsOfNoiseAccuseNobody) {
  Stage stage;
  stage.usage_noise = 0.2;
  stage.waiting_noise = 0.02;
  stage["a"] = {.cores = 0.5, .cpu_waiting = 0.1};
  stage["b"] = {.cores = 1.0, .cpu_waiting = 0.2};
  stage["c"] = {.cores = 0.4, .cpu_waiting = 0.05};
  stage.Rounds(13);
  int accused = 0;
  int judged = 0;
  double worst = 0;
  for (int round = 0; round < 1000; ++round) {
    stage.Round();
    judged += 6;
    for (const v1::PairScore& pair : stage.scores().pairs) {
      worst = std::max(worst, pair.score());
      if (pair.score() >= kTrigger) ++accused;
    }
  }
  RecordProperty("accused", accused);
  RecordProperty("judged", judged);
  RecordProperty("worst_score_of_100", static_cast<int>(worst));
  EXPECT_EQ(accused, 0) << "of " << judged << " judgements; the worst score was " << worst;
}

TEST(EvidenceScorerTest, ItsOwnQuotaIsToBlameAndNoNeighbour) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.5, .throttled = 0.4};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_OWN_QUOTA);
  EXPECT_THAT(stage.Verdict("victim").detail, HasSubstr("40 %"));
  EXPECT_THAT(stage.scores().pairs, IsEmpty());
}

TEST(EvidenceScorerTest, TheHypervisorIsToBlameForWhatItSteals) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage.steal = 0.3;
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.15};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_STEAL);
  EXPECT_THAT(stage.Verdict("victim").detail, HasSubstr("30 %"));
  EXPECT_GE(*stage.Verdict("victim").slowdown_ratio, 0.3 / 0.7 - 0.02);
  EXPECT_THAT(stage.scores().pairs, IsEmpty());
}

TEST(EvidenceScorerTest, MoreSufferingThanStealExplainsIsANeighboursAllTheSame) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage.steal = 0.15;
  stage["victim"] = {.cores = 0.3, .cpu_waiting = 0.6};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_NEIGHBOUR);
  EXPECT_GE(stage.Score("victim", "hog"), kTrigger);
}

// An action begins when three of five samples stand out; measured by all five it would seem to make things worse.
TEST(EvidenceScorerTest, WhatHasJustBegunIsNotAveragedWithWhatWasBefore) {
  Stage stage;
  stage["victim"] = {.cores = 1, .cpu_waiting = 0.02};
  stage["hog"] = {.cores = 0.1};
  stage.Rounds(20);
  EXPECT_LT(*stage.Verdict("victim").slowdown_since_onset, 0.03);
  // Two quiet samples and three others.
  for (int i = 0; i < 2; ++i) stage.Second();
  stage["victim"].cpu_waiting = 0.5;
  stage["hog"].cores = 3;
  for (int i = 0; i < 3; ++i) stage.Second();
  stage.Score();
  const double lasting = 1.5 / 1.02 - 1;
  EXPECT_NEAR(*stage.Verdict("victim").slowdown_since_onset, lasting, 0.03);
  EXPECT_NEAR(*stage.Verdict("victim").slowdown_ratio, 0.6 * lasting, 0.03);
  stage.Round();
  EXPECT_NEAR(*stage.Verdict("victim").slowdown_since_onset, lasting, 0.03);
  // One flicker is no onset.
  for (int i = 0; i < 5; ++i) {
    stage["victim"].cpu_waiting = i == 4 ? 0.5 : 0.02;
    stage.Second();
  }
  stage.Score();
  EXPECT_NEAR(*stage.Verdict("victim").slowdown_since_onset, 0.2 * lasting, 0.03);
  // One that comes and goes is not what it is at its worst.
  for (int i = 0; i < 5; ++i) {
    stage["victim"].cpu_waiting = i % 2 == 0 ? 0.5 : 0.02;
    stage.Second();
  }
  stage.Score();
  EXPECT_NEAR(*stage.Verdict("victim").slowdown_since_onset, 0.6 * lasting, 0.03);
}

TEST(EvidenceScorerTest, TooYoungIsUnknownWithTheReason) {
  Stage stage;
  SetUsualDay(stage, 5);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_UNKNOWN);
  EXPECT_THAT(stage.Verdict("victim").detail, HasSubstr("of the 60 samples"));
  EXPECT_EQ(stage.Verdict("victim").slowdown_ratio, std::nullopt);
  stage.Rounds(10);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_HEALTHY);
}

TEST(EvidenceScorerTest, TooSmallIsUnknownWithTheReason) {
  Stage stage;
  SetUsualDay(stage);
  stage["small"] = {.cores = 0.1, .cpu_waiting = 0.01};
  stage.Rounds(15);
  stage["hog"] = {.cores = 2};
  stage["small"] = {.cores = 0.1, .cpu_waiting = 0.5};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("small"), v1::DIAGNOSIS_UNKNOWN);
  EXPECT_THAT(stage.Verdict("small").detail, HasSubstr("0.10 CPUs"));
  EXPECT_EQ(stage.Score("small", "hog"), 0);
}

TEST(EvidenceScorerTest, AVictimThatIsStarvedBelowTheMinimumIsStillScored) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.05, .cpu_waiting = 0.9};
  stage.Rounds(3);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_NEIGHBOUR);
  EXPECT_GE(stage.Score("victim", "hog"), kTrigger);
}

TEST(EvidenceScorerTest, SlowerWithNobodyToBlameIsItsOwnDoing) {
  Stage stage;
  SetUsualDay(stage);
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_SELF);
  EXPECT_LT(stage.Score("victim", "steady"), kRestore);
}

TEST(EvidenceScorerTest, ContentionThatLastsLongerThanTheWindowKeepsBlamingTheRightOne) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2, .cpu_waiting = 0.3};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(3);
  // The window is 60 rounds; baselines follow a change for good only after 360.
  for (int round = 3; round < 100; ++round) {
    stage.Round();
    ASSERT_GE(stage.Score("victim", "hog"), kTrigger) << "round " << round;
    ASSERT_LT(stage.Score("victim", "steady"), kRestore) << "round " << round;
    ASSERT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_NEIGHBOUR) << "round " << round;
  }
}

TEST(EvidenceScorerTest, SevereContentionThatLastsNeverReachesTheSteadyNeighbour) {
  // A victim that usually does not wait at all, and now waits for most of its time: the case in which a steady
  // neighbour's correlation grows fastest with the share of contention in the window.
  Stage stage;
  stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.015};
  stage["steady"] = {.cores = 0.5};
  stage.Rounds(20);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.1, .cpu_waiting = 0.9};
  stage.Rounds(3);
  for (int round = 3; round < 100; ++round) {
    stage.Round();
    ASSERT_GE(stage.Score("victim", "hog"), kTrigger) << "round " << round;
    ASSERT_LT(stage.Score("victim", "steady"), kRestore) << "round " << round;
  }
}

TEST(EvidenceScorerTest, OurOwnActionDoesNotAcquitTheHog) {
  // Held back for a minute, the hog runs while the victim is well. When the action ends and it hurts again, it must be
  // named as fast as the first time.
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(2);
  stage["hog"] = {.cores = 1, .under_action = true};
  stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.05};
  stage.Rounds(12);
  EXPECT_LT(stage.Score("victim", "hog"), kRestore) << "while it is held back the victim is well";
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(3);
  EXPECT_GE(stage.Score("victim", "hog"), kTrigger);
}

TEST(EvidenceScorerTest, AfterTheHogLeftTheVictimIsHealthyAgain) {
  Stage stage;
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(10);
  stage["hog"] = {.cores = 0};
  stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.05};
  stage.Rounds(2);
  EXPECT_EQ(stage.Diagnosis("victim"), v1::DIAGNOSIS_HEALTHY);
  EXPECT_THAT(stage.scores().pairs, IsEmpty());
}

TEST(EvidenceScorerTest, TwoAggressorsShareByUse) {
  Stage stage;
  SetUsualDay(stage);
  stage["big"] = {.cores = 2};
  stage["lesser"] = {.cores = 1};
  stage["victim"] = {.cores = 0.4, .cpu_waiting = 0.7};
  stage.Rounds(3);
  const auto big = stage.Pair("victim", "big");
  const auto lesser = stage.Pair("victim", "lesser");
  ASSERT_TRUE(big && lesser);
  EXPECT_GE(big->score(), kTrigger);
  EXPECT_GE(lesser->score(), kTrigger);
  EXPECT_NEAR(big->evidence().attributed_ratio(), 2.0 / 3, 0.05);
  EXPECT_NEAR(lesser->evidence().attributed_ratio(), 1.0 / 3, 0.05);
  EXPECT_NEAR(big->severity() + lesser->severity(), big->evidence().victim_slowdown_ratio(), 0.01);
  EXPECT_GT(big->severity(), lesser->severity());
}

// Counters are given out by turns: cores of the one and bytes of the other cannot be shared out.
TEST(EvidenceScorerTest, SuspectsAreMeasuredByWhatAllOfThemHave) {
  const Profiler profiler{ProfilerOptions{}};
  Profiles profiles;
  const auto add = [&](uint64_t key, const std::string& name) -> Profile& {
    auto& profile = profiles[key] = std::make_unique<Profile>(profiler.options());
    profile->identity.key = key;
    profile->identity.name = name;
    return *profile;
  };
  Profile& victim = add(1, "victim");
  Profile& counted = add(2, "counted");
  Profile& hog = add(3, "hog");
  for (int second = 0; second < 115; ++second) {
    const bool bad = second >= 100;
    Sample sample;
    sample.set(Reading::kCpuUsageCores, 1);
    sample.set(Reading::kCyclesPerInstruction, (bad ? 3.0 : 1.0) + (second % 2 == 0 ? 0.02 : -0.02));
    profiler.Learn(victim, sample);
    sample = {};
    sample.set(Reading::kCpuUsageCores, bad ? 0.2 : 0.1);
    sample.set(Reading::kDramFillBytesPerSecond, bad ? 2e8 : 1e8);
    profiler.Learn(counted, sample);
    sample = {};
    sample.set(Reading::kCpuUsageCores, bad ? 2 : 0.1);
    profiler.Learn(hog, sample);
  }
  EvidenceScorer scorer{EvidenceOptions{}};
  const Scores scores = scorer.Score(profiles, 60, absl::FromUnixSeconds(1000));
  const auto pair = std::find_if(scores.pairs.begin(), scores.pairs.end(),
                                 [](const auto& one) { return one.victim() == "victim" && one.aggressor() == "hog"; });
  ASSERT_NE(pair, scores.pairs.end());
  EXPECT_GE(pair->score(), kTrigger);
  EXPECT_EQ(pair->evidence().usage_reading(), "cpu_usage_cores");
  EXPECT_GT(pair->evidence().attributed_ratio(), 0.8);
}

TEST(EvidenceScorerTest, ADiskHogIsNamedWhetherItReadsOrWrites) {
  for (const bool writes : {false, true}) {
    Stage stage;
    stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.05, .io_waiting = 0.05, .read_bytes = 1e6};
    stage["spinner"] = {.cores = 1};
    stage.Rounds(20);
    stage["hog"] = {.cores = 0.02, .read_bytes = writes ? 0 : 5e8, .write_bytes = writes ? 5e8 : 0};
    stage["victim"] = {.cores = 0.4, .cpu_waiting = 0.05, .io_waiting = 0.6, .read_bytes = 1e6};
    stage.Rounds(3);
    EXPECT_GE(stage.Score("victim", "hog"), kTrigger) << (writes ? "writer" : "reader");
    EXPECT_LT(stage.Score("victim", "spinner"), kRestore);
    const auto pair = stage.Pair("victim", "hog");
    if (!pair) continue;
    EXPECT_EQ(pair->resource(), v1::RESOURCE_DISK);
    EXPECT_EQ(pair->evidence().usage_reading(), writes ? "disk_write_bytes_per_second" : "disk_read_bytes_per_second");
  }
}

TEST(EvidenceScorerTest, WhatIsRememberedOfOneSignalIsNotTakenForAnother) {
  // The victim suffers on CPU from one neighbour and on the disk from another, for longer than the window.
  Stage stage;
  stage["victim"] = {.cores = 0.6, .cpu_waiting = 0.05, .io_waiting = 0.05, .read_bytes = 1e6};
  stage["cpu_hog"] = {.cores = 0.06, .read_bytes = 2e6};
  stage["disk_hog"] = {.cores = 0.06, .read_bytes = 2e6};
  stage.Rounds(20);
  stage["victim"] = {.cores = 0.3, .cpu_waiting = 0.5, .io_waiting = 0.5, .read_bytes = 1e6};
  stage["cpu_hog"] = {.cores = 2, .read_bytes = 2e6};
  stage["disk_hog"] = {.cores = 0.06, .read_bytes = 5e8};
  stage.Rounds(3);
  for (int round = 3; round < 80; ++round) {
    stage.Round();
    ASSERT_GE(stage.Score("victim", "cpu_hog"), kTrigger) << "round " << round;
    ASSERT_GE(stage.Score("victim", "disk_hog"), kTrigger) << "round " << round;
    ASSERT_EQ(stage.Pair("victim", "cpu_hog")->resource(), v1::RESOURCE_CPU);
    ASSERT_EQ(stage.Pair("victim", "disk_hog")->resource(), v1::RESOURCE_DISK);
  }
}

TEST(EvidenceScorerTest, PairsBelowTheFloorAreNotReported) {
  EvidenceOptions options;
  options.report_floor = 100.1;
  Stage stage(options);
  SetUsualDay(stage);
  stage["hog"] = {.cores = 2};
  stage["victim"] = {.cores = 0.5, .cpu_waiting = 0.4};
  stage.Rounds(3);
  EXPECT_THAT(stage.scores().pairs, IsEmpty());
}

}  // namespace
}  // namespace truce::agent
