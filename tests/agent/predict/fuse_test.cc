#include "agent/predict/fuse.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <string>

namespace truce::agent {
namespace {

using testing::DoubleNear;
using testing::SizeIs;

constexpr uint64_t kVictim = 1;
constexpr uint64_t kHog = 2;

const std::map<uint64_t, FuseWorkload> kWorkloads = {{kVictim, {"web", false, 1000, 1000}},
                                                     {kHog, {"batch", false, 0, 1000}}};

Scores Evidence(v1::Diagnosis diagnosis, std::optional<double> score = std::nullopt, double confidence = 0.8) {
  Scores scores;
  scores.verdicts[kVictim].diagnosis = diagnosis;
  scores.verdicts[kVictim].healthy_samples = diagnosis == v1::DIAGNOSIS_HEALTHY ? 1000 : 0;
  scores.verdicts[kHog].diagnosis = v1::DIAGNOSIS_HEALTHY;
  if (!score) return scores;
  v1::PairScore& pair = scores.pairs.emplace_back();
  pair.set_victim("web");
  pair.set_aggressor("batch");
  pair.set_score(*score);
  pair.set_severity(0.5);
  pair.set_confidence(confidence);
  pair.set_resource(v1::RESOURCE_CPU);
  pair.set_source(v1::SCORE_SOURCE_EVIDENCE);
  pair.mutable_evidence()->set_signal("cpu_wait");
  return scores;
}

std::vector<ModelScore> Model(double probability, double confidence = 0.8) {
  return {{.victim = kVictim,
           .aggressor = kHog,
           .probability = probability,
           .log_slowdown = std::log1p(0.3F),
           .reach = 0.1F,
           .confidence = confidence,
           .resource = v1::RESOURCE_DISK}};
}

Scores Fused(Scores evidence, const std::vector<ModelScore>& model, ScoreFrom from = ScoreFrom::kBoth,
             const std::map<uint64_t, FuseWorkload>& workloads = kWorkloads) {
  FuseOptions options;
  options.from = from;
  return Fuse(std::move(evidence), model, workloads, options, absl::FromUnixSeconds(1000));
}

TEST(FuseTest, BothAgreeAndAreSurerThanOneThatDoubts) {
  const Scores scores = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), Model(0.9));
  ASSERT_THAT(scores.pairs, SizeIs(1));
  EXPECT_THAT(scores.pairs[0].score(), DoubleNear(90, 0.1));
  EXPECT_THAT(scores.pairs[0].severity(), DoubleNear(0.4, 1e-6));
  EXPECT_EQ(scores.pairs[0].source(), v1::SCORE_SOURCE_BOTH);
  EXPECT_EQ(scores.pairs[0].evidence().signal(), "cpu_wait") << "what was seen is still told";
  EXPECT_EQ(scores.pairs[0].scored_at().seconds(), 1000);
  const Scores doubting = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), Model(0.2));
  EXPECT_THAT(doubting.pairs[0].score(), DoubleNear(60, 1));
}

TEST(FuseTest, TheModelGivesTheIntervalAroundWhatBothSay) {
  const v1::PairScore alone = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR), Model(0.9), ScoreFrom::kModel).pairs[0];
  EXPECT_THAT(alone.severity(), DoubleNear(0.3, 1e-6));
  EXPECT_THAT(alone.severity_low(), DoubleNear(1.3 * std::exp(-0.1) - 1, 1e-5));
  EXPECT_THAT(alone.severity_high(), DoubleNear(1.3 * std::exp(0.1) - 1, 1e-5));
  const v1::PairScore both = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), Model(0.9)).pairs[0];
  EXPECT_THAT(both.severity_low(), DoubleNear(1.4 * std::exp(-0.1) - 1, 1e-5));
  EXPECT_THAT(both.severity_high(), DoubleNear(1.4 * std::exp(0.1) - 1, 1e-5));
  std::vector<ModelScore> doubts = Model(0.9);
  doubts[0].log_slowdown = 0.01F;
  const v1::PairScore doubted = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), doubts).pairs[0];
  EXPECT_THAT(doubted.severity_low(), DoubleNear((1 + doubted.severity()) * std::exp(-0.1) - 1, 1e-6))
      << "as wide, however little the model itself expects";
  const v1::PairScore seen = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), {}).pairs[0];
  EXPECT_FALSE(seen.has_severity_low()) << "evidence alone knows no interval";
}

