// What an action did to its victim and to the workload that it changed: the numbers of a receipt, and whether it
// helped. The lease book keeps one per lease.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// All times are Clock::Monotonic. Not thread-safe.
class Measurement {
 public:
  // The victim's slowdown (a fraction) and the changed workload's CPU use (cores) just before the action.
  Measurement(absl::Duration now, std::optional<double> slowdown_before, std::optional<double> usage_before);

  // What is seen now; it holds for the time since the last call.
  void Observe(absl::Duration now, std::optional<double> slowdown, std::optional<double> usage);
  // The action's value was changed: the window in which it must help begins anew, at most three windows after the
  // start.
  void ValueChanged(absl::Duration now);

  enum class Help : uint8_t {
    kNotDue,    // the window is not over, or it was judged before
    kHelped,    // the slowdown fell by at least the ratio
    kDidNot,    // it was known before and did not
    kNotKnown,  // nothing to compare: no slowdown before, or none seen in the window
  };
  // Answers once per action, when its window is over. The slowdown is averaged over the second half of the window,
  // since the first may show what was before.
  Help Judge(absl::Duration now, absl::Duration window, double ratio);

  // The victim's time-weighted mean slowdown while the action was in force.
  std::optional<double> slowdown_before() const { return slowdown_before_; }
  std::optional<double> slowdown_after() const { return slowdown_.value(); }
  // Fills victim_slowdown_*, workload_usage_* and cost_core_seconds, the integral of max(0, usage before - usage now);
  // what is not known stays absent.
  void FillReceipt(v1::Receipt* receipt) const;

 private:
  // A time-weighted mean.
  struct Mean {
    double sum = 0;
    double seconds = 0;
    void Add(double value, double weight_seconds) {
      sum += value * weight_seconds;
      seconds += weight_seconds;
    }
    std::optional<double> value() const {
      if (seconds <= 0) return std::nullopt;
      return sum / seconds;
    }
  };
  // What was seen at the end of each interval since the value changed, for the window.
  struct Seen {
    absl::Duration at;
    double slowdown;
    double seconds;
  };

  const absl::Duration started_;
  const std::optional<double> slowdown_before_;
  const std::optional<double> usage_before_;
  absl::Duration observed_;
  absl::Duration window_start_;
  bool judged_ = false;
  Mean slowdown_;
  Mean usage_;
  double cost_core_seconds_ = 0;
  std::vector<Seen> window_;
};

}  // namespace truce::agent
