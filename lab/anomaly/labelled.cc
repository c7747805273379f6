#include "lab/anomaly/labelled.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "lab/anomaly/timestamp.h"
#include "lab/forecast/archive.h"
#include "lab/forecast/csv.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr std::string_view kWindowsFile = "combined_windows.json";

using google::protobuf::ListValue;

absl::StatusOr<AnomalyWindow> FindWindow(const LabelledSeries& series, const ListValue& limits) {
  if (limits.values_size() != 2) return absl::InvalidArgumentError("a window needs a begin and an end");
  TRUCE_ASSIGN_OR_RETURN(const double begin, ParseTimestamp(limits.values(0).string_value()));
  TRUCE_ASSIGN_OR_RETURN(const double end, ParseTimestamp(limits.values(1).string_value()));
  // Clocks that were set back leave times that don't ascend.
  const auto first = std::find_if(series.seconds.begin(), series.seconds.end(), [&](double at) { return at >= begin; });
  const auto last = std::find_if(series.seconds.rbegin(), series.seconds.rend(), [&](double at) { return at <= end; });
  if (first >= last.base()) {
    return absl::InvalidArgumentError(StrCat("no value lies in the window from ", limits.values(0).string_value()));
  }
  return AnomalyWindow{static_cast<size_t>(first - series.seconds.begin()),
                       static_cast<size_t>(last.base() - series.seconds.begin()) - 1};
}

bool IsArchive(std::string_view name) {
  return absl::StrContains(AbslView(name), ".tar") || absl::EndsWith(AbslView(name), ".tgz");
}

}  // namespace

absl::StatusOr<LabelledSeries> ParseLabelledSeries(std::string_view name, std::string_view text) {
  CsvReader reader(name, text);
  TRUCE_ASSIGN_OR_RETURN(const bool header, reader.Next());
  if (!header) return absl::InvalidArgumentError(StrCat(name, ": is empty"));
  TRUCE_ASSIGN_OR_RETURN(const size_t timestamp, reader.Column("timestamp"));
  TRUCE_ASSIGN_OR_RETURN(const size_t value, reader.Column("value"));
  LabelledSeries series;
  series.name = std::string(name);
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) break;
    if (reader.fields().size() <= timestamp) return reader.Wrong("has no timestamp");
    const auto seconds = ParseTimestamp(reader.fields()[timestamp]);
    if (!seconds.ok()) return reader.Wrong(StdView(seconds.status().message()));
    TRUCE_ASSIGN_OR_RETURN(const double number, reader.Number(value, "value"));
    series.seconds.push_back(*seconds);
    series.values.push_back(number);
  }
  return series;
}

absl::Status AddWindows(std::string_view json, std::vector<LabelledSeries>* series) {
  google::protobuf::Struct labels;
  const auto parsed = google::protobuf::util::JsonStringToMessage(std::string(json), &labels);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(StrCat(kWindowsFile, ": is no JSON object: ", parsed.ToString()));
  }
  for (LabelledSeries& one : *series) {
    const auto found = std::find_if(labels.fields().begin(), labels.fields().end(), [&](const auto& field) {
      return std::filesystem::path(field.first).filename() == one.name;
    });
    if (found == labels.fields().end()) {
      return absl::InvalidArgumentError(StrCat(kWindowsFile, ": says nothing of ", one.name));
    }
    for (const auto& limits : found->second.list_value().values()) {
      const auto window = FindWindow(one, limits.list_value());
      if (!window.ok()) return WithContext(window.status(), StrCat(kWindowsFile, ": ", one.name));
      one.windows.push_back(*window);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LabelledSeries>> ReadLabelledSeries(const std::string& directory) {
  std::vector<LabelledSeries> series;
  std::string windows;
  const auto take = [&](std::string_view name, std::string_view content) -> absl::Status {
    if (name == kWindowsFile) windows = std::string(content);
    if (!absl::EndsWith(AbslView(name), ".csv")) return absl::OkStatus();
    TRUCE_ASSIGN_OR_RETURN(LabelledSeries one, ParseLabelledSeries(name, content));
    series.push_back(std::move(one));
    return absl::OkStatus();
  };
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool wanted = name == kWindowsFile || absl::EndsWith(name, ".csv") || IsArchive(name);
    if (wanted && at->is_regular_file(error)) TRUCE_RETURN_IF_ERROR(ReadPacked(at->path().string(), take));
  }
  if (error) return ErrnoStatus(error.value(), StrCat("reading ", directory));
  if (series.empty()) return absl::NotFoundError(StrCat(directory, " holds no series: *.csv, plain or in *.tar*"));
  if (windows.empty()) return absl::NotFoundError(StrCat(directory, " holds no ", kWindowsFile));
  std::sort(series.begin(), series.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(series.begin(), series.end(), [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != series.end()) {
    return absl::InvalidArgumentError(StrCat(directory, " holds ", twice->name, " twice"));
  }
  TRUCE_RETURN_IF_ERROR(AddWindows(windows, &series));
  return series;
}

}  // namespace truce::lab
