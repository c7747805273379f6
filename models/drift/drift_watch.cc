#include "models/drift/drift_watch.h"

#include <algorithm>
#include <cmath>

#include "models/drift/f_distribution.h"

namespace truce {
namespace {

// What the newest report weighs in a level: a step change is there to nine tenths after five reports.
constexpr double kNewest = 0.35;
// A mean that swings by less than 5 % counts as swinging by that: what is smaller need not be told.
constexpr double kLeastSpread = 0.05;
// What is known of the application's swings counts as so many reports of the workload's own.
constexpr double kSharedReports = 60;
// Levels go into the baseline once in so many reports: neighbouring ones say the same.
constexpr unsigned kLevelEvery = 6;
// A drift must stand out from all that was no drift by this factor of F (of the squared distance).
constexpr double kAboveRecord = 1.5;
// The record halves in two hours of reports.
const float kRecordFades = std::exp2(-1.0F / 1440);
// Only after so many reports is F worth remembering.
constexpr float kRecordFrom = 60;
// A rise of F is over, and was no drift, once it fell to this part of its peak, or after so many reports.
constexpr float kRiseOver = 0.5F;
constexpr int kLongestRise = 36;
// Swings that usual ones exceed so often, in so many reports in succession, are back to usual.
constexpr double kBackSignificance = 1e-3;
constexpr int kBackSuccession = 6;
// Deviations in Learn are bounded to so many spreads.
constexpr double kMostDeviation = 3;

}  // namespace

void DriftWatch::Follow(const Behaviour& behaviour) {
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (!behaviour.there[i]) continue;
    const auto number = static_cast<float>(behaviour.numbers[i]);
    if (learned_of_[i] <= 0) {
      level_[i] = usual_[i] = number;
    } else {
      level_[i] += static_cast<float>(kNewest) * (number - level_[i]);
    }
  }
}

double DriftWatch::Variance(size_t trait, const TraitEstimate& swings) const {
  double variance = variance_[trait];
  if (swings.known[trait]) {
    const double own = learned_of_[trait];
    variance = (own * variance + kSharedReports * swings.variance[trait]) / (own + kSharedReports);
  }
  return variance + kLeastSpread * kLeastSpread;
}

double DriftWatch::Independent() const {
  // An EWMA of independent reports has an autocorrelation of 1 - kNewest already.
  const double r = squared_ > 0 ? std::clamp<double>(lagged_ / squared_, 1 - kNewest, 0.99) : 1 - kNewest;
  return learned_ * (1 - r) / (1 + r);
}

DriftWatch::Test DriftWatch::Judge(const Behaviour& behaviour, const SharedBaseline& shared) const {
  const TraitEstimate& swings = shared.swings.estimate();
  std::array<bool, kTraitCount> used{};
  std::array<double, kTraitCount> deviations{};
  Test test;
  for (size_t i = 0; i < kTraitCount; ++i) {
    used[i] = behaviour.there[i] && learned_of_[i] >= kLeastLearned;
    if (!used[i]) continue;
    deviations[i] = (level_[i] - usual_[i]) / std::sqrt(Variance(i, swings));
    ++test.traits;
  }
  if (test.traits == 0) return test;
  const double n = Independent();
  test.f = SquaredLength(swings, used, deviations) / (test.traits * (1 + 1 / n));
  // Below this no significance is to be had.
  if (test.f > 2) test.p = UpperTailOfF(test.f, test.traits, std::max(2.0, n - 1));
  return test;
}

void DriftWatch::Learn(double seconds, const Behaviour& behaviour, double weight, SharedBaseline* shared) {
  const TraitEstimate& swings = shared->swings.estimate();
  Behaviour swing;
  double lagged = 0;
  double squared = 0;
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (!behaviour.there[i]) continue;
    learned_of_[i] = std::min<float>(kMostLearned, learned_of_[i] + 1);
    const double step = weight / learned_of_[i];
    const double spread = std::sqrt(Variance(i, swings));
    double deviation = level_[i] - usual_[i];
    // While little is known any deviation may be a usual one.
    if (learned_of_[i] >= kLeastLearned) {
      deviation = std::clamp(deviation, -kMostDeviation * spread, kMostDeviation * spread);
    }
    variance_[i] += static_cast<float>(step * (deviation * deviation - variance_[i]));
    usual_[i] += static_cast<float>(step * deviation);
    lagged += deviation * last_swing_[i] / (spread * spread);
    squared += deviation * deviation / (spread * spread);
    last_swing_[i] = static_cast<float>(deviation);
    swing.there[i] = learned_of_[i] >= kLeastLearned;
    swing.numbers[i] = deviation;
  }
  learned_ = std::min<float>(kMostLearned, learned_ + 1);
  const double step = 1 / static_cast<double>(learned_);
  lagged_ += static_cast<float>(step * (lagged - lagged_));
  squared_ += static_cast<float>(step * (squared - squared_));
  if (learned_ < kLeastLearned) return;
  shared->swings.Add(seconds, swing);
  if (reports_ % kLevelEvery != 0) return;
  Behaviour level;
  for (size_t i = 0; i < kTraitCount; ++i) {
    level.there[i] = behaviour.there[i];
    level.numbers[i] = level_[i];
  }
  shared->levels.Add(seconds, level);
}

