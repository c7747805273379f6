#include "lab/retrain/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "models/drift/f_distribution.h"

namespace truce::lab {
namespace {

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Of the sum of independent values, by how far they lie apart.
double VarianceOfSum(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = Sum(values) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return squares * count / (count - 1);
}

// Gains, summed by workload and by block.
struct Gains {
  std::vector<double> workloads;
  std::vector<double> blocks;
};

Gains SumUp(absl::Span<const SeriesLosses> losses) {
  std::map<size_t, double> workloads;
  Gains gains;
  gains.blocks.resize(losses.front().champion.size());
  for (const SeriesLosses& one : losses) {
    for (size_t i = 0; i < gains.blocks.size(); ++i) {
      const double gain = one.champion[i] - one.challenger[i];
      workloads[one.workload] += gain;
      gains.blocks[i] += gain;
    }
  }
  for (const auto& [_, gain] : workloads) gains.workloads.push_back(gain);
  return gains;
}

double ChanceOfNoGain(const Gains& gains) {
  const size_t fewer = std::min(gains.workloads.size(), gains.blocks.size());
  const double gain = Sum(gains.blocks);
  if (fewer < 2 || !(gain > 0)) return 1;
  const double variance = VarianceOfSum(gains.workloads) + VarianceOfSum(gains.blocks);
  if (!(variance > 0)) return 0;
  // The square of a Student's t has an F distribution; the other half of it lies on the other side.
  return UpperTailOfF(gain * gain / variance, 1, static_cast<double>(fewer - 1)) / 2;
}

}  // namespace

Judgement Judge(absl::Span<const SeriesLosses> losses) {
  Judgement judgement;
  judgement.series = losses.size();
  if (losses.empty()) return judgement;
  for (const SeriesLosses& one : losses) {
    judgement.champion_loss += Sum(one.champion) / static_cast<double>(losses.size());
    judgement.challenger_loss += Sum(one.challenger) / static_cast<double>(losses.size());
  }
  if (judgement.champion_loss > 0) judgement.gain_ratio = 1 - judgement.challenger_loss / judgement.champion_loss;
  const Gains gains = SumUp(losses);
  judgement.workloads = gains.workloads.size();
  judgement.p_value = ChanceOfNoGain(gains);
  judgement.better = judgement.workloads >= kLeastJudgedWorkloads && judgement.gain_ratio >= kLeastGain &&
                     judgement.p_value <= kMostChance;
  return judgement;
}

}  // namespace truce::lab
