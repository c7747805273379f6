#include "models/baseline.h"

#include <algorithm>
#include <cmath>

namespace truce {

void Baseline::Learn(double value) {
  if (!std::isfinite(value)) return;
  ++count_;
  const double weight = 1.0 / std::min(static_cast<double>(count_), memory_);
  const double delta = value - mean_;
  mean_ += weight * delta;
  variance_ = (1 - weight) * (variance_ + weight * delta * delta);
}

double Baseline::stddev() const {
  return std::max(std::sqrt(variance_), floor_);
}

}  // namespace truce
