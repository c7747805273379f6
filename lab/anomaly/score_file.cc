#include "lab/anomaly/score_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lab/anomaly/timestamp.h"
#include "lab/forecast/archive.h"
#include "models/anomaly/anomaly_detector.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

using Fields = std::vector<absl::string_view>;

// Where the two columns are.
struct Columns {
  size_t timestamp = 0;
  size_t value = 0;
};

absl::StatusOr<Columns> FindColumns(const Fields& header) {
  const auto find = [&](absl::string_view name) -> absl::StatusOr<size_t> {
    const auto at = std::find_if(header.begin(), header.end(),
                                 [&](absl::string_view field) { return absl::StripAsciiWhitespace(field) == name; });
    if (at != header.end()) return static_cast<size_t>(at - header.begin());
    return absl::InvalidArgumentError(
        absl::StrCat("no column '", name, "'; the first line must name the columns timestamp and value"));
  };
  Columns columns;
  TRUCE_ASSIGN_OR_RETURN(columns.timestamp, find("timestamp"));
  TRUCE_ASSIGN_OR_RETURN(columns.value, find("value"));
  return columns;
}

// NaN for a missing one.
absl::StatusOr<double> ParseValue(absl::string_view field) {
  const absl::string_view text = absl::StripAsciiWhitespace(field);
  double value = std::numeric_limits<double>::quiet_NaN();
  if (text.empty()) return value;
  if (absl::SimpleAtod(text, &value) && !std::isinf(value)) return value;
  return absl::InvalidArgumentError(absl::StrCat("the value '", text, "' is no finite number"));
}

// The score of one line.
absl::StatusOr<double> ScoreLine(const Columns& columns, absl::string_view line, AnomalyDetector* detector,
                                 double* newest_seconds, ScoredText* scored) {
  const Fields fields = absl::StrSplit(line, ',');
  if (fields.size() <= std::max(columns.timestamp, columns.value)) {
    return absl::InvalidArgumentError(absl::StrCat("has ", fields.size(), " fields, too few for timestamp and value"));
  }
  TRUCE_ASSIGN_OR_RETURN(const double seconds,
                         ParseTimestamp(StdView(absl::StripAsciiWhitespace(fields[columns.timestamp]))));
  TRUCE_ASSIGN_OR_RETURN(const double value, ParseValue(fields[columns.value]));
  if (seconds < *newest_seconds) ++scored->times_backwards;
  *newest_seconds = seconds;
  const double score = detector->Observe(seconds, value);
  ++scored->values;
  if (score >= AnomalyDetector::kThreshold) ++scored->alarms;
  return score;
}

}  // namespace

absl::StatusOr<ScoredText> ScoreAnomalies(std::string_view file, std::string_view text) {
  ScoredText scored;
  AnomalyDetector detector;
  Columns columns;
  double newest_seconds = -std::numeric_limits<double>::infinity();
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(AbslView(text), '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const auto at_line = [&](const absl::Status& status) { return WithContext(status, StrCat(file, ":", number)); };
    if (scored.text.empty()) {
      const auto found = FindColumns(absl::StrSplit(line, ','));
      if (!found.ok()) return at_line(found.status());
      columns = *found;
      absl::StrAppend(&scored.text, line, ",anomaly_score\n");
      continue;
    }
    const auto score = ScoreLine(columns, line, &detector, &newest_seconds, &scored);
    if (!score.ok()) return at_line(score.status());
    absl::StrAppend(&scored.text, line, ",", absl::StrFormat("%.6g", *score), "\n");
  }
  if (scored.values == 0) return absl::InvalidArgumentError(StrCat(file, ": holds no values"));
  return scored;
}

absl::StatusOr<ScoredText> ScoreAnomalyFile(const std::string& input, const std::string& output) {
  std::error_code error;
  if (std::filesystem::equivalent(input, output, error)) {
    return absl::InvalidArgumentError(StrCat("--output ", output, " would replace the input; choose another"));
  }
  ScoredText scored;
  size_t files = 0;
  TRUCE_RETURN_IF_ERROR(ReadPacked(input, [&](std::string_view, std::string_view content) -> absl::Status {
    if (++files > 1) return absl::InvalidArgumentError(StrCat(input, ": holds several files; give one series"));
    TRUCE_ASSIGN_OR_RETURN(scored, ScoreAnomalies(input, content));
    return absl::OkStatus();
  }));
  if (files == 0) {
    return absl::InvalidArgumentError(
        StrCat(input, ": it is empty; its first line must name the columns timestamp and value"));
  }
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(output, scored.text, 0644, IfExists::kReplace));
  return scored;
}

}  // namespace truce::lab
