#include "models/interference/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

// Nothing is surer than this; keeps logits finite.
constexpr float kSurest = 1e-6F;

float Softplus(float x) {
  return std::max(x, 0.0F) + std::log1p(std::exp(-std::abs(x)));
}

template <typename Derived>
auto Softplus(const Eigen::ArrayBase<Derived>& x) {
  return x.max(0.0F) + (1.0F + (-x.abs()).exp()).log();
}

template <typename Derived>
auto Sigmoid(const Eigen::ArrayBase<Derived>& x) {
  return (1.0F + (-x).exp()).inverse();
}

// erfc(x) / 2, to 1e-7 (Abramowitz and Stegun 1964, formula 7.1.26; erfc(-x) = 2 - erfc(x)).
template <typename Derived>
Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor> TailOf(const Eigen::ArrayBase<Derived>& x) {
  const Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor> size = x.abs();
  const Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor> t = (1 + 0.3275911F * size).inverse();
  const Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor> half =
      0.5F * t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F)))) *
      (-size.square()).exp();
  return (x.derived() < 0).select(1 - half, half);
}

// Resources that need something in common at all: no CPU in common, no waiting for a CPU.
void CloseGates(const Rows& contexts, Rows* by_resource) {
  for (Eigen::Index i = 0; i < contexts.rows(); ++i) {
    if (contexts(i, 0) + contexts(i, 2) <= 0) (*by_resource)(i, static_cast<Eigen::Index>(ModelResource::kCpu)) = 0;
    if (contexts(i, 3) <= 0) (*by_resource)(i, static_cast<Eigen::Index>(ModelResource::kLlc)) = 0;
    if (contexts(i, 4) <= 0) (*by_resource)(i, static_cast<Eigen::Index>(ModelResource::kMemoryBandwidth)) = 0;
  }
}

}  // namespace

float Calibration::Apply(float probability) const {
  const float bounded = std::clamp(probability, kSurest, 1 - kSurest);
  const float logit = slope * std::log(bounded / (1 - bounded)) + intercept;
  return 1 / (1 + std::exp(-logit));
}

float Familiarity::Distance(Eigen::Ref<const Row> fingerprint) const {
  return mean.size() == 0 ? 0 : ((fingerprint - mean) * whiten).norm();
}

float Familiarity::OfDistance(float distance) const {
  if (distances.empty()) return 0;
  const auto farther =
      static_cast<float>(distances.end() - std::lower_bound(distances.begin(), distances.end(), distance));
  const float share = (farther + 1) / (static_cast<float>(distances.size()) + 1);
  return std::min(1.0F, 2 * share);
}

InterferenceModel::InterferenceModel(InterferenceWeights weights, Calibration calibration, Familiarity familiarity)
    : weights_(std::move(weights)), calibration_(calibration), familiarity_(std::move(familiarity)) {
  const float spread = Softplus(weights_.base_spread(0));
  base_variance_ = spread * spread;
}

void InterferenceModel::Step(const Rows& inputs, Rows* hidden, Rows* cell) {
  projected_.noalias() = inputs * weights_.project.transpose();
  projected_.rowwise() += weights_.project_bias;
  projected_ = projected_.array().tanh();
  gates_.noalias() = projected_ * weights_.input_gates.transpose();
  gates_.noalias() += *hidden * weights_.hidden_gates.transpose();
  gates_.rowwise() += weights_.gate_bias;
  const Eigen::Index width = weights_.hidden();
  const auto gate = [&](Eigen::Index which) { return gates_.middleCols(which * width, width).array(); };
  *cell = Sigmoid(gate(1)) * cell->array() + Sigmoid(gate(0)) * gate(2).tanh();
  *hidden = Sigmoid(gate(3)) * cell->array().tanh();
}

void InterferenceModel::Project(const Rows& hidden, Rows* as_victims, Rows* as_aggressors) const {
  as_victims->noalias() = hidden * weights_.victim.transpose();
  as_victims->rowwise() += weights_.pair_bias;
  as_aggressors->noalias() = hidden * weights_.aggressor.transpose();
}

void InterferenceModel::Accompany(const Rows& as_aggressors, const Rows& contexts, Rows* company) const {
  company->noalias() = contexts * weights_.context.transpose();
  *company += as_aggressors;
}

