#include "controller/plan/pack/host_index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

// Where the CPU has them, the same loops run on wider vectors: the choice is made once, when the program is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define TRUCE_WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TRUCE_WIDE_VECTORS
#endif

namespace truce::controller::pack {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// The largest share of a resource that is in use, 0 to 1.
double Fullness(const PlaceResources& free, const PlaceResources& capacity, const PlaceResources& demand) {
  double fullest = 0;
  for (size_t r = 0; r < kMostPlaceResources; ++r) {
    if (capacity[r] > 0) fullest = std::max(fullest, 1 - (free[r] - demand[r]) / capacity[r]);
  }
  return std::min(1.0, fullest);
}

bool Fits(const PlaceResources& free, const PlaceResources& demand) {
  bool fits = true;
  for (size_t r = 0; r < kMostPlaceResources; ++r) fits &= demand[r] <= 0 || demand[r] <= free[r];
  return fits;
}

double Slowdown(const PlaceEffects& suffers, const PlaceEffects& hurts, const PlaceDemand& demand) {
  double slowdown = 0;
  for (size_t k = 0; k < kMostPlaceEffects; ++k)
    slowdown += suffers[k] * demand.hurts[k] + demand.suffers[k] * hurts[k];
  return slowdown;
}

// Single precision, with room for what two dozen sums and differences of large numbers lose.
constexpr float kRough = 1e-4F;

// Coordinates that hosts are told apart by, each from 0 to about 1.
constexpr size_t kCoordinates = kMostPlaceResources + 2 * kMostPlaceEffects + 1;
using Point = std::array<double, kCoordinates>;

Point PointOf(const PlaceHost& host) {
  Point point{};
  for (size_t r = 0; r < kMostPlaceResources; ++r) point[r] = host.free[r];
  for (size_t k = 0; k < kMostPlaceEffects; ++k) {
    point[kMostPlaceResources + k] = host.suffers[k];
    point[kMostPlaceResources + kMostPlaceEffects + k] = host.hurts[k];
  }
  point[kCoordinates - 1] = host.use_cost;
  return point;
}

}  // namespace

const PlaceHost* HostIndex::Find(int32_t host) const {
  const auto at = static_cast<size_t>(host);
  return host >= 0 && at < cell_of_.size() && cell_of_[at] >= 0 ? &state_[at] : nullptr;
}

double HostIndex::Price(const PlaceHost& host, const PlaceDemand& demand, double* slowdown) const {
  if (host.closed || !Fits(host.free, demand.demand)) return kNever;
  const double slows = Slowdown(host.suffers, host.hurts, demand);
  if (slowdown != nullptr) *slowdown = slows;
  const double fullness = weights_.fullness == 0 ? 0 : Fullness(host.free, host.capacity, demand.demand);
  return slows + host.use_cost + weights_.fullness * fullness;
}

void HostIndex::Bound(Cell* cell) const {
  Bounds bounds;
  bounds.free.fill(-kNever);
  bounds.suffers.fill(kNever);
  bounds.hurts.fill(kNever);
  bounds.use_cost = kNever;
  bounds.least_full = kNever;
  bounds.first = std::numeric_limits<int32_t>::max();
  for (const int32_t host : cell->hosts) {
    const PlaceHost& state = state_[static_cast<size_t>(host)];
    if (state.closed) continue;
    bounds.closed = false;
    for (size_t r = 0; r < kMostPlaceResources; ++r) bounds.free[r] = std::max(bounds.free[r], state.free[r]);
    for (size_t k = 0; k < kMostPlaceEffects; ++k) {
      bounds.suffers[k] = std::min(bounds.suffers[k], state.suffers[k]);
      bounds.hurts[k] = std::min(bounds.hurts[k], state.hurts[k]);
    }
    bounds.use_cost = std::min(bounds.use_cost, state.use_cost);
    bounds.least_full = std::min(bounds.least_full, Fullness(state.free, state.capacity, {}));
    bounds.first = std::min(bounds.first, host);
  }
  cell->bounds = bounds;
}

