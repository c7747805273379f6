#include "controller/plan/place/advise.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "controller/plan/pack/anneal.h"
#include "controller/plan/pack/order.h"
#include "controller/plan/place/pricing.h"
#include "controller/plan/place/sketch.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Of a unit of each resource, in units of PlaceResource.
constexpr pack::PlaceResources kUnits = {1e-3, 1 << 20, 1 << 10, 1, 1 << 10};
constexpr double kCost = 1e6;
// Effects are multiplied by it on either side, so that a product has the units of costs.
const double kEffect = std::sqrt(kCost);
// Beyond this share of a resource a host is crowded: who asks for more than was foretold finds it taken.
constexpr double kSoftShare = 0.85;
// A whole host's worth beyond that costs as much as so many critical workloads that take twice as long.
constexpr double kCrowded = 4;
constexpr double kMost = 1e12;

int64_t Whole(double value) {
  return static_cast<int64_t>(std::llround(std::clamp(value, 0.0, kMost)));
}

// Rounded up: what is asked for is never less than it was.
int64_t Asked(double amount, size_t resource) {
  return static_cast<int64_t>(std::ceil(std::clamp(amount / kUnits[resource], 0.0, kMost)));
}

int64_t There(double amount, size_t resource) {
  return static_cast<int64_t>(std::floor(std::clamp(amount / kUnits[resource], 0.0, kMost)));
}

class Builder {
 public:
  Builder(const PlacesSnapshot& snapshot, const AdviseOptions& options) : snapshot_(snapshot), options_(options) {}

  FleetProblem Build() {
    Begin();
    for (size_t i = 0; i < snapshot_.hosts.size(); ++i) {
      if (snapshot_.hosts[i].picture.closed.empty()) AddHost(i);
    }
    cpus_ = cpus_ / std::max<size_t>(1, made_.hosts.size());
    for (size_t h = 0; h < made_.hosts.size(); ++h) AddWorkloads(h);
    AddGroups();
    const size_t closed = snapshot_.hosts.size() - made_.hosts.size();
    if (closed > 0) {
      made_.incomplete = StrCat(closed, " of ", snapshot_.hosts.size(),
                                " hosts are not connected or have not reported, and were left out");
    }
    return std::move(made_);
  }

 private:
  pack::Problem& problem() { return made_.problem; }

  void Begin() {
    // While a workload moves, its memory is taken on both hosts.
    problem().transient.assign(kPlaceResourceCount, 0);
    problem().transient[kPlaceMemoryBytes] = 1;
    problem().effects = static_cast<int32_t>(kResourceEffects);
    double typical_cores = 0;
    size_t hosts = 0;
    for (const PlacesSnapshot::Host& host : snapshot_.hosts) {
      typical_cores += host.picture.capacity[kPlaceCpuCores];
      ++hosts;
    }
    typical_cores = std::max(1.0, typical_cores / static_cast<double>(std::max<size_t>(1, hosts)));
    problem().load_weight.assign(kPlaceResourceCount, 0);
    problem().load_weight[kPlaceCpuCores] = Whole(kCost * kCrowded * kUnits[kPlaceCpuCores] / typical_cores);
  }

  void AddHost(size_t number) {
    const PlacesSnapshot::Host& host = snapshot_.hosts[number];
    const HostPicture& picture = host.picture;
    for (size_t r = 0; r < kPlaceResourceCount; ++r) {
      double there = ToGive(r, picture.capacity[r], snapshot_.reserve_ratio) - host.coming[r];
      // Whatever is there, it is enough.
      if (picture.capacity[r] <= 0) there = kMost * kUnits[r];
      problem().capacity.push_back(There(there, r));
      problem().soft_capacity.push_back(There(kSoftShare * there, r));
    }
    problem().domain.push_back(
        domains_.try_emplace(picture.fault_domain, static_cast<int32_t>(domains_.size())).first->second);
    problem().neighborhood.push_back(0);
    if (options_.host_cost > 0) problem().use_cost.push_back(Whole(kCost * options_.host_cost));
    made_.hosts.push_back(number);
    cpus_ += std::max(1.0, picture.capacity[kPlaceCpuCores]);
  }

  void AddWorkloads(size_t h) {
    const PlacesSnapshot::Host& host = snapshot_.hosts[made_.hosts[h]];
    const size_t running = host.picture.residents.size() - host.reserved;
    for (size_t i = 0; i < host.picture.residents.size(); ++i) {
      const Resident& resident = host.picture.residents[i];
      const double weight = SlowdownWeight(resident.workload_class, resident.priority);
      for (size_t r = 0; r < kPlaceResourceCount; ++r) problem().demand.push_back(Asked(resident.demand[r], r));
      const pack::PlaceEffects hurts = HurtsOf(resident, host.effects[i]);
      for (size_t k = 0; k < kResourceEffects; ++k) {
        // As if all hosts had as many CPUs as there are in the mean.
        const double share = EffectShare(k, cpus_);
        problem().suffers.push_back(Whole(kEffect * share * weight * host.effects[i].suffers[k]));
        problem().hurts.push_back(Whole(kEffect * hurts[k]));
      }
      problem().group.push_back(pack::kNoGroup);
      problem().move_cost.push_back(Whole(kCost * MovePenalty(resident.demand[kPlaceMemoryBytes])));
      problem().pinned.push_back(i >= running || !resident.movable ? 1 : 0);
      made_.now.push_back(static_cast<int32_t>(h));
      made_.workloads.emplace_back(made_.hosts[h], i);
      if (!resident.application.empty()) applications_[resident.application].push_back(made_.now.size() - 1);
    }
  }

