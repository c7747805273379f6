#include "lab/learn/linear.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "lab/learn/predictor.h"
#include "models/interference_correlation.h"

namespace truce::lab {
namespace {

constexpr double kRidge = 0.02;
// Standardised values beyond this are outliers of a program that training did not know.
constexpr double kFarthest = 4;

Eigen::MatrixXd Table(const ExampleList& examples,
                      const std::function<std::vector<float>(const InterferenceExample&)>& row) {
  Eigen::MatrixXd table;
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::vector<float> values = row(*examples[i]);
    if (i == 0) table.resize(static_cast<Eigen::Index>(examples.size()), static_cast<Eigen::Index>(values.size()));
    table.row(static_cast<Eigen::Index>(i)) =
        Eigen::Map<const Eigen::RowVectorXf>(values.data(), table.cols()).cast<double>();
  }
  return table;
}

// A predictor that is linear in some row of numbers made from the example.
class RowPredictor : public Predictor {
 public:
  using RowOf = std::function<std::vector<float>(const InterferenceExample&)>;
  explicit RowPredictor(RowOf row) : row_(std::move(row)) {}
  absl::Status Fit(const ExampleList& training, const ExampleList& validation) override {
    ExampleList all = training;  // nothing to stop and nothing to calibrate
    all.insert(all.end(), validation.begin(), validation.end());
    model_.Fit(Table(all, row_), all, kRidge);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override {
    return model_.Predict(Table(examples, row_));
  }

 private:
  const RowOf row_;
  LinearModel model_;
};

// What everybody who may run on the victim's CPUs asks of them, as a share of them.
std::vector<float> CpuSum(const InterferenceExample& example) {
  double cores = RecentCores(example.victim);
  for (size_t a = 0; a < example.aggressors.size(); ++a) {
    cores += RecentCores(example.aggressors[a]) * example.contexts[a].cpus_of_aggressor;
  }
  static const size_t kAllowed = FeatureNamed("cpu_allowed_log");
  const double allowed = std::max(1.0, std::expm1(3.0 * example.victim.back()[kAllowed]));
  return {static_cast<float>(cores / allowed)};
}

// How much a victim suffers in one sample, without unit.
double Suffering(const ModelInput& input) {
  static const size_t kCpi = FeatureNamed("cycles_per_instruction");
  static const size_t kWait = FeatureNamed("psi_cpu_some");
  static const size_t kCores = FeatureNamed("cpu_cores_log");
  if (input[kFeatureCount + kCpi] > 0) return std::expm1(input[kCpi]);
  return input[kWait] / std::max(0.02, std::expm1(static_cast<double>(input[kCores])));
}

std::vector<float> Correlation(const InterferenceExample& example) {
  static const size_t kCores = FeatureNamed("cpu_cores_log");
  std::vector<double> signal;
  for (const ModelInput& input : example.victim) signal.push_back(Suffering(input));
  // The baseline is what the victim suffered in its quieter half.
  std::vector<double> sorted = signal;
  std::sort(sorted.begin(), sorted.end());
  sorted.resize(std::max<size_t>(1, sorted.size() / 2));
  double mean = 0;
  double square = 0;
  for (const double one : sorted) {
    mean += one / static_cast<double>(sorted.size());
    square += one * one / static_cast<double>(sorted.size());
  }
  const double threshold = mean + 2 * std::max(0.01, std::sqrt(std::max(0.0, square - mean * mean)));
  double best = -1;
  for (const InputSequence& aggressor : example.aggressors) {
    // While the victim was alone, it used nothing: what is known of it from then was seen at another time.
    std::vector<double> usage(signal.size());
    const size_t together = std::min({static_cast<size_t>(example.company()), signal.size(), aggressor.size()});
    for (size_t age = 1; age <= together; ++age) {
      usage[signal.size() - age] = std::expm1(aggressor[aggressor.size() - age][kCores]);
    }
    best = std::max(best, InterferenceCorrelation(signal, threshold, usage));
  }
  return {static_cast<float>(best)};
}

}  // namespace

void LinearModel::Fit(const Eigen::MatrixXd& features, const ExampleList& examples, double ridge) {
  mean_ = features.colwise().mean();
  scale_ = ((features.rowwise() - mean_).array().square().colwise().mean().sqrt()).matrix();
  for (Eigen::Index i = 0; i < scale_.size(); ++i) scale_(i) = scale_(i) > 1e-6 ? scale_(i) : 1;
  const Eigen::MatrixXd x = Standardised(features);
  const auto count = static_cast<double>(examples.size());
  Eigen::VectorXd sizes(x.rows());
  Eigen::VectorXd happened(x.rows());
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    sizes(i) = examples[static_cast<size_t>(i)]->log_slowdown;
    happened(i) = sizes(i) >= std::log1p(kNoticedSlowdown) ? 1 : 0;
  }
  Eigen::VectorXd penalty = Eigen::VectorXd::Constant(x.cols(), ridge * count);
  penalty(x.cols() - 1) = 0;  // the intercept
  const Eigen::MatrixXd penalised = penalty.asDiagonal();
  size_ = (x.transpose() * x + penalised).ldlt().solve(x.transpose() * sizes);
  deviation_ = std::sqrt((sizes - x * size_).squaredNorm() / count);
  // Newton's method for the logistic regression.
  probability_ = Eigen::VectorXd::Zero(x.cols());
  for (int round = 0; round < 25; ++round) {
    const Eigen::VectorXd p = (1 + (-(x * probability_)).array().exp()).inverse().matrix();
    const Eigen::VectorXd weight = (p.array() * (1 - p.array())).max(1e-6).matrix();
    const Eigen::VectorXd gradient = x.transpose() * (p - happened) + penalised * probability_;
    const Eigen::MatrixXd hessian =
        x.transpose() * weight.asDiagonal() * x + penalised + 1e-9 * Eigen::MatrixXd::Identity(x.cols(), x.cols());
    probability_ -= (round < 5 ? 0.5 : 1.0) * hessian.ldlt().solve(gradient);
  }
}

std::vector<InterferencePrediction> LinearModel::Predict(const Eigen::MatrixXd& features) const {
  std::vector<InterferencePrediction> predictions;
  if (features.rows() == 0) return predictions;
  const Eigen::MatrixXd x = Standardised(features);
  const Eigen::VectorXd sizes = x * size_;
  const Eigen::VectorXd logits = x * probability_;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    InterferencePrediction prediction;
    prediction.log_slowdown = std::max(0.0, sizes(i));
    prediction.deviation = deviation_;
    prediction.probability = 1 / (1 + std::exp(-logits(i)));
    predictions.push_back(prediction);
  }
  return predictions;
}

Eigen::MatrixXd LinearModel::Standardised(const Eigen::MatrixXd& features) const {
  Eigen::MatrixXd x(features.rows(), features.cols() + 1);
  x.leftCols(features.cols()) =
      ((features.rowwise() - mean_).array().rowwise() / scale_.array()).max(-kFarthest).min(kFarthest).matrix();
  x.rightCols(1).setOnes();
  return x;
}

std::unique_ptr<Predictor> NewLinearPredictor() {
  return std::make_unique<RowPredictor>(FlatFeatures);
}

std::unique_ptr<Predictor> NewCpuSumPredictor() {
  return std::make_unique<RowPredictor>(CpuSum);
}

std::unique_ptr<Predictor> NewCorrelationPredictor() {
  return std::make_unique<RowPredictor>(Correlation);
}

}  // namespace truce::lab
