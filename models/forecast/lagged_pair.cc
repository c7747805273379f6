#include "models/forecast/lagged_pair.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace truce {
namespace {

// What moves in the same step is believed from about so many steps on; squares are about 1 a step.
constexpr double kDoubtfulSteps = 16;

void Push(double newest, std::vector<double>* values) {
  std::copy_backward(values->begin(), values->end() - 1, values->end());
  values->front() = newest;
}

}  // namespace

void RecentSurprises::Add(const Surprise& surprise) {
  known = surprise.known;
  expected_square = surprise.expected_square;
  Push(surprise.value, &value);
  Push(surprise.bounded, &bounded);
  Push(surprise.change, &change);
}

LaggedPair::LaggedPair(size_t lags) : lags_(lags) {}

void LaggedPair::Observe(const RecentSurprises& leader, const RecentSurprises& follower, double keep) {
  if (!follower.known) return;
  ++seen_;
  // As of the step before, so that what the leader tells stays known before the follower's surprise comes.
  const double own = together_ / (follower_squares_ + kDoubtfulSteps);
  const double came = follower.value[0];
  const double change = follower.change[0];
  const double keep_square = keep * keep;
  for (size_t i = 0; i < lags_.size(); ++i) {
    const double told = leader.value[i + 1] - own * follower.value[i + 1];
    const double product = told * came;
    Sums& sums = lags_[i];
    sums.products = keep * sums.products + product;
    sums.squares = keep_square * sums.squares + product * product;
    sums.expected = keep_square * sums.expected + told * told * follower.expected_square;
    sums.moved = keep * sums.moved + leader.bounded[i + 1] * change;
  }
  const double told_now = leader.value[0] - own * came;
  leader_squares_ = keep * leader_squares_ + told_now * told_now;
  follower_squares_ = keep * follower_squares_ + came * came;
  together_ = keep * together_ + leader.value[0] * came;
  leader_moved_ = keep * leader_moved_ + leader.bounded[0] * leader.change[0];
}

LaggedPair::Lag LaggedPair::Strongest() const {
  Lag strongest;
  const double sizes = std::sqrt(leader_squares_ * follower_squares_);
  if (!(sizes > 0) || !(leader_moved_ > 0)) return strongest;
  for (size_t i = 0; i < lags_.size(); ++i) {
    const Sums& sums = lags_[i];
    const double spread = (sums.squares + 2 * sums.expected) / 3;
    if (!(spread > 0) || sums.products * sums.moved <= 0) continue;
    const double log_chance = std::min(0.0, std::numbers::ln2 - sums.products * sums.products / (2 * spread));
    if (log_chance >= strongest.log_chance) continue;
    strongest = {i + 1, log_chance, std::clamp(sums.products / sizes, -1.0, 1.0), sums.moved / leader_moved_};
  }
  return strongest;
}

}  // namespace truce
