#include "controller/plan/place/sketch.h"

#include <algorithm>
#include <utility>

namespace truce::controller {
Sketch::Sketch(PlacesSnapshot snapshot) : snapshot_(std::move(snapshot)), index_({.fullness = 1}) {
  for (size_t i = 0; i < snapshot_.hosts.size(); ++i) {
    numbers_.emplace(snapshot_.hosts[i].name, i);
    sums_.emplace_back(snapshot_.hosts[i].picture, snapshot_.reserve_ratio);
    Refresh(i);
  }
  index_.Arrange();
}

std::optional<size_t> Sketch::Find(std::string_view host) const {
  const auto it = numbers_.find(host);
  return it == numbers_.end() ? std::nullopt : std::optional(it->second);
}

void Sketch::Refresh(size_t host) {
  const PlacesSnapshot::Host& one = snapshot_.hosts[host];
  HostSum sum(one.picture, snapshot_.reserve_ratio);
  sum.Add(one.coming);
  for (size_t i = 0; i < one.effects.size(); ++i) sum.Add(one.picture.residents[i], one.effects[i]);
  sums_[host] = sum;
  index_.Put(static_cast<int32_t>(host), sum.state());
}

void Sketch::Close(size_t host, std::string why) {
  snapshot_.hosts[host].picture.closed = std::move(why);
  Refresh(host);
}

bool Sketch::AnyOpen() const {
  return std::any_of(snapshot_.hosts.begin(), snapshot_.hosts.end(),
                     [](const PlacesSnapshot::Host& host) { return host.picture.closed.empty(); });
}

void Sketch::Put(size_t host, Resident resident, const ApplicationEffects& effects) {
  snapshot_.hosts[host].picture.residents.push_back(std::move(resident));
  snapshot_.hosts[host].effects.push_back(effects);
  sums_[host].Add(snapshot_.hosts[host].picture.residents.back(), effects);
  index_.Put(static_cast<int32_t>(host), sums_[host].state());
}

void Sketch::Take(size_t host, size_t resident) {
  auto& residents = snapshot_.hosts[host].picture.residents;
  residents.erase(residents.begin() + static_cast<std::ptrdiff_t>(resident));
  auto& effects = snapshot_.hosts[host].effects;
  effects.erase(effects.begin() + static_cast<std::ptrdiff_t>(resident));
  Refresh(host);
}

std::optional<size_t> Sketch::Best(const Resident& resident, const ApplicationEffects& effects) const {
  const auto best = index_.Best(DemandOn(resident, effects), 1);
  return best.empty() ? std::nullopt : std::optional(static_cast<size_t>(best[0].host));
}

v1::FleetFigures Sketch::Figures() const {
  v1::FleetFigures figures;
  double fullness_sum = 0;
  double slowdown = 0;
  for (size_t i = 0; i < snapshot_.hosts.size(); ++i) {
    const PlacesSnapshot::Host& host = snapshot_.hosts[i];
    if (host.picture.residents.empty()) continue;
    figures.set_hosts_in_use(figures.hosts_in_use() + 1);
    const pack::PlaceHost& state = *index_.Find(static_cast<int32_t>(i));
    double fullest = 0;
    for (size_t r = 0; r < kPlaceResourceCount; ++r) {
      if (state.capacity[r] > 0) fullest = std::max(fullest, 1 - state.free[r] / state.capacity[r]);
    }
    if (fullest > 1) figures.set_hosts_short(figures.hosts_short() + 1);
    fullness_sum += fullest;
    // All with all, less each with itself.
    const double cpus = std::max(1.0, host.picture.capacity[kPlaceCpuCores]);
    pack::PlaceEffects hurts{};
    for (size_t k = 0; k < kResourceEffects; ++k) {
      hurts[k] = state.hurts[k] / EffectShare(k, cpus);
    }
    slowdown += Loss(state.suffers, hurts);
    for (size_t w = 0; w < host.effects.size(); ++w) {
      const Resident& resident = host.picture.residents[w];
      pack::PlaceEffects suffers = host.effects[w].suffers;
      suffers[EffectOf(v1::RESOURCE_CPU)] /= cpus;
      slowdown -= SlowdownWeight(resident.workload_class, resident.priority) *
                  Loss(suffers, HurtsOf(resident, host.effects[w]));
    }
  }
  figures.set_slowdown_ratio_sum(std::max(0.0, slowdown));
  if (figures.hosts_in_use() > 0) figures.set_mean_fullness_ratio(fullness_sum / figures.hosts_in_use());
  return figures;
}

}  // namespace truce::controller
