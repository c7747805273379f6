#include "models/training/demand_pieces.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "models/training/host_pushes.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

// A value after `at`, and the largest of those up to it; NaN when one of them is missing.
struct Outcome {
  std::array<double, kDemandTargets> targets;
};

Outcome After(absl::Span<const double> values, size_t at) {
  Outcome outcome;
  outcome.targets.fill(NAN);
  double highest = -INFINITY;
  size_t step = 0;
  for (size_t i = 0; i < kDemandHorizons.size(); ++i) {
    const size_t horizon = kDemandHorizons[i];
    if (at + horizon >= values.size()) break;
    while (step < horizon) {
      const double value = values[at + ++step];
      highest = std::isfinite(value) && !std::isnan(highest) ? std::max(highest, value) : NAN;
    }
    const double value = values[at + horizon];
    outcome.targets[i] = std::isfinite(value) ? value : NAN;
    if (i > 0) outcome.targets[kDemandHorizons.size() + i - 1] = highest;
  }
  return outcome;
}

// What there is to be said at one value of a series.
void AddValue(const DemandFeatures& features, const Outcome& outcome, DemandPieces* pieces) {
  pieces->inputs.push_back(features.Current());
  auto& target = pieces->targets.emplace_back();
  auto& known = pieces->known.emplace_back();
  for (size_t i = 0; i < kDemandTargets; ++i) {
    const double value = outcome.targets[i];
    known[i] = std::isfinite(value) ? 1 : 0;
    target[i] =
        std::isfinite(value) ? static_cast<float>(std::asinh((value - features.newest()) / features.unit())) : 0;
    target[i] = std::clamp(target[i], -kFarthestDemand, kFarthestDemand);
  }
}

void FillPiece(DemandPieces* pieces) {
  const size_t whole = (pieces->inputs.size() + pieces->length - 1) / pieces->length * pieces->length;
  pieces->inputs.resize(whole);
  pieces->targets.resize(whole);
  pieces->known.resize(whole);
}

size_t FirstKnown(absl::Span<const double> values) {
  const auto known = [](double value) { return std::isfinite(value); };
  return static_cast<size_t>(std::find_if(values.begin(), values.end(), known) - values.begin());
}

// Of one series, whoever has it.
struct Extent {
  size_t values = 0;
  size_t pieces = 0;
};

absl::StatusOr<std::vector<Extent>> Extents(absl::Span<const DemandSeries> series, size_t piece,
                                            GradientExchange& exchange) {
  constexpr size_t kColumns = 3;  // values, pieces, processes that have it
  std::vector<double> table(kColumns * series.size());
  for (size_t s = 0; s < series.size(); ++s) {
    const size_t count = series[s].values.size();
    table[kColumns * s] = static_cast<double>(count);
    table[kColumns * s + 1] = static_cast<double>((count - FirstKnown(series[s].values) + piece - 1) / piece);
    table[kColumns * s + 2] = count > 0 ? 1 : 0;
  }
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(table)));
  std::vector<Extent> extents;
  for (size_t s = 0; s < series.size(); ++s) {
    if (table[kColumns * s + 2] > 1) {
      return absl::InvalidArgumentError(
          StrCat("several processes have values of series ", s + 1, "; each series belongs to one"));
    }
    extents.push_back({static_cast<size_t>(table[kColumns * s]), static_cast<size_t>(table[kColumns * s + 1])});
  }
  return extents;
}

absl::Status CheckHosts(absl::Span<const DemandSeries> series, const std::vector<Extent>& extents) {
  std::set<uint64_t> own;
  for (const DemandSeries& one : series) {
    if (one.host != 0 && !one.values.empty()) own.insert(one.host);
  }
  for (size_t s = 0; s < series.size(); ++s) {
    if (own.contains(series[s].host) && series[s].values.empty() && extents[s].values > 0) {
      return absl::InvalidArgumentError(StrCat("series ", s + 1, " is in another process than others of its host; ",
                                               "those may lead it, and belong into one"));
    }
  }
  return absl::OkStatus();
}

