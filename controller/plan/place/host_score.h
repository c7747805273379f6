// What is thought of a host for a workload, in numbers and in a sentence. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/plan/pack/host_index.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

struct HostVerdict {
  const std::string& host;
  // With all who are or will be there, without the workload.
  const pack::PlaceHost& state;
  const v1::WorkloadDescription& workload;
  const pack::PlaceDemand& demand;
  double worst_score = 0;
  // Why nothing goes there; empty when something may.
  std::string_view closed;
  // As HostIndex::Price says it; infinity when it doesn't fit.
  double price = 0;
  // Which rule it breaks; nullopt for none.
  std::optional<std::string> rule = {};
  // Nullopt when no model has said anything yet.
  std::optional<double> slowdown = {};
  std::optional<double> neighbours_slowdown = {};
};

v1::HostScore Describe(const HostVerdict& verdict);

// Best first: those that fit before those that don't, then by price, then by name.
void Rank(std::vector<v1::HostScore>* scores);

}  // namespace truce::controller