DriftWatch::News DriftWatch::Observe(double seconds, const Behaviour& behaviour, SharedBaseline* shared) {
  if (behaviour.empty()) return News::kNone;
  ++reports_;
  Follow(behaviour);
  const Test test = Judge(behaviour, *shared);
  significance_ = test.p;
  if (drifting_) return WhileDrifting(seconds, test);
  if (learned_ >= kLeastLearned && test.p < kSignificance && test.f > kAboveRecord * record_) {
    return Alarm(seconds, test);
  }
  Remember(test);
  succession_ = 0;
  // Huber's weight: the further out, the less it teaches.
  const double weight = test.f > 1 ? 1 / std::sqrt(test.f) : 1;
  Learn(seconds, behaviour, weight, shared);
  return News::kNone;
}

void DriftWatch::Remember(const Test& test) {
  const auto f = static_cast<float>(test.f);
  record_ *= kRecordFades;
  if (learned_ < kRecordFrom) return;
  // Not while it rises: a drift that comes slowly would have to beat itself.
  excursion_ = std::max(excursion_, f);
  if (f > kRiseOver * excursion_ && ++rising_ < kLongestRise) return;
  record_ = std::max(record_, excursion_);
  excursion_ = f;
  rising_ = 0;
}

DriftWatch::News DriftWatch::Alarm(double seconds, const Test& test) {
  if (succession_++ == 0) away_since_ = seconds;
  excursion_ = std::max(excursion_, static_cast<float>(test.f));
  if (succession_ < kSuccession) return News::kNone;
  drifting_ = true;
  detected_at_ = seconds;
  back_ = 0;
  return News::kBegan;
}

DriftWatch::News DriftWatch::WhileDrifting(double seconds, const Test& test) {
  excursion_ = std::max(excursion_, static_cast<float>(test.f));
  back_ = test.p > kBackSignificance ? back_ + 1 : 0;
  const bool adopt = seconds - detected_at_ >= kAdoptSeconds;
  if (back_ < kBackSuccession && !adopt) return News::kNone;
  const bool came_back = back_ >= kBackSuccession;
  drifting_ = false;
  succession_ = 0;
  if (came_back) {
    if (seconds - detected_at_ < kFlapSeconds) record_ = std::max(record_, excursion_);
  } else {
    usual_ = level_;
    // The swings are as wide as before until they are known better.
    learned_ = std::min<float>(learned_, kLeastLearned);
    for (float& one : learned_of_) one = std::min<float>(one, kLeastLearned);
    record_ = 0;
  }
  excursion_ = 0;
  rising_ = 0;
  return came_back ? News::kCameBack : News::kAdopted;
}

std::vector<DriftWatch::Shift> DriftWatch::Shifts() const {
  std::vector<Shift> shifts;
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (learned_of_[i] < kLeastLearned) continue;
    const double spread = std::sqrt(variance_[i] + kLeastSpread * kLeastSpread);
    shifts.push_back({i, TraitValue(i, usual_[i]), TraitValue(i, level_[i]), (level_[i] - usual_[i]) / spread});
  }
  std::stable_sort(shifts.begin(), shifts.end(),
                   [](const Shift& a, const Shift& b) { return std::abs(a.deviation) > std::abs(b.deviation); });
  return shifts;
}

Behaviour DriftWatch::Move() const {
  Behaviour move;
  for (size_t i = 0; i < kTraitCount; ++i) {
    move.there[i] = learned_of_[i] >= kLeastLearned;
    if (move.there[i]) move.numbers[i] = level_[i] - usual_[i];
  }
  return move;
}

double DriftWatch::Magnitude(const SharedBaseline& shared) const {
  const TraitEstimate& levels = shared.levels.estimate();
  const Behaviour move = Move();
  std::array<bool, kTraitCount> used{};
  std::array<double, kTraitCount> standard{};
  for (size_t i = 0; i < kTraitCount; ++i) {
    used[i] = move.there[i];
    const double between = levels.known[i] ? levels.variance[i] : variance_[i];
    standard[i] = used[i] ? move.numbers[i] / std::sqrt(between + kLeastSpread * kLeastSpread) : 0;
  }
  return std::sqrt(std::max(0.0, SquaredLength(levels, used, standard)));
}

}  // namespace truce