// Which series, or hosts, are held out: by chance, but the same for a seed in every process.
class HeldOut {
 public:
  explicit HeldOut(const DemandTrainingOptions& options) : ratio_(options.held_out_ratio), random_(~options.seed) {}
  // To be asked of each series in turn.
  bool Take(const DemandSeries& series) {
    const auto host = hosts_.find(series.host);
    if (series.host != 0 && host != hosts_.end()) return host->second;
    const bool held_out = std::uniform_real_distribution<double>(0, 1)(random_) < ratio_;
    if (series.host != 0) hosts_[series.host] = held_out;
    return held_out;
  }

 private:
  const double ratio_;
  std::mt19937_64 random_;
  std::map<uint64_t, bool> hosts_;
};

// Which pieces of a series are taken.
using Choice = std::vector<bool>;

// Draws among the pieces of all, and numbers in `pieces` those that are taken.
std::vector<Choice> Choose(absl::Span<const DemandSeries> series, const std::vector<Extent>& extents,
                           const DemandTrainingOptions& options, DemandPieces* pieces) {
  size_t all = 0;
  for (const Extent& one : extents) all += one.values;
  const double share =
      all <= options.most_values ? 1 : static_cast<double>(options.most_values) / static_cast<double>(all);
  std::mt19937_64 random(options.seed);
  std::uniform_real_distribution<double> draw(0, 1);
  HeldOut held_out(options);
  int64_t own = 0;
  std::vector<Choice> choices(series.size());
  for (size_t s = 0; s < series.size(); ++s) {
    std::vector<int64_t>& list = held_out.Take(series[s]) ? pieces->held_out : pieces->learned;
    for (size_t i = 0; i < extents[s].pieces; ++i) {
      choices[s].push_back(draw(random) < share);
      if (!choices[s].back()) continue;
      list.push_back(static_cast<int64_t>(pieces->rows.size()));
      pieces->rows.push_back(series[s].values.empty() ? DemandPieces::kElsewhere : own++);
    }
  }
  return choices;
}

void CutOwn(absl::Span<const DemandSeries> series, const std::vector<Choice>& choices, DemandPieces* pieces) {
  HostPushes pushes(series);
  for (size_t s = 0; s < series.size(); ++s) {
    const DemandSeries& one = series[s];
    if (one.values.empty()) continue;
    const std::vector<LeaderPush> led = pushes.Take(s);
    const size_t first = FirstKnown(one.values);
    DemandFeatures features(one.season_steps);
    for (size_t i = first; i < one.values.size(); ++i) {
      features.Observe(one.values[i], led.empty() ? LeaderPush{} : led[i]);
      if (choices[s][(i - first) / pieces->length]) AddValue(features, After(one.values, i), pieces);
    }
    FillPiece(pieces);
  }
}

// How much is known of each piece, whoever has it.
absl::Status CountKnown(GradientExchange& exchange, DemandPieces* pieces) {
  pieces->known_targets.assign(pieces->rows.size(), 0);
  std::vector<double> next(pieces->rows.size());
  for (size_t i = 0; i < pieces->rows.size(); ++i) {
    if (pieces->rows[i] == DemandPieces::kElsewhere) continue;
    const size_t begin = static_cast<size_t>(pieces->rows[i]) * pieces->length;
    for (size_t at = begin; at < begin + pieces->length; ++at) {
      next[i] += pieces->known[at][0];
      for (const float known : pieces->known[at]) pieces->known_targets[i] += known;
    }
  }
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(pieces->known_targets)));
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(next)));
  for (const int64_t piece : pieces->learned) pieces->learned_values += next[static_cast<size_t>(piece)];
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DemandPieces> CutIntoPieces(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                           GradientExchange& exchange) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<Extent> extents, Extents(series, options.piece, exchange));
  TRUCE_RETURN_IF_ERROR(CheckHosts(series, extents));
  DemandPieces pieces;
  pieces.length = options.piece;
  const std::vector<Choice> choices = Choose(series, extents, options, &pieces);
  CutOwn(series, choices, &pieces);
  TRUCE_RETURN_IF_ERROR(CountKnown(exchange, &pieces));
  return pieces;
}

}  // namespace truce
