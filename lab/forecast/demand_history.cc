#include "lab/forecast/demand_history.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lab/forecast/readings.h"
#include "lab/forecast/series_file.h"
#include "models/training/made_up_demand.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kDay = 86'400;
// A day is looked back by, where it has enough values to be told from an hour.
constexpr double kFewestADay = 24;

size_t SeasonOf(const Series& series) {
  const double day = std::round(kDay / series.spacing_seconds);
  return day >= kFewestADay ? static_cast<size_t>(day) : 0;
}

// Series of one value have no spacing, and nothing to be learned from.
absl::StatusOr<std::vector<Series>> ReadSeries(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(std::vector<NamedReadings> readings, ReadSeriesFile(file));
  std::vector<Series> all;
  for (NamedReadings& one : readings) {
    if (one.readings.size() < 2) continue;
    auto series = SeriesOfReadings(one.series, Repeats::kRefuse, std::nullopt, std::move(one.readings));
    if (!series.ok()) return WithContext(series.status(), file);
    all.push_back(*std::move(series));
  }
  return all;
}

}  // namespace

DemandHistory DemandHistory::MakeUp(size_t count, size_t length, uint64_t seed, const GradientExchange& exchange) {
  DemandHistory history;
  for (MadeUpDemand& one : MakeUpDemand(count, length, seed, static_cast<size_t>(exchange.rank()),
                                        static_cast<size_t>(exchange.processes()))) {
    history.all_.push_back({std::move(one.values), one.season_steps});
  }
  return history;
}

absl::StatusOr<DemandHistory> DemandHistory::Read(const std::vector<std::string>& files, GradientExchange& exchange) {
  TRUCE_RETURN_IF_ERROR(CheckSame("number of files", {static_cast<double>(files.size())}, exchange));
  const auto processes = static_cast<size_t>(exchange.processes());
  if (files.size() < processes) {
    return absl::InvalidArgumentError(StrCat("each of ", processes, " processes reads files of its own, and --input ",
                                             "names ", files.size(), "; split them, or start fewer"));
  }
  std::vector<std::vector<Series>> read(files.size());
  std::vector<double> counts(files.size());
  for (size_t i = static_cast<size_t>(exchange.rank()); i < files.size(); i += processes) {
    TRUCE_ASSIGN_OR_RETURN(read[i], ReadSeries(files[i]));
    counts[i] = static_cast<double>(read[i].size());
  }
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(counts)));
  DemandHistory history;
  for (size_t i = 0; i < files.size(); ++i) {
    const size_t begin = history.all_.size();
    history.all_.resize(begin + static_cast<size_t>(counts[i]));
    for (size_t s = 0; s < read[i].size(); ++s) {
      const size_t season = SeasonOf(read[i][s]);
      history.all_[begin + s] = {std::move(read[i][s].values), season};
    }
  }
  return history;
}

std::vector<DemandSeries> DemandHistory::All() const {
  std::vector<DemandSeries> series;
  for (const One& one : all_) series.push_back({one.values, one.season_steps});
  return series;
}

size_t DemandHistory::own_values() const {
  size_t values = 0;
  for (const One& one : all_) values += one.values.size();
  return values;
}

}  // namespace truce::lab
