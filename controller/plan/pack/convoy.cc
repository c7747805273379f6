#include "controller/plan/pack/convoy.h"

namespace truce::controller::pack {

Convoy::Convoy(Packing& packing, Random& random)
    : packing_(packing),
      random_(random),
      linked_(packing.problem().groups.size()),
      members_(packing.problem().groups.size()),
      hosts_(packing.problem().hosts()) {
  const Problem& problem = packing.problem();
  for (size_t g = 0; g < problem.groups.size(); ++g) {
    for (const int32_t need : problem.groups[g].needs) {
      if (static_cast<size_t>(need) == g) continue;
      linked_[g].push_back(need);
      linked_[static_cast<size_t>(need)].push_back(static_cast<int32_t>(g));
      is_of_use_ = true;
    }
  }
  for (size_t w = 0; w < problem.workloads(); ++w) {
    if (problem.group[w] != kNoGroup) {
      members_[static_cast<size_t>(problem.group[w])].push_back(static_cast<int32_t>(w));
    }
  }
  for (size_t h = 0; h < problem.hosts(); ++h) {
    hosts_[static_cast<size_t>(problem.neighborhood[h])].push_back(static_cast<int32_t>(h));
  }
}

bool Convoy::Try(int32_t workload, int32_t host, int64_t most) {
  const Problem& problem = packing_.problem();
  const int32_t group = problem.group[static_cast<size_t>(workload)];
  const int32_t linked = group == kNoGroup ? -1 : AnyOf(linked_[static_cast<size_t>(group)]);
  const int32_t other = linked < 0 ? -1 : AnyOf(members_[static_cast<size_t>(linked)]);
  if (other < 0) return false;
  const int32_t there = AnyOf(hosts_[static_cast<size_t>(problem.neighborhood[static_cast<size_t>(host)])]);
  const int32_t from = packing_.at(workload);
  const int32_t other_from = packing_.at(other);
  if (other_from == there) return false;
  const int64_t price = packing_.PriceBeforeOthers(workload, host);
  if (price == Packing::kForbidden) return false;
  packing_.Shift(workload, host, price);
  const int64_t other_price = packing_.PriceBeforeOthers(other, there);
  if (other_price != Packing::kForbidden) {
    packing_.Shift(other, there, other_price);
    if (price + other_price <= most && packing_.GroupHolds(group) && packing_.GroupHolds(linked)) return true;
    packing_.Shift(other, other_from, -other_price);
  }
  packing_.Shift(workload, from, -price);
  return false;
}

}  // namespace truce::controller::pack
