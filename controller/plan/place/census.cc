#include "controller/plan/place/census.h"

#include <algorithm>
#include <cmath>

#include "src/base/text.h"

namespace truce::controller {

int64_t Census::Millicores(double cores) {
  constexpr double kMost = 1e9;
  return std::llround(1e3 * std::clamp(cores, 0.0, kMost));
}

void Census::Put(int32_t host, std::vector<std::pair<std::string, double>> applications) {
  std::vector<std::pair<std::string, double>>& before = on_[host];
  for (const auto& [application, cores] : applications) {
    Application& one = all_[application];
    ++one.hosts[host];
    ++one.workloads;
    one.millicores += Millicores(cores);
  }
  for (const auto& [application, cores] : before) {
    const auto it = all_.find(application);
    Application& one = it->second;
    one.millicores -= Millicores(cores);
    if (--one.hosts[host] == 0) one.hosts.erase(host);
    if (--one.workloads == 0) all_.erase(it);
  }
  before = std::move(applications);
}

int32_t Census::On(int32_t host, std::string_view application) const {
  const auto* hosts = HostsOf(application);
  if (hosts == nullptr) return 0;
  const auto it = hosts->find(host);
  return it == hosts->end() ? 0 : it->second;
}

double Census::MeanCores(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  return it == all_.end()
             ? 0
             : 1e-3 * static_cast<double>(it->second.millicores) / static_cast<double>(it->second.workloads);
}

const absl::flat_hash_map<int32_t, int32_t>* Census::HostsOf(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  return it == all_.end() ? nullptr : &it->second.hosts;
}

}  // namespace truce::controller
