#include "lab/forecast/readings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// A grid longer than this many times its readings is a mistake in their times, not a series with gaps.
constexpr double kMostGapsPerReading = 1000;
// Of the least spacing: times since 1970 are rounded to some tenths of a microsecond.
constexpr double kRounded = 0.999;

// `readings` are at most `spacing_seconds` apart somewhere.
absl::Status TooClose(std::string_view series, double spacing_seconds, absl::Span<const TimedValue> readings) {
  const auto close = std::adjacent_find(
      readings.begin(), readings.end(),
      [&](const TimedValue& a, const TimedValue& b) { return b.seconds - a.seconds <= spacing_seconds; });
  return absl::InvalidArgumentError(StrCat("line ", (close + 1)->line, ": the values of series '", series, "' are ",
                                           spacing_seconds, " s apart, and at least ", NumberText(kLeastSpacingSeconds),
                                           " s are needed; is t given in seconds on each line?"));
}

}  // namespace

std::string NumberText(double number) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end.ptr);
}

absl::Status SortReadings(std::string_view series, Repeats repeats, std::vector<TimedValue>* readings) {
  std::stable_sort(readings->begin(), readings->end(),
                   [](const TimedValue& a, const TimedValue& b) { return a.seconds < b.seconds; });
  const auto same = [](const TimedValue& a, const TimedValue& b) { return a.seconds == b.seconds; };
  if (repeats == Repeats::kFirst) {
    readings->erase(std::unique(readings->begin(), readings->end(), same), readings->end());
    return absl::OkStatus();
  }
  const auto twice = std::adjacent_find(readings->begin(), readings->end(), same);
  if (twice == readings->end()) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("line ", (twice + 1)->line, ": series '", series,
                                           "' has had a value for t = ", NumberText(twice->seconds), " on line ",
                                           twice->line, "; a moment has one value"));
}

double Grid::IndexOf(double seconds) const {
  return std::round((seconds - start_seconds) / spacing_seconds);
}

absl::StatusOr<Grid> FindGrid(std::string_view series, absl::Span<const TimedValue> readings) {
  if (readings.size() < 2) {
    return absl::InvalidArgumentError(
        StrCat("series '", series, "' has fewer than two values: how far apart they are can't be told"));
  }
  std::vector<double> distances;
  distances.reserve(readings.size() - 1);
  for (size_t i = 1; i < readings.size(); ++i) distances.push_back(readings[i].seconds - readings[i - 1].seconds);
  // Of two in the middle the shorter: gaps make distances longer, nothing makes them shorter.
  const auto middle = distances.begin() + static_cast<ptrdiff_t>((distances.size() - 1) / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  if (*middle < kRounded * kLeastSpacingSeconds) return TooClose(series, *middle, readings);
  return Grid{readings[0].seconds, *middle};
}

absl::StatusOr<Series> SnapOntoGrid(std::string_view series, const Grid& grid, absl::Span<const TimedValue> readings) {
  Series snapped;
  snapped.name = std::string(series);
  snapped.start_seconds = grid.start_seconds;
  snapped.spacing_seconds = grid.spacing_seconds;
  if (readings.empty()) return snapped;
  const double length = grid.IndexOf(readings.back().seconds) + 1;
  if (!(length <= kMostGapsPerReading * static_cast<double>(readings.size()))) {
    return absl::InvalidArgumentError(StrCat("series '", series, "' has ", readings.size(), " values ",
                                             NumberText(grid.spacing_seconds), " s apart, but ends ",
                                             NumberText(readings.back().seconds - grid.start_seconds),
                                             " s after it begins; is t given in seconds on each line?"));
  }
  snapped.values.assign(static_cast<size_t>(std::max(0.0, length)), std::numeric_limits<double>::quiet_NaN());
  for (const TimedValue& reading : readings) {
    const double index = grid.IndexOf(reading.seconds);
    if (index < 0) continue;
    double& value = snapped.values[static_cast<size_t>(index)];
    if (std::isnan(value)) value = reading.value;
  }
  return snapped;
}

absl::StatusOr<Series> SeriesOfReadings(std::string_view series, Repeats repeats, std::optional<double> spacing_seconds,
                                        std::vector<TimedValue> readings) {
  TRUCE_RETURN_IF_ERROR(SortReadings(series, repeats, &readings));
  if (spacing_seconds.has_value() && !readings.empty()) {
    return SnapOntoGrid(series, {readings[0].seconds, *spacing_seconds}, readings);
  }
  TRUCE_ASSIGN_OR_RETURN(const Grid grid, FindGrid(series, readings));
  return SnapOntoGrid(series, grid, readings);
}

}  // namespace truce::lab
