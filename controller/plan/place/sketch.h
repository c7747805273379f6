// A copy of the fleet in which workloads are moved about, to see what would be. Prices as Places does. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/plan/pack/host_index.h"
#include "controller/plan/place/places.h"
#include "controller/plan/place/pricing.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

class Sketch {
 public:
  explicit Sketch(PlacesSnapshot snapshot);

  // By name.
  std::optional<size_t> Find(std::string_view host) const;
  const PlacesSnapshot::Host& host(size_t host) const { return snapshot_.hosts[host]; }
  size_t hosts() const { return snapshot_.hosts.size(); }
  // Nothing more goes there.
  void Close(size_t host, std::string why);
  // Whether anything may go to any of them.
  bool AnyOpen() const;
  void Put(size_t host, Resident resident, const ApplicationEffects& effects);
  // The one at that place of the host's residents.
  void Take(size_t host, size_t resident);
  // The best host that has room; nullopt when none has.
  std::optional<size_t> Best(const Resident& resident, const ApplicationEffects& effects) const;
  v1::FleetFigures Figures() const;

 private:
  void Refresh(size_t host);

  PlacesSnapshot snapshot_;
  // By host.
  std::vector<HostSum> sums_;
  std::map<std::string, size_t, std::less<>> numbers_;
  pack::HostIndex index_;
};

}  // namespace truce::controller