  void AddGroups() {
    for (const auto& [_, members] : applications_) {
      if (members.size() < 2) continue;
      std::set<int32_t> hosts;
      std::set<int32_t> domains;
      for (const size_t member : members) {
        hosts.insert(made_.now[member]);
        domains.insert(problem().domain[static_cast<size_t>(made_.now[member])]);
      }
      const bool apart = hosts.size() == members.size();
      if (!apart && domains.size() == 1) continue;
      for (const size_t member : members) problem().group[member] = static_cast<int32_t>(problem().groups.size());
      problem().groups.push_back({.exclusive = apart, .spread = static_cast<int32_t>(domains.size())});
    }
  }

  const PlacesSnapshot& snapshot_;
  const AdviseOptions& options_;
  FleetProblem made_;
  std::map<std::string, int32_t> domains_;
  std::map<std::string, std::vector<size_t>> applications_;
  double cpus_ = 0;
};

}  // namespace

double MovePenalty(double memory_bytes) {
  constexpr double kRisk = 0.01;
  constexpr double kSecondsPerByte = 10e-9;
  constexpr double kLoss = 0.1;
  constexpr double kHorizonSeconds = 1800;
  return kRisk + std::max(0.0, memory_bytes) * kSecondsPerByte * kLoss / kHorizonSeconds;
}

FleetProblem ProblemOf(const PlacesSnapshot& snapshot, const AdviseOptions& options) {
  return Builder(snapshot, options).Build();
}

absl::StatusOr<v1::Advice> Advise(const PlacesSnapshot& snapshot, const AdviseOptions& options) {
  v1::Advice advice;
  FleetProblem fleet = ProblemOf(snapshot, options);
  Sketch sketch(snapshot);
  *advice.mutable_before() = sketch.Figures();
  *advice.mutable_after() = advice.before();
  advice.set_incomplete(fleet.incomplete);
  if (fleet.hosts.size() < 2 || fleet.now.empty()) return advice;
  TRUCE_ASSIGN_OR_RETURN(const pack::Annealed annealed, pack::Anneal(fleet.problem, fleet.now,
                                                                     {.time = options.time,
                                                                      .iterations = options.iterations,
                                                                      .seed = options.seed,
                                                                      .most_moved = options.most_moves,
                                                                      .stop = options.stop}));
  const pack::MoveOrder order = pack::OrderMoves(fleet.problem, fleet.now, annealed.assignment);
  for (const pack::Move& move : order.moves) {
    const auto [host, place] = fleet.workloads[static_cast<size_t>(move.workload)];
    const Resident& resident = snapshot.hosts[host].picture.residents[place];
    v1::AdvisedMove& advised = *advice.add_moves();
    advised.set_workload(resident.workload);
    advised.set_application(resident.application);
    advised.set_source_host(snapshot.hosts[fleet.hosts[static_cast<size_t>(move.from)]].name);
    advised.set_target_host(snapshot.hosts[fleet.hosts[static_cast<size_t>(move.to)]].name);
  }
  // Where each one is in the end; its place among a host's residents changes when others leave.
  PlacesSnapshot then = snapshot;
  std::map<size_t, std::vector<size_t>> leave;
  for (size_t w = 0; w < fleet.now.size(); ++w) {
    if (order.reached[w] == fleet.now[w]) continue;
    const auto [host, place] = fleet.workloads[w];
    PlacesSnapshot::Host& target = then.hosts[fleet.hosts[static_cast<size_t>(order.reached[w])]];
    target.picture.residents.push_back(snapshot.hosts[host].picture.residents[place]);
    target.effects.push_back(snapshot.hosts[host].effects[place]);
    leave[host].push_back(place);
  }
  for (const auto& [host, places] : leave) {
    for (auto place = places.rbegin(); place != places.rend(); ++place) {
      auto& from = then.hosts[host];
      from.picture.residents.erase(from.picture.residents.begin() + static_cast<std::ptrdiff_t>(*place));
      from.effects.erase(from.effects.begin() + static_cast<std::ptrdiff_t>(*place));
    }
  }
  *advice.mutable_after() = Sketch(std::move(then)).Figures();
  return advice;
}

}  // namespace truce::controller
