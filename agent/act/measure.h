// What an action did to its victim and to the workload that it changed: the numbers of a receipt, and whether it
// helped. The lease book keeps one per lease.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// What the changed workload uses; nullopt where a reading is missing.
struct WorkloadUse {
  std::optional<double> cores;
  std::optional<double> memory_bytes;
  // What the lever bounds of it: bytes read and written, or sent. Missing for the levers that bound neither.
  std::optional<double> bytes_per_second;
  std::optional<double> instructions_per_second;
};

// What a verdict says of the victim.
struct VictimSlowdown {
  // What the controller is told, and expects a recovery of.
  std::optional<double> ratio;
  std::optional<double> since_onset;
};

// All times are Clock::Monotonic. Not thread-safe.
class Measurement {
 public:
  // The victim's slowdown (a fraction) and the changed workload's use just before the action. For `verdict_age` from
  // now on, slowdowns that are observed still show some of what was before.
  Measurement(absl::Duration now, absl::Duration verdict_age, const VictimSlowdown& victim, const WorkloadUse& before);

  // What is seen now; it holds for the time since the last call.
  void Observe(absl::Duration now, std::optional<double> slowdown, const WorkloadUse& use);
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

  std::optional<double> slowdown_before() const { return slowdown_before_; }
  // The victim's time-weighted mean slowdown while the action was in force; nullopt as long as that can't be told apart
  // from what was before.
  std::optional<double> slowdown_after() const { return slowdown_.value(); }
  // Fills the slowdowns, the uses and the costs, each the integral of max(0, before - now), in the units of the
  // receipt's action's lever; what is not known stays absent. Under a cache class a workload does less in the same CPU
  // time, so what it lost is told by its instructions. What the controller expected to go of the slowdown that it was told
  // becomes as much of the slowdown before.
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
  // One thing that the workload uses, and what it went without.
  struct Loss {
    std::optional<double> before;
    Mean mean;
    double lost = 0;
    void Add(std::optional<double> value, double seconds);
    bool known() const { return before.has_value() && mean.seconds > 0; }
    // As a share of what it used before; nullopt when that is nothing or not known.
    std::optional<double> ratio() const;
  };
  // What was seen at the end of each interval since the value changed, for the window.
  struct Seen {
    absl::Duration at;
    double slowdown;
    double seconds;
  };

  const absl::Duration started_;
  const absl::Duration verdict_age_;
  const std::optional<double> slowdown_told_;
  const std::optional<double> slowdown_before_;
  absl::Duration observed_;
  absl::Duration window_start_;
  bool judged_ = false;
  Mean slowdown_;
  Loss cores_;
  Loss memory_;
  Loss bytes_;
  Loss instructions_;
  std::vector<Seen> window_;
};

}  // namespace truce::agent
