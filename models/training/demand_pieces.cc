#include "models/training/demand_pieces.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "models/training/host_pushes.h"

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

}  // namespace

DemandPieces CutIntoPieces(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options) {
  size_t all = 0;
  for (const DemandSeries& one : series) all += one.values.size();
  const double share =
      all <= options.most_values ? 1 : static_cast<double>(options.most_values) / static_cast<double>(all);
  std::mt19937_64 random(options.seed);
  std::uniform_real_distribution<double> draw(0, 1);
  DemandPieces pieces;
  pieces.length = options.piece;
  HostPushes pushes(series);
  for (size_t s = 0; s < series.size(); ++s) {
    const DemandSeries& one = series[s];
    const std::vector<LeaderPush> led = pushes.Take(s);
    const auto known = [](double value) { return std::isfinite(value); };
    const auto first =
        static_cast<size_t>(std::find_if(one.values.begin(), one.values.end(), known) - one.values.begin());
    DemandFeatures features(one.season_steps);
    bool wanted = false;
    for (size_t i = first; i < one.values.size(); ++i) {
      features.Observe(one.values[i], led.empty() ? LeaderPush{} : led[i]);
      if ((i - first) % options.piece == 0) wanted = draw(random) < share;
      if (wanted) AddValue(features, After(one.values, i), &pieces);
    }
    FillPiece(&pieces);
  }
  return pieces;
}

}  // namespace truce
