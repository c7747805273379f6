#include "controller/learn/loss_series.h"

#include <algorithm>
#include <cmath>

#include "controller/fleet/moment.h"

namespace truce::controller {
namespace {

constexpr size_t kMostBatches = 16;
// Makes the bound tightest after some 40 spans.
constexpr double kMixtureVariance = 0.25;
constexpr double kMostCount = 1e15;
// Batches that are more alike than this say nothing anyway.
constexpr double kMostAlike = 0.9;
constexpr double kLeastFreedom = 2;

bool IsSound(const LossSum& sum) {
  for (const double value : {sum.count, sum.loss, sum.naive_loss, sum.squared_gain}) {
    if (!(value >= 0 && value <= kMostCount)) return false;
  }
  return true;
}

// Student's t as far out as `z` is on the normal curve, with `freedom` degrees (Abramowitz and Stegun, 26.7.5).
double WithFewBatches(double z, double freedom) {
  const double z2 = z * z;
  return z * (1 + (z2 + 1) / (4 * freedom) + (5 * z2 * z2 + 16 * z2 + 3) / (96 * freedom * freedom));
}

}  // namespace

void LossSum::Add(const LossSum& other) {
  count += other.count;
  loss += other.loss;
  naive_loss += other.naive_loss;
  squared_gain += other.squared_gain;
}

void LossSum::Scale(double factor) {
  count *= factor;
  loss *= factor;
  naive_loss *= factor;
  squared_gain *= factor;
}

void LossSeries::Add(absl::Time at, const LossSum& sum) {
  AddAt(IndexOf(at), sum);
}

int64_t LossSeries::IndexOf(absl::Time at) const {
  return absl::ToInt64Nanoseconds(at - absl::UnixEpoch()) / absl::ToInt64Nanoseconds(width_);
}

void LossSeries::EndBy(absl::Time at) {
  if (buckets_.empty()) return;
  const int64_t back = std::max<int64_t>(0, buckets_.back().index - IndexOf(at));
  for (Bucket& bucket : buckets_) bucket.index -= back;
}

void LossSeries::Add(const LossSeries& other) {
  for (const Bucket& bucket : other.buckets_) Add(absl::UnixEpoch() + bucket.index * other.width_, bucket.sum);
}

void LossSeries::AddAt(int64_t index, const LossSum& sum) {
  if (!buckets_.empty() && index <= buckets_.back().index - most_) return;
  auto at = std::lower_bound(buckets_.begin(), buckets_.end(), index,
                             [](const Bucket& bucket, int64_t wanted) { return bucket.index < wanted; });
  if (at == buckets_.end() || at->index != index) at = buckets_.insert(at, {index, {}});
  at->sum.Add(sum);
  const int64_t oldest = buckets_.back().index - most_;
  const auto first = std::find_if(buckets_.begin(), buckets_.end(), [&](const Bucket& b) { return b.index > oldest; });
  buckets_.erase(buckets_.begin(), first);
}

LossSum LossSeries::Total() const {
  LossSum total;
  for (const Bucket& bucket : buckets_) total.Add(bucket.sum);
  return total;
}

LossSeries LossSeries::Newest(size_t spans) const {
  LossSeries newest(width_, std::min(spans, most()));
  newest.Add(*this);
  return newest;
}

std::vector<LossSum> LossSeries::Batches(size_t most) const {
  const size_t each = (buckets_.size() + most - 1) / most;
  std::vector<LossSum> batches;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (i % each == 0) batches.emplace_back();
    batches.back().Add(buckets_[i].sum);
  }
  return batches;
}

v1::LossSeries LossSeries::ToWire() const {
  v1::LossSeries wire;
  SetDuration(width_, wire.mutable_width());
  for (const Bucket& bucket : buckets_) {
    v1::LossBucket& one = *wire.add_buckets();
    one.set_index(bucket.index);
    one.set_count(bucket.sum.count);
    one.set_loss_sum(bucket.sum.loss);
    one.set_naive_loss_sum(bucket.sum.naive_loss);
    one.set_squared_gain_sum(bucket.sum.squared_gain);
  }
  return wire;
}