// No host of the cell is cheaper. With packing (fullness below 0) a host is at most full.
double HostIndex::LeastPrice(const Bounds& bounds, const PlaceDemand& demand) const {
  if (bounds.closed || !Fits(bounds.free, demand.demand)) return kNever;
  const double fullness = weights_.fullness >= 0 ? weights_.fullness * bounds.least_full : weights_.fullness;
  return Slowdown(bounds.suffers, bounds.hurts, demand) + bounds.use_cost + fullness;
}

void HostIndex::Put(int32_t host, const PlaceHost& state) {
  const auto at = static_cast<size_t>(host);
  if (at >= cell_of_.size()) {
    cell_of_.resize(at + 1, -1);
    state_.resize(at + 1);
  }
  if (cell_of_[at] < 0) {
    if (cells_.empty() || cells_.back().hosts.size() >= kCell) cells_.emplace_back();
    cells_.back().hosts.push_back(host);
    cell_of_[at] = static_cast<int32_t>(cells_.size()) - 1;
    ++count_;
  }
  state_[at] = state;
  ++changes_;
  Cell& cell = cells_[static_cast<size_t>(cell_of_[at])];
  Bound(&cell);
  Fill(&cell);
}

void HostIndex::Fill(Cell* cell) const {
  Columns& columns = cell->columns;
  columns.present.fill(false);
  for (size_t i = 0; i < kCell; ++i) {
    const PlaceHost none{.closed = true};
    const PlaceHost& host = i < cell->hosts.size() ? state_[static_cast<size_t>(cell->hosts[i])] : none;
    for (size_t r = 0; r < kMostPlaceResources; ++r) {
      columns.free[r][i] = static_cast<float>(host.free[r]);
      columns.share[r][i] = host.capacity[r] > 0 ? static_cast<float>(1 / host.capacity[r]) : 0;
      columns.present[r] |= host.capacity[r] > 0;
    }
    for (size_t k = 0; k < kMostPlaceEffects; ++k) {
      columns.suffers[k][i] = static_cast<float>(host.suffers[k]);
      columns.hurts[k][i] = static_cast<float>(host.hurts[k]);
    }
    columns.use_cost[i] = host.closed ? std::numeric_limits<float>::infinity() : static_cast<float>(host.use_cost);
  }
}

TRUCE_WIDE_VECTORS
float HostIndex::PriceRoughly(const Columns& columns, const PlaceDemand& demand, float fullness,
                              Columns::Column* prices) {
  Columns::Column& price = *prices;
  price = columns.use_cost;
  for (size_t k = 0; k < kMostPlaceEffects; ++k) {
    const auto hurts = static_cast<float>(demand.hurts[k]);
    const auto suffers = static_cast<float>(demand.suffers[k]);
    if (hurts != 0) {
      for (size_t i = 0; i < kCell; ++i) price[i] += columns.suffers[k][i] * hurts;
    }
    if (suffers != 0) {
      for (size_t i = 0; i < kCell; ++i) price[i] += columns.hurts[k][i] * suffers;
    }
  }
  Columns::Column fullest{};
  for (size_t r = 0; r < kMostPlaceResources; ++r) {
    if (!columns.present[r] && demand.demand[r] <= 0) continue;
    const auto wanted = static_cast<float>(demand.demand[r]);
    const Columns::Column& free = columns.free[r];
    const Columns::Column& share = columns.share[r];
    for (size_t i = 0; i < kCell; ++i) {
      const float used = share[i] > 0 ? 1 - (free[i] - wanted) * share[i] : 0;
      fullest[i] = used > fullest[i] ? used : fullest[i];
    }
    if (wanted <= 0) continue;
    const float surely = wanted * (1 - kRough);
    for (size_t i = 0; i < kCell; ++i) {
      price[i] = free[i] < surely ? std::numeric_limits<float>::infinity() : price[i];
    }
  }
  for (size_t i = 0; i < kCell; ++i) price[i] += fullness * (fullest[i] < 1 ? fullest[i] : 1);
  float least = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < kCell; ++i) {
    price[i] -= kRough * (1 + (price[i] < 0 ? -price[i] : price[i]));
    least = price[i] < least ? price[i] : least;
  }
  return least;
}

