#include "lab/pack/affinity.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace truce::lab {
namespace {

using Placed = std::vector<std::pair<int32_t, Place>>;

// Puts as many of `members` as fit, in their order, into `free` of `server`; what each takes is appended to `placed`.
// The price of what was taken.
int64_t Fill(const NumaProblem& problem, const RoomPrice& price, std::array<Room, 2> free, int32_t server,
             const std::vector<int32_t>& members, Placed* placed) {
  int64_t taken = 0;
  for (const int32_t member : members) {
    const VmRequest& vm = problem.requests[At(member)];
    uint8_t nodes = 0;
    if (vm.on_both) {
      if (free[0].Holds(vm.per_node) && free[1].Holds(vm.per_node)) nodes = kBothNodes;
    } else {
      // The node that it leaves least of.
      const bool first = free[0].Holds(vm.per_node);
      const bool second = free[1].Holds(vm.per_node);
      if (first || second) nodes = first && (!second || price.Of(free[0]) <= price.Of(free[1])) ? kNode1 : kNode2;
    }
    if (nodes == 0) continue;
    for (size_t node = 0; node < 2; ++node) {
      if ((nodes >> node & 1) == 0) continue;
      free[node].cpus -= vm.per_node.cpus;
      free[node].ram -= vm.per_node.ram;
    }
    taken += price.Of(vm.Whole());
    if (placed != nullptr) placed->emplace_back(member, Place{server, nodes});
  }
  return taken;
}

// Largest first.
std::vector<int32_t> Sorted(const NumaProblem& problem, const RoomPrice& price, std::vector<int32_t> members) {
  std::stable_sort(members.begin(), members.end(), [&](int32_t a, int32_t b) {
    return price.Of(problem.requests[At(a)].Whole()) > price.Of(problem.requests[At(b)].Whole());
  });
  return members;
}

void Remove(const Placed& placed, std::vector<int32_t>* members) {
  std::erase_if(*members, [&](int32_t member) {
    return std::any_of(placed.begin(), placed.end(), [&](const auto& one) { return one.first == member; });
  });
}

// What each server would take of `members`, by server.
std::vector<int64_t> Takes(const Placement& placement, const std::vector<int32_t>& members,
                           const std::vector<uint8_t>& chosen) {
  const NumaProblem& problem = placement.problem();
  std::vector<int64_t> takes(problem.servers.size());
  for (int32_t s = 0; s < static_cast<int32_t>(problem.servers.size()); ++s) {
    if (chosen[At(s)] != 0) continue;
    takes[At(s)] = Fill(problem, placement.price(), {placement.Free(s, 0), placement.Free(s, 1)}, s, members, nullptr);
  }
  return takes;
}

// The first server of `order` beside which the `others` roomiest hold what is `needed` besides; kNone if there is none.
int32_t FirstThatWillDo(const std::vector<int64_t>& takes, int32_t others, int64_t needed,
                        const std::vector<int32_t>& order) {
  std::vector<int64_t> most = takes;
  const auto end = most.begin() + std::min<int64_t>(others, static_cast<int64_t>(most.size()));
  std::partial_sort(most.begin(), end, most.end(), std::greater<>());
  const int64_t elsewhere = std::accumulate(most.begin(), end, int64_t{0});
  const auto found = std::find_if(order.begin(), order.end(), [&](int32_t server) {
    return takes[At(server)] > 0 && takes[At(server)] + elsewhere >= needed;
  });
  return found == order.end() ? kNone : *found;
}

// Without `order` always the server comes next that takes most. Empty when that leaves any.
Placed FindHome(const Placement& placement, const VmGroup& group, int32_t limit, const std::vector<int32_t>* order) {
  const NumaProblem& problem = placement.problem();
  std::vector<int32_t> left = Sorted(problem, placement.price(), group.members);
  std::vector<uint8_t> chosen(problem.servers.size());
  Placed home;
  for (int32_t more = limit; more > 0 && !left.empty(); --more) {
    int64_t needed = 0;
    for (const int32_t member : left) needed += placement.price().Of(problem.requests[At(member)].Whole());
    const std::vector<int64_t> takes = Takes(placement, left, chosen);
    int32_t next = kNone;
    if (order == nullptr) {
      next = static_cast<int32_t>(std::max_element(takes.begin(), takes.end()) - takes.begin());
    } else {
      next = FirstThatWillDo(takes, more - 1, needed, *order);
    }
    if (next == kNone || takes[At(next)] == 0) return {};
    Placed placed;
    Fill(problem, placement.price(), {placement.Free(next, 0), placement.Free(next, 1)}, next, left, &placed);
    chosen[At(next)] = 1;
    Remove(placed, &left);
    home.insert(home.end(), placed.begin(), placed.end());
  }
  return left.empty() ? home : Placed{};
}

}  // namespace

Placed FindHome(const Placement& placement, const VmGroup& group, int32_t limit, const std::vector<int32_t>& order) {
  Placed home = FindHome(placement, group, limit, &order);
  return home.empty() ? FindHome(placement, group, limit, nullptr) : home;
}

std::vector<int32_t> AffinityLimits(const NumaProblem& problem) {
  std::vector<int32_t> limits(problem.groups.size());
  const Placement empty(problem, limits);
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    const VmGroup& group = problem.groups[g];
    if (group.strategy != Strategy::kAffinity) continue;
    std::vector<int32_t> left = Sorted(problem, empty.price(), group.members);
    std::vector<uint8_t> chosen(problem.servers.size());
    while (!left.empty()) {
      const std::vector<int64_t> takes = Takes(empty, left, chosen);
      const auto most = std::max_element(takes.begin(), takes.end());
      const auto server = static_cast<int32_t>(most - takes.begin());
      if (*most == 0) {
        limits[g] = static_cast<int32_t>(group.members.size());
        break;
      }
      Placed placed;
      Fill(problem, empty.price(), problem.servers[At(server)].nodes, server, left, &placed);
      chosen[At(server)] = 1;
      Remove(placed, &left);
      ++limits[g];
    }
  }
  return limits;
}

std::vector<int32_t> AffinityLowerBounds(const NumaProblem& problem) {
  std::vector<int32_t> bounds(problem.groups.size());
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    const VmGroup& group = problem.groups[g];
    if (group.strategy != Strategy::kAffinity) continue;
    // Members of one shape, when each is no larger than any that counts, need no more servers than those.
    for (const int32_t smallest : group.members) {
      const VmRequest& vm = problem.requests[At(smallest)];
      int64_t count = 0;
      for (const int32_t member : group.members) {
        const VmRequest& other = problem.requests[At(member)];
        count += other.on_both == vm.on_both && other.per_node.Holds(vm.per_node);
      }
      std::vector<int64_t> holds;
      for (const NumaServer& server : problem.servers) {
        std::array<int64_t, 2> of_node;
        for (size_t node = 0; node < 2; ++node) {
          of_node[node] =
              std::min(server.nodes[node].cpus / vm.per_node.cpus, server.nodes[node].ram / vm.per_node.ram);
        }
        holds.push_back(vm.on_both ? std::min(of_node[0], of_node[1]) : of_node[0] + of_node[1]);
      }
      std::sort(holds.begin(), holds.end(), std::greater<>());
      int32_t servers = 0;
      for (; count > 0 && At(servers) < holds.size(); ++servers) count -= holds[At(servers)];
      bounds[g] = std::max(bounds[g], servers);
    }
  }
  return bounds;
}

}  // namespace truce::lab
