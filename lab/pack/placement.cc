#include "lab/pack/placement.h"

#include <algorithm>
#include <numeric>

namespace truce::lab {

RoomPrice::RoomPrice(const NumaProblem& problem) {
  int64_t cpus = 0;
  int64_t memory = 0;
  for (const NumaServer& server : problem.servers) {
    for (const Room& node : server.nodes) {
      cpus += node.cpus;
      memory += node.ram;
    }
  }
  const int64_t sum = std::max<int64_t>(1, cpus + memory);
  cpu = std::max<int64_t>(1, 1'000 * memory / sum);
  ram = std::max<int64_t>(1, 1'000 * cpus / sum);
}

Placement::Placement(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits)
    : problem_(problem),
      affinity_limits_(affinity_limits),
      price_(problem),
      plan_(problem.requests.size()),
      on_(problem.servers.size()),
      load_(problem.servers.size()),
      unused_(problem.servers.size()),
      listed_at_(problem.servers.size()),
      group_on_(problem.groups.size()) {
  for (const NumaServer& server : problem.servers) free_.push_back(server.nodes);
  std::iota(unused_.begin(), unused_.end(), 0);
  std::iota(listed_at_.begin(), listed_at_.end(), 0);
}

bool Placement::HasRoom(const VmRequest& request, int32_t server, uint8_t nodes) const {
  const std::array<Room, 2>& free = free_[At(server)];
  return ((nodes & kNode1) == 0 || free[0].Holds(request.per_node)) &&
         ((nodes & kNode2) == 0 || free[1].Holds(request.per_node));
}

bool Placement::Allows(const VmRequest& request, int32_t server) const {
  if (request.strategy == Strategy::kFree) return true;
  if (request.strategy == Strategy::kFaultDomain) return problem_.servers[At(server)].domain == request.domain;
  const auto& group_on = group_on_[At(request.group)];
  const bool there =
      std::any_of(group_on.begin(), group_on.end(), [&](const auto& one) { return one.first == server; });
  if (request.strategy == Strategy::kAntiAffinity) return !there;
  return there || static_cast<int64_t>(group_on.size()) < affinity_limits_[At(request.group)];
}

void Placement::Switch(int32_t server, std::vector<int32_t>* from, std::vector<int32_t>* to) {
  const int32_t at = listed_at_[At(server)];
  (*from)[At(at)] = from->back();
  listed_at_[At(from->back())] = at;
  from->pop_back();
  listed_at_[At(server)] = static_cast<int32_t>(to->size());
  to->push_back(server);
}

void Placement::Put(int32_t request, Place place) {
  const VmRequest& vm = problem_.requests[At(request)];
  for (size_t node = 0; node < 2; ++node) {
    if ((place.nodes >> node & 1) == 0) continue;
    free_[At(place.server)][node].cpus -= vm.per_node.cpus;
    free_[At(place.server)][node].ram -= vm.per_node.ram;
  }
  if (on_[At(place.server)].empty()) Switch(place.server, &unused_, &used_);
  on_[At(place.server)].push_back(request);
  load_[At(place.server)] += price_.Of(vm.Whole());
  plan_[At(request)] = place;
  if (vm.group == kNone) return;
  auto& group_on = group_on_[At(vm.group)];
  const auto known =
      std::find_if(group_on.begin(), group_on.end(), [&](const auto& one) { return one.first == place.server; });
  if (known == group_on.end()) {
    group_on.emplace_back(place.server, 1);
  } else {
    ++known->second;
  }
}

void Placement::Take(int32_t request) {
  const VmRequest& vm = problem_.requests[At(request)];
  const Place place = std::exchange(plan_[At(request)], Place{});
  for (size_t node = 0; node < 2; ++node) {
    if ((place.nodes >> node & 1) == 0) continue;
    free_[At(place.server)][node].cpus += vm.per_node.cpus;
    free_[At(place.server)][node].ram += vm.per_node.ram;
  }
  std::vector<int32_t>& on = on_[At(place.server)];
  *std::find(on.begin(), on.end(), request) = on.back();
  on.pop_back();
  load_[At(place.server)] -= price_.Of(vm.Whole());
  if (on.empty()) Switch(place.server, &used_, &unused_);
  if (vm.group == kNone) return;
  auto& group_on = group_on_[At(vm.group)];
  const auto known =
      std::find_if(group_on.begin(), group_on.end(), [&](const auto& one) { return one.first == place.server; });
  if (--known->second == 0) {
    *known = group_on.back();
    group_on.pop_back();
  }
}

}  // namespace truce::lab
