// Times as files of series write them. Pure.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace truce::lab {

// Seconds since 1970 of `YYYY-MM-DD hh:mm:ss` (fractions allowed; UTC, since no zone is given), or of a plain number of
// seconds. InvalidArgument says what was found instead.
absl::StatusOr<double> ParseTimestamp(std::string_view text);

}  // namespace truce::lab
