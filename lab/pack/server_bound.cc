#include "lab/pack/server_bound.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

#include "lab/pack/load_prices.h"

namespace truce::lab {
namespace {

// Against rounding, in servers.
constexpr double kSlack = 1e-6;

}  // namespace

int64_t BoundBySums(const NumaProblem& problem) {
  double cpus = 0;
  double ram = 0;
  for (const VmRequest& vm : problem.requests) {
    cpus += vm.Whole().cpus;
    ram += vm.Whole().ram;
  }
  int64_t most = 0;
  for (int weight = 0; weight <= 100; ++weight) {
    std::vector<double> sizes;
    for (const NumaServer& server : problem.servers) {
      sizes.push_back(weight / 100.0 * (server.nodes[0].cpus + server.nodes[1].cpus) / cpus +
                      (100 - weight) / 100.0 * (server.nodes[0].ram + server.nodes[1].ram) / ram);
    }
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    double sum = 0;
    size_t servers = 0;
    while (servers < sizes.size() && sum < 1 - kSlack) sum += sizes[servers++];
    most = std::max(most, static_cast<int64_t>(servers));
  }
  return most;
}

int64_t BoundByLoads(const NumaProblem& problem, int64_t known, int steps) {
  const int64_t sums = BoundBySums(problem);
  LoadPrices prices(problem);
  if (!prices.Small()) return sums;
  std::vector<int64_t> counts(prices.kinds().size());
  for (const VmRequest& vm : problem.requests) ++counts[prices.KindOf(vm)];
  std::map<std::tuple<int32_t, int32_t, int32_t, int32_t, int32_t>, RoomKind> rooms;
  for (const NumaServer& server : problem.servers) {
    const std::array<Room, 2> nodes = {prices.InUnits(server.nodes[0]), prices.InUnits(server.nodes[1])};
    const auto [place, first] = rooms.try_emplace(
        {nodes[0].cpus, nodes[0].ram, nodes[1].cpus, nodes[1].ram, server.domain}, RoomKind{nodes, server.domain});
    if (!first) ++place->second.count;
  }
  std::vector<RoomKind> kinds;
  for (const auto& [key, room] : rooms) kinds.push_back(room);
  const double climbed = prices.Climb(counts, kinds, static_cast<double>(known), steps);
  return std::max(sums, static_cast<int64_t>(std::ceil(climbed - kSlack)));
}

}  // namespace truce::lab
