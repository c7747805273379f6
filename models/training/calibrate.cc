#include "models/training/calibrate.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

namespace truce {
namespace {

// Strength of the pull towards identity, in examples.
constexpr double kPull = 5;
// Share of the fingerprints' mean variance that is added to each direction: directions that training hardly saw.
constexpr double kShrinkage = 0.05;

double Logit(double probability) {
  const double bounded = std::clamp(probability, 1e-6, 1 - 1e-6);
  return std::log(bounded / (1 - bounded));
}

std::set<std::string> ProgramsOf(const ExampleList& examples) {
  std::set<std::string> programs;
  for (const InterferenceExample* example : examples)
    programs.insert(example->programs.begin(), example->programs.end());
  return programs;
}

// The last fingerprint of every workload of the examples that is none of `but`.
Rows Fingerprints(InterferenceModel& model, const ExampleList& examples, const std::set<std::string>& but) {
  std::vector<const InputSequence*> sequences;
  for (const InterferenceExample* example : examples) {
    if (!but.contains(example->programs[0])) sequences.push_back(&example->victim);
    for (size_t i = 0; i < example->aggressors.size(); ++i) {
      if (!but.contains(example->programs[i + 1])) sequences.push_back(&example->aggressors[i]);
    }
  }
  Rows fingerprints(static_cast<Eigen::Index>(sequences.size()), model.fingerprint());
  for (size_t i = 0; i < sequences.size(); ++i) {
    fingerprints.row(static_cast<Eigen::Index>(i)) = model.Fingerprint(*sequences[i]);
  }
  return fingerprints;
}

}  // namespace

Calibration FitCalibration(const std::vector<double>& probabilities, const std::vector<bool>& happened) {
  double slope = 1;
  double intercept = 0;
  for (int round = 0; round < 50; ++round) {
    // Gradient and Hessian of the log loss, with a ridge around (1, 0).
    double g0 = kPull * (slope - 1), g1 = kPull * intercept;
    double h00 = kPull, h01 = 0, h11 = kPull;
    for (size_t i = 0; i < probabilities.size(); ++i) {
      const double x = Logit(probabilities[i]);
      const double p = 1 / (1 + std::exp(-(slope * x + intercept)));
      const double difference = p - (happened[i] ? 1 : 0);
      const double weight = p * (1 - p);
      g0 += difference * x;
      g1 += difference;
      h00 += weight * x * x;
      h01 += weight * x;
      h11 += weight;
    }
    const double determinant = h00 * h11 - h01 * h01;
    const double step0 = (h11 * g0 - h01 * g1) / determinant;
    const double step1 = (h00 * g1 - h01 * g0) / determinant;
    // Half steps: far from the optimum a whole one may overshoot.
    const double scale = round < 10 ? 0.5 : 1;
    slope -= scale * step0;
    intercept -= scale * step1;
    if (std::abs(step0) + std::abs(step1) < 1e-9) break;
  }
  Calibration calibration;
  calibration.slope = static_cast<float>(std::max(0.05, slope));
  calibration.intercept = static_cast<float>(intercept);
  return calibration;
}

double DeviationsOff(const InterferenceExample& example, const InterferencePrediction& prediction) {
  return std::abs(example.log_slowdown - prediction.log_slowdown) / std::max(1e-6, prediction.deviation);
}

float FitInterval(std::vector<double> deviations_off) {
  constexpr double kShare = 0.8;
  constexpr size_t kLeastCases = 20;
  if (deviations_off.size() < kLeastCases) return Calibration().interval_deviations;
  const auto rank = static_cast<size_t>(std::ceil(kShare * static_cast<double>(deviations_off.size() + 1))) - 1;
  const auto at = deviations_off.begin() + static_cast<std::ptrdiff_t>(std::min(rank, deviations_off.size() - 1));
  std::nth_element(deviations_off.begin(), at, deviations_off.end());
  return static_cast<float>(*at);
}

std::vector<float> Quantiles(std::vector<float> values) {
  constexpr size_t kMost = 256;
  std::sort(values.begin(), values.end());
  if (values.size() <= kMost) return values;
  std::vector<float> fewer;
  for (size_t i = 0; i < kMost; ++i) fewer.push_back(values[i * (values.size() - 1) / (kMost - 1)]);
  return fewer;
}

Familiarity FitFamiliarity(const Rows& known, const Rows& unknown) {
  Familiarity familiarity;
  if (known.rows() == 0) return familiarity;
  familiarity.mean = known.colwise().mean();
  const Rows centred = known.rowwise() - familiarity.mean;
  Eigen::MatrixXd covariance =
      (centred.transpose() * centred).cast<double>() / static_cast<double>(std::max<Eigen::Index>(1, known.rows() - 1));
  const auto size = covariance.rows();
  covariance +=
      (kShrinkage * covariance.trace() / static_cast<double>(size) + 1e-9) * Eigen::MatrixXd::Identity(size, size);
  // covariance = L L', so distance^2 = |L^-1 d|^2 = |d' L^-T|^2.
  const Eigen::LLT<Eigen::MatrixXd> factor(covariance);
  familiarity.whiten = factor.matrixL().solve(Eigen::MatrixXd::Identity(size, size)).transpose().cast<float>();
  // Directions that hardly vary are shrunk above; this makes up for it, so that two picked blindly are about
  // sqrt(2 size) apart (models/similarity.h).
  const double spread = (centred * familiarity.whiten).squaredNorm() / static_cast<double>(known.rows() * size);
  if (spread > 0) familiarity.whiten /= static_cast<float>(std::sqrt(spread));
  const Rows& judges = unknown.rows() > 0 ? unknown : known;
  for (Eigen::Index i = 0; i < judges.rows(); ++i) {
    familiarity.distances.push_back(((judges.row(i) - familiarity.mean) * familiarity.whiten).norm());
  }
  familiarity.distances = Quantiles(std::move(familiarity.distances));
  return familiarity;
}

InterferenceModel Calibrated(InterferenceWeights weights, const ExampleList& training, const ExampleList& validation) {
  InterferenceModel plain(std::move(weights), Calibration(), Familiarity());
  std::vector<double> probabilities;
  std::vector<bool> happened;
  std::vector<double> off;
  for (const InterferenceExample* example : validation) {
    const InterferencePrediction prediction = plain.Predict(*example);
    probabilities.push_back(prediction.uncalibrated);
    off.push_back(DeviationsOff(*example, prediction));
    happened.push_back(example->log_slowdown >= std::log1p(kNoticedSlowdown));
  }
  Calibration calibration = FitCalibration(probabilities, happened);
  calibration.interval_deviations = FitInterval(std::move(off));
  return InterferenceModel(
      plain.weights(), calibration,
      FitFamiliarity(Fingerprints(plain, training, {}), Fingerprints(plain, validation, ProgramsOf(training))));
}

}  // namespace truce
