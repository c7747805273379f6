// Series whose anomalies people labelled, as the Numenta Anomaly Benchmark publishes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lab/anomaly/nab_score.h"

namespace truce::lab {

struct LabelledSeries {
  // Its file's name.
  std::string name;
  std::vector<double> seconds;
  // NaN where one is missing.
  std::vector<double> values;
  std::vector<AnomalyWindow> windows;
};

// A file of `timestamp,value` lines after a header. InvalidArgument begins with file and line.
absl::StatusOr<LabelledSeries> ParseLabelledSeries(std::string_view name, std::string_view text);

// Gives the series named in combined_windows.json's text `json` ({"folder/file.csv": [[begin, end], ...]}) their
// windows: from the first value at or after the begin to the last at or before the end. A series of no such name, or a
// window that holds none of its values, is InvalidArgument.
absl::Status AddWindows(std::string_view json, std::vector<LabelledSeries>* series);

// Everything below `directory`: *.csv, plain or packed into archives, and a combined_windows.json, by name. NotFound
// when there are no series or no windows.
absl::StatusOr<std::vector<LabelledSeries>> ReadLabelledSeries(const std::string& directory);

}  // namespace truce::lab
