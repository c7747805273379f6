#include "lab/fleet/simulation.h"

#include <algorithm>
#include <set>

#include "lab/consolidate/setup.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

// What a workload that moves lacks while its memory is copied (Beloglazov and Buyya, CCPE 24(13), 2012, section 4.4),
// at half of 10 Gbit/s.
constexpr double kMovingSlowdown = 0.1;
constexpr double kGibPerSecond = 0.58;
static_assert(kReportSeconds == kStepSeconds);

}  // namespace

Simulation::Simulation(const World& world, const Knowledge& knowledge, const SimulationOptions& options, Placer& placer)
    : world_(world),
      options_(options),
      placer_(placer),
      hosts_(MakeHosts(options.hosts)),
      agents_(world, knowledge, options.hosts),
      truth_(world.truth),
      on_(options.hosts),
      host_of_(world.lives.size(), kNowhere),
      ending_(static_cast<size_t>(world.steps) + 1) {
  for (const Life& life : world.lives) {
    if (life.ends <= world.steps) ending_[static_cast<size_t>(life.ends)].push_back(life.request.workload);
  }
}

void Simulation::Put(int64_t life, size_t host) {
  on_[host].push_back(life);
  host_of_[static_cast<size_t>(life)] = static_cast<int32_t>(host);
}

void Simulation::Take(int64_t life) {
  std::vector<int64_t>& there = on_[static_cast<size_t>(host_of_[static_cast<size_t>(life)])];
  there.erase(std::find(there.begin(), there.end(), life));
  host_of_[static_cast<size_t>(life)] = kNowhere;
}

void Simulation::EndLives(int32_t step) {
  for (const int64_t life : ending_[static_cast<size_t>(step)]) {
    if (host_of_[static_cast<size_t>(life)] == kNowhere) {
      const auto it = std::find(waiting_.begin(), waiting_.end(), life);
      if (it != waiting_.end()) waiting_.erase(it);
      continue;
    }
    Take(life);
    const int64_t group = world_.lives[static_cast<size_t>(life)].request.group;
    if (group >= 0 && std::erase(groups_[group], life) > 0 && groups_[group].empty()) groups_.erase(group);
    placer_.OnDeparture(life);
  }
}

absl::Status Simulation::PlaceWaiting(int32_t step) {
  for (; next_ < world_.lives.size() && world_.lives[next_].begins <= step; ++next_) {
    if (world_.lives[next_].ends > step) waiting_.push_back(static_cast<int64_t>(next_));
  }
  std::deque<int64_t> still;
  for (const int64_t life : waiting_) {
    const Request& request = world_.lives[static_cast<size_t>(life)].request;
    TRUCE_ASSIGN_OR_RETURN(const std::optional<size_t> host, placer_.Place(request));
    if (!host) {
      still.push_back(life);
      continue;
    }
    if (*host >= hosts_.size()) {
      return absl::InternalError(StrCat(placer_.name(), " places on host ", *host, "; there are ", hosts_.size()));
    }
    Put(life, *host);
    if (request.group >= 0) groups_[request.group].push_back(life);
    placer_.OnArrival(request, *host);
  }
  waiting_ = std::move(still);
  return absl::OkStatus();
}

absl::Status Simulation::Rebalance() {
  size_t running = 0;
  for (const auto& there : on_) running += there.size();
  const auto most = static_cast<int32_t>(options_.move_ratio * static_cast<double>(running));
  TRUCE_ASSIGN_OR_RETURN(const std::vector<Move> moves, placer_.Rebalance({most}));
  if (std::ssize(moves) > most) {
    return absl::InternalError(StrCat(placer_.name(), " moves ", moves.size(), " workloads; ", most, " are allowed"));
  }
  for (const Move& move : moves) {
    const bool is_there = move.workload >= 0 && move.workload < std::ssize(host_of_) && move.to < hosts_.size() &&
                          move.to != move.from &&
                          host_of_[static_cast<size_t>(move.workload)] == static_cast<int32_t>(move.from);
    if (!is_there) {
      return absl::InternalError(StrCat(placer_.name(), " moves workload ", move.workload, " from host ", move.from,
                                        " to ", move.to, ", which can't be"));
    }
    Take(move.workload);
    Put(move.workload, move.to);
    placer_.OnMoved(move);
    const double seconds = world_.lives[static_cast<size_t>(move.workload)].request.memory_gib / kGibPerSecond;
    moving_[move.workload] += kMovingSlowdown * std::min(1.0, seconds / kStepSeconds);
    if (counts_) ++outcome_.migrations;
  }
  return absl::OkStatus();
}

