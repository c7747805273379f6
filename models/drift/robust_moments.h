// The usual numbers of behaviours: their mean and covariance, online, robust, fading, in a few kilobytes, and such that
// two of them add up. Pure.
#pragma once

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <vector>

#include "models/drift/behaviour.h"
#include "truce/v1/drift.pb.h"

namespace truce {

using TraitMatrix = Eigen::Matrix<double, kTraitCount, kTraitCount>;

// What moments amount to.
struct TraitEstimate {
  // False for traits of which too little is known; the rest of such a trait means nothing.
  std::array<bool, kTraitCount> known{};
  std::array<double, kTraitCount> mean{};
  std::array<double, kTraitCount> variance{};
  // Shrunk towards none at all, by how little is known: oracle approximating shrinkage (Chen, Wiesel, Eldar and Hero
  // 2010, "Shrinkage algorithms for MMSE covariance estimation", eq. 23), which needs no more than the covariance
  // itself, where Ledoit and Wolf's (2004) needs the samples. Always positive definite.
  TraitMatrix correlation = TraitMatrix::Identity();
  // Its inverse.
  TraitMatrix precision = TraitMatrix::Identity();
};

// Squared Mahalanobis length of the standardised `numbers`, of the traits `used` alone, when they are correlated as in
// `estimate`.
double SquaredLength(const TraitEstimate& estimate, const std::array<bool, kTraitCount>& used,
                     const std::array<double, kTraitCount>& numbers);

class RobustMoments {
 public:
  static constexpr double kHalfLifeSeconds = 86400;

  // `seconds` is when it was seen; one that comes late weighs as little as if it had come in time. What lies further
  // from the mean than nineteen of twenty samples would weighs less, in proportion (Huber's weights on the distance:
  // Maronna 1976, "Robust M-estimators of multivariate location and scatter"), so that no sample moves the mean by
  // more than one at that distance. Numbers that are not finite are missing.
  void Add(double seconds, const Behaviour& behaviour);
  // What `other` has seen counts as seen here. Associative and commutative, but for rounding.
  void Merge(const RobustMoments& other);

  // Of the samples with that trait, as of the last one of all.
  double weight(size_t trait) const;
  const TraitEstimate& estimate() const { return estimate_; }

  // Traits that are not known here are dropped; sums that make no sense (not finite, no weight, another length) are as
  // good as none.
  v1::TraitMoments ToWire() const;
  static RobustMoments FromWire(const v1::TraitMoments& wire);

 private:
  static constexpr size_t kPairs = kTraitCount * (kTraitCount + 1) / 2;
  static size_t PairOf(size_t a, size_t b) { return a >= b ? a * (a + 1) / 2 + b : b * (b + 1) / 2 + a; }
  // How much a sample of now weighs in the sums.
  double Scale(double seconds) const;
  void MoveEpoch(double seconds);
  double HuberWeight(const Behaviour& behaviour) const;
  void Estimate();

  // A sample at `epoch_` weighs 1 in the sums; later ones weigh more, so that nothing has to be faded but now and then.
  double epoch_ = 0;
  double last_ = 0;
  bool empty_ = true;
  std::array<double, kPairs> weights_{};
  std::array<double, kTraitCount * kTraitCount> sums_{};
  std::array<double, kPairs> products_{};
  // Estimated anew when so many samples came.
  int until_estimate_ = 1;
  int estimated_after_ = 1;
  TraitEstimate estimate_;
};

}  // namespace truce
