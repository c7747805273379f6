// The interference LSTM as the agent runs it: weights as plain matrices, no libtorch (which would cost every host 155
// MB). Training (models/training) makes it; tests hold the two forward passes together.
//
//   inputs ─► linear, tanh ─┬─► LSTM ─────────► hidden state ┐
//      │                    └─► mean of late ─► mean ────────┼─► one workload's fingerprint
//      └─► CpuDemand ─────────► mean of late ─► demand ──────┘
//   victim's and aggressor's fingerprint + what they share ─► pair head ─► slowdown by resource, uncertainty
//
// The means fade: a new sample weighs kMeanWeight, or 1 / n while there are fewer. The LSTM sees what changes, the mean
// what lasts, and from few meetings the head learns more from the mean. With f a fingerprint, d the aggressor's demand,
// and s what is shared (PairContext, then d times each of its two shares of CPUs: how much of them the aggressor
// takes), the head's first layer is relu(A f_v + B f_a + C s + (D f_v) * (E f_a + F s)), the product entry by entry.
//
// Aggressors add up before the link: with c(v, a) >= 0 what the head says of a pair,
//   log(1 + slowdown of v) ~ Normal(log(1 + sum over a of c(v, a)), s0^2 + sum over a of s(v, a)^2)
// so any set of neighbours can be priced and one aggressor's part is read off. They add up as times do, not as
// logarithms: between two others that want a CPU as much as it does, a program takes three times as long, not four.
// Matrices have one row per workload or pair.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/features.h"
#include "models/interference/example.h"
#include "models/lstm_cell.h"
#include "models/matrix.h"
#include "models/pair_context.h"

namespace truce {

// What a new sample weighs in the means.
inline constexpr float kMeanWeight = 0.2F;
// What the head puts out is cut off here, before the link: no resource slows anybody by more than so many times, and a
// product of e^x over all of them stays finite.
inline constexpr float kSteepest = 14;
// What the head knows of a pair beside the fingerprints: s above.
inline constexpr size_t kPairInputs = PairContext::kSize + 2;

struct InterferenceWeights {
  Rows project;  // [projected, kModelInputs]
  Row project_bias;
  LstmCellWeights cell;  // of the projected inputs
  // A and D, B and E, one below the other: [2 * pair, fingerprint].
  Rows victim;
  Rows aggressor;
  Row pair_bias;  // [2 * pair], added to the victim's A f and D f
  Rows context;   // C and F, one below the other: [2 * pair, kPairInputs]
  Rows slowdown;  // [kResourceCount, pair]
  Row slowdown_bias;
  Rows spread;  // [1, pair]
  Row spread_bias;
  Row base_spread;  // [1]

