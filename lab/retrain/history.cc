#include "lab/retrain/history.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "lab/forecast/csv.h"
#include "lab/forecast/readings.h"
#include "models/forecast/demand_history_file.h"
#include "models/forecast/demand_horizons.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Two clocks' distance apart, not a history.
constexpr size_t kMostSteps = 1'000'000;
constexpr size_t kFewestBlocks = kLeastJudgedSteps / kDemandHorizons.back();
constexpr size_t kMostBlocks = 24;
// A block has about so many steps where there are enough.
constexpr size_t kBlockSteps = 4 * kDemandHorizons.back();

bool HasValue(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

absl::Status Nothing(std::string_view name) {
  return absl::InvalidArgumentError(StrCat(name, " has no value in it; a model can't be retrained on nothing"));
}

// Of the first step of all to the end of the last.
absl::StatusOr<History> Finished(std::string_view name, History history) {
  if (history.series.empty()) return Nothing(name);
  for (const HistorySeries& one : history.series)
    history.steps = std::max(history.steps, one.begin + one.values.size());
  if (history.steps <= kMostSteps) return history;
  return absl::InvalidArgumentError(
      StrCat(name, " spans ", history.steps, " steps, and at most ", kMostSteps, " make sense; are its times right?"));
}

absl::StatusOr<History> FromFile(std::string_view name, std::string_view bytes) {
  TRUCE_ASSIGN_OR_RETURN(const v1::DemandHistoryFile file, ParseDemandHistory(bytes, name));
  if (file.workloads().empty()) return Nothing(name);
  const int64_t step = file.step().seconds();
  int64_t first = file.workloads(0).began_at().seconds();
  for (const v1::DemandBlock& block : file.workloads()) first = std::min<int64_t>(first, block.began_at().seconds());
  History history;
  history.step_seconds = static_cast<double>(step);
  for (const v1::DemandBlock& block : file.workloads()) {
    const auto begin = static_cast<size_t>((block.began_at().seconds() - first) / step);
    const auto add = [&](std::string_view demand, const google::protobuf::RepeatedField<float>& values) {
      HistorySeries series{StrCat(block.host(), " ", block.workload(), " ", demand),
                           history.workloads,
                           begin,
                           {values.begin(), values.end()}};
      if (HasValue(series.values)) history.series.push_back(std::move(series));
    };
    add("cpu", block.cpu_cores());
    add("memory", block.memory_bytes());
    add("disk", block.disk_bytes_per_second());
    add("network", block.network_bytes_per_second());
    ++history.workloads;
  }
  return Finished(name, std::move(history));
}

absl::StatusOr<History> FromCsv(std::string_view name, std::string_view text) {
  TRUCE_ASSIGN_OR_RETURN(std::vector<NamedReadings> inputs, ParseSeriesCsv(name, text));
  std::vector<Series> all;
  for (NamedReadings& input : inputs) {
    auto series = SeriesOfReadings(input.series, Repeats::kRefuse, std::nullopt, std::move(input.readings));
    if (!series.ok()) return WithContext(series.status(), name);
    all.push_back(*std::move(series));
  }
  const double first = std::min_element(all.begin(), all.end(), [](const Series& a, const Series& b) {
                         return a.start_seconds < b.start_seconds;
                       })->start_seconds;
  History history;
  history.step_seconds = all.front().spacing_seconds;
  for (Series& series : all) {
    if (series.spacing_seconds != history.step_seconds) {
      return absl::InvalidArgumentError(StrCat(name, ": series '", series.name, "' has a value every ",
                                               NumberText(series.spacing_seconds), " s, and '", all.front().name,
                                               "' every ", NumberText(history.step_seconds),
                                               " s; a model is retrained on series of one step"));
    }
    const auto begin = static_cast<size_t>(std::lround((series.start_seconds - first) / series.spacing_seconds));
    history.series.push_back({std::move(series.name), history.workloads++, begin, std::move(series.values)});
  }
  return Finished(name, std::move(history));
}

}  // namespace

absl::StatusOr<History> ParseHistory(std::string_view name, std::string_view bytes) {
  return IsDemandHistory(bytes) ? FromFile(name, bytes) : FromCsv(name, bytes);
}

absl::StatusOr<JudgedSpan> NewestSpan(const History& history) {
  JudgedSpan span;
  span.steps = static_cast<size_t>(kJudgedShare * static_cast<double>(history.steps));
  span.begin = history.steps - span.steps;
  span.blocks = std::clamp(span.steps / kBlockSteps, kFewestBlocks, kMostBlocks);
  if (span.steps >= kLeastJudgedSteps) return span;
  return absl::FailedPreconditionError(StrCat("the history spans ", history.steps, " steps; it takes ",
                                              std::ceil(kLeastJudgedSteps / kJudgedShare),
                                              " to judge a model by the newest fifth of them"));
}

}  // namespace truce::lab
