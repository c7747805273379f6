#include "lab/forecast/datasets.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <system_error>
#include <utility>

#include "lab/forecast/archive.h"
#include "lab/forecast/csv.h"
#include "lab/forecast/readings.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kTraceSpacingSeconds = 300;

// Files of `directory` that may hold CSV, sorted by name.
absl::StatusOr<std::vector<std::string>> CsvFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool holds = name.ends_with(".csv") || name.find(".csv.") != std::string::npos || name.ends_with(".tar") ||
                       name.find(".tar.") != std::string::npos || name.ends_with(".tgz");
    if (holds && at->is_regular_file()) files.push_back(at->path().string());
  }
  if (error || files.empty()) {
    return absl::NotFoundError(StrCat("there is no CSV file (.csv, .csv.xz, .tar, .tar.xz, ...) in ", directory,
                                      error ? StrCat(": ", error.message()) : ""));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Every CSV file in `directory`, unpacked, in the order of the files.
absl::Status EachCsv(const std::string& directory, const TakeFile& take) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> files, CsvFiles(directory));
  for (const std::string& file : files) {
    TRUCE_RETURN_IF_ERROR(ReadPacked(file, [&](std::string_view name, std::string_view content) {
      return name.ends_with(".csv") ? take(name, content) : absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

std::string WithoutEnding(std::string_view name) {
  return std::string(name.substr(0, name.rfind('.')));
}

void SortByName(std::vector<Series>* series) {
  // vm_9 before vm_10.
  std::sort(series->begin(), series->end(), [](const Series& a, const Series& b) {
    return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
  });
}

absl::Status NoSeries(const std::string& directory) {
  return absl::NotFoundError(StrCat("the files in ", directory, " hold no series"));
}

struct BitbrainsColumn {
  const char* target;
  const char* unit;
  const char* column;
};
constexpr BitbrainsColumn kBitbrainsColumns[] = {
    {"cpu", "%", "cpu_mhz"},
    {"memory", "kB", "mem_kb"},
    {"disk_read", "kB/s", "disk_r_kbs"},
    {"disk_write", "kB/s", "disk_w_kbs"},
    {"network_received", "kB/s", "net_rx_kbs"},
    {"network_sent", "kB/s", "net_tx_kbs"},
};

// Adds one VM to each recording.
absl::Status AddBitbrainsVm(std::string_view file, std::string_view text, std::vector<Recording>* recordings) {
  CsvReader csv(file, text);
  TRUCE_ASSIGN_OR_RETURN(bool more, csv.Next());
  if (!more) return absl::InvalidArgumentError(StrCat(file, ": it is empty"));
  TRUCE_ASSIGN_OR_RETURN(const size_t time_column, csv.Column("ts_s"));
  TRUCE_ASSIGN_OR_RETURN(const size_t provisioned_column, csv.Column("cpu_prov_mhz"));
  std::vector<size_t> columns;
  for (const BitbrainsColumn& column : kBitbrainsColumns) {
    TRUCE_ASSIGN_OR_RETURN(columns.emplace_back(), csv.Column(column.column));
  }
  std::vector<std::vector<TimedValue>> readings(columns.size());
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(more, csv.Next());
    if (!more) break;
    TRUCE_ASSIGN_OR_RETURN(const double seconds, csv.Number(time_column, "ts_s"));
    if (std::isnan(seconds)) return csv.Wrong("ts_s is missing");
    TRUCE_ASSIGN_OR_RETURN(const double provisioned, csv.Number(provisioned_column, "cpu_prov_mhz"));
    for (size_t i = 0; i < columns.size(); ++i) {
      TRUCE_ASSIGN_OR_RETURN(double value, csv.Number(columns[i], kBitbrainsColumns[i].column));
      if (i == 0) value = provisioned > 0 ? 100 * value / provisioned : std::numeric_limits<double>::quiet_NaN();
      readings[i].push_back({seconds, value, csv.line()});
    }
  }
  if (readings[0].empty()) return absl::InvalidArgumentError(StrCat(file, ": there is no line but the header"));
  for (size_t i = 0; i < columns.size(); ++i) {
    auto series = SeriesOfReadings(WithoutEnding(file), Repeats::kFirst, kTraceSpacingSeconds, std::move(readings[i]));
    if (!series.ok()) return WithContext(series.status(), file);
    (*recordings)[i].series.push_back(*std::move(series));
  }
  return absl::OkStatus();
}

absl::StatusOr<Series> ParseCraneSeries(std::string_view file, std::string_view text) {
  CsvReader csv(file, text);
  TRUCE_ASSIGN_OR_RETURN(bool more, csv.Next());
  if (!more) return absl::InvalidArgumentError(StrCat(file, ": it is empty"));
  TRUCE_ASSIGN_OR_RETURN(const size_t time_column, csv.Column("ts"));
  TRUCE_ASSIGN_OR_RETURN(const size_t value_column, csv.Column("value"));
  std::vector<TimedValue> readings;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(more, csv.Next());
    if (!more) break;
    TimedValue reading;
    reading.line = csv.line();
    TRUCE_ASSIGN_OR_RETURN(reading.seconds, csv.Number(time_column, "ts"));
    if (std::isnan(reading.seconds)) return csv.Wrong("ts is missing");
    TRUCE_ASSIGN_OR_RETURN(reading.value, csv.Number(value_column, "value"));
    readings.push_back(reading);
  }
  auto series = SeriesOfReadings(WithoutEnding(file), Repeats::kRefuse, std::nullopt, std::move(readings));
  if (!series.ok()) return WithContext(series.status(), file);
  return series;
}

}  // namespace

absl::StatusOr<std::vector<Recording>> ReadBitbrains(const std::string& directory) {
  std::vector<Recording> recordings;
  for (const BitbrainsColumn& column : kBitbrainsColumns) recordings.push_back({column.target, column.unit, "", {}});
  TRUCE_RETURN_IF_ERROR(EachCsv(directory, [&](std::string_view name, std::string_view content) {
    return AddBitbrainsVm(name, content, &recordings);
  }));
  if (recordings[0].series.empty()) return NoSeries(directory);
  for (Recording& recording : recordings) SortByName(&recording.series);
  return recordings;
}

absl::StatusOr<Recording> ParsePlanetLabDay(std::string_view file, std::string_view text) {
  Recording day{"cpu", "%", WithoutEnding(file), {}};
  CsvReader csv(file, text);
  TRUCE_ASSIGN_OR_RETURN(bool more, csv.Next());
  if (!more) return absl::InvalidArgumentError(StrCat(file, ": it is empty"));
  TRUCE_RETURN_IF_ERROR(csv.Column("vm").status());
  const size_t columns = csv.fields().size();
  std::map<std::string, size_t> line_of;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(more, csv.Next());
    if (!more) return day;
    if (csv.fields().size() != columns) {
      return csv.Wrong(StrCat("it has ", csv.fields().size(), " fields, the header ", columns));
    }
    const auto [first, is_new] = line_of.try_emplace(csv.fields()[0], csv.line());
    if (!is_new) {
      return csv.Wrong(StrCat("VM '", first->first, "' is on line ", first->second, " already; a VM has one line"));
    }
    Series series;
    series.name = StrCat(day.day, "/", csv.fields()[0]);
    series.spacing_seconds = kTraceSpacingSeconds;
    series.values.resize(columns - 1);
    for (size_t i = 1; i < columns; ++i) {
      TRUCE_ASSIGN_OR_RETURN(series.values[i - 1], csv.Number(i, "the value"));
    }
    day.series.push_back(std::move(series));
  }
}

