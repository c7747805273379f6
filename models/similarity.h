// How alike two fingerprints are: the agent compares workloads with the lab's programs by it, the controller
// applications with each other.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace truce {

// exp(-d^2 / 2n) for two embeddings of n dimensions at the Euclidean distance d: 1 for the same, towards 0 the less
// they are alike; 0 where the dimensions differ or there are none. Embeddings are whitened, each direction has variance
// 1 over the programs that the model knows, so two that are picked blindly are about sqrt(2n) apart: 0.37 alike.
inline double Similarity(std::span<const float> a, std::span<const float> b) {
  if (a.empty() || a.size() != b.size()) return 0;
  double squared_distance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squared_distance += difference * difference;
  }
  return std::exp(-squared_distance / (2 * static_cast<double>(a.size())));
}

}  // namespace truce
