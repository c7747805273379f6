#include "controller/plan/place/resident.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "controller/fleet/forecasts.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// A disk that is hardly used says nothing of what it can do.
constexpr double kLeastUtilisation = 0.02;

// The probability of each workload to hurt anybody there: noisy-or over its victims.
absl::flat_hash_map<absl::string_view, double> RisksOf(const v1::Report& report) {
  absl::flat_hash_map<absl::string_view, double> innocent;
  for (const auto& pair : report.pairs()) {
    innocent.try_emplace(pair.aggressor(), 1).first->second *= 1 - pair.score() / 100;
  }
  for (auto& [_, one] : innocent) one = 1 - one;
  return innocent;
}

// More than any host has of anything.
constexpr double kMostDemand = 1e15;

// Nobody uses more than there is, whatever is said; a resource of which nobody knows how much there is, is bounded all
// the same, so that sums stay numbers.
pack::PlaceResources Bounded(pack::PlaceResources demand, const pack::PlaceResources& capacity) {
  for (size_t r = 0; r < kPlaceResourceCount; ++r) {
    const bool known = (r == kPlaceCpuCores || r == kPlaceMemoryBytes) && capacity[r] > 0;
    demand[r] = std::isfinite(demand[r]) ? std::clamp(demand[r], 0.0, known ? capacity[r] : kMostDemand) : kMostDemand;
  }
  return demand;
}

double Larger(double a, double b) {
  return std::isfinite(a) && std::isfinite(b) ? std::max({a, b, 0.0}) : 0;
}

// The 95th percentile of a reading where there is one, else the reading.
template <typename Has, typename Get>
double UseOf(const v1::WorkloadReport& report, Has has, Get get) {
  const v1::Readings& p95 = report.fingerprint().p95();
  return Larger((p95.*has)() ? (p95.*get)() : (report.readings().*get)(), 0);
}

pack::PlaceResources DemandOf(const HostState& host, const v1::WorkloadReport& report, double risk,
                              const DriftOf& drift_of, SetAside set_aside) {
  using R = v1::Readings;
  pack::PlaceResources demand{};
  demand[kPlaceCpuCores] = HostState::CpuP95(report);
  demand[kPlaceMemoryBytes] =
      Larger(report.readings().memory_usage_bytes(), report.readings().memory_working_set_bytes());
  demand[kPlaceDiskBytes] = UseOf(report, &R::has_disk_read_bytes_per_second, &R::disk_read_bytes_per_second) +
                            UseOf(report, &R::has_disk_write_bytes_per_second, &R::disk_write_bytes_per_second);
  demand[kPlaceDiskOperations] =
      UseOf(report, &R::has_disk_read_operations_per_second, &R::disk_read_operations_per_second) +
      UseOf(report, &R::has_disk_write_operations_per_second, &R::disk_write_operations_per_second);
  demand[kPlaceNetworkBytes] =
      std::max(UseOf(report, &R::has_network_receive_bytes_per_second, &R::network_receive_bytes_per_second),
               UseOf(report, &R::has_network_transmit_bytes_per_second, &R::network_transmit_bytes_per_second));
  if (report.forecasts().empty()) return demand;
  const std::optional<v1::DriftStatus> drift = drift_of ? drift_of(report.workload().name()) : std::nullopt;
  const auto foretold = [&](v1::Resource resource, PlaceResource at) {
    const v1::DemandForecast* forecast = ForecastOf(report, resource);
    if (forecast == nullptr) return;
    const double adjusted =
        AdjustedDemandOf(host, report, *forecast, risk, drift ? &*drift : nullptr, set_aside).demand;
    if (std::isfinite(adjusted) && adjusted >= 0) demand[at] = adjusted;
  };
  foretold(v1::RESOURCE_CPU, kPlaceCpuCores);
  foretold(v1::RESOURCE_MEMORY, kPlaceMemoryBytes);
  foretold(v1::RESOURCE_DISK, kPlaceDiskBytes);
  foretold(v1::RESOURCE_NETWORK, kPlaceNetworkBytes);
  return demand;
}

pack::PlaceResources CapacityOf(const HostState& host) {
  pack::PlaceResources capacity{};
  capacity[kPlaceCpuCores] = host.inventory.cpus_size();
  capacity[kPlaceMemoryBytes] = static_cast<double>(host.inventory.memory_bytes());
  for (const auto& network : host.inventory.network_interfaces()) {
    if (!network.physical()) continue;
    capacity[kPlaceNetworkBytes] =
        std::max(capacity[kPlaceNetworkBytes], static_cast<double>(network.speed_bits_per_second()) / 8);
  }
  // What a disk can do depends on the mix of reads and writes and their sizes: at that of now.
  for (const auto& disk : host.report.devices()) {
    if (!disk.has_utilisation_ratio() || disk.utilisation_ratio() < kLeastUtilisation) continue;
    capacity[kPlaceDiskBytes] +=
        (disk.read().bytes_per_second() + disk.write().bytes_per_second()) / disk.utilisation_ratio();
    capacity[kPlaceDiskOperations] +=
        (disk.read().operations_per_second() + disk.write().operations_per_second()) / disk.utilisation_ratio();
  }
  return capacity;
}

