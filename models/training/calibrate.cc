#include "models/training/calibrate.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

namespace truce {
namespace {

// Strength of the pull towards the normal distribution, in examples.
constexpr double kPull = 5;
// Beyond so many deviations, one that went the other way must not rule the calibration.
constexpr double kFarthest = 50;
// Share of the fingerprints' mean variance that is added to each direction: directions that training hardly saw.
constexpr double kShrinkage = 0.05;

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

Calibration FitCalibration(const std::vector<double>& deviations_above, const std::vector<bool>& happened) {
  std::vector<double> x(deviations_above.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::clamp(deviations_above[i], -kFarthest, kFarthest);
  const Eigen::Vector2d normal(kLogisticOfNormal, 0);
  // Log loss, with a ridge around the normal distribution.
  const auto loss = [&](const Eigen::Vector2d& w) {
    double sum = kPull / 2 * (w - normal).squaredNorm();
    for (size_t i = 0; i < x.size(); ++i) {
      const double against = (happened[i] ? -1 : 1) * (w(0) * x[i] + w(1));
      sum += std::max(against, 0.0) + std::log1p(std::exp(-std::abs(against)));
    }
    return sum;
  };
  Eigen::Vector2d w = normal;  // slope, intercept
  for (int round = 0; round < 100; ++round) {
    Eigen::Vector2d gradient = kPull * (w - normal);
    Eigen::Matrix2d hessian = kPull * Eigen::Matrix2d::Identity();
    for (size_t i = 0; i < x.size(); ++i) {
      const Eigen::Vector2d row(x[i], 1);
      const double p = 1 / (1 + std::exp(-w.dot(row)));
      gradient += (p - (happened[i] ? 1 : 0)) * row;
      hessian += p * (1 - p) * row * row.transpose();
    }
    Eigen::Vector2d step = hessian.ldlt().solve(gradient);
    // Far from the optimum a whole step may overshoot.
    const double before = loss(w);
    while (step.norm() > 1e-9 && loss(w - step) > before) step /= 2;
    w -= step;
    if (step.norm() < 1e-9) break;
  }
  Calibration calibration;
  calibration.slope = static_cast<float>(std::max(0.05, w(0)));
  calibration.intercept = static_cast<float>(w(1));
  return calibration;
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

Calibration CalibrateOn(const std::vector<Forecast>& forecasts) {
  std::vector<double> deviations_above;
  std::vector<bool> happened;
  std::vector<double> off;
  for (const Forecast& forecast : forecasts) {
    const InterferencePrediction& prediction = *forecast.prediction;
    const double log_slowdown = forecast.example->log_slowdown;
    deviations_above.push_back(prediction.deviations_above);
    happened.push_back(log_slowdown >= std::log1p(kNoticedSlowdown));
    off.push_back(std::abs(log_slowdown - prediction.log_slowdown) / std::max(1e-6, prediction.deviation));
  }
  Calibration calibration = FitCalibration(deviations_above, happened);
  calibration.interval_deviations = FitInterval(std::move(off));
  return calibration;
}

InterferenceModel Calibrated(InterferenceWeights weights, const ExampleList& training, const ExampleList& validation) {
  InterferenceModel plain(std::move(weights), Calibration(), Familiarity());
  std::vector<InterferencePrediction> predictions;
  for (const InterferenceExample* example : validation) predictions.push_back(plain.Predict(*example));
  std::vector<Forecast> forecasts;
  for (size_t i = 0; i < predictions.size(); ++i) forecasts.push_back({validation[i], &predictions[i]});
  return InterferenceModel(
      plain.weights(), CalibrateOn(forecasts),
      FitFamiliarity(Fingerprints(plain, training, {}), Fingerprints(plain, validation, ProgramsOf(training))));
}

}  // namespace truce
