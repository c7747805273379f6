// How fast a program goes, from the lines that it prints (program.h). Not thread-safe.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "re2/re2.h"

namespace truce::lab {

// What a program did in a window of time.
struct Performance {
  // Operations that fell into the window; those that began before or ended after it count by their share in it.
  double operations = 0;
  // The time that they took, in sum over threads and connections, in seconds.
  double busy_seconds = 0;
  // Mean time per operation: what is compared between alone and together. nullopt when nothing was done.
  std::optional<double> SecondsPerOperation() const {
    if (operations <= 0) return std::nullopt;
    return busy_seconds / operations;
  }
};

class Meter {
 public:
  // `progress` as in Program; empty for lines of operations.
  explicit Meter(const std::string& progress);
  // Takes what was read; lines may come in pieces. A line that says nothing is skipped: programs print other things
  // too.
  void Take(std::string_view text, absl::Time now);
  // The program was stopped in that time: it does not count for operations that were under way. Reports of several
  // operations that reach into it (lines with COUNT or BUSY, rates) say nothing sure and are left out.
  void AddPause(absl::Time begin, absl::Time end) { pauses_.push_back({begin, end}); }
  // Of operations that ended and lie wholly within, and of reports that do not begin right after a pause (requests that
  // were under way in it end in those).
  Performance Within(absl::Time begin, absl::Time end) const;
  // Of operations that ended; ask a little after `end`.
  Performance Between(absl::Time begin, absl::Time end) const;
  // Of operations that lie wholly within, since one that reaches into another time was slowed, or not, by others; of
  // parts of operations only when they are all that there is; never of parts of reports.
  Performance Done(absl::Time begin, absl::Time end) const;
  // A window has room for a whole report, wherever that begins, when it is twice as long as this.
  absl::Duration longest_report() const { return longest_report_; }
  // When the first operation ended; nullopt before.
  std::optional<absl::Time> first_end() const { return first_end_; }
  // When the last one ended so far; InfinitePast before the first.
  absl::Time last_end() const { return operations_.empty() ? absl::InfinitePast() : operations_.back().end; }

 private:
  struct Operation {
    absl::Time begin;
    absl::Time end;
    double count = 0;
    double busy_seconds = 0;
    // Of several operations.
    bool report = false;
  };
  struct Pause {
    absl::Time begin;
    absl::Time end;
  };
  // What an operation says: nothing for a report that a pause touches.
  Performance Of(const Operation& operation) const;
  // How much of the time between was no pause.
  absl::Duration Running(absl::Time begin, absl::Time end) const;
  void TakeLine(std::string_view line, absl::Time now);
  void Add(const Operation& operation);

  const bool by_rate_;
  const re2::RE2 progress_;
  std::string rest_;
  std::deque<Operation> operations_;
  std::vector<Pause> pauses_;
  std::optional<absl::Time> first_end_;
  absl::Duration longest_report_;
};

}  // namespace truce::lab
