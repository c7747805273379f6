// How every benchmark and evaluation command shows its figures: one table of name, value, unit, spread, target and
// whether it was met; the same as JSON; the machine that they hold for; and progress with the time left. truce-bench
// and truce-lab call this.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "src/base/clock.h"

namespace truce {

// What a figure must reach.
struct Target {
  enum class Kind { kAtMost, kAtLeast };
  Kind kind = Kind::kAtMost;
  double value = 0;
};
inline Target AtMost(double value) {
  return {Target::Kind::kAtMost, value};
}
inline Target AtLeast(double value) {
  return {Target::Kind::kAtLeast, value};
}

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  // Interquartile range of the repeats, in the figure's unit; missing for one that was measured once.
  std::optional<double> spread;
  std::optional<Target> target;

  // nullopt without a target. A value that is not a number meets none.
  std::optional<bool> Met() const;
};

// Median and interquartile range (linear interpolation between order statistics, Hyndman and Fan's type 7). NaN and no
// spread when there are no samples; no spread for a single one.
struct Summary {
  double median = 0;
  std::optional<double> spread;
};
Summary Summarize(std::vector<double> samples);

class FigureTable {
 public:
  void Add(Figure figure) { figures_.push_back(std::move(figure)); }
  // Median and spread of `samples`.
  void AddSamples(std::string_view name, const std::vector<double>& samples, std::string_view unit,
                  std::optional<Target> target = std::nullopt);
  const std::vector<Figure>& figures() const { return figures_; }
  // True when no figure misses its target.
  bool AllMet() const;

  // Aligned columns with a header line.
  std::string ToText() const;
  // A list of objects with the keys name, value, unit, spread, target, met; null for what is missing or not a number.
  std::string ToJson() const;

 private:
  std::vector<Figure> figures_;
};

enum class FigureFormat { kTable, kJson };
// Prints the table and returns the exit code: 1 when `check` and a target is missed, or when it could not be written
// (said on stderr); else 0.
int ShowFigures(const FigureTable& table, FigureFormat format, bool check, std::ostream& out);

// "AMD EPYC 7763, 2 CPUs, 7.8 GiB, Linux 6.1.0": the host whose /proc is at `procfs`.
std::string DescribeMachine(const std::string& procfs = "/proc");

// Says on `out` what is being done and how long the rest will take, judging by the steps done so far.
class Progress {
 public:
  Progress(std::ostream* out, const Clock* clock, int steps) : out_(out), clock_(clock), steps_(steps) {
    begin_ = clock->Monotonic();
  }
  // A step of this name begins.
  void Step(std::string_view name);
  // What Step would say at the moment, for tests.
  std::string Line(std::string_view name) const;

 private:
  std::ostream* out_;
  const Clock* clock_;
  int steps_;
  int done_ = -1;
  absl::Duration begin_;
};

}  // namespace truce
