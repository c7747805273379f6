// Places' half that says what a workload and those on a host would do to each other.
#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "controller/fleet/words.h"
#include "controller/plan/place/places.h"
#include "controller/plan/place/pricing.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kNeighbours = 10;
constexpr size_t kAlternatives = 3;
constexpr size_t kNamed = 5;

// What one that suffers so loses to one that hurts so, on so many CPUs, by resource.
pack::PlaceEffects LossByResource(const pack::PlaceEffects& suffers, const pack::PlaceEffects& hurts, double cpus) {
  pack::PlaceEffects loss{};
  for (size_t k = 0; k < kResourceEffects; ++k) loss[k] = EffectShare(k, cpus) * suffers[k] * hurts[k];
  return loss;
}

double Sum(const pack::PlaceEffects& effects) {
  double sum = 0;
  for (const double one : effects) sum += one;
  return sum;
}

// As operators name workloads.
bool IsMeant(const Resident& resident, std::string_view query) {
  return resident.workload == query || LastElement(resident.workload) == query || resident.application == query;
}

v1::WorkloadDescription DescriptionOf(const Resident& resident) {
  v1::WorkloadDescription description;
  description.set_name(resident.workload);
  description.set_application(resident.application);
  description.set_workload_class(resident.workload_class);
  description.set_priority(resident.priority);
  description.set_cpu_cores(resident.demand[kPlaceCpuCores]);
  description.set_memory_bytes(static_cast<uint64_t>(resident.demand[kPlaceMemoryBytes]));
  description.set_disk_bytes_per_second(resident.demand[kPlaceDiskBytes]);
  description.set_disk_operations_per_second(resident.demand[kPlaceDiskOperations]);
  description.set_network_bytes_per_second(resident.demand[kPlaceNetworkBytes]);
  return description;
}

struct Neighbour {
  double matters = 0;
  v1::NeighbourInterference interference;
};

}  // namespace

void Places::AddInterference(int32_t host, const Ask& ask, std::string_view itself, size_t most,
                             v1::HostInterference* answer) const {
  const Entry& entry = At(host);
  const double cpus = std::max(1.0, entry.picture.capacity[kPlaceCpuCores]);
  const double weight = SlowdownWeight(ask.workload->workload_class(), ask.workload->priority());
  const pack::PlaceEffects hurts = HurtsOf(ask.resident, ask.effects);
  pack::PlaceEffects suffered{};
  pack::PlaceEffects caused{};
  std::vector<Neighbour> neighbours;
  const auto meet = [&](const Resident& resident) {
    mutex_.AssertHeld();
    const ApplicationEffects& theirs = EffectsOfApplication(resident.application);
    const pack::PlaceEffects here = LossByResource(ask.effects.suffers, HurtsOf(resident, theirs), cpus);
    const pack::PlaceEffects there = LossByResource(theirs.suffers, hurts, cpus);
    for (size_t k = 0; k < kResourceEffects; ++k) {
      suffered[k] += here[k];
      caused[k] += there[k];
    }
    Neighbour neighbour;
    neighbour.interference.set_workload(resident.workload);
    neighbour.interference.set_application(resident.application);
    neighbour.interference.set_workload_class(resident.workload_class);
    neighbour.interference.set_suffers_ratio(Sum(there));
    neighbour.interference.set_hurts_ratio(Sum(here));
    neighbour.interference.set_known(theirs.known);
    neighbour.matters = weight * Sum(here) + SlowdownWeight(resident.workload_class, resident.priority) * Sum(there);
    neighbours.push_back(std::move(neighbour));
  };
  for (const Resident& resident : entry.picture.residents) {
    if (itself.empty() || resident.workload != itself) meet(resident);
  }
  for (const Reservations::Reservation* reservation : reservations_.On(host)) meet(reservation->resident);
  answer->set_host(entry.name);
  answer->set_slowdown_ratio(Sum(suffered));
  std::vector<size_t> order(kResourceEffects);
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return suffered[a] > suffered[b]; });
  for (const size_t k : order) {
    v1::ResourceEffect& effect = *answer->add_resources();
    effect.set_resource(static_cast<v1::Resource>(v1::RESOURCE_CPU + static_cast<int>(k)));
    effect.set_suffers_ratio(suffered[k]);
    effect.set_hurts_ratio(caused[k]);
  }
  std::stable_sort(neighbours.begin(), neighbours.end(),
                   [](const Neighbour& a, const Neighbour& b) { return a.matters > b.matters; });
  const size_t told = std::min(most, neighbours.size());
  for (size_t i = 0; i < told; ++i) *answer->add_neighbours() = std::move(neighbours[i].interference);
  answer->set_left_out_count(static_cast<uint32_t>(neighbours.size() - told));
}

absl::StatusOr<v1::WorkloadDescription> Places::DescribeRunning(const v1::RunningWorkload& running,
                                                                std::string* full_name) const {
  const auto host = Find(running.host());
  if (!host) return NoSuchHost(running.host());
  for (const Resident& resident : At(*host).picture.residents) {
    if (resident.workload != running.workload()) continue;
    *full_name = resident.workload;
    return DescriptionOf(resident);
  }
  return absl::NotFoundError(StrCat("no workload \"", running.workload(), "\" is on host ", running.host(),
                                    "; trucectl get workloads --host ", running.host(), " lists those that are"));
}

