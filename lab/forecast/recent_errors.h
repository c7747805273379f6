// Quantiles of the newest numbers of a stream. Pure; one thread's.
#pragma once

#include <cstddef>
#include <vector>

namespace truce::lab {

class RecentErrors {
 public:
  // Of so many; at least 1.
  explicit RecentErrors(size_t capacity) : capacity_(capacity) {}
  // Forgets the oldest when there are too many; what is not finite is left out. Moves up to `capacity` numbers.
  void Add(double error);
  bool empty() const { return sorted_.empty(); }
  void Clear();
  // The order statistic at quantile * (n + 1), interpolated (Hyndman and Fan's type 6: the next number lies below it
  // with that probability if all are alike); the largest or smallest where there are too few. Not for none.
  double Quantile(double quantile) const;

 private:
  const size_t capacity_;
  std::vector<double> ring_;
  size_t oldest_ = 0;
  std::vector<double> sorted_;
};

}  // namespace truce::lab