std::vector<PlacePrice> HostIndex::Best(const PlaceDemand& demand, size_t most,
                                        const std::function<bool(int32_t)>& allows, size_t* looked_at) const {
  const auto cheaper = [](const PlacePrice& a, const PlacePrice& b) {
    return a.price != b.price ? a.price < b.price : a.host < b.host;
  };
  const auto fullness = static_cast<float>(weights_.fullness);
  std::vector<PlacePrice> best;
  size_t priced = 0;
  for (const Cell& cell : cells_) {
    if (most == 0) break;
    const double least = LeastPrice(cell.bounds, demand);
    if (least == kNever) continue;
    if (best.size() == most && !cheaper({cell.bounds.first, least, 0}, best.back())) continue;
    Columns::Column rough;
    const double surely = PriceRoughly(cell.columns, demand, fullness, &rough);
    const auto worth = [&] { return best.size() == most ? best.back().price : kNever; };
    if (!(surely <= worth()) || surely == kNever) continue;
    for (size_t i = 0; i < cell.hosts.size(); ++i) {
      if (!(rough[i] <= worth()) || rough[i] == std::numeric_limits<float>::infinity()) continue;
      PlacePrice price{cell.hosts[i], 0, 0};
      price.price = Price(state_[static_cast<size_t>(price.host)], demand, &price.slowdown);
      ++priced;
      if (price.price == kNever || (best.size() == most && !cheaper(price, best.back()))) continue;
      if (allows && !allows(price.host)) continue;
      best.insert(std::upper_bound(best.begin(), best.end(), price, cheaper), price);
      if (best.size() > most) best.pop_back();
    }
  }
  if (looked_at != nullptr) *looked_at = priced;
  return best;
}

// Along the coordinate in which they differ most, at the median.
void HostIndex::Split(std::vector<int32_t> hosts) {
  if (hosts.size() <= kCell) {
    for (const int32_t host : hosts) cell_of_[static_cast<size_t>(host)] = static_cast<int32_t>(cells_.size());
    Cell& cell = cells_.emplace_back();
    cell.hosts = std::move(hosts);
    Bound(&cell);
    Fill(&cell);
    return;
  }
  Point least;
  Point largest;
  least.fill(kNever);
  largest.fill(-kNever);
  for (const int32_t host : hosts) {
    const Point point = PointOf(state_[static_cast<size_t>(host)]);
    for (size_t i = 0; i < kCoordinates; ++i) {
      least[i] = std::min(least[i], point[i]);
      largest[i] = std::max(largest[i], point[i]);
    }
  }
  size_t widest = 0;
  double width = -1;
  for (size_t i = 0; i < kCoordinates; ++i) {
    // Against its own size: cores and bytes can't be compared otherwise.
    const double scale = std::max(std::fabs(least[i]), std::fabs(largest[i]));
    const double own = scale > 0 ? (largest[i] - least[i]) / scale : 0;
    if (own <= width) continue;
    width = own;
    widest = i;
  }
  const auto middle = hosts.begin() + static_cast<std::ptrdiff_t>(hosts.size() / 2);
  const auto less = [&](int32_t a, int32_t b) {
    const double left = PointOf(state_[static_cast<size_t>(a)])[widest];
    const double right = PointOf(state_[static_cast<size_t>(b)])[widest];
    return left != right ? left < right : a < b;
  };
  std::nth_element(hosts.begin(), middle, hosts.end(), less);
  Split({hosts.begin(), middle});
  Split({middle, hosts.end()});
}

void HostIndex::Arrange() {
  std::vector<int32_t> hosts;
  for (const Cell& cell : cells_) hosts.insert(hosts.end(), cell.hosts.begin(), cell.hosts.end());
  std::sort(hosts.begin(), hosts.end());
  cells_.clear();
  if (!hosts.empty()) Split(std::move(hosts));
  changes_ = 0;
}

}  // namespace truce::controller::pack
