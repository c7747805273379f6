// truce-lab anomalies: scores for a file with one series, each from the lines before it and its own.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace truce::lab {

struct ScoredText {
  // The lines as they came, each with its score behind a comma; the header with `anomaly_score`.
  std::string text;
  size_t values = 0;
  // Scores at or above AnomalyDetector::kThreshold.
  size_t alarms = 0;
  // Times before the one of the line above, as clocks that were set back leave them.
  size_t times_backwards = 0;
};

// `text` begins with a header that names the columns `timestamp` and `value`; others may be there. An empty value or
// NaN is missing. InvalidArgument begins with `file` and the line.
absl::StatusOr<ScoredText> ScoreAnomalies(std::string_view file, std::string_view text);

// Does that for the file `input`, packed or not, into `output`, which is replaced, and only by a whole one. What is in
// `text` afterwards is what was written. NotFound, PermissionDenied or DataLoss when a file can't be read or written.
absl::StatusOr<ScoredText> ScoreAnomalyFile(const std::string& input, const std::string& output);

}  // namespace truce::lab