TEST(FuseTest, TheSurerSideWeighsMore) {
  const double model_sure = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90, 0.2), Model(0.1, 0.9)).pairs[0].score();
  const double evidence_sure = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90, 0.9), Model(0.1, 0.5)).pairs[0].score();
  EXPECT_LT(model_sure, 30);
  EXPECT_GT(evidence_sure, 55);
}

TEST(FuseTest, AModelThatIsNotSureIsNotHeard) {
  const Scores scores = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), Model(0.01, 0.1));
  ASSERT_THAT(scores.pairs, SizeIs(1));
  EXPECT_EQ(scores.pairs[0].score(), 90);
  EXPECT_EQ(scores.pairs[0].source(), v1::SCORE_SOURCE_EVIDENCE);
  EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.99, 0.1)).pairs, SizeIs(0));
}

TEST(FuseTest, ForeseesWhatCannotBeSeenYetButSaysItLower) {
  const Scores scores = Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.95));
  ASSERT_THAT(scores.pairs, SizeIs(1));
  EXPECT_EQ(scores.pairs[0].source(), v1::SCORE_SOURCE_MODEL);
  EXPECT_EQ(scores.pairs[0].resource(), v1::RESOURCE_DISK);
  EXPECT_GT(scores.pairs[0].score(), 60);
  EXPECT_LT(scores.pairs[0].score(), 95);
  EXPECT_THAT(scores.pairs[0].confidence(), DoubleNear(0.8, 1e-9));
}

TEST(FuseTest, TheLongerTheVictimWasWellBesideItTheLessTheModelIsBelieved) {
  double before = 100;
  for (const uint64_t samples : {0, 10, 30}) {
    auto workloads = kWorkloads;
    workloads[kHog].busy_samples = samples;
    const double score =
        Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.95), ScoreFrom::kBoth, workloads).pairs[0].score();
    EXPECT_LT(score, before) << samples;
    before = score;
  }
  EXPECT_LT(before, 50) << "nothing is done about it";
}

TEST(FuseTest, AVictimThatWasNeverWithoutItsNeighbourDoesNotAcquitIt) {
  auto workloads = kWorkloads;
  workloads[kHog].busy_samples = 980;
  EXPECT_GT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.95), ScoreFrom::kBoth, workloads).pairs[0].score(), 60);
}

TEST(FuseTest, AVictimThatIsWellOnlySinceAMomentAgoAcquitsNobody) {
  auto workloads = kWorkloads;
  workloads[kHog].busy_samples = 30;
  Scores evidence = Evidence(v1::DIAGNOSIS_HEALTHY);
  evidence.verdicts[kVictim].healthy_samples = 1;
  EXPECT_GT(Fused(evidence, Model(0.95), ScoreFrom::kBoth, workloads).pairs[0].score(), 60);
}

TEST(FuseTest, WhatIsClearToSeeIsNotActedOnHoweverSureTheModelIs) {
  auto long_well = kWorkloads;
  long_well[kHog].busy_samples = 30;
  for (const double probability : {0.9, 0.99, 0.9999, 1.0}) {
    for (const double confidence : {0.4, 0.8, 1.0}) {
      const auto model = Model(probability, confidence);
      for (const auto diagnosis : {v1::DIAGNOSIS_SELF, v1::DIAGNOSIS_NEIGHBOUR}) {
        EXPECT_LE(Fused(Evidence(diagnosis), model).pairs[0].score(), 50) << "evidence looked elsewhere for the cause";
      }
      EXPECT_LE(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), model, ScoreFrom::kBoth, long_well).pairs[0].score(), 50);
    }
  }
  EXPECT_LT(Fused(Evidence(v1::DIAGNOSIS_SELF), Model(0.5)).pairs[0].score(), 25);
}

TEST(FuseTest, WhoIsHeldIsNotAcquittedByAnotherTroubleOfItsVictim) {
  auto held = kWorkloads;
  held[kHog].under_action = true;
  for (const auto diagnosis : {v1::DIAGNOSIS_SELF, v1::DIAGNOSIS_NEIGHBOUR}) {
    const Scores scores = Fused(Evidence(diagnosis), Model(0.5), ScoreFrom::kBoth, held);
    EXPECT_THAT(scores.pairs[0].score(), DoubleNear(50, 0.1));
  }
}

TEST(FuseTest, TheResourceIsTheOneThatWasSeen) {
  EXPECT_EQ(Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90, 0.5), Model(0.9, 0.9)).pairs[0].resource(), v1::RESOURCE_CPU);
}

