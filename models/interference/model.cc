#include "models/interference/model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace truce {
namespace {

// Added to a resource whose gate is closed: its contribution becomes zero.
constexpr float kClosed = -1e4F;

// Brings a mean that fades up to date with the next of `samples`, which it counts.
template <typename Mean, typename Value>
void Fade(const Value& value, float* samples, Mean&& mean) {
  *samples = std::min(*samples + 1, 1 / kMeanWeight);
  mean += (value - mean) / *samples;
}

// log(1 + slowdown) from which on it is noticed.
float Bound() {
  return static_cast<float>(std::log1p(kNoticedSlowdown));
}

}  // namespace

float Calibration::Probability(float deviations_above) const {
  return 1 / (1 + std::exp(-(slope * deviations_above + intercept)));
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
  // Not a number is as far out as can be.
  if (distances.empty() || !(distance <= distances.back())) return 0;
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
  StepLstm(weights_.cell, projected_, &gates_, fingerprints->leftCols(width), memory->leftCols(width));
  for (Eigen::Index i = 0; i < inputs.rows(); ++i) {
    Fade(projected_.row(i), &(*memory)(i, width), fingerprints->row(i).segment(width, weights_.projected()));
    const std::span<const float, kModelInputs> input(inputs.row(i).data(), kModelInputs);
    if (const auto demand = CpuDemand(input)) {
      Fade(*demand, &(*memory)(i, width + 1), (*fingerprints)(i, weights_.fingerprint() - 1));
    }
  }
}

void InterferenceModel::Project(const Rows& fingerprints, Rows* as_victims, Rows* as_aggressors) const {
  as_victims->noalias() = fingerprints * weights_.victim.transpose();
  as_victims->rowwise() += weights_.pair_bias;
  const Eigen::Index rows = weights_.aggressor.rows();
  as_aggressors->resize(rows + 1, fingerprints.rows());
  as_aggressors->topRows(rows).noalias() = weights_.aggressor * fingerprints.transpose();
  as_aggressors->row(rows) = fingerprints.rightCols(1).transpose();
}

void InterferenceModel::Accompany(const Rows& as_aggressors, const Rows& contexts, Company* company) const {
  const auto shares = static_cast<Eigen::Index>(PairContext::kSize);
  const auto demand = as_aggressors.row(as_aggressors.rows() - 1).array();
  company->shared.resize(static_cast<Eigen::Index>(kPairInputs), contexts.rows());
  company->shared.topRows(shares) = contexts.transpose();
  company->shared.row(shares) = company->shared.row(0).array() * demand;
  company->shared.row(shares + 1) = company->shared.row(1).array() * demand;
  company->pair = as_aggressors.topRows(as_aggressors.rows() - 1);
  company->pair.noalias() += weights_.context * company->shared;
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
  effects->mean = (1 + scratch_.array().log()).log().matrix();
  scratch_ = (outputs_.row(resources).array() + head_bias_(resources)).min(kSteepest).matrix();
  effects->variance = (1 + scratch_.array().exp()).log().square().matrix();
  const auto above = (effects->mean.array() - Bound()) * (effects->variance.array() + base_variance_).rsqrt();
  effects->probability = Sigmoid(calibration_.slope * above + calibration_.intercept).matrix();
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
  double slowdown = 0;
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
    variance = effects.variance.sum();
    for (size_t r = 0; r < kResourceCount; ++r) {
      for (Eigen::Index i = 0; i + 1 < count; ++i) {
        prediction.by_resource[r] += PairEffects::Contribution(effects.by_resource(static_cast<Eigen::Index>(r), i));
      }
      slowdown += prediction.by_resource[r];
    }
  }
  prediction.log_slowdown = std::log1p(slowdown);
  prediction.deviation = std::sqrt(variance + base_variance_);
  prediction.reach = calibration_.interval_deviations * prediction.deviation;
  prediction.deviations_above = (prediction.log_slowdown - Bound()) / prediction.deviation;
  prediction.probability = calibration_.Probability(static_cast<float>(prediction.deviations_above));
  return prediction;
}

}  // namespace truce
