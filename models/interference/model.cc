#include "models/interference/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

// Nothing is surer than this; keeps logits finite.
constexpr float kSurest = 1e-6F;

// Added to a resource whose gate is closed: its contribution becomes zero.
constexpr float kClosed = -1e4F;
// No pair is slowed by more than e to this, so that a product of e^x over all resources stays finite.
constexpr float kSteepest = 12;

using RowArray = Eigen::Array<float, 1, Eigen::Dynamic, Eigen::RowMajor>;

template <typename Derived>
auto Sigmoid(const Eigen::ArrayBase<Derived>& x) {
  return (1.0F + (-x).exp()).inverse();
}

// erfc(x) / 2, to 1e-7 (Abramowitz and Stegun 1964, formula 7.1.26; erfc(-x) = 2 - erfc(x)).
RowArray TailOf(const RowArray& x) {
  const RowArray size = x.abs();
  const RowArray t = (1 + 0.3275911F * size).inverse();
  const RowArray half =
      0.5F * t * (0.254829592F + t * (-0.284496736F + t * (1.421413741F + t * (-1.453152027F + t * 1.061405429F)))) *
      (-size.square()).exp();
  return (x < 0).select(1 - half, half);
}

RowArray Calibrate(const Calibration& calibration, const RowArray& probability) {
  const RowArray bounded = probability.max(kSurest).min(1 - kSurest);
  return Sigmoid(calibration.slope * (bounded / (1 - bounded)).log() + calibration.intercept);
}

// P(slowdown >= 5 %), not calibrated.
RowArray NoticedProbability(const RowArray& mean, const RowArray& variance) {
  const auto bound = static_cast<float>(std::log1p(kNoticedSlowdown));
  return TailOf((bound - mean) * (2 * variance).rsqrt());
}

}  // namespace

float Calibration::Apply(float probability) const {
  return Calibrate(*this, RowArray::Constant(1, probability))(0);
}

Row Familiarity::Embed(Eigen::Ref<const Row> fingerprint) const {
  if (mean.size() == 0) return fingerprint;
  return (fingerprint - mean) * whiten;
}

float Familiarity::Distance(Eigen::Ref<const Row> fingerprint) const {
  return mean.size() == 0 ? 0 : Embed(fingerprint).norm();
}

Eigen::VectorXf Familiarity::Distances(const Rows& fingerprints) const {
  if (mean.size() == 0) return Eigen::VectorXf::Zero(fingerprints.rows());
  const Rows centred = fingerprints.rowwise() - mean;
  return (centred * whiten).rowwise().norm();
}

float Familiarity::OfDistance(float distance) const {
  if (distances.empty()) return 0;
  const auto farther =
      static_cast<float>(distances.end() - std::lower_bound(distances.begin(), distances.end(), distance));
  return std::min(1.0F, farther / (kUnusualShare * static_cast<float>(distances.size())));
}

InterferenceModel::InterferenceModel(InterferenceWeights weights, Calibration calibration, Familiarity familiarity)
    : weights_(std::move(weights)), calibration_(calibration), familiarity_(std::move(familiarity)) {
  const float spread = PairEffects::Contribution(weights_.base_spread(0));
  base_variance_ = spread * spread;
  const auto resources = static_cast<Eigen::Index>(kResourceCount);
  head_.resize(resources + 1, weights_.pair());
  head_ << weights_.slowdown, weights_.spread;
  head_bias_.resize(resources + 1);
  head_bias_ << weights_.slowdown_bias, weights_.spread_bias;
}

void InterferenceModel::Step(const Rows& inputs, Rows* fingerprints, Rows* memory) {
  const Eigen::Index width = weights_.hidden();
  projected_.noalias() = inputs * weights_.project.transpose();
  projected_.rowwise() += weights_.project_bias;
  projected_ = projected_.array().tanh();
  gates_.noalias() = projected_ * weights_.input_gates.transpose();
  gates_.noalias() += fingerprints->leftCols(width) * weights_.hidden_gates.transpose();
  gates_.rowwise() += weights_.gate_bias;
  const auto gate = [&](Eigen::Index which) { return gates_.middleCols(which * width, width).array(); };
  auto cell = memory->leftCols(width).array();
  cell = Sigmoid(gate(1)) * cell + Sigmoid(gate(0)) * gate(2).tanh();
  fingerprints->leftCols(width) = Sigmoid(gate(3)) * cell.tanh();
  for (Eigen::Index i = 0; i < inputs.rows(); ++i) {
    float& samples = (*memory)(i, width);
    samples = std::min(samples + 1, 1 / kMeanWeight);
    auto mean = fingerprints->row(i).tail(weights_.projected());
    mean += (projected_.row(i) - mean) / samples;
  }
}

void InterferenceModel::Project(const Rows& fingerprints, Rows* as_victims, Rows* as_aggressors) const {
  as_victims->noalias() = fingerprints * weights_.victim.transpose();
  as_victims->rowwise() += weights_.pair_bias;
  as_aggressors->noalias() = weights_.aggressor * fingerprints.transpose();
}

