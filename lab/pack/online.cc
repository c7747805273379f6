#include "lab/pack/online.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "lab/pack/affinity.h"

namespace truce::lab {
namespace {

// What is smallest is taken.
using Rank = std::tuple<int64_t, int64_t>;

Rank RankOf(Rule rule, const Placement& placement, int32_t server, int64_t left) {
  if (rule == Rule::kFirstFit) return {0, 0};
  if (placement.Used(server)) return {0, left};
  if (rule == Rule::kBestFit) return {1, left};
  return {1, -(placement.price().Of(placement.Free(server, 0)) + placement.price().Of(placement.Free(server, 1)))};
}

Place Choose(Rule rule, const VmRequest& vm, const Placement& placement) {
  Place best;
  Rank best_rank;
  const RoomPrice& price = placement.price();
  const int64_t needs = price.Of(vm.per_node);
  for (int32_t s = 0; s < static_cast<int32_t>(placement.problem().servers.size()); ++s) {
    for (const uint8_t nodes : {kNode1, kNode2, kBothNodes}) {
      if ((nodes == kBothNodes) != vm.on_both || !placement.HasRoom(vm, s, nodes)) continue;
      if (!placement.Allows(vm, s)) break;
      int64_t left = 0;
      if ((nodes & kNode1) != 0) left += price.Of(placement.Free(s, 0)) - needs;
      if ((nodes & kNode2) != 0) left += price.Of(placement.Free(s, 1)) - needs;
      const Rank rank = RankOf(rule, placement, s, left);
      if (best.server != kNone && rank >= best_rank) continue;
      best = {s, nodes};
      best_rank = rank;
      if (rule == Rule::kFirstFit) return best;
    }
  }
  return best;
}

// Servers as the rule likes them for a group.
std::vector<int32_t> Preferred(Rule rule, const Placement& placement) {
  std::vector<int32_t> order(placement.problem().servers.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<Rank> ranks;
  for (const int32_t s : order) {
    const int64_t left = placement.price().Of(placement.Free(s, 0)) + placement.price().Of(placement.Free(s, 1));
    ranks.push_back(RankOf(rule, placement, s, left));
  }
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return ranks[At(a)] < ranks[At(b)]; });
  return order;
}

void PlaceGroup(Rule rule, const VmGroup& group, int32_t limit, Placement* placement) {
  for (const auto& [member, place] : FindHome(*placement, group, limit, Preferred(rule, *placement))) {
    placement->Put(member, place);
  }
}

}  // namespace

void PlaceInOrder(Rule rule, const std::vector<int32_t>& requests, const std::vector<int32_t>& affinity_limits,
                  Placement* placement) {
  const NumaProblem& problem = placement->problem();
  std::vector<uint8_t> came(problem.groups.size());
  for (const int32_t request : requests) {
    const VmRequest& vm = problem.requests[At(request)];
    if (placement->plan()[At(request)].server != kNone) continue;
    if (vm.strategy == Strategy::kAffinity) {
      if (came[At(vm.group)] == 0) {
        came[At(vm.group)] = 1;
        PlaceGroup(rule, problem.groups[At(vm.group)], affinity_limits[At(vm.group)], placement);
      }
      continue;
    }
    const Place place = Choose(rule, vm, *placement);
    if (place.server != kNone) placement->Put(request, place);
  }
}

std::vector<int32_t> AsListed(const NumaProblem& problem) {
  std::vector<int32_t> requests(problem.requests.size());
  std::iota(requests.begin(), requests.end(), 0);
  return requests;
}

std::vector<int32_t> LargestFirst(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits) {
  const RoomPrice price(problem);
  std::vector<int32_t> requests = AsListed(problem);
  const auto rank = [&](int32_t request) {
    const VmRequest& vm = problem.requests[At(request)];
    const int32_t servers = vm.strategy == Strategy::kAffinity ? affinity_limits[At(vm.group)] : 0;
    return std::tuple(-servers, -price.Of(vm.Whole()));
  };
  std::stable_sort(requests.begin(), requests.end(), [&](int32_t a, int32_t b) { return rank(a) < rank(b); });
  return requests;
}

}  // namespace truce::lab
