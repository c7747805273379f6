#include "lab/learn/scoring.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace truce::lab {
namespace {

// A victim with fewer meetings has no order of them to speak of.
constexpr size_t kLeastNeighbours = 4;

bool Hurt(const Judged& judged) {
  return judged.example->log_slowdown >= std::log1p(kNoticedSlowdown);
}

// The rank correlation of each victim that has one.
std::vector<double> Ranks(const std::vector<Judged>& judged) {
  struct Said {
    double sum = 0;
    int count = 0;
    double measured = 0;
  };
  std::map<std::string, std::map<size_t, Said>> victims;
  for (const Judged& one : judged) {
    Said& said = victims[one.example->programs[0]][one.example->meeting];
    said.sum += one.prediction.log_slowdown;
    ++said.count;
    said.measured = one.example->log_slowdown;
  }
  std::vector<double> ranks;
  for (const auto& [_, meetings] : victims) {
    std::vector<double> predicted, measured;
    for (const auto& [meeting, said] : meetings) {
      predicted.push_back(said.sum / said.count);
      measured.push_back(said.measured);
    }
    const bool alike = std::all_of(measured.begin(), measured.end(), [&](double one) { return one == measured[0]; });
    if (measured.size() < kLeastNeighbours || alike) continue;
    // A predictor that says the same of all has no order.
    const double rank = SpearmanCorrelation(predicted, measured);
    ranks.push_back(std::isnan(rank) ? 0 : rank);
  }
  return ranks;
}

}  // namespace

Marks MarksOf(const std::vector<Judged>& judged, int draws, uint64_t seed) {
  std::vector<size_t> groups;
  std::vector<size_t> all;
  for (size_t i = 0; i < judged.size(); ++i) {
    groups.push_back(judged[i].example->group);
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
  std::set<std::pair<size_t, std::string>> labels;
  for (const Judged& one : judged) labels.insert({one.example->meeting, one.example->programs[0]});
  marks.labels = labels.size();
  marks.auc = estimate([&](const std::vector<size_t>& positions) { return over(positions, Auc); });
  marks.brier = estimate([&](const std::vector<size_t>& positions) { return over(positions, BrierScore); });
  marks.error = estimate([&](const std::vector<size_t>& positions) {
    double sum = 0;
    for (const size_t i : positions) {
      sum += std::abs(std::expm1(judged[i].prediction.log_slowdown) - std::expm1(judged[i].example->log_slowdown));
    }
    return sum / static_cast<double>(std::max<size_t>(1, positions.size()));
  });
  const std::vector<double> ranks = Ranks(judged);
  std::vector<size_t> victims(ranks.size());
  std::iota(victims.begin(), victims.end(), size_t{0});
  const auto mean = [&ranks](const std::vector<size_t>& positions) {
    double sum = 0;
    for (const size_t i : positions) sum += ranks[i];
    return positions.empty() ? std::nan("") : sum / static_cast<double>(positions.size());
  };
  marks.rank = {mean(victims), BootstrapInterval(victims, mean, draws, seed)};
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
