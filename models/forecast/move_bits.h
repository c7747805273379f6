// The larger surprises of a series as bits: whether it moved, and which way, at each of the last 256 steps. Two series
// are compared at a lag in a few instructions, so that all pairs of a host can be looked through for those that are
// worth an exact test (models/forecast/lagged_pair.h). Pure.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace truce {

class MoveBits {
 public:
  static constexpr size_t kSteps = 256;

  // The surprise of the next step, in units of its root mean square; 0 when none is known.
  void Add(double surprise) {
    const bool moved = surprise >= kLeastMove || surprise <= -kLeastMove;
    Shift(moved, &moved_);
    Shift(surprise < 0, &down_);
    moves_ = Count(moved_);
    if (seen_ < kSteps) ++seen_;
  }

  size_t seen() const { return seen_; }

  // How little chance alone explains that `follower` moves `lag` (below 64) steps after this one, as -log of the bound
  // of models/forecast/lagged_pair.h taken of the bits; 0 or more. Both were told of the same steps.
  double Score(const MoveBits& follower, size_t lag) const {
    int both = 0, against = 0;
    for (size_t i = 0; i < kWords; ++i) {
      const uint64_t met = Ago(moved_, i, lag) & follower.moved_[i];
      both += std::popcount(met);
      against += std::popcount(met & (Ago(down_, i, lag) ^ follower.down_[i]));
    }
    const double sum = both - 2.0 * against;
    const double expected = static_cast<double>(moves_) * follower.moves_ / static_cast<double>(kSteps);
    return both == 0 ? 0 : sum * sum / (2 * (both + 2 * expected) / 3);
  }

 private:
  static constexpr size_t kWords = kSteps / 64;
  static constexpr double kLeastMove = 0.75;
  // The newest step is the lowest bit of the first.
  using Bits = std::array<uint64_t, kWords>;

  static void Shift(bool newest, Bits* bits) {
    for (size_t i = kWords; i-- > 1;) (*bits)[i] = ((*bits)[i] << 1) | ((*bits)[i - 1] >> 63);
    (*bits)[0] = ((*bits)[0] << 1) | (newest ? 1 : 0);
  }
  static int Count(const Bits& bits) {
    int count = 0;
    for (const uint64_t word : bits) count += std::popcount(word);
    return count;
  }
  static uint64_t Ago(const Bits& bits, size_t word, size_t lag) {
    if (lag == 0) return bits[word];
    return (bits[word] >> lag) | (word + 1 < kWords ? bits[word + 1] << (64 - lag) : 0);
  }

  Bits moved_ = {};
  Bits down_ = {};
  int moves_ = 0;
  size_t seen_ = 0;
};

}  // namespace truce
