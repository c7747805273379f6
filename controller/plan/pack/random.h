// Numbers for searches that draw several of them in the time that a change is priced in: the same from a seed
// everywhere.
#pragma once

#include <cstdint>

namespace truce::controller::pack {

// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // From 0 to end - 1.
  uint32_t Below(uint32_t end) { return static_cast<uint32_t>(((Next() >> 32) * end) >> 32); }
  // Above 0, up to 1.
  double Unit() { return static_cast<double>((Next() >> 11) + 1) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace truce::controller::pack
