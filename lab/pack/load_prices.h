// What requests are worth to whoever packs them: prices by which no server in use can hold more than it costs. They
// come from the Lagrangian relaxation that server_bound.h describes, and say both how few servers will do and what to
// put together on one.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lab/pack/numa_problem.h"

namespace truce::lab {

// Requests that are alike, in units of LoadPrices.
struct RequestKind {
  Room per_node;
  bool on_both = false;
  // kNone: anywhere.
  int32_t domain = kNone;
  bool operator==(const RequestKind&) const = default;
};

// Servers with as much room, in units of LoadPrices. One that is in use costs nothing, another costs 1.
struct RoomKind {
  std::array<Room, 2> nodes;
  int32_t domain = 0;
  bool in_use = false;
  int64_t count = 1;
};

// The dearest load of each size of node: an unbounded knapsack in CPUs and memory.
class LoadTable {
 public:
  explicit LoadTable(Room most);
  // Of the `kinds` in `these`, whose prices are above 0.
  void Fill(const std::vector<RequestKind>& kinds, const std::vector<double>& prices,
            const std::vector<int32_t>& these);
  double Value(const Room& room) const { return value_[Cell(room)]; }
  // Kinds in the dearest load of `room`, each as often as it is in there.
  std::vector<int32_t> Load(const std::vector<RequestKind>& kinds, Room room) const;

 private:
  size_t Cell(const Room& room) const { return At(room.cpus) * At(most_.ram + 1) + At(room.ram); }
  Room most_;
  std::vector<double> value_;
  std::vector<int32_t> last_;
};

// One thread.
class LoadPrices {
 public:
  explicit LoadPrices(const NumaProblem& problem);
  // False for a problem whose tables would take too long for what they are worth; nothing else may be called then.
  bool Small() const { return !one_.empty(); }

  const std::vector<RequestKind>& kinds() const { return kinds_; }
  size_t KindOf(const VmRequest& request) const;
  // Rounded down.
  Room InUnits(const Room& room) const { return {room.cpus / unit_.cpus, room.ram / unit_.ram}; }

  // Improves the prices by `steps` subgradient steps for `counts` requests by kind on `rooms`, towards `known` servers.
  // The best bound that was seen, whose prices stay: no plan takes fewer more servers into use.
  double Climb(const std::vector<int64_t>& counts, const std::vector<RoomKind>& rooms, double known, int steps);

  // Loads of the prices as they are, of kinds of which `counts` has any. To be called before the next two.
  void Tabulate(const std::vector<int64_t>& counts);
  // What the dearest load of such a room is worth, and what of each node its requests on both nodes take.
  double Dearest(const RoomKind& room, Room* split) const;
  // Kinds, and the nodes that they are on, in the dearest load.
  std::vector<std::pair<int32_t, uint8_t>> DearestLoad(const RoomKind& room) const;

 private:
  double Bound(const std::vector<int64_t>& counts, const std::vector<RoomKind>& rooms, std::vector<double>* gradient);

  Room unit_;
  Room most_;
  std::vector<RequestKind> kinds_;
  std::vector<double> prices_;
  // By domain: requests on one node, and on both.
  std::vector<LoadTable> one_;
  std::vector<LoadTable> both_;
};

}  // namespace truce::lab
