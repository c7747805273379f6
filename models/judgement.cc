#include "models/judgement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

namespace truce {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Ranks from 1, ties sharing their mean.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

}  // namespace

double Auc(const std::vector<double>& scores, const std::vector<bool>& positive) {
  const auto positives = static_cast<double>(std::count(positive.begin(), positive.end(), true));
  const double negatives = static_cast<double>(positive.size()) - positives;
  if (positives == 0 || negatives == 0) return kNone;
  const std::vector<double> ranks = Ranks(scores);
  double sum = 0;
  for (size_t i = 0; i < ranks.size(); ++i) sum += positive[i] ? ranks[i] : 0;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double BrierScore(const std::vector<double>& probabilities, const std::vector<bool>& positive) {
  if (probabilities.empty()) return kNone;
  double sum = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const double off = probabilities[i] - (positive[i] ? 1 : 0);
    sum += off * off;
  }
  return sum / static_cast<double>(probabilities.size());
}

double MeanAbsoluteError(const std::vector<double>& predicted, const std::vector<double>& measured) {
  if (predicted.empty()) return kNone;
  double sum = 0;
  for (size_t i = 0; i < predicted.size(); ++i) sum += std::abs(predicted[i] - measured[i]);
  return sum / static_cast<double>(predicted.size());
}

double SpearmanCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < 2) return kNone;
  const std::vector<double> ranks_a = Ranks(a);
  const std::vector<double> ranks_b = Ranks(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;
  double products = 0;
  double squares_a = 0;
  double squares_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    products += (ranks_a[i] - mean) * (ranks_b[i] - mean);
    squares_a += (ranks_a[i] - mean) * (ranks_a[i] - mean);
    squares_b += (ranks_b[i] - mean) * (ranks_b[i] - mean);
  }
  if (squares_a == 0 || squares_b == 0) return kNone;
  return products / std::sqrt(squares_a * squares_b);
}

Interval BootstrapInterval(const std::vector<size_t>& groups,
                           const std::function<double(const std::vector<size_t>& positions)>& statistic, int draws,
                           uint64_t seed) {
  std::map<size_t, std::vector<size_t>> members;
  for (size_t i = 0; i < groups.size(); ++i) members[groups[i]].push_back(i);
  std::vector<const std::vector<size_t>*> all;
  for (const auto& [_, positions] : members) all.push_back(&positions);
  if (all.empty()) return {kNone, kNone};
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<size_t> draw(0, all.size() - 1);
  std::vector<double> values;
  for (int i = 0; i < draws; ++i) {
    std::vector<size_t> positions;
    positions.reserve(groups.size());
    for (size_t g = 0; g < all.size(); ++g) {
      const std::vector<size_t>& drawn = *all[draw(random)];
      positions.insert(positions.end(), drawn.begin(), drawn.end());
    }
    if (const double value = statistic(positions); !std::isnan(value)) values.push_back(value);
  }
  if (values.empty()) return {kNone, kNone};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace truce