  Eigen::Index projected() const { return project.rows(); }
  Eigen::Index hidden() const { return cell.hidden(); }
  // Hidden state, mean, demand.
  Eigen::Index fingerprint() const { return hidden() + projected() + 1; }
  Eigen::Index pair() const { return context.rows() / 2; }
};

// The logistic function of so many times x is about the normal distribution's at x, to 0.01 (Haley 1952).
inline constexpr float kLogisticOfNormal = 1.702F;

// Calibration on programs that training did not see. Of P(slowdown >= 5 %): logit P = slope * z + intercept (Platt
// 1999), with z = InterferencePrediction::deviations_above. Not with the normal distribution of z: what is said of a
// program that training did not see is now and then off by more deviations than that has. Of intervals (split
// conformal; Lei et al. 2018): so many deviations on either side held 80 % of the cases.
struct Calibration {
  float slope = kLogisticOfNormal;
  float intercept = 0;
  float interval_deviations = 1.2816F;
  float Probability(float deviations_above) const;
};

// The farthest of the fingerprints of programs that training did not see are unusual. Those of the rest were predicted
// about as well whether near or far, so that only beyond this a prediction is doubted.
inline constexpr float kUnusualShare = 0.05F;

// How usual a fingerprint is: by Mahalanobis distance to the training programs' fingerprints, how many fingerprints of
// programs that training did not see lie at least so far out (after conformal p-values; Vovk et al. 2005).
struct Familiarity {
  Row mean;     // [fingerprint]
  Rows whiten;  // [fingerprint, fingerprint]: distance^2 = |(h - mean) * whiten|^2
  // Distances of fingerprints of programs that training did not see, ascending.
  std::vector<float> distances;
  // 1: at least kUnusualShare of those lie as far out; falls to 0 for what lies farther out than all of them.
  float Of(Eigen::Ref<const Row> fingerprint) const { return OfDistance(Distance(fingerprint)); }
  // The fingerprint in units of its spread over the training programs, [fingerprint]: distances count. Not scaled by a
  // model that knows no spread.
  Row Embed(Eigen::Ref<const Row> fingerprint) const;
  float Distance(Eigen::Ref<const Row> fingerprint) const;
  // Of each row of [N, fingerprint].
  Eigen::VectorXf Distances(const Rows& fingerprints) const;
  float OfDistance(float distance) const;
};

// How often it is right on a host that lacks some readings, measured on programs that training did not see.
struct Skill {
  std::vector<FeatureGroup> missing;
  double accuracy = 0;
  double auc = 0;
};

// M aggressors, ready to be put beside victims. One column each: what is the same for all is long, so that the CPU's
// vector units are full.
struct Company {
  Rows shared;  // [kPairInputs, M]
  Rows pair;    // [2 * pair, M]
  Rows gates;   // [kResourceCount, M]: 0, or kClosed where what the resource needs is not shared
};

// What each of M aggressors alone would do to one victim.
struct PairEffects {
  // [kResourceCount, M]; Contribution() of each is its part of the slowdown.
  Rows by_resource;
  // [1, M]: log(1 + slowdown), its variance without the base variance, and P(slowdown >= 5 %), calibrated.
  Row mean;
  Row variance;
  Row probability;
  static float Contribution(float by_resource) {
    return std::max(by_resource, 0.0F) + std::log1p(std::exp(-std::abs(by_resource)));
  }
};

class InterferenceModel {
 public:
  InterferenceModel(InterferenceWeights weights, Calibration calibration, Familiarity familiarity);

  Eigen::Index fingerprint() const { return weights_.fingerprint(); }
  // Columns of what a workload carries from sample to sample beside its fingerprint: the LSTM's cells, and how many
  // samples are in the mean and in the demand.
  Eigen::Index memory() const { return weights_.hidden() + 2; }
  // One second of N workloads: `inputs` is [N, kModelInputs]; `fingerprints`, [N, fingerprint()], and `memory`, [N,
  // memory()], are zeros for a new workload and are replaced by the next ones.
  void Step(const Rows& inputs, Rows* fingerprints, Rows* memory);
  // Each workload's part of the pair head, once for all its pairs: `as_victims` [N, 2 * pair], `as_aggressors` [2 *
  // pair + 1, N], the last row their demand.
  void Project(const Rows& fingerprints, Rows* as_victims, Rows* as_aggressors) const;
  // M aggressors, `as_aggressors` [2 * pair + 1, M], beside any victim with which they share `contexts`, [M,
  // PairContext::kSize]: once for all victims on the same CPUs.
  void Accompany(const Rows& as_aggressors, const Rows& contexts, Company* company) const;
  // What each of that company does to one victim.
  void Price(Eigen::Ref<const Row> as_victim, const Company& company, PairEffects* effects);
  float base_variance() const { return base_variance_; }

  // The fingerprint after a whole sequence, [fingerprint()].
  Row Fingerprint(const InputSequence& sequence);
  // A whole example at once, for training and evaluation.
  InterferencePrediction Predict(const InterferenceExample& example);

  const InterferenceWeights& weights() const { return weights_; }
  const Calibration& calibration() const { return calibration_; }
  const Familiarity& familiarity() const { return familiarity_; }

 private:
  InterferenceWeights weights_;
  Calibration calibration_;
  Familiarity familiarity_;
  float base_variance_ = 0;
  // The pair head's two outputs, resources and spread, as one: [kResourceCount + 1, pair] and [kResourceCount + 1].
  Rows head_;
  Row head_bias_;
  // Kept between calls, so that a tick allocates nothing.
  Rows projected_;
  Rows gates_;
  Rows pair_;
  Rows outputs_;
  Row scratch_;
};

}  // namespace truce
