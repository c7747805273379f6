#include "lab/learn/scoring.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace truce::lab {
namespace {

// A victim with fewer neighbours has no order of them to speak of.
constexpr size_t kLeastNeighbours = 4;

bool Hurt(const Judged& judged) {
  return judged.example->log_slowdown >= std::log1p(kNoticedSlowdown);
}

double MeanRank(const std::vector<Judged>& judged, const std::vector<size_t>& positions) {
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> victims;
  // A bootstrap sample holds some examples several times, and such ties would pull the correlation down.
  for (const size_t i : std::set<size_t>(positions.begin(), positions.end())) {
    auto& [predicted, measured] = victims[judged[i].example->programs[0]];
    predicted.push_back(judged[i].prediction.log_slowdown);
    measured.push_back(judged[i].example->log_slowdown);
  }
  double sum = 0;
  int count = 0;
  for (const auto& [_, values] : victims) {
    if (values.first.size() < kLeastNeighbours) continue;
    const double rank = SpearmanCorrelation(values.first, values.second);
    // A predictor that says the same of all has no order.
    sum += std::isnan(rank) ? 0 : rank;
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

}  // namespace

Marks MarksOf(const std::vector<Judged>& judged, int draws, uint64_t seed) {
  std::vector<size_t> groups;
  std::vector<size_t> all;
  for (size_t i = 0; i < judged.size(); ++i) {
    groups.push_back(judged[i].example->meeting);
    all.push_back(i);
  }
  const auto estimate = [&](const auto& statistic) {
    return Estimate{statistic(all), BootstrapInterval(groups, statistic, draws, seed)};
  };
  const auto over = [&judged](const std::vector<size_t>& positions, const auto& statistic) {
    std::vector<double> predicted;
    std::vector<bool> hurt;
    for (const size_t i : positions) {
      predicted.push_back(judged[i].prediction.probability);
      hurt.push_back(Hurt(judged[i]));
    }
    return statistic(predicted, hurt);
  };
  Marks marks;
  marks.examples = judged.size();
  marks.auc = estimate([&](const std::vector<size_t>& positions) { return over(positions, Auc); });
  marks.brier = estimate([&](const std::vector<size_t>& positions) { return over(positions, BrierScore); });
  marks.error = estimate([&](const std::vector<size_t>& positions) {
    double sum = 0;
    for (const size_t i : positions) {
      sum += std::abs(std::expm1(judged[i].prediction.log_slowdown) - std::expm1(judged[i].example->log_slowdown));
    }
    return sum / static_cast<double>(std::max<size_t>(1, positions.size()));
  });
  marks.rank = estimate([&](const std::vector<size_t>& positions) { return MeanRank(judged, positions); });
  return marks;
}

std::vector<CalibrationBin> CalibrationBins(const std::vector<Judged>& judged) {
  std::vector<CalibrationBin> bins(10);
  for (const Judged& one : judged) {
    CalibrationBin& bin = bins[std::min<size_t>(9, static_cast<size_t>(one.prediction.probability * 10))];
    bin.predicted += one.prediction.probability;
    bin.happened += Hurt(one) ? 1 : 0;
    ++bin.count;
  }
  for (CalibrationBin& bin : bins) {
    if (bin.count == 0) continue;
    bin.predicted /= static_cast<double>(bin.count);
    bin.happened /= static_cast<double>(bin.count);
  }
  return bins;
}

}  // namespace truce::lab
