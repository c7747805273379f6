// Readings as files hold them, and how they become a series: sorted, snapped onto the series' own grid, gaps kept as
// gaps. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/series.h"

namespace truce::lab {

struct TimedValue {
  double seconds = 0;
  double value = 0;
  // In its file, for messages.
  size_t line = 0;
};

// As short as it can be and still read back as the same number: times have more digits than messages usually show.
std::string NumberText(double number);

// Readings that fall on the same moment: an error, or a known trait of a published set, whose first one counts.
enum class Repeats { kRefuse, kFirst };

// Sorts by time. InvalidArgument names `series` and the lines of two readings of one moment.
absl::Status SortReadings(std::string_view series, Repeats repeats, std::vector<TimedValue>* readings);

// Where a series has its values: start_seconds + i * spacing_seconds.
struct Grid {
  double start_seconds = 0;
  double spacing_seconds = 1;
  // The nearest point of the grid; negative before its start.
  double IndexOf(double seconds) const;
};

// Methods that look back by a day keep all of it, which grows with every value more that it has.
inline constexpr double kLeastSpacingSeconds = 0.01;

// The grid that starts at the first reading, with the median distance (of two in the middle the shorter) as its
// spacing. `readings` are sorted. InvalidArgument for fewer than two, which have no distance, and, with a line, for a
// spacing below kLeastSpacingSeconds, but for how times are rounded.
absl::StatusOr<Grid> FindGrid(std::string_view series, absl::Span<const TimedValue> readings);

// The readings on `grid`, from its start to the last of them; NaN where there is none. The first of several that share
// a point counts. InvalidArgument when they lie so far apart that the gaps would outnumber them a thousand times.
absl::StatusOr<Series> SnapOntoGrid(std::string_view series, const Grid& grid, absl::Span<const TimedValue> readings);

// All three steps. `spacing_seconds` is that of the set where it is published, else found.
absl::StatusOr<Series> SeriesOfReadings(std::string_view series, Repeats repeats, std::optional<double> spacing_seconds,
                                        std::vector<TimedValue> readings);

}  // namespace truce::lab