absl::StatusOr<std::vector<Recording>> ReadPlanetLab(const std::string& directory) {
  std::vector<Recording> days;
  TRUCE_RETURN_IF_ERROR(EachCsv(directory, [&](std::string_view name, std::string_view content) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(days.emplace_back(), ParsePlanetLabDay(name, content));
    if (days.back().series.empty()) return absl::InvalidArgumentError(StrCat(name, ": there is no VM in it"));
    return absl::OkStatus();
  }));
  if (days.empty()) return NoSeries(directory);
  std::sort(days.begin(), days.end(), [](const Recording& a, const Recording& b) { return a.day < b.day; });
  return days;
}

absl::StatusOr<std::vector<Recording>> ReadCrane(const std::string& directory) {
  Recording recording{"recorded", "", "", {}};
  TRUCE_RETURN_IF_ERROR(EachCsv(directory, [&](std::string_view name, std::string_view content) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(recording.series.emplace_back(), ParseCraneSeries(name, content));
    return absl::OkStatus();
  }));
  if (recording.series.empty()) return NoSeries(directory);
  SortByName(&recording.series);
  return std::vector<Recording>{std::move(recording)};
}

const std::vector<std::string>& ForecastSets() {
  static const std::vector<std::string> sets = {"bitbrains", "planetlab", "crane"};
  return sets;
}

absl::StatusOr<std::vector<Recording>> ReadForecastSet(std::string_view set, const std::string& directory) {
  const std::string below = (std::filesystem::path(directory) / set).string();
  if (set == "bitbrains") return ReadBitbrains(below);
  if (set == "planetlab") return ReadPlanetLab(below);
  if (set == "crane") return ReadCrane(below);
  return absl::InvalidArgumentError(StrCat("there is no reader of a set '", set, "'"));
}

}  // namespace truce::lab
