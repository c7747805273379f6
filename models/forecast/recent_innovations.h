// The newest innovations of a model, in order of size: what its paths are drawn from. Pure; one thread's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace truce {

class RecentInnovations {
 public:
  // Enough to have a dozen beyond a 0.95-quantile, and few enough to be held for every series of a host.
  static constexpr size_t kMost = 250;

  // O(kMost). One that is not finite is left out.
  void Add(double innovation);
  // Ascending; empty before the first.
  absl::Span<const float> Ascending() const { return absl::MakeConstSpan(sorted_).first(count_); }

 private:
  std::array<float, kMost> sorted_ = {};
  // When each came, counted round: the next to be added takes the place of the one that has its number.
  std::array<uint8_t, kMost> born_ = {};
  static_assert(kMost <= 256);
  uint8_t next_ = 0;
  size_t count_ = 0;
};

}  // namespace truce
