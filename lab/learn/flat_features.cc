#include <algorithm>
#include <array>
#include <cmath>

#include "lab/learn/predictor.h"

namespace truce::lab {
namespace {

constexpr size_t kRecent = 5;

// Mean over the last `most` samples.
ModelInput Mean(const InputSequence& sequence, size_t most) {
  ModelInput mean{};
  const size_t count = std::min(most, sequence.size());
  for (size_t i = sequence.size() - count; i < sequence.size(); ++i) {
    for (size_t k = 0; k < kModelInputs; ++k) mean[k] += sequence[i][k] / static_cast<float>(count);
  }
  return mean;
}

}  // namespace

double RecentCores(const InputSequence& sequence) {
  static const size_t kCores = FeatureNamed("cpu_cores_log");
  return std::expm1(Mean(sequence, kRecent)[kCores]);
}

std::vector<float> FlatFeatures(const InterferenceExample& example) {
  // Alone and together are not mixed.
  const size_t recent = example.company() > 0 ? std::min(kRecent, static_cast<size_t>(example.company())) : kRecent;
  std::vector<float> row;
  const auto add = [&row](const auto& values) { row.insert(row.end(), values.begin(), values.end()); };
  add(Mean(example.victim, recent));
  add(Mean(example.victim, example.victim.size()));
  ModelInput sum{};
  ModelInput heaviest{};
  std::array<float, PairContext::kSize> shares{};
  double most = -1;
  double asked = 0;
  for (size_t a = 0; a < example.aggressors.size(); ++a) {
    const ModelInput mean = Mean(example.aggressors[a], recent);
    for (size_t k = 0; k < kModelInputs; ++k) sum[k] += mean[k];
    const double asks = RecentCores(example.aggressors[a]) * example.contexts[a].cpus_of_aggressor;
    asked += asks;
    if (asks <= most) continue;
    most = asks;
    heaviest = mean;
    shares = example.contexts[a].ToArray();
  }
  add(sum);
  add(heaviest);
  add(shares);
  row.push_back(static_cast<float>(example.aggressors.size()));
  row.push_back(static_cast<float>(example.moment));
  row.push_back(static_cast<float>(asked));
  row.push_back(static_cast<float>(asked * RecentCores(example.victim)));
  return row;
}

}  // namespace truce::lab