absl::StatusOr<v1::PredictInterferenceResponse> Places::Predict(const v1::PredictInterferenceRequest& request) {
  if (request.subject_case() == v1::PredictInterferenceRequest::SUBJECT_NOT_SET) {
    return absl::InvalidArgumentError("neither workload nor running is given; one of them is needed");
  }
  if (request.has_workload()) TRUCE_RETURN_IF_ERROR(CheckDescription(request.workload()));
  v1::PredictInterferenceResponse response;
  v1::WorkloadDescription description = request.workload();
  std::string itself;
  std::vector<int32_t> hosts;
  std::optional<Ask> ask;
  {
    absl::MutexLock lock(&mutex_);
    Expire();
    if (request.has_running()) {
      TRUCE_ASSIGN_OR_RETURN(description, DescribeRunning(request.running(), &itself));
    }
    for (const std::string& name : request.hosts()) {
      const auto host = Find(name);
      if (!host) return NoSuchHost(name);
      hosts.push_back(*host);
    }
    if (known_.empty()) {
      return absl::FailedPreconditionError(
          "no agent has sent a signature yet, so nothing can be predicted; agents send them some minutes after their "
          "start, when they have an interference model (truce-agent --check-config says)");
    }
    if (request.hosts().empty()) {
      for (size_t i = 0; i < entries_.size(); ++i) hosts.push_back(static_cast<int32_t>(i));
      std::sort(hosts.begin(), hosts.end(), [this](int32_t a, int32_t b) {
        mutex_.AssertHeld();
        return At(a).name < At(b).name;
      });
    }
    ask = AskFor(description);
    response.set_known(ask->effects.known);
  }
  const size_t most = request.neighbours_limit() == 0 ? kNeighbours : request.neighbours_limit();
  for (const int32_t host : hosts) {
    absl::MutexLock lock(&mutex_);
    const bool home = request.has_running() && At(host).name == request.running().host();
    AddInterference(host, *ask, home ? itself : std::string_view(), most, response.add_hosts());
  }
  return response;
}

// Which host it is on; its name may mean one on several.
absl::StatusOr<int32_t> Places::HostOf(const v1::RunningWorkload& running) const {
  if (!running.host().empty()) {
    if (const auto host = Find(running.host())) return *host;
    return NoSuchHost(running.host());
  }
  std::vector<std::string> names;
  int32_t found = -1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const auto& residents = entries_[i]->picture.residents;
    const bool here = std::any_of(residents.begin(), residents.end(),
                                  [&running](const Resident& one) { return IsMeant(one, running.workload()); });
    if (!here) continue;
    names.push_back(entries_[i]->name);
    found = static_cast<int32_t>(i);
  }
  if (names.size() == 1) return found;
  if (names.empty()) {
    return absl::NotFoundError(
        StrCat("there is no workload \"", running.workload(), "\"; trucectl get workloads lists those that are known"));
  }
  std::sort(names.begin(), names.end());
  const size_t more = names.size() > kNamed ? names.size() - kNamed : 0;
  names.resize(names.size() - more);
  return absl::InvalidArgumentError(StrCat("\"", running.workload(), "\" is on ", absl::StrJoin(names, ", "),
                                           more > 0 ? StrCat(" and ", more, " more") : std::string(),
                                           "; say which with --host"));
}

absl::StatusOr<v1::ExplainPlacementResponse> Places::Explain(const v1::ExplainPlacementRequest& request) {
  v1::ExplainPlacementResponse response;
  absl::MutexLock lock(&mutex_);
  Expire();
  TRUCE_ASSIGN_OR_RETURN(const int32_t host, HostOf(request.running()));
  Entry& entry = *entries_[static_cast<size_t>(host)];
  const auto& residents = entry.picture.residents;
  std::vector<size_t> meant;
  for (size_t i = 0; i < residents.size(); ++i) {
    if (IsMeant(residents[i], request.running().workload())) meant.push_back(i);
  }
  if (meant.size() != 1) {
    return absl::NotFoundError(StrCat(meant.empty() ? "no workload is" : "several workloads are", " meant by \"",
                                      request.running().workload(), "\" on host ", entry.name,
                                      "; trucectl get workloads --host ", entry.name, " lists their full names"));
  }
  const Resident& resident = residents[meant[0]];
  *response.mutable_workload() = DescriptionOf(resident);
  const Ask ask = AskFor(response.workload());
  if (!known_.empty()) AddInterference(host, ask, resident.workload, kNeighbours, response.mutable_interference());
  // Its host as if it had not come yet.
  HostSum without(entry.picture, options_.reserve_ratio);
  without.Add(entry.coming);
  for (size_t i = 0; i < residents.size(); ++i) {
    if (i != meant[0]) without.Add(residents[i], EffectsOfApplication(residents[i].application));
  }
  for (const Reservations::Reservation* one : reservations_.On(host)) {
    without.Add(one->resident, EffectsOfApplication(one->resident.application));
  }
  const pack::PlaceHost with = std::exchange(entry.state, without.state());
  *response.mutable_current() = Score(host, ask);
  entry.state = with;
  for (const int32_t other : Best(ask, kAlternatives + 1, std::nullopt)) {
    if (other == host || response.alternatives_size() == static_cast<int>(kAlternatives)) continue;
    *response.add_alternatives() = Score(other, ask);
  }
  return response;
}

}  // namespace truce::controller
