#include "models/drift/robust_moments.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <string>

#include "google/protobuf/util/time_util.h"

namespace truce {
namespace {

using google::protobuf::util::TimeUtil;

// Fewer samples say too little of a trait.
constexpr double kLeastWeight = 10;
// Sums are faded once a sample of now weighs as much as so many half-lives make it.
constexpr double kMostHalfLives = 16;
// Of neighbouring reports one in so many is news, by the swings of real programs at 5 s.
constexpr double kReportsPerIndependent = 5;
// A trait that never moved has this variance, so that its first flicker is none to speak of: 1 % squared.
constexpr double kLeastVariance = 1e-4;
// Rough 95 % quantile of a chi-squared distribution by its cube root (Wilson and Hilferty 1931).
double Usual95(double traits) {
  const double c = 2 / (9 * traits);
  return traits * std::pow(1 - c + 1.645 * std::sqrt(c), 3);
}
constexpr int kMostUntilEstimate = 256;
constexpr double kMostSeconds = 4e9;

}  // namespace

double SquaredLength(const TraitEstimate& estimate, const std::array<bool, kTraitCount>& used,
                     const std::array<double, kTraitCount>& numbers) {
  Eigen::Matrix<double, kTraitCount, 1> vector;
  for (size_t i = 0; i < kTraitCount; ++i) vector[static_cast<Eigen::Index>(i)] = used[i] ? numbers[i] : 0;
  // The usual case, and much the faster one.
  if (used == estimate.known) return vector.dot(estimate.precision * vector);
  // A trait that is not used has a row and a column of none but itself, and the number 0: it adds nothing.
  TraitMatrix matrix = estimate.correlation;
  for (size_t i = 0; i < kTraitCount; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    if (used[i]) continue;
    matrix.row(row).setZero();
    matrix.col(row).setZero();
    matrix(row, row) = 1;
  }
  return vector.dot(matrix.llt().solve(vector));
}

double RobustMoments::Scale(double seconds) const {
  return std::exp2((seconds - epoch_) / kHalfLifeSeconds);
}

void RobustMoments::MoveEpoch(double seconds) {
  const double factor = std::exp2((epoch_ - seconds) / kHalfLifeSeconds);
  for (double& one : weights_) one *= factor;
  for (double& one : sums_) one *= factor;
  for (double& one : products_) one *= factor;
  epoch_ = seconds;
}

double RobustMoments::HuberWeight(const Behaviour& behaviour) const {
  std::array<bool, kTraitCount> used{};
  std::array<double, kTraitCount> standard{};
  double traits = 0;
  for (size_t i = 0; i < kTraitCount; ++i) {
    used[i] = behaviour.there[i] && estimate_.known[i];
    if (!used[i]) continue;
    standard[i] = (behaviour.numbers[i] - estimate_.mean[i]) / std::sqrt(estimate_.variance[i]);
    ++traits;
  }
  if (traits == 0) return 1;
  const double squared = SquaredLength(estimate_, used, standard);
  const double bound = Usual95(traits);
  return squared <= bound ? 1 : std::sqrt(bound / squared);
}

void RobustMoments::Add(double seconds, const Behaviour& given) {
  if (!std::isfinite(seconds) || std::abs(seconds) > kMostSeconds) return;
  Behaviour behaviour = given;
  for (size_t i = 0; i < kTraitCount; ++i) behaviour.there[i] = given.there[i] && std::abs(given.numbers[i]) < 1e3;
  if (behaviour.empty()) return;
  if (empty_) epoch_ = last_ = seconds;
  empty_ = false;
  last_ = std::max(last_, seconds);
  if (last_ - epoch_ > kMostHalfLives * kHalfLifeSeconds) MoveEpoch(last_);
  const double weight = HuberWeight(behaviour) * Scale(seconds);
  for (size_t a = 0; a < kTraitCount; ++a) {
    if (!behaviour.there[a]) continue;
    for (size_t b = 0; b < kTraitCount; ++b) {
      if (!behaviour.there[b]) continue;
      sums_[a * kTraitCount + b] += weight * behaviour.numbers[a];
      if (b > a) continue;
      weights_[PairOf(a, b)] += weight;
      products_[PairOf(a, b)] += weight * behaviour.numbers[a] * behaviour.numbers[b];
    }
  }
  if (--until_estimate_ > 0) return;
  Estimate();
  estimated_after_ = std::min(kMostUntilEstimate, estimated_after_ + 1 + estimated_after_ / 8);
  until_estimate_ = estimated_after_;
}

void RobustMoments::Merge(const RobustMoments& other) {
  if (other.empty_) return;
  if (empty_) {
    *this = other;
    return;
  }
  RobustMoments added = other;
  const double latest = std::max(last_, other.last_);
  MoveEpoch(latest);
  added.MoveEpoch(latest);
  last_ = latest;
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] += added.weights_[i];
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += added.sums_[i];
  for (size_t i = 0; i < products_.size(); ++i) products_[i] += added.products_[i];
  Estimate();
}

double RobustMoments::weight(size_t trait) const {
  return weights_[PairOf(trait, trait)] / Scale(last_);
}

