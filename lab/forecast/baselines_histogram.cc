#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lab/forecast/baselines.h"

namespace truce::lab {
namespace {

constexpr double kPercentile = 0.95;
constexpr double kMargin = 0.15;
constexpr double kGrowth = 1.05;
// Of the largest value of the history.
constexpr double kFirstBucket = 1e-3;
// The buckets end at a thousand times that value; what is larger is in the last of them.
constexpr double kHighestBucket = 1e3;
// Newer values weigh more, instead of older ones less; all are scaled down before that overflows.
constexpr double kMostWeight = 1e100;

class DecayingHistogram : public PointMethod {
 public:
  explicit DecayingHistogram(size_t half_life)
      : growth_(std::exp2(1.0 / static_cast<double>(std::max<size_t>(1, half_life)))) {}

  void Fit(absl::Span<const double> history) override {
    double largest = 0;
    for (const double value : history) {
      if (value > largest) largest = value;
    }
    first_bucket_ = largest > 0 ? kFirstBucket * largest : kFirstBucket;
    weights_.assign(BucketOf(first_bucket_ * kHighestBucket / kFirstBucket) + 1, 0.0);
    weight_ = 1;
    for (const double value : history) Observe(value);
  }

  void Observe(double value) override {
    weight_ *= growth_;
    if (std::isnan(value)) return;
    weights_[std::min(BucketOf(value), weights_.size() - 1)] += weight_;
    if (weight_ < kMostWeight) return;
    for (double& weight : weights_) weight /= kMostWeight;
    weight_ /= kMostWeight;
  }

  void Predict(absl::Span<double> steps) const override {
    double total = 0;
    for (const double weight : weights_) total += weight;
    double sum = 0;
    size_t bucket = 0;
    for (; bucket + 1 < weights_.size(); ++bucket) {
      sum += weights_[bucket];
      if (sum >= kPercentile * total) break;
    }
    std::fill(steps.begin(), steps.end(), (1 + kMargin) * StartOf(bucket + 1));
  }

 private:
  // Bucket n is first_bucket * growth^n wide.
  double StartOf(size_t bucket) const {
    return first_bucket_ * (std::pow(kGrowth, static_cast<double>(bucket)) - 1) / (kGrowth - 1);
  }
  size_t BucketOf(double value) const {
    if (!(value > 0)) return 0;
    return static_cast<size_t>(std::log1p(value * (kGrowth - 1) / first_bucket_) / std::log(kGrowth));
  }

  const double growth_;
  double first_bucket_ = 1;
  double weight_ = 1;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<PointMethod> NewDecayingHistogram(size_t half_life) {
  return std::make_unique<DecayingHistogram>(half_life);
}

}  // namespace truce::lab
