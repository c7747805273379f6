// Whether one series' surprises (models/forecast/whitener.h) come again in another's some steps later, and how large:
// cross-correlations at all lags, fading, with a test that asks for no distribution. Pure; O(lags) per value.
//
// If the follower owes the leader nothing, the sum of leader's surprise x follower's surprise is a martingale M, and
//   P(|M| >= m) <= 2 exp(-m^2 / (2 y)),  y = ([M] + 2 <M>) / 3,
// with [M] the sum of the squares that came and <M> of those that were expected (Delyon, "Exponential inequalities for
// sums of weakly dependent variables", EJP 2009, theorem 4; Bercu and Touati, AAP 2008). So neither the leader's
// autocorrelation, nor heavy tails, nor a few events that met by chance make a lead: in dense series it takes what a
// normal test takes, of rare events it takes about ten that met. <M> is what the follower's squares were lately or in
// the long run, whichever is more: that is an estimate, and tests hold what comes of it to its promise.
//
// What the follower told itself at that moment is taken off the leader's surprise first, so that two which move in the
// same step don't lead each other by what the autoregression left.
#pragma once

#include <cstddef>
#include <vector>

#include "models/forecast/whitener.h"

namespace truce {

// The last surprises of one series, the newest first.
struct RecentSurprises {
  explicit RecentSurprises(size_t lags) : value(lags + 1), bounded(lags + 1), change(lags + 1) {}
  void Add(const Surprise& surprise);

  bool known = false;  // the newest
  double expected_square = 0;
  std::vector<double> value;
  std::vector<double> bounded;
  std::vector<double> change;
};

class LaggedPair {
 public:
  // At one lag. `gain`: what a change of the leader by 1 adds to the follower, in the units of both.
  struct Lag {
    size_t steps = 0;
    // Natural logarithm of the bound on the chance above, for this lag alone; at most 0.
    double log_chance = 0;
    // Of the surprises, within -1..1.
    double correlation = 0;
    double gain = 0;
  };

  explicit LaggedPair(size_t lags);
  // Both were observed up to the same step, which comes after that of the last call. `keep`: the part that sums keep
  // from step to step, below 1. A follower whose surprise is not known changes nothing.
  void Observe(const RecentSurprises& leader, const RecentSurprises& follower, double keep);
  // The lag with the least chance, of those whose gain has the sign of their correlation; steps 0 where there is none.
  Lag Strongest() const;
  size_t seen() const { return seen_; }

 private:
  struct Sums {
    double products = 0;  // M
    double squares = 0;   // [M]
    double expected = 0;  // <M>
    double moved = 0;     // leader's bounded change x follower's change
  };

  std::vector<Sums> lags_;  // of lags 1, 2, ...
  size_t seen_ = 0;
  double leader_squares_ = 0;
  double follower_squares_ = 0;
  double together_ = 0;      // of both surprises of one step
  double leader_moved_ = 0;  // bounded change x change
};

}  // namespace truce
