#include "controller/plan/place/census.h"

#include <algorithm>
#include <cmath>

#include "src/base/text.h"

namespace truce::controller {

void Census::Application::Count(double cores, int64_t sign) {
  // More than any host has.
  constexpr double kMost = 1e6;
  const int64_t milli = std::llround(1e3 * std::clamp(cores, 0.0, kMost));
  sized += milli > 0 ? sign : 0;
  millicores += sign * milli;
}

void Census::Put(int32_t host, std::vector<Counted> workloads) {
  std::sort(workloads.begin(), workloads.end());
  std::vector<Counted>& before = on_[host];
  // Most reports are of the same workloads as the one before, and some of them use as much.
  size_t same = 0;
  while (same < before.size() && same < workloads.size() && before[same].first == workloads[same].first) ++same;
  for (size_t i = 0; i < same; ++i) {
    if (before[i].second == workloads[i].second) continue;
    Application& one = all_.at(before[i].first);
    one.Count(before[i].second, -1);
    one.Count(workloads[i].second, 1);
  }
  const bool changed = same < before.size() || same < workloads.size();
  if (changed) Weigh(before, -1);
  for (size_t i = same; i < workloads.size(); ++i) {
    Application& one = all_[workloads[i].first];
    ++one.hosts[host];
    one.Count(workloads[i].second, 1);
  }
  for (size_t i = same; i < before.size(); ++i) {
    const auto it = all_.find(before[i].first);
    Application& one = it->second;
    one.Count(before[i].second, -1);
    if (--one.hosts[host] > 0) continue;
    one.hosts.erase(host);
    if (one.hosts.empty()) all_.erase(it);
  }
  before = std::move(workloads);
  if (changed) Weigh(before, 1);
}

void Census::Weigh(const std::vector<Counted>& workloads, int64_t sign) {
  int64_t applications = 0;
  const auto is_first = [&workloads](size_t i) { return i == 0 || workloads[i].first != workloads[i - 1].first; };
  for (size_t i = 0; i < workloads.size(); ++i) applications += is_first(i) ? 1 : 0;
  for (size_t i = 0; i < workloads.size(); ++i) {
    if (is_first(i)) all_.at(workloads[i].first).weight += sign * (kWhole / applications);
  }
}

double Census::Weight(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  return it == all_.end() ? 0 : static_cast<double>(it->second.weight) / static_cast<double>(kWhole);
}

int32_t Census::On(int32_t host, std::string_view application) const {
  const auto* hosts = HostsOf(application);
  if (hosts == nullptr) return 0;
  const auto it = hosts->find(host);
  return it == hosts->end() ? 0 : it->second;
}

double Census::MeanCores(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  if (it == all_.end() || it->second.sized == 0) return 0;
  return 1e-3 * static_cast<double>(it->second.millicores) / static_cast<double>(it->second.sized);
}

const absl::flat_hash_map<int32_t, int32_t>* Census::HostsOf(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  return it == all_.end() ? nullptr : &it->second.hosts;
}

}  // namespace truce::controller