LossSeries LossSeries::FromWire(const v1::LossSeries& wire, absl::Duration width, size_t most) {
  LossSeries series(width, most);
  if (ToDuration(wire.width()) != width) return series;
  for (const v1::LossBucket& one : wire.buckets()) {
    const LossSum sum{one.count(), one.loss_sum(), one.naive_loss_sum(), one.squared_gain_sum()};
    if (IsSound(sum)) series.AddAt(one.index(), sum);
  }
  return series;
}

std::optional<LossEstimate> EstimateLoss(const LossSeries& series) {
  if (series.size() < kLeastSpans) return std::nullopt;
  const LossSum total = series.Total();
  if (!(total.naive_loss > 0) || !(total.count > 0)) return std::nullopt;
  const double ratio = total.Ratio();
  const std::vector<LossSum> batches = series.Batches(kMostBatches);
  const auto count = static_cast<double>(batches.size());
  double residuals = 0;
  double products = 0;
  double last = 0;
  for (const LossSum& batch : batches) {
    const double residual = batch.loss - ratio * batch.naive_loss;
    residuals += residual * residual;
    products += residual * last;
    last = residual;
  }
  // Batches that are short against how long errors last are alike still: as many as that of an AR(1) series are worth.
  // What few of them seem to be alike is too little by about the second term (Kendall, "Note on bias in the estimation
  // of autocorrelation", Biometrika 1954).
  const double seems = residuals > 0 ? products / residuals : 0;
  const double alike = std::clamp(seems + (1 + 4 * seems) / count, 0.0, kMostAlike);
  const double worth = (1 - alike) / (1 + alike);
  const double by_batches = residuals * count / (count - 1) / worth / std::pow(total.naive_loss, 2);
  // As if each forecast were independent, from the spread of the gain alone.
  const double gain = (total.naive_loss - total.loss) / total.count;
  const double spread = std::max(0.0, total.squared_gain / total.count - gain * gain);
  const double alone = spread / total.count / std::pow(total.naive_loss / total.count, 2);
  return LossEstimate{ratio, std::sqrt(std::max(by_batches, alone)), static_cast<double>(series.size()) * worth, count,
                      std::max(kLeastFreedom, count * worth - 1)};
}

double AlwaysValidReach(double count, double significance) {
  const double scaled = count * kMixtureVariance;
  return std::sqrt(2 * (scaled + 1) / scaled * std::log1p(std::sqrt(scaled + 1) / (2 * significance)));
}

std::optional<LossDifference> Compare(const Trial& trial, double significance) {
  const auto now = EstimateLoss(*trial.now);
  if (!now) return std::nullopt;
  const auto before = EstimateLoss(*trial.before);
  const auto others_now = EstimateLoss(*trial.others_now);
  const auto others_before = EstimateLoss(*trial.others_before);
  if (!before && !others_now) return std::nullopt;
  double expected = 0;
  double variance = std::pow(now->standard_error, 2);
  // How alike the batches are may be misjudged while they are few. What was before is judged once, and the rest again
  // with every minute, so for the rest that counts too.
  double by_freedom = variance * variance / now->freedom;
  const auto add = [&](const LossEstimate& one, double sign, double one_freedom) {
    const double own = std::pow(one.standard_error, 2);
    expected += sign * one.ratio;
    variance += own;
    by_freedom += own * own / one_freedom;
  };
  if (before) add(*before, 1, before->batches - 1);
  if (others_now && (!before || others_before)) add(*others_now, 1, others_now->freedom);
  if (before && others_now && others_before) add(*others_before, -1, others_before->batches - 1);
  // Welch and Satterthwaite: what is uncertain weighs as much as it adds to the whole.
  const double freedom = by_freedom > 0 ? variance * variance / by_freedom : now->freedom;
  const double reach = WithFewBatches(AlwaysValidReach(now->spans, significance), freedom);
  return LossDifference{now->ratio - expected, std::sqrt(variance), reach, now->ratio, expected};
}

}  // namespace truce::controller