TEST(FuseTest, WhatIsNoNumberIsNotHeard) {
  for (const double broken : {std::nan(""), static_cast<double>(INFINITY)}) {
    EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(broken)).pairs, SizeIs(0));
    EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.9, broken)).pairs, SizeIs(0));
    std::vector<ModelScore> size = Model(0.9);
    size[0].log_slowdown = static_cast<float>(broken);
    EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), size).pairs, SizeIs(0));
    const Scores seen = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 90), Model(broken));
    ASSERT_THAT(seen.pairs, SizeIs(1));
    EXPECT_EQ(seen.pairs[0].score(), 90) << "evidence goes on alone";
  }
}

TEST(FuseTest, ACrowdIsReportedByItsHighestPairs) {
  constexpr uint64_t kCrowd = 100;
  std::map<uint64_t, FuseWorkload> workloads;
  std::vector<ModelScore> model;
  Scores evidence;
  for (uint64_t v = 1; v <= kCrowd; ++v) {
    workloads[v] = {"w" + std::to_string(v), v == 7, 0, 1000};
    evidence.verdicts[v].diagnosis = v1::DIAGNOSIS_HEALTHY;
    for (uint64_t a = 1; a <= kCrowd; ++a) {
      if (a == v) continue;
      ModelScore score = Model(0.2 + 0.006 * static_cast<double>(a))[0];
      score.victim = v;
      score.aggressor = a;
      model.push_back(score);
    }
  }
  const Scores scores = Fused(evidence, model, ScoreFrom::kBoth, workloads);
  std::map<std::string, std::set<std::string>> aggressors;
  for (const v1::PairScore& pair : scores.pairs) aggressors[pair.victim()].insert(pair.aggressor());
  EXPECT_EQ(aggressors.size(), kCrowd);
  EXPECT_EQ(aggressors["w1"].size(), 17u) << "the sixteen highest, and who is held";
  EXPECT_TRUE(aggressors["w1"].contains("w100"));
  EXPECT_TRUE(aggressors["w1"].contains("w85"));
  EXPECT_FALSE(aggressors["w1"].contains("w84"));
  EXPECT_TRUE(aggressors["w1"].contains("w7"));
  EXPECT_EQ(scores.pairs.size() + scores.pairs_left_out, model.size());
}

TEST(FuseTest, ThatTheVictimIsWellSaysNothingWhileTheAggressorIsHeldBack) {
  auto held = kWorkloads;
  held[kHog].under_action = true;
  const Scores scores = Fused(Evidence(v1::DIAGNOSIS_HEALTHY), Model(0.95), ScoreFrom::kBoth, held);
  EXPECT_THAT(scores.pairs[0].score(), DoubleNear(95, 0.1)) << "letting it go would bring the contention back";
}

TEST(FuseTest, SaysNothingOfVictimsThatAreUnknownOrHurtOtherwise) {
  for (const auto diagnosis : {v1::DIAGNOSIS_UNKNOWN, v1::DIAGNOSIS_OWN_QUOTA, v1::DIAGNOSIS_STEAL}) {
    EXPECT_THAT(Fused(Evidence(diagnosis), Model(0.99)).pairs, SizeIs(0)) << diagnosis;
  }
}

TEST(FuseTest, EvidenceAloneOrModelAloneWhenToldSo) {
  const Scores evidence = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 70), Model(0.1), ScoreFrom::kEvidence);
  ASSERT_THAT(evidence.pairs, SizeIs(1));
  EXPECT_EQ(evidence.pairs[0].score(), 70);
  const Scores model = Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 70), Model(0.1), ScoreFrom::kModel);
  ASSERT_THAT(model.pairs, SizeIs(1));
  EXPECT_THAT(model.pairs[0].score(), DoubleNear(10, 1e-6));
  EXPECT_EQ(model.pairs[0].source(), v1::SCORE_SOURCE_MODEL);
  EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_NEIGHBOUR, 70), {}, ScoreFrom::kModel).pairs, SizeIs(0));
}

TEST(FuseTest, PairsOfWorkloadsThatAreGoneAreDropped) {
  EXPECT_THAT(Fused(Evidence(v1::DIAGNOSIS_HEALTHY), {{kVictim, 77, 0.99, 1, 0.9, v1::RESOURCE_CPU}}).pairs, SizeIs(0));
}

}  // namespace
}  // namespace truce::agent
