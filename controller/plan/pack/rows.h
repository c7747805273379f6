// A problem's numbers as the searches read them: one row a workload and one a host, of what is asked for and what is
// left. A row has three parts, each filled up with zeros to whole blocks so that loops over it have no ends:
//
//   transient   capacity of what a workload that moves takes on both hosts meanwhile
//   lasting     capacity of the rest
//   priced      what may be short, at a price: the soft capacity of each resource times its weight, and each balance
//
// What is short of `priced`, the sum of what is below 0 there, is a host's cost of load and balance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

struct Rows {
  // Those of hosts are of hosts without workloads.
  explicit Rows(const Problem& problem);

  int64_t* Host(int32_t host) { return &hosts[static_cast<size_t>(host) * width]; }
  const int64_t* Host(int32_t host) const { return &hosts[static_cast<size_t>(host) * width]; }
  const int64_t* Workload(int32_t workload) const { return &workloads[static_cast<size_t>(workload) * width]; }

  static constexpr size_t kBlock = 4;
  // Where the parts end.
  size_t transient = 0;
  size_t capacity = 0;
  size_t width = 0;
  std::vector<int64_t> hosts;
  std::vector<int64_t> workloads;
};

// Whether anything of it is below 0; a sum of bits, since branches would be guessed wrong.
inline bool AnyShort(const int64_t* left, size_t begin, size_t end) {
  int64_t any = 0;
  for (size_t i = begin; i < end; ++i) any |= left[i];
  return any < 0;
}

inline bool AnyShortWith(const int64_t* left, const int64_t* in, size_t begin, size_t end) {
  int64_t any = 0;
  for (size_t i = begin; i < end; ++i) any |= left[i] - in[i];
  return any < 0;
}

inline bool AnyShortWith(const int64_t* left, const int64_t* in, const int64_t* out, size_t begin, size_t end) {
  int64_t any = 0;
  for (size_t i = begin; i < end; ++i) any |= left[i] - in[i] + out[i];
  return any < 0;
}

inline int64_t BelowZero(int64_t number) {
  return number & (number >> 63);
}

inline int64_t SumOfShort(const int64_t* left, size_t begin, size_t end) {
  int64_t sum = 0;
  for (size_t i = begin; i < end; ++i) sum -= BelowZero(left[i]);
  return sum;
}

inline int64_t SumOfShortWith(const int64_t* left, const int64_t* in, size_t begin, size_t end) {
  int64_t sum = 0;
  for (size_t i = begin; i < end; ++i) sum -= BelowZero(left[i] - in[i]);
  return sum;
}

inline int64_t SumOfShortWithout(const int64_t* left, const int64_t* out, size_t begin, size_t end) {
  int64_t sum = 0;
  for (size_t i = begin; i < end; ++i) sum -= BelowZero(left[i] + out[i]);
  return sum;
}

inline int64_t SumOfShortWith(const int64_t* left, const int64_t* in, const int64_t* out, size_t begin, size_t end) {
  int64_t sum = 0;
  for (size_t i = begin; i < end; ++i) sum -= BelowZero(left[i] - in[i] + out[i]);
  return sum;
}

inline void Take(int64_t* left, const int64_t* in, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) left[i] -= in[i];
}

inline void GiveBack(int64_t* left, const int64_t* out, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) left[i] += out[i];
}

}  // namespace truce::controller::pack
