// Losses of forecasts over time, and whether those of one model are higher than those of another. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "truce/v1/rollout.pb.h"

namespace truce::controller {

// Added up over forecasts; fields as in v1::ForecastErrors. The count is a real number because it may fade.
struct LossSum {
  double count = 0;
  double loss = 0;
  double naive_loss = 0;
  double squared_gain = 0;

  void Add(const LossSum& other);
  void Scale(double factor);
  // Loss over that of the forecast that the newest demand stays.
  double Ratio() const { return loss / naive_loss; }
};

// Sums by spans of `width`; of a longer time only the newest `most` spans, so that what was long ago is forgotten.
class LossSeries {
 public:
  LossSeries(absl::Duration width, size_t most) : width_(width), most_(static_cast<int64_t>(most)) {}

  void Add(absl::Time at, const LossSum& sum);
  // Adds another one; each of its spans goes where it begins.
  void Add(const LossSeries& other);
  void Clear() { buckets_.clear(); }
  // Moves all spans back together, by so much that none begins after `at`; they stay as they are when none does.
  void EndBy(absl::Time at);
  bool empty() const { return buckets_.empty(); }
  size_t size() const { return buckets_.size(); }
  absl::Duration width() const { return width_; }
  size_t most() const { return static_cast<size_t>(most_); }
  LossSum Total() const;
  // Of the newest `spans` alone.
  LossSeries Newest(size_t spans) const;
  // The spans in order, put together into at most `most` batches of equally many.
  std::vector<LossSum> Batches(size_t most) const;

  v1::LossSeries ToWire() const;
  // Spans that make no sense are left out.
  static LossSeries FromWire(const v1::LossSeries& wire, absl::Duration width, size_t most);

 private:
  struct Bucket {
    int64_t index = 0;
    LossSum sum;
  };
  void AddAt(int64_t index, const LossSum& sum);
  int64_t IndexOf(absl::Time at) const;

  absl::Duration width_;
  int64_t most_;
  // By index, which rises; spans without forecasts are not there.
  std::vector<Bucket> buckets_;
};

// A ratio of losses with what it may be wrong by.
struct LossEstimate {
  double ratio = 0;
  double standard_error = 0;
  // Of how many spans that have nothing to do with each other it is worth.
  double spans = 0;
  double batches = 0;
  // Degrees of freedom of the standard error, as far as batches are worth being counted one by one.
  double freedom = 0;
};

// Ratio of the sums, and its standard error by batch means (Schmeiser, "Batch size effects in the analysis of
// simulation output", Operations Research 1982: 10 to 30 batches), because forecasts that come due one after the other
// err together; while there are few batches and those are alike, by how much they are. Never less than what forecasts
// that had nothing to do with each other would have. Nullopt with fewer than kLeastSpans spans, or without any naive
// loss.
inline constexpr size_t kLeastSpans = 10;
std::optional<LossEstimate> EstimateLoss(const LossSeries& series);

// How much higher the loss ratio on trial is.
struct LossDifference {
  double difference = 0;
  double standard_error = 0;
  // How far chance leads astray, in standard errors: with the asked probability or less, the difference is never
  // further from the truth than this, however often it is looked at.
  double reach = 0;
  // The ratio on trial, and what it would be without the change.
  double trial = 0;
  double expected = 0;
  double low() const { return difference - reach * standard_error; }
  double high() const { return difference + reach * standard_error; }
};

struct Trial {
  // What is on trial, and what the same hosts had before.
  const LossSeries* now;
  const LossSeries* before;
  // Of the others, with the old model all the time.
  const LossSeries* others_now;
  const LossSeries* others_before;
};

// The difference of the differences where all four are known: what the hosts' own change is beyond that of the others.
// Else against the others at the same time, else against the same hosts before. Nullopt while none of that can be told.
// `significance` is the probability of an error.
std::optional<LossDifference> Compare(const Trial& trial, double significance);

// How far a mean of `count` values may ever be from the truth, in standard errors, with probability 1 - `significance`
// at every count at once: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
// asymptotic confidence sequences", one-sided.
double AlwaysValidReach(double count, double significance);

}  // namespace truce::controller
