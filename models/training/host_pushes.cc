#include "models/training/host_pushes.h"

#include <algorithm>
#include <utility>

#include "models/forecast/leaders.h"

namespace truce {

HostPushes::HostPushes(absl::Span<const DemandSeries> series) : series_(series) {
  for (size_t i = 0; i < series.size(); ++i) {
    if (series[i].host != 0) hosts_[series[i].host].push_back(i);
  }
}

std::vector<LeaderPush> HostPushes::Take(size_t index) {
  const auto host = hosts_.find(series_[index].host);
  if (host == hosts_.end() || host->second.size() < 2) return {};
  if (!found_.contains(index)) Find(host->second);
  return std::move(found_.extract(index).mapped());
}

void HostPushes::Find(const std::vector<size_t>& members) {
  size_t longest = 0;
  for (const size_t member : members) {
    longest = std::max(longest, series_[member].values.size());
    found_[member].reserve(series_[member].values.size());
  }
  LeaderFinder finder;
  std::vector<StepValue> step;
  for (size_t i = 0; i < longest; ++i) {
    step.clear();
    for (const size_t member : members) {
      if (i < series_[member].values.size()) step.push_back({member, series_[member].values[i]});
    }
    finder.Observe(step);
    for (const StepValue& one : step) found_[one.id].push_back(finder.PushOn(one.id));
  }
}

}  // namespace truce
