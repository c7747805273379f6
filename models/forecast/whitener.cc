#include "models/forecast/whitener.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <array>
#include <cmath>

namespace truce {
namespace {

constexpr double kMostValue = 1e100;
constexpr double kFarthest = 6;
constexpr double kFarthestChange = 100;
// Of this many values is what the next one's size is expected to be when there is a burst.
constexpr double kShortMemory = 16;
// Levels are means over so many values.
constexpr std::array<double, 3> kLevelMemory = {4, 16, 64};
// Coefficients are solved for at each of the first changes, then at every few.
constexpr size_t kFirstChanges = 100;
constexpr size_t kRefitEvery = 4;
// Terms that are nearly the same share their coefficient.
constexpr double kRidge = 1e-4;

double Bound(double value, double most) {
  return std::clamp(value, -most, most);
}

}  // namespace

Whitener::Whitener(size_t memory_steps) : memory_(std::max<double>(static_cast<double>(memory_steps), kShortMemory)) {}

void Whitener::Learn(double change, double weight) {
  products_ += weight * (terms_ * terms_.transpose() - products_);
  with_next_ += weight * (change * terms_ - with_next_);
  if (changes_ > kFirstChanges && changes_ % kRefitEvery != 0) return;
  auto steadied = products_;
  steadied.diagonal().array() += kRidge * (1 + products_.diagonal().array());
  const Terms solved = steadied.llt().solve(with_next_);
  if (solved.allFinite()) coefficients_ = solved;
}

void Whitener::Move(double change) {
  for (int i = kChanges - 1; i > 0; --i) terms_[i] = terms_[i - 1];
  terms_[0] = change;
  for (int i = 0; i < kLevels; ++i) {
    double& distance = terms_[kChanges + i];
    distance = (distance + change) * (1 - 1 / kLevelMemory[static_cast<size_t>(i)]);
  }
}

Surprise Whitener::Observe(double value) {
  Surprise surprise;
  if (!(std::abs(value) <= kMostValue)) return surprise;
  const double change = started_ ? value - last_ : 0;
  last_ = value;
  if (!started_) {
    started_ = true;
    return surprise;
  }
  ++changes_;
  const double weight = 1 / std::min(static_cast<double>(changes_), memory_);
  // Means hold the newest one too, so quotients are finite.
  mean_change_ += weight * (std::abs(change) - mean_change_);
  surprise.change = Bound(change, kFarthestChange * mean_change_);
  const double bounded = mean_change_ > 0 ? Bound(change / mean_change_, kFarthest) : 0;
  const double unforeseen = bounded - coefficients_.dot(terms_);
  Learn(bounded, weight);
  Move(bounded);
  mean_square_ += weight * (unforeseen * unforeseen - mean_square_);
  const double in_sizes = mean_square_ > 0 ? unforeseen / std::sqrt(mean_square_) : 0;
  const double centred = in_sizes - mean_value_;
  if (changes_ > kWhitenerWarmUp) {
    surprise.known = true;
    surprise.bounded = bounded * mean_change_;
    surprise.value = centred;
    surprise.expected_square = std::max(long_square_, short_square_);
  }
  mean_value_ += weight * (in_sizes - mean_value_);
  const double square = centred * centred;
  long_square_ += weight * (square - long_square_);
  short_square_ += std::max(weight, 1 / kShortMemory) * (square - short_square_);
  return surprise;
}

}  // namespace truce