void InterferenceModel::Pairs(Eigen::Ref<const Row> as_victim, const Rows& company, const Rows& contexts,
                              Rows* by_resource, Row* variance) {
  pair_ = (company.rowwise() + as_victim).array().max(0.0F);
  by_resource->noalias() = pair_ * weights_.slowdown.transpose();
  by_resource->rowwise() += weights_.slowdown_bias;
  *by_resource = Softplus(by_resource->array()).eval();
  CloseGates(contexts, by_resource);
  variance->noalias() = weights_.spread * pair_.transpose();
  variance->array() += weights_.spread_bias(0);
  *variance = Softplus(variance->array()).square().eval();
}

void InterferenceModel::Probabilities(const Rows& by_resource, const Row& variance, Row* probabilities) const {
  const auto bound = static_cast<float>(std::log1p(kNoticedSlowdown));
  *probabilities =
      (bound - by_resource.rowwise().sum().transpose().array()) / (2 * (variance.array() + base_variance_)).sqrt();
  *probabilities = TailOf(probabilities->array()).max(kSurest).min(1 - kSurest).eval();
  const auto odds = probabilities->array() / (1 - probabilities->array());
  *probabilities = Sigmoid(calibration_.slope * odds.log() + calibration_.intercept).eval();
}

float InterferenceModel::Uncalibrated(float mean, float variance) const {
  const auto bound = static_cast<float>(std::log1p(kNoticedSlowdown));
  Eigen::Array<float, 1, 1> scaled;
  scaled << (bound - mean) / std::sqrt(2 * (variance + base_variance_));
  return TailOf(scaled)(0);
}

Row InterferenceModel::Fingerprint(const InputSequence& sequence) {
  Rows hidden = Rows::Zero(1, weights_.hidden());
  Rows cell = hidden;
  for (const ModelInput& input : sequence) {
    Step(Eigen::Map<const Rows>(input.data(), 1, static_cast<Eigen::Index>(input.size())), &hidden, &cell);
  }
  return hidden;
}

InterferencePrediction InterferenceModel::Predict(const InterferenceExample& example) {
  std::vector<const InputSequence*> sequences = {&example.victim};
  for (const InputSequence& aggressor : example.aggressors) sequences.push_back(&aggressor);
  const auto count = static_cast<Eigen::Index>(sequences.size());
  Rows hidden(count, weights_.hidden());
  for (Eigen::Index i = 0; i < count; ++i) hidden.row(i) = Fingerprint(*sequences[static_cast<size_t>(i)]);
  InterferencePrediction prediction;
  for (Eigen::Index i = 0; i < count; ++i) {
    prediction.distances.push_back(familiarity_.Distance(hidden.row(i)));
    prediction.familiarity =
        std::min(prediction.familiarity, double{familiarity_.OfDistance(prediction.distances.back())});
  }
  float mean = 0;
  float variance = 0;
  if (count > 1) {
    Rows victims, aggressors, by_resource;
    Row variances;
    Project(hidden, &victims, &aggressors);
    Rows contexts(count - 1, static_cast<Eigen::Index>(PairContext::kSize));
    for (Eigen::Index i = 0; i + 1 < count; ++i) {
      const auto shares = example.contexts[static_cast<size_t>(i)].ToArray();
      contexts.row(i) = Eigen::Map<const Row>(shares.data(), static_cast<Eigen::Index>(shares.size()));
    }
    Rows company;
    Accompany(aggressors.bottomRows(count - 1), contexts, &company);
    Pairs(victims.row(0), company, contexts, &by_resource, &variances);
    mean = by_resource.sum();
    variance = variances.sum();
    for (size_t r = 0; r < kResourceCount; ++r) {
      prediction.by_resource[r] = by_resource.col(static_cast<Eigen::Index>(r)).sum();
    }
  }
  prediction.log_slowdown = mean;
  prediction.deviation = std::sqrt(variance + base_variance_);
  prediction.probability = Probability(mean, variance);
  prediction.uncalibrated = Uncalibrated(mean, variance);
  return prediction;
}

}  // namespace truce
