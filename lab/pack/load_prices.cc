#include "lab/pack/load_prices.h"

#include <algorithm>
#include <numeric>

namespace truce::lab {
namespace {

// Of the tables of all domains.
constexpr int64_t kMostCells = 200'000;
// Steps without a better bound after which they become half as long.
constexpr int kPatience = 20;
constexpr double kFirstStep = 1.5;
// Against rounding, in servers.
constexpr double kSlack = 1e-9;

}  // namespace

LoadTable::LoadTable(Room most)
    : most_(most), value_(At(most.cpus + 1) * At(most.ram + 1)), last_(value_.size(), kNone) {}

void LoadTable::Fill(const std::vector<RequestKind>& kinds, const std::vector<double>& prices,
                     const std::vector<int32_t>& these) {
  std::fill(value_.begin(), value_.end(), 0.0);
  std::fill(last_.begin(), last_.end(), kNone);
  for (int32_t c = 0; c <= most_.cpus; ++c) {
    for (int32_t r = 0; r <= most_.ram; ++r) {
      const size_t cell = Cell({c, r});
      for (const int32_t k : these) {
        const Room& needs = kinds[At(k)].per_node;
        if (needs.cpus > c || needs.ram > r) continue;
        const double with = value_[Cell({c - needs.cpus, r - needs.ram})] + prices[At(k)];
        if (with <= value_[cell]) continue;
        value_[cell] = with;
        last_[cell] = k;
      }
    }
  }
}

std::vector<int32_t> LoadTable::Load(const std::vector<RequestKind>& kinds, Room room) const {
  std::vector<int32_t> load;
  for (int32_t k = last_[Cell(room)]; k != kNone; k = last_[Cell(room)]) {
    load.push_back(k);
    const Room& needs = kinds[At(k)].per_node;
    room = {room.cpus - needs.cpus, room.ram - needs.ram};
  }
  return load;
}

LoadPrices::LoadPrices(const NumaProblem& problem) {
  for (const VmRequest& vm : problem.requests) {
    unit_ = {std::gcd(unit_.cpus, vm.per_node.cpus), std::gcd(unit_.ram, vm.per_node.ram)};
  }
  Room fleet;
  for (const NumaServer& server : problem.servers) {
    for (const Room& node : server.nodes) {
      const Room room = InUnits(node);
      most_ = {std::max(most_.cpus, room.cpus), std::max(most_.ram, room.ram)};
      fleet = {fleet.cpus + room.cpus, fleet.ram + room.ram};
    }
  }
  for (const VmRequest& vm : problem.requests) {
    const RequestKind kind = {InUnits(vm.per_node), vm.on_both, vm.domain};
    if (std::find(kinds_.begin(), kinds_.end(), kind) == kinds_.end()) kinds_.push_back(kind);
  }
  // At first, by what a server of the mean size would get of it.
  const double mean_cpus = std::max(1.0, fleet.cpus / static_cast<double>(problem.servers.size()));
  const double mean_ram = std::max(1.0, fleet.ram / static_cast<double>(problem.servers.size()));
  for (const RequestKind& kind : kinds_) {
    prices_.push_back((kind.on_both ? 0.5 : 0.25) * (kind.per_node.cpus / mean_cpus + kind.per_node.ram / mean_ram));
  }
  const int64_t cells = (int64_t{most_.cpus} + 1) * (int64_t{most_.ram} + 1);
  if (cells * problem.domains > kMostCells) return;
  one_.assign(At(problem.domains), LoadTable(most_));
  both_ = one_;
}

size_t LoadPrices::KindOf(const VmRequest& request) const {
  const RequestKind kind = {InUnits(request.per_node), request.on_both, request.domain};
  return static_cast<size_t>(std::find(kinds_.begin(), kinds_.end(), kind) - kinds_.begin());
}

double LoadPrices::Climb(const std::vector<int64_t>& counts, const std::vector<RoomKind>& rooms, double known,
                         int steps) {
  std::vector<double> best_prices = prices_;
  double best = 0;
  double step = kFirstStep;
  int since = 0;
  std::vector<double> gradient(kinds_.size());
  for (int i = 0; i < steps; ++i) {
    const double value = Bound(counts, rooms, &gradient);
    if (value > best + kSlack) {
      best = value;
      best_prices = prices_;
      since = 0;
    } else if (++since == kPatience) {
      step /= 2;
      since = 0;
    }
    double length = 0;
    for (const double one : gradient) length += one * one;
    if (length == 0) break;
    const double scale = step * std::max(known - value, 0.5) / length;
    for (size_t k = 0; k < kinds_.size(); ++k) prices_[k] = std::max(0.0, prices_[k] + scale * gradient[k]);
  }
  prices_ = best_prices;
  return best;
}

double LoadPrices::Bound(const std::vector<int64_t>& counts, const std::vector<RoomKind>& rooms,
                         std::vector<double>* gradient) {
  Tabulate(counts);
  double value = 0;
  for (size_t k = 0; k < kinds_.size(); ++k) {
    (*gradient)[k] = static_cast<double>(counts[k]);
    value += prices_[k] * static_cast<double>(counts[k]);
  }
  for (const RoomKind& room : rooms) {
    const double cost = room.in_use ? 0 : 1;
    const double dearest = Dearest(room, nullptr);
    if (dearest <= cost) continue;
    const auto many = static_cast<double>(room.count);
    value -= many * (dearest - cost);
    for (const auto& [kind, nodes] : DearestLoad(room)) (*gradient)[At(kind)] -= many;
  }
  return value;
}

void LoadPrices::Tabulate(const std::vector<int64_t>& counts) {
  for (int32_t domain = 0; At(domain) < one_.size(); ++domain) {
    std::vector<int32_t> one;
    std::vector<int32_t> both;
    for (int32_t k = 0; At(k) < kinds_.size(); ++k) {
      const RequestKind& kind = kinds_[At(k)];
      if (counts[At(k)] == 0 || prices_[At(k)] <= 0 || (kind.domain != kNone && kind.domain != domain)) continue;
      (kind.on_both ? both : one).push_back(k);
    }
    one_[At(domain)].Fill(kinds_, prices_, one);
    both_[At(domain)].Fill(kinds_, prices_, both);
  }
}

double LoadPrices::Dearest(const RoomKind& room, Room* split) const {
  const auto& [first, second] = room.nodes;
  const LoadTable& one = one_[At(room.domain)];
  const LoadTable& both = both_[At(room.domain)];
  double dearest = -1;
  for (int32_t c = 0; c <= std::min(first.cpus, second.cpus); ++c) {
    for (int32_t r = 0; r <= std::min(first.ram, second.ram); ++r) {
      const double value = both.Value({c, r}) + one.Value({first.cpus - c, first.ram - r}) +
                           one.Value({second.cpus - c, second.ram - r});
      if (value <= dearest) continue;
      dearest = value;
      if (split != nullptr) *split = {c, r};
    }
  }
  return dearest;
}

std::vector<std::pair<int32_t, uint8_t>> LoadPrices::DearestLoad(const RoomKind& room) const {
  Room split;
  Dearest(room, &split);
  std::vector<std::pair<int32_t, uint8_t>> load;
  for (const int32_t kind : both_[At(room.domain)].Load(kinds_, split)) load.emplace_back(kind, kBothNodes);
  for (size_t node = 0; node < 2; ++node) {
    const Room rest = {room.nodes[node].cpus - split.cpus, room.nodes[node].ram - split.ram};
    for (const int32_t kind : one_[At(room.domain)].Load(kinds_, rest)) {
      load.emplace_back(kind, node == 0 ? kNode1 : kNode2);
    }
  }
  return load;
}

}  // namespace truce::lab
