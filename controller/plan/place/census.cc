#include "controller/plan/place/census.h"

#include <algorithm>
#include <utility>

#include "src/base/text.h"

namespace truce::controller {

void Census::Put(int32_t host, std::vector<std::string> applications) {
  std::sort(applications.begin(), applications.end());
  std::vector<std::string>& before = applications_[host];
  // Most reports are of the same workloads as the one before.
  if (before == applications) return;
  for (const std::string& application : before) {
    const auto it = hosts_.find(AbslView(application));
    if (--it->second[host] > 0) continue;
    it->second.erase(host);
    if (it->second.empty()) hosts_.erase(it);
  }
  for (const std::string& application : applications) ++hosts_[application][host];
  before = std::move(applications);
}

int32_t Census::On(int32_t host, std::string_view application) const {
  const auto* hosts = HostsOf(application);
  if (hosts == nullptr) return 0;
  const auto it = hosts->find(host);
  return it == hosts->end() ? 0 : it->second;
}

const absl::flat_hash_map<int32_t, int32_t>* Census::HostsOf(std::string_view application) const {
  const auto it = hosts_.find(AbslView(application));
  return it == hosts_.end() ? nullptr : &it->second;
}

}  // namespace truce::controller
