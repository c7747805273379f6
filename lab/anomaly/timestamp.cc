#include "lab/anomaly/timestamp.h"

#include <cmath>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "src/base/text.h"

namespace truce::lab {

absl::StatusOr<double> ParseTimestamp(std::string_view text) {
  double seconds = 0;
  if (absl::SimpleAtod(AbslView(text), &seconds) && std::isfinite(seconds)) return seconds;
  absl::Time time;
  std::string error;
  if (absl::ParseTime("%Y-%m-%d %H:%M:%E*S", AbslView(text), absl::UTCTimeZone(), &time, &error)) {
    return absl::ToDoubleSeconds(time - absl::UnixEpoch());
  }
  return absl::InvalidArgumentError(
      StrCat("'", text, "' is no time; YYYY-MM-DD hh:mm:ss or a number of seconds is needed"));
}

}  // namespace truce::lab
