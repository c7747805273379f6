#include "lab/meter.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/numbers.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

// What a program prints without an end of line is not kept for ever.
constexpr size_t kLongestLine = 4096;
// Requests that were under way in a pause end in the report after it; truce-lab's own client reports every 100 ms.
constexpr absl::Duration kAfterPause = absl::Milliseconds(250);

absl::Time FromSeconds(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

}  // namespace

Meter::Meter(const std::string& progress) : by_rate_(!progress.empty()), progress_(progress) {}

void Meter::Take(std::string_view text, absl::Time now) {
  rest_.append(text);
  size_t begin = 0;
  for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    TakeLine(std::string_view(rest_).substr(begin, end - begin), now);
  }
  rest_.erase(0, begin);
  if (rest_.size() > kLongestLine) rest_.clear();
}

void Meter::TakeLine(std::string_view line, absl::Time now) {
  if (by_rate_) {
    double rate = 0;
    if (!re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), progress_, &rate)) return;
    if (!std::isfinite(rate) || rate < 0) return;
    Add({now - absl::Seconds(1), now, rate, rate > 0 ? 1.0 : 0.0, true});
    return;
  }
  std::vector<double> numbers;
  for (std::string_view word; !(word = host::NextWord(&line)).empty();) {
    double number = 0;
    if (!absl::SimpleAtod(AbslView(word), &number) || !std::isfinite(number)) return;
    numbers.push_back(number);
  }
  if (numbers.size() < 2 || numbers[1] < numbers[0]) return;
  Operation operation{FromSeconds(numbers[0]), FromSeconds(numbers[1]), 1, numbers[1] - numbers[0]};
  operation.report = numbers.size() > 2;
  if (numbers.size() > 2) operation.count = numbers[2];
  if (numbers.size() > 3) operation.busy_seconds = numbers[3];
  if (operation.count < 0 || operation.busy_seconds < 0) return;
  Add(operation);
}

void Meter::Add(const Operation& operation) {
  if (!first_end_) first_end_ = operation.end;
  if (operation.report) longest_report_ = std::max(longest_report_, operation.end - operation.begin);
  operations_.push_back(operation);
}

absl::Duration Meter::Running(absl::Time begin, absl::Time end) const {
  absl::Duration running = std::max(absl::ZeroDuration(), end - begin);
  for (const Pause& pause : pauses_) {
    running -= std::max(absl::ZeroDuration(), std::min(end, pause.end) - std::max(begin, pause.begin));
  }
  return running;
}

Performance Meter::Of(const Operation& operation) const {
  if (!operation.report) {
    return {operation.count, absl::ToDoubleSeconds(Running(operation.begin, operation.end))};
  }
  for (const Pause& pause : pauses_) {
    if (operation.begin < pause.end + kAfterPause && operation.end > pause.begin) return {};
  }
  return {operation.count, operation.busy_seconds};
}

Performance Meter::Within(absl::Time begin, absl::Time end) const {
  Performance performance;
  for (const Operation& operation : operations_) {
    if (operation.begin < begin || operation.end > end) continue;
    const Performance one = Of(operation);
    performance.operations += one.operations;
    performance.busy_seconds += one.busy_seconds;
  }
  return performance;
}

Performance Meter::Done(absl::Time begin, absl::Time end) const {
  const Performance whole = Within(begin, end);
  // A share of a report would carry the pace of one time into another.
  const bool reports = !operations_.empty() && operations_.back().report;
  return whole.operations >= 1 || reports ? whole : Between(begin, end);
}

Performance Meter::Between(absl::Time begin, absl::Time end) const {
  Performance performance;
  for (const Operation& operation : operations_) {
    if (operation.end <= begin || operation.begin >= end) continue;
    const absl::Duration running = Running(operation.begin, operation.end);
    if (running <= absl::ZeroDuration()) continue;
    const absl::Duration inside = Running(std::max(operation.begin, begin), std::min(operation.end, end));
    const double share = absl::FDivDuration(inside, running);
    const Performance one = Of(operation);
    performance.operations += share * one.operations;
    performance.busy_seconds += share * one.busy_seconds;
  }
  return performance;
}

}  // namespace truce::lab