void RobustMoments::Estimate() {
  estimate_ = {};
  double least_weight = 0;
  Eigen::Index known = 0;
  for (size_t i = 0; i < kTraitCount; ++i) {
    const double weight = weights_[PairOf(i, i)];
    estimate_.known[i] = this->weight(i) >= kLeastWeight;
    if (!estimate_.known[i]) continue;
    least_weight = known++ == 0 ? this->weight(i) : std::min(least_weight, this->weight(i));
    estimate_.mean[i] = sums_[i * kTraitCount + i] / weight;
    estimate_.variance[i] =
        std::max(kLeastVariance, products_[PairOf(i, i)] / weight - estimate_.mean[i] * estimate_.mean[i]);
  }
  if (known < 2) return;
  TraitMatrix raw = TraitMatrix::Identity();
  double squares = static_cast<double>(known);
  for (size_t a = 0; a < kTraitCount; ++a) {
    for (size_t b = 0; b < a; ++b) {
      const double weight = weights_[PairOf(a, b)];
      if (!estimate_.known[a] || !estimate_.known[b] || weight / Scale(last_) < kLeastWeight) continue;
      const double covariance = products_[PairOf(a, b)] / weight -
                                sums_[a * kTraitCount + b] / weight * (sums_[b * kTraitCount + a] / weight);
      const double both = std::sqrt(estimate_.variance[a] * estimate_.variance[b]);
      const double correlation = std::clamp(covariance / both, -1.0, 1.0);
      raw(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(b)) = correlation;
      raw(static_cast<Eigen::Index>(b), static_cast<Eigen::Index>(a)) = correlation;
      squares += 2 * correlation * correlation;
    }
  }
  // tr(S) = p and tr(S^2) = squares for a correlation matrix of p traits.
  const auto p = static_cast<double>(known);
  const double n = least_weight / kReportsPerIndependent;
  const double divisor = (n + 1 - 2 / p) * (squares - p);
  double shrinkage = divisor > 0 ? ((1 - 2 / p) * squares + p * p) / divisor : 1;
  shrinkage = std::clamp(shrinkage, 0.05, 1.0);
  // Pairs that were seen at different times need not fit together; more shrinkage makes them.
  for (; shrinkage < 1; shrinkage = std::min(1.0, 2 * shrinkage)) {
    estimate_.correlation = (1 - shrinkage) * raw + shrinkage * TraitMatrix::Identity();
    const Eigen::LLT<TraitMatrix> factors = estimate_.correlation.llt();
    if (factors.info() != Eigen::Success) continue;
    estimate_.precision = factors.solve(TraitMatrix::Identity());
    return;
  }
  estimate_.correlation = TraitMatrix::Identity();
}

v1::TraitMoments RobustMoments::ToWire() const {
  v1::TraitMoments wire;
  if (empty_) return wire;
  RobustMoments now = *this;
  now.MoveEpoch(std::floor(last_));
  for (size_t i = 0; i < kTraitCount; ++i) wire.add_traits(std::string(TraitName(i)));
  for (const double one : now.weights_) wire.add_weights(one);
  for (const double one : now.sums_) wire.add_sums(one);
  for (const double one : now.products_) wire.add_products(one);
  *wire.mutable_weighed_at() = TimeUtil::SecondsToTimestamp(static_cast<int64_t>(now.epoch_));
  return wire;
}

RobustMoments RobustMoments::FromWire(const v1::TraitMoments& wire) {
  const auto traits = static_cast<size_t>(wire.traits_size());
  const size_t pairs = traits * (traits + 1) / 2;
  if (traits == 0 || traits > 1000 || static_cast<size_t>(wire.weights_size()) != pairs ||
      static_cast<size_t>(wire.products_size()) != pairs || static_cast<size_t>(wire.sums_size()) != traits * traits) {
    return {};
  }
  RobustMoments moments;
  moments.empty_ = false;
  moments.epoch_ = moments.last_ = static_cast<double>(wire.weighed_at().seconds());
  if (std::abs(moments.epoch_) > kMostSeconds) return {};
  std::vector<size_t> here(traits, kTraitCount);
  for (size_t i = 0; i < traits; ++i) {
    for (size_t k = 0; k < kTraitCount; ++k) {
      if (wire.traits(static_cast<int>(i)) == TraitName(k)) here[i] = k;
    }
  }
  const auto sound = [](double value) { return std::isfinite(value) && std::abs(value) < 1e100; };
  for (size_t a = 0; a < traits; ++a) {
    for (size_t b = 0; b < traits; ++b) {
      if (here[a] == kTraitCount || here[b] == kTraitCount) continue;
      const double sum = wire.sums(static_cast<int>(a * traits + b));
      const double weight = wire.weights(static_cast<int>(PairOf(a, b)));
      const double product = wire.products(static_cast<int>(PairOf(a, b)));
      if (!sound(sum) || !sound(product) || !sound(weight) || weight < 0) return {};
      moments.sums_[here[a] * kTraitCount + here[b]] = sum;
      moments.weights_[PairOf(here[a], here[b])] = weight;
      moments.products_[PairOf(here[a], here[b])] = product;
    }
  }
  moments.Estimate();
  return moments;
}

}  // namespace truce
