// A plan while it is made: what is free, and whether a rule forbids a place. Every policy of `pack --format huawei`
// puts and takes through this, so none can break a rule.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lab/pack/numa_problem.h"

namespace truce::lab {

// Weights that make the whole fleet's CPUs worth as much as its memory, in thousandths together.
struct RoomPrice {
  int64_t cpu = 0;
  int64_t ram = 0;
  explicit RoomPrice(const NumaProblem& problem);
  int64_t Of(const Room& room) const { return cpu * room.cpus + ram * room.ram; }
};

// One thread.
class Placement {
 public:
  // Both outlive it. `affinity_limits` by group: AffinityLimits().
  Placement(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits);

  // Nodes that `request` may be on: kBothNodes, or kNode1 and kNode2.
  bool HasRoom(const VmRequest& request, int32_t server, uint8_t nodes) const;
  // Domain, anti-affinity, and as few servers for an affinity group as its limit says.
  bool Allows(const VmRequest& request, int32_t server) const;

  // Whatever the rules; it must be nowhere.
  void Put(int32_t request, Place place);
  // It must be somewhere.
  void Take(int32_t request);

  const NumaProblem& problem() const { return problem_; }
  const RoomPrice& price() const { return price_; }
  const Plan& plan() const { return plan_; }
  const Room& Free(int32_t server, size_t node) const { return free_[At(server)][node]; }
  // Requests on it, in no order.
  const std::vector<int32_t>& On(int32_t server) const { return on_[At(server)]; }
  bool Used(int32_t server) const { return !on_[At(server)].empty(); }
  // Servers with a request, in no order.
  const std::vector<int32_t>& used() const { return used_; }
  const std::vector<int32_t>& unused() const { return unused_; }
  // What is asked of it, by price.
  int64_t Load(int32_t server) const { return load_[At(server)]; }

 private:
  void Switch(int32_t server, std::vector<int32_t>* from, std::vector<int32_t>* to);

  const NumaProblem& problem_;
  const std::vector<int32_t>& affinity_limits_;
  RoomPrice price_;
  Plan plan_;
  std::vector<std::array<Room, 2>> free_;
  std::vector<std::vector<int32_t>> on_;
  std::vector<int64_t> load_;
  std::vector<int32_t> used_;
  std::vector<int32_t> unused_;
  // By server: where it is in the one or the other.
  std::vector<int32_t> listed_at_;
  // By group: its servers, and how many of its requests each has.
  std::vector<std::vector<std::pair<int32_t, int32_t>>> group_on_;
};

}  // namespace truce::lab
