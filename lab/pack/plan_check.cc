#include "lab/pack/plan_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "lab/pack/affinity.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

using Nodes = std::array<Room, 2>;

// What is left of each server's nodes; below 0 where there is too much on one.
std::vector<Nodes> RoomLeft(const NumaProblem& problem, const Plan& plan) {
  std::vector<Nodes> left;
  for (const NumaServer& server : problem.servers) left.push_back(server.nodes);
  for (size_t r = 0; r < plan.size(); ++r) {
    for (size_t node = 0; node < 2; ++node) {
      if (plan[r].server == kNone || (plan[r].nodes >> node & 1) == 0) continue;
      left[At(plan[r].server)][node].cpus -= problem.requests[r].per_node.cpus;
      left[At(plan[r].server)][node].ram -= problem.requests[r].per_node.ram;
    }
  }
  return left;
}

bool Holds(const Nodes& free, const VmRequest& vm) {
  const bool first = free[0].Holds(vm.per_node);
  const bool second = free[1].Holds(vm.per_node);
  return vm.on_both ? first && second : first || second;
}

bool InDomain(const NumaServer& server, const VmRequest& vm) {
  return vm.strategy != Strategy::kFaultDomain || server.domain == vm.domain;
}

bool FitsAnywhere(const NumaProblem& problem, const VmRequest& vm) {
  return std::any_of(problem.servers.begin(), problem.servers.end(),
                     [&](const NumaServer& server) { return InDomain(server, vm) && Holds(server.nodes, vm); });
}

// Members of an anti-affinity group that fit somewhere, less the servers that could hold one of them.
int64_t BeyondServers(const NumaProblem& problem, const VmGroup& group) {
  int64_t members = 0;
  for (const int32_t member : group.members) members += FitsAnywhere(problem, problem.requests[At(member)]);
  const auto hosts = std::count_if(problem.servers.begin(), problem.servers.end(), [&](const NumaServer& server) {
    return std::any_of(group.members.begin(), group.members.end(),
                       [&](int32_t member) { return Holds(server.nodes, problem.requests[At(member)]); });
  });
  return std::max<int64_t>(0, members - hosts);
}

}  // namespace

BrokenRules CheckPlan(const NumaProblem& problem, const Plan& plan) {
  BrokenRules broken;
  const auto breaks = [&](int64_t* rule, std::string example) {
    if (broken.example.empty()) broken.example = std::move(example);
    ++*rule;
  };
  const std::vector<Nodes> left = RoomLeft(problem, plan);
  for (size_t s = 0; s < left.size(); ++s) {
    for (size_t node = 0; node < 2; ++node) {
      if (left[s][node].cpus >= 0 && left[s][node].ram >= 0) continue;
      breaks(&broken.room, StrCat("node ", node + 1, " of server ", s, " lacks ", std::max(0, -left[s][node].cpus),
                                  " CPUs and ", std::max(0, -left[s][node].ram), " of memory"));
    }
  }
  std::vector<std::set<int32_t>> servers(problem.groups.size());
  for (size_t r = 0; r < plan.size(); ++r) {
    const VmRequest& vm = problem.requests[r];
    const Place& place = plan[r];
    if (place.server == kNone) continue;
    if ((place.nodes == kBothNodes) != vm.on_both) {
      breaks(&broken.nodes, StrCat("request ", r, " must be on ", vm.on_both ? "both nodes" : "one node"));
    }
    if (!InDomain(problem.servers[At(place.server)], vm)) {
      breaks(&broken.domain,
             StrCat("request ", r, " must be in domain ", vm.domain, " and is on server ", place.server));
    }
    if (vm.group == kNone) continue;
    const bool first = servers[At(vm.group)].insert(place.server).second;
    if (vm.strategy == Strategy::kAntiAffinity && !first) {
      breaks(&broken.anti_affinity,
             StrCat("request ", r, " is on server ", place.server, " with another of anti-affinity group ",
                    problem.groups[At(vm.group)].number));
    }
  }
  const std::vector<int32_t> limits = AffinityLimits(problem);
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    if (problem.groups[g].strategy != Strategy::kAffinity) continue;
    if (static_cast<int64_t>(servers[g].size()) <= limits[g]) continue;
    breaks(&broken.affinity, StrCat("affinity group ", problem.groups[g].number, " is on ", servers[g].size(),
                                    " servers; ", limits[g], " hold it"));
  }
  return broken;
}

Unplaced WhyUnplaced(const NumaProblem& problem, const Plan& plan) {
  Unplaced why;
  const std::vector<Nodes> left = RoomLeft(problem, plan);
  // By group: those that could be somewhere else, and how many of them never could.
  std::map<int32_t, int64_t> beyond;
  for (size_t r = 0; r < plan.size(); ++r) {
    const VmRequest& vm = problem.requests[r];
    if (plan[r].server != kNone) continue;
    if (!FitsAnywhere(problem, vm)) {
      ++why.fit_nowhere;
      continue;
    }
    if (vm.strategy == Strategy::kAntiAffinity) {
      const auto [known, first] = beyond.try_emplace(vm.group, 0);
      if (first) known->second = BeyondServers(problem, problem.groups[At(vm.group)]);
      if (known->second > 0) {
        --known->second;
        ++why.beyond_servers;
        continue;
      }
    }
    bool room = false;
    for (size_t s = 0; s < left.size() && !room; ++s) room = InDomain(problem.servers[s], vm) && Holds(left[s], vm);
    if (room && vm.strategy == Strategy::kAntiAffinity) {
      ++why.kept_apart;
    } else if (room && vm.strategy == Strategy::kAffinity) {
      ++why.kept_together;
    } else {
      ++why.no_room;
    }
  }
  return why;
}

int64_t CanNeverBePlaced(const NumaProblem& problem) {
  return WhyUnplaced(problem, Plan(problem.requests.size())).Never();
}

}  // namespace truce::lab
