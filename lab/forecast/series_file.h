// A file of series (series,t,value), plain or compressed.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/forecast/csv.h"

namespace truce::lab {

// As ParseSeriesCsv and ReadPacked have it; InvalidArgument for an archive of several files.
absl::StatusOr<std::vector<NamedReadings>> ReadSeriesFile(const std::string& path);

}  // namespace truce::lab