std::vector<HostPicture::Node> NodesOf(const v1::HostInventory& inventory) {
  std::map<uint32_t, HostPicture::Node> nodes;
  for (const auto& cpu : inventory.cpus()) nodes[cpu.numa_node()].cpu_cores += 1;
  for (auto& [_, node] : nodes) {
    node.memory_bytes = static_cast<double>(inventory.memory_bytes()) / static_cast<double>(nodes.size());
  }
  for (const auto& one : inventory.numa_nodes()) {
    nodes[one.id()].memory_bytes = static_cast<double>(one.memory_bytes());
  }
  std::vector<HostPicture::Node> all;
  for (const auto& [_, node] : nodes) all.push_back(node);
  return all;
}

constexpr size_t kMostName = 1024;
constexpr int kMostNames = 64;

absl::Status TooLong(std::string_view where, size_t bytes) {
  return absl::InvalidArgumentError(StrCat(where, ": a name of ", bytes, " bytes; at most ", kMostName, " make sense"));
}

bool IsMovable(const v1::Workload& workload) {
  const auto& levers = workload.allowed_levers();
  return workload.workload_class() != v1::WORKLOAD_CLASS_CRITICAL && !workload.migration_drivers().empty() &&
         std::find(levers.begin(), levers.end(), v1::LEVER_MIGRATE) != levers.end();
}

}  // namespace

HostPicture PictureOf(const HostState& host, const DriftOf& drift_of, SetAside set_aside) {
  HostPicture picture;
  picture.capacity = CapacityOf(host);
  picture.nodes = NodesOf(host.inventory);
  picture.fault_domain = host.inventory.fault_domain().empty() ? host.name : host.inventory.fault_domain();
  picture.worst_score = host.summary.worst_score;
  picture.worst_score_of_critical =
      host.summary.worst_score_from_rank[static_cast<size_t>(ClassRank(v1::WORKLOAD_CLASS_CRITICAL))];
  if (!host.connected) {
    picture.closed = "its agent is not connected, so its state is not known";
  } else if (!host.last_report_at.has_value()) {
    picture.closed = "its agent has not reported yet";
  }
  const auto risks = RisksOf(host.report);
  picture.residents.reserve(static_cast<size_t>(host.report.workloads_size()));
  for (const auto& report : host.report.workloads()) {
    const v1::Workload& workload = report.workload();
    const auto risk = risks.find(workload.name());
    picture.residents.push_back(
        {.workload = workload.name(),
         .application = workload.application(),
         .workload_class = workload.workload_class(),
         .priority = workload.priority(),
         .demand = Bounded(DemandOf(host, report, risk == risks.end() ? 0 : risk->second, drift_of, set_aside),
                           picture.capacity),
         .movable = IsMovable(workload)});
  }
  return picture;
}

absl::Status CheckDescription(const v1::WorkloadDescription& workload) {
  const struct {
    const char* name;
    double value;
    const char* unit;
  } kDemands[] = {{"cpu_cores", workload.cpu_cores(), "cores"},
                  {"disk_bytes_per_second", workload.disk_bytes_per_second(), "bytes"},
                  {"disk_operations_per_second", workload.disk_operations_per_second(), "operations"},
                  {"network_bytes_per_second", workload.network_bytes_per_second(), "bytes"}};
  for (const auto& demand : kDemands) {
    if (demand.value >= 0 && demand.value <= kMostDemand) continue;
    return absl::InvalidArgumentError(StrCat("workload.", demand.name, ": ", demand.value, " is no number of ",
                                             demand.unit, "; 0 to ", kMostDemand, " is expected"));
  }
  const v1::PlacementRules& rules = workload.rules();
  if ((rules.most_per_host() > 0 || rules.most_per_fault_domain() > 0) && workload.application().empty()) {
    return absl::InvalidArgumentError(
        "workload.rules: most_per_host and most_per_fault_domain count workloads of an application, and "
        "workload.application is not given");
  }
  for (const std::string* name : {&workload.name(), &workload.application()}) {
    if (name->size() > kMostName) return TooLong("workload.name and workload.application", name->size());
  }
  for (const auto* list : {&rules.apart_from(), &rules.beside()}) {
    if (list->size() > kMostNames) {
      return absl::InvalidArgumentError(
          StrCat("workload.rules: a list of ", list->size(), " applications; at most ", kMostNames, " make sense"));
    }
    for (const std::string& name : *list) {
      if (name.size() > kMostName) return TooLong("workload.rules", name.size());
    }
  }
  const std::set<std::string> apart(rules.apart_from().begin(), rules.apart_from().end());
  for (const std::string& beside : rules.beside()) {
    if (!apart.contains(beside)) continue;
    return absl::InvalidArgumentError(
        StrCat("workload.rules: ", beside, " is in both apart_from and beside; leave it out of one of them"));
  }
  return absl::OkStatus();
}

Resident ResidentOf(const v1::WorkloadDescription& workload) {
  Resident resident{.workload = workload.name(),
                    .application = workload.application(),
                    .workload_class = workload.workload_class(),
                    .priority = workload.priority()};
  resident.demand[kPlaceCpuCores] = workload.cpu_cores();
  resident.demand[kPlaceMemoryBytes] = static_cast<double>(workload.memory_bytes());
  resident.demand[kPlaceDiskBytes] = workload.disk_bytes_per_second();
  resident.demand[kPlaceDiskOperations] = workload.disk_operations_per_second();
  resident.demand[kPlaceNetworkBytes] = workload.network_bytes_per_second();
  return resident;
}

}  // namespace truce::controller