void Simulation::CountHost(size_t host, double demand_cores, const std::vector<Suffering>& sufferings) {
  const std::vector<int64_t>& lives = on_[host];
  double used = 0;
  double memory_gib = 0;
  for (size_t i = 0; i < lives.size(); ++i) {
    const Request& request = world_.lives[static_cast<size_t>(lives[i])].request;
    double slowdown = sufferings[i].slowdown;
    if (const auto it = moving_.find(lives[i]); it != moving_.end()) slowdown += it->second;
    outcome_.by_class[static_cast<size_t>(request.workload_class)].Add(slowdown);
    used += sufferings[i].used_cores;
    memory_gib += request.memory_gib;
  }
  const auto there = static_cast<double>(lives.size());
  outcome_.running += there;
  if (demand_cores > hosts_[host].cpus || memory_gib > hosts_[host].memory_gib) outcome_.over_capacity += there;
  // An empty host is off. How much CPUs of any kind draw by their share in use is taken from one server (SPECpower).
  static const HostType power = PlanetLabHosts(2)[1];
  const double share = used / hosts_[host].cpus;
  outcome_.energy_kwh += power.Watts(share) * kStepSeconds / 3.6e6;
  used_share_ += share;
  hosts_used_ += 1;
}

void Simulation::CountGroups() {
  for (const auto& [_, lives] : groups_) {
    std::set<int32_t> hosts;
    std::set<int32_t> domains;
    for (const int64_t life : lives) {
      const int32_t host = host_of_[static_cast<size_t>(life)];
      hosts.insert(host);
      domains.insert(hosts_[static_cast<size_t>(host)].domain);
    }
    const int32_t spread = world_.lives[static_cast<size_t>(lives[0])].request.spread;
    const auto wanted = std::min<size_t>(lives.size(), static_cast<size_t>(spread));
    if (hosts.size() < lives.size() || domains.size() < wanted) {
      outcome_.group_broken += static_cast<double>(lives.size());
    }
  }
}

void Simulation::Pass(int32_t step) {
  std::vector<Presence> present;
  std::vector<Suffering> sufferings;
  for (size_t host = 0; host < hosts_.size(); ++host) {
    present.clear();
    double demand_cores = 0;
    for (const int64_t number : on_[host]) {
      const Life& life = world_.lives[static_cast<size_t>(number)];
      present.push_back({life.request.application, life.request.workload_class, life.pressure_factor,
                         life.sensitivity_factor, world_.DemandCores(life, step), life.request.cpus});
      demand_cores += present.back().demand_cores;
    }
    truth_.Suffer(hosts_[host].cpus, present, &sufferings);
    for (size_t i = 0; i < present.size(); ++i) {
      agents_.See(world_.lives[static_cast<size_t>(on_[host][i])], sufferings[i].used_cores);
    }
    if (counts_ && !present.empty()) CountHost(host, demand_cores, sufferings);
  }
  if (counts_) {
    CountGroups();
    outcome_.waiting += static_cast<double>(waiting_.size());
  }
  moving_.clear();
}

absl::StatusOr<Outcome> Simulation::Run() {
  outcome_.policy = std::string(placer_.name());
  outcome_.hosts = hosts_.size();
  placer_.OnHosts(hosts_);
  for (int32_t step = 0; step < world_.steps; ++step) {
    if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) {
      return absl::CancelledError("interrupted");
    }
    counts_ = step >= world_.warm_up_steps;
    EndLives(step);
    TRUCE_RETURN_IF_ERROR(PlaceWaiting(step));
    if (step > 0 && step % static_cast<int32_t>(kStepsOfAnHour) == 0) TRUCE_RETURN_IF_ERROR(Rebalance());
    Pass(step);
    for (size_t host = 0; host < hosts_.size(); ++host) placer_.OnReport(agents_.Report(host, on_[host]));
  }
  const double measured = world_.steps - world_.warm_up_steps;
  outcome_.mean_hosts_used = hosts_used_ / measured;
  outcome_.mean_cpu_used = hosts_used_ > 0 ? used_share_ / hosts_used_ : 0;
  return std::move(outcome_);
}

}  // namespace truce::lab::fleet
