// Where one workload fits best among many hosts, without pricing each of them. Hosts that are alike share a cell; a
// cell knows what its best host could offer at most, and is looked into only while that is better than what was found:
// branch and bound over the leaves of a k-d tree (Friedman, Bentley and Finkel, "An algorithm for finding best matches
// in logarithmic expected time", ACM TOMS 3(3), 1977), exact. All hosts of a cell are first priced together, roughly,
// a column at a time.
//
//   Put(host) ─► cell's bounds, columns    Best(demand) ─► cells that may be better ─► hosts roughly ─► few exactly
//
// Not thread-safe; const calls may run beside each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace truce::controller::pack {

inline constexpr size_t kMostPlaceResources = 8;
inline constexpr size_t kMostPlaceEffects = 8;

// By resource and by effect; what is not used is 0.
using PlaceResources = std::array<double, kMostPlaceResources>;
using PlaceEffects = std::array<double, kMostPlaceEffects>;

// What a host has left, and who is on it.
struct PlaceHost {
  // Below 0: it is asked for too much already, and nothing that asks for any of it fits. A resource that the host
  // doesn't have is 0 in both.
  PlaceResources free{};
  PlaceResources capacity{};
  // Of all workloads there, as in Problem: what they suffer from any unit of an effect, weighted by their class, and
  // how much of it they cause.
  PlaceEffects suffers{};
  PlaceEffects hurts{};
  // Of using it when it is empty; 0 when it is in use.
  double use_cost = 0;
  // It takes nothing now.
  bool closed = false;
};

struct PlaceDemand {
  PlaceResources demand{};
  PlaceEffects suffers{};
  PlaceEffects hurts{};
};

// The price of a host:
//   slowdown   sum over effects of suffers(host) x hurts(workload) + suffers(workload) x hurts(host)
//   + use_cost of the host
//   + fullness x the largest share of a resource that is in use then
struct PlaceWeights {
  // Above 0 hosts with room come first (spread), below 0 full ones (pack).
  double fullness = 0;
};

struct PlacePrice {
  int32_t host = -1;
  double price = 0;
  double slowdown = 0;
};

class HostIndex {
 public:
  // Hosts in a cell.
  static constexpr size_t kCell = 32;

  explicit HostIndex(PlaceWeights weights = {}) : weights_(weights) {}

  // Adds a host or replaces what is known of it; numbers are the caller's, from 0 and without large gaps. O(kCell).
  void Put(int32_t host, const PlaceHost& state);
  // Nullptr when it is not there.
  const PlaceHost* Find(int32_t host) const;
  // What the host would cost; infinity when the workload doesn't fit. `slowdown` may be null.
  double Price(const PlaceHost& host, const PlaceDemand& demand, double* slowdown) const;

  // The `most` cheapest hosts on which the workload fits and that `allows` (empty: all), cheapest first, then by
  // number. `looked_at` counts hosts that were priced exactly; may be null.
  std::vector<PlacePrice> Best(const PlaceDemand& demand, size_t most, const std::function<bool(int32_t)>& allows = {},
                               size_t* looked_at = nullptr) const;
  // Puts hosts that are alike together again. For now and then: after many changes bounds get loose, never wrong.
  // O(hosts x log hosts).
  void Arrange();
  // Changes since the last Arrange.
  size_t changes() const { return changes_; }
  size_t hosts() const { return count_; }

 private:
  // The best of each that any host of the cell has.
  struct Bounds {
    PlaceResources free{};
    PlaceEffects suffers{};
    PlaceEffects hurts{};
    double use_cost = 0;
    double least_full = 0;
    // The smallest number: what is as cheap comes by numbers.
    int32_t first = 0;
    bool closed = true;
  };
  // By resource or effect, then by place in the cell: what the vector units of a CPU read in one go.
  struct Columns {
    using Column = std::array<float, kCell>;
    std::array<Column, kMostPlaceResources> free{};
    // 1 / capacity; 0 of a resource that isn't there.
    std::array<Column, kMostPlaceResources> share{};
    std::array<Column, kMostPlaceEffects> suffers{};
    std::array<Column, kMostPlaceEffects> hurts{};
    Column use_cost{};
    // Resources that any of the hosts has.
    std::array<bool, kMostPlaceResources> present{};
  };
  struct Cell {
    std::vector<int32_t> hosts;
    Bounds bounds;
    Columns columns;
  };
  void Bound(Cell* cell) const;
  void Fill(Cell* cell) const;
  // For each host what it costs at least, by some kRough of its price less than that, and infinity for one that surely
  // has no room. Returns the least of them.
  static float PriceRoughly(const Columns& columns, const PlaceDemand& demand, float fullness, Columns::Column* prices);
  double LeastPrice(const Bounds& bounds, const PlaceDemand& demand) const;
  void Split(std::vector<int32_t> hosts);

  const PlaceWeights weights_;
  std::vector<PlaceHost> state_;
  // By host: its cell; -1 when it is not there.
  std::vector<int32_t> cell_of_;
  std::vector<Cell> cells_;
  size_t count_ = 0;
  size_t changes_ = 0;
};

}  // namespace truce::controller::pack
