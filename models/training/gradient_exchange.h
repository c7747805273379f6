// What the processes that train one model together tell each other: sums, and nothing else. A trainer is written once,
// against this; on its own it is a group of one. No torch headers.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace truce {

// All processes of a group make the same calls in the same order, each with as many values as the others; one that ends
// early breaks the group. One thread.
class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  // Which of the group this process is, 0 to processes() - 1.
  virtual int rank() const = 0;
  virtual int processes() const = 0;
  // Replaces each value by its sum over all processes, bit for bit the same in each of them. Waits for all. Unavailable
  // when another one has ended or does not answer, with its rank; the group is of no use then.
  virtual absl::Status Sum(absl::Span<float> values) = 0;
  virtual absl::Status Sum(absl::Span<double> values) = 0;
};

// A process that trains on its own.
class OneProcess : public GradientExchange {
 public:
  int rank() const override { return 0; }
  int processes() const override { return 1; }
  absl::Status Sum(absl::Span<float>) override { return absl::OkStatus(); }
  absl::Status Sum(absl::Span<double>) override { return absl::OkStatus(); }
};

// FailedPrecondition, in every process, when one has other values than process 0; it is named, and `what` says of what
// the values are. They are finite, and as many everywhere.
absl::Status CheckSame(std::string_view what, absl::Span<const double> values, GradientExchange& exchange);

}  // namespace truce
