#include "lab/storage/plan.h"

#include <algorithm>

#include "src/base/figures.h"

namespace truce::lab {
namespace {

constexpr std::array<double, 3> kSizes = {4096, 32768, 262144};
constexpr std::array<double, 3> kReadShares = {1, 0.5, 0};

template <size_t N>
std::vector<PlannedLoad> Grid(Pacing pacing, const std::array<double, N>& read_shares,
                              const std::vector<double>& utilisations) {
  std::vector<PlannedLoad> loads;
  for (const double bytes : kSizes) {
    for (const double read_share : read_shares) {
      for (const double utilisation : utilisations) loads.push_back({pacing, bytes, read_share, utilisation});
    }
  }
  return loads;
}

}  // namespace

std::optional<double> StorageLimits::MostRate(double operation_bytes) const {
  std::optional<double> most = operations_per_second;
  if (bytes_per_second.has_value()) {
    const double by_bytes = *bytes_per_second / operation_bytes;
    most = most.has_value() ? std::min(*most, by_bytes) : by_bytes;
  }
  return most;
}

std::vector<PlannedLoad> LoadsAlone() {
  return Grid(Pacing::kAlone, std::array<double, 2>{1, 0}, {0});
}

std::vector<PlannedLoad> LoadsSaturated() {
  return Grid(Pacing::kSaturated, kReadShares, {0});
}

std::vector<PlannedLoad> LoadsOpen() {
  return Grid(Pacing::kOpen, kReadShares, {0.5, 0.85});
}

std::vector<Ladder> HeldOutLadders() {
  return {{16384, 0.7}, {65536, 0.9}, {131072, 0.3}};
}

std::vector<double> LadderSteps() {
  return {0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 0.95, 1.05};
}

int CountRuns() {
  const size_t ladders = HeldOutLadders().size() * (1 + LadderSteps().size());
  return kRounds * static_cast<int>(LoadsAlone().size() + LoadsSaturated().size() + LoadsOpen().size() + ladders);
}

std::optional<MeasuredPoint> MedianPoint(const std::vector<MeasuredPoint>& points) {
  if (points.empty()) return std::nullopt;
  const auto saturated = std::count_if(points.begin(), points.end(),
                                       [](const MeasuredPoint& point) { return point.pacing == Pacing::kSaturated; });
  const bool is_saturated = 2 * static_cast<size_t>(saturated) >= points.size() && saturated > 0;
  MeasuredPoint median;
  std::vector<const MeasuredPoint*> alike;
  for (const MeasuredPoint& point : points) {
    if ((point.pacing == Pacing::kSaturated) == is_saturated) alike.push_back(&point);
  }
  median.pacing = alike.front()->pacing;
  const auto middle = [&alike](const auto& number) {
    std::vector<double> numbers;
    for (const MeasuredPoint* point : alike) {
      if (const std::optional<double> one = number(*point)) numbers.push_back(*one);
    }
    return numbers.empty() ? std::nullopt : std::optional<double>(Summarize(numbers).median);
  };
  for (const size_t direction : kDiskDirections) {
    const auto operations = [&](const MeasuredPoint& point) -> std::optional<double> {
      return point.load.of[direction].operations_per_second;
    };
    const auto bytes = [&](const MeasuredPoint& point) -> std::optional<double> {
      return point.load.of[direction].mean_bytes();
    };
    const double rate = *middle(operations);
    median.load.of[direction] = {rate, rate * *middle(bytes)};
    median.mean_seconds[direction] = middle([&](const MeasuredPoint& point) { return point.mean_seconds[direction]; });
    median.p99_seconds[direction] = middle([&](const MeasuredPoint& point) { return point.p99_seconds[direction]; });
  }
  return median;
}

DeviceLoad LoadAtUtilisation(const DeviceCurve& curve, double read_share, double operation_bytes, double utilisation) {
  DeviceLoad one;
  one.of[kDiskRead] = {read_share, read_share * operation_bytes};
  one.of[kDiskWrite] = {1 - read_share, (1 - read_share) * operation_bytes};
  return one.Times(utilisation / curve.Utilisation(one));
}

}  // namespace truce::lab