void InterferenceModel::Accompany(const Rows& as_aggressors, const Rows& contexts, Company* company) const {
  company->pair = as_aggressors;
  company->pair.topRows(weights_.pair()).noalias() += weights_.context * contexts.transpose();
  company->gates.setZero(static_cast<Eigen::Index>(kResourceCount), contexts.rows());
  const auto close = [company](ModelResource resource, Eigen::Index aggressor) {
    company->gates(static_cast<Eigen::Index>(resource), aggressor) = kClosed;
  };
  for (Eigen::Index i = 0; i < contexts.rows(); ++i) {
    // Resources that need something in common at all: no CPU in common, no waiting for a CPU.
    if (contexts(i, 0) + contexts(i, 2) <= 0) close(ModelResource::kCpu, i);
    if (contexts(i, 3) <= 0) close(ModelResource::kLlc, i);
    if (contexts(i, 4) <= 0) close(ModelResource::kMemoryBandwidth, i);
  }
}

void InterferenceModel::Price(Eigen::Ref<const Row> as_victim, const Company& company, PairEffects* effects) {
  const auto resources = static_cast<Eigen::Index>(kResourceCount);
  // Row by row: what is added is one number for the whole row, and Eigen's broadcasts don't use vector units.
  const Eigen::Index pairs = weights_.pair();
  pair_.resize(pairs, company.pair.cols());
  for (Eigen::Index k = 0; k < pairs; ++k) {
    const auto sum = company.pair.row(k).array() + as_victim(k);
    const auto product = company.pair.row(pairs + k).array() * as_victim(pairs + k);
    pair_.row(k) = (sum + product).max(0.0F);
  }
  outputs_.noalias() = head_ * pair_;
  effects->by_resource.resize(resources, outputs_.cols());
  for (Eigen::Index r = 0; r < resources; ++r) {
    effects->by_resource.row(r) =
        (outputs_.row(r).array() + company.gates.row(r).array() + head_bias_(r)).min(kSteepest);
  }
  // The sum of log(1 + e^x) over the resources, by one logarithm for all.
  scratch_.setOnes(outputs_.cols());
  for (Eigen::Index r = 0; r < resources; ++r) scratch_.array() *= 1 + effects->by_resource.row(r).array().exp();
  effects->mean = scratch_.array().log().matrix();
  scratch_ = (outputs_.row(resources).array() + head_bias_(resources)).min(kSteepest).matrix();
  effects->variance = (1 + scratch_.array().exp()).log().square().matrix();
  effects->probability =
      Calibrate(calibration_, NoticedProbability(effects->mean.array(), effects->variance.array() + base_variance_))
          .matrix();
}

float InterferenceModel::Probability(float mean, float variance) const {
  return NoticedProbability(RowArray::Constant(1, mean), RowArray::Constant(1, variance + base_variance_))(0);
}

Row InterferenceModel::Fingerprint(const InputSequence& sequence) {
  Rows fingerprint = Rows::Zero(1, this->fingerprint());
  Rows carried = Rows::Zero(1, memory());
  for (const ModelInput& input : sequence) {
    Step(Eigen::Map<const Rows>(input.data(), 1, static_cast<Eigen::Index>(input.size())), &fingerprint, &carried);
  }
  return fingerprint;
}

InterferencePrediction InterferenceModel::Predict(const InterferenceExample& example) {
  std::vector<const InputSequence*> sequences = {&example.victim};
  for (const InputSequence& aggressor : example.aggressors) sequences.push_back(&aggressor);
  const auto count = static_cast<Eigen::Index>(sequences.size());
  Rows fingerprints(count, fingerprint());
  for (Eigen::Index i = 0; i < count; ++i) fingerprints.row(i) = Fingerprint(*sequences[static_cast<size_t>(i)]);
  InterferencePrediction prediction;
  for (Eigen::Index i = 0; i < count; ++i) {
    prediction.distances.push_back(familiarity_.Distance(fingerprints.row(i)));
    prediction.familiarity =
        std::min(prediction.familiarity, double{familiarity_.OfDistance(prediction.distances.back())});
  }
  float mean = 0;
  float variance = 0;
  if (count > 1) {
    Rows victims, aggressors;
    Project(fingerprints, &victims, &aggressors);
    Rows contexts(count - 1, static_cast<Eigen::Index>(PairContext::kSize));
    for (Eigen::Index i = 0; i + 1 < count; ++i) {
      const auto shares = example.contexts[static_cast<size_t>(i)].ToArray();
      contexts.row(i) = Eigen::Map<const Row>(shares.data(), static_cast<Eigen::Index>(shares.size()));
    }
    Company company;
    PairEffects effects;
    Accompany(aggressors.rightCols(count - 1), contexts, &company);
    Price(victims.row(0), company, &effects);
    mean = effects.mean.sum();
    variance = effects.variance.sum();
    for (size_t r = 0; r < kResourceCount; ++r) {
      for (Eigen::Index i = 0; i + 1 < count; ++i) {
        prediction.by_resource[r] += PairEffects::Contribution(effects.by_resource(static_cast<Eigen::Index>(r), i));
      }
    }
  }
  prediction.log_slowdown = mean;
  prediction.deviation = std::sqrt(variance + base_variance_);
  prediction.reach = calibration_.interval_deviations * prediction.deviation;
  prediction.uncalibrated = Probability(mean, variance);
  prediction.probability = calibration_.Apply(static_cast<float>(prediction.uncalibrated));
  return prediction;
}

}  // namespace truce
