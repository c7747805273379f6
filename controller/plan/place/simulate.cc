#include "controller/plan/place/simulate.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "controller/fleet/words.h"
#include "controller/plan/place/sketch.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr uint32_t kMostAdded = 10'000;

// One that needs a host.
struct Homeless {
  Resident resident;
  ApplicationEffects effects;
  // Empty for one that comes.
  std::string source;
};

// Who goes first: whoever loses most when it ends up badly, and what is hardest to find room for.
bool GoesFirst(const Homeless& a, const Homeless& b) {
  const auto key = [](const Homeless& one) {
    return std::tuple(-ClassRank(one.resident.workload_class), -int64_t{one.resident.priority},
                      -one.resident.demand[kPlaceCpuCores], -one.resident.demand[kPlaceMemoryBytes]);
  };
  return key(a) < key(b);
}

struct Leaving {
  std::set<size_t> drained;
  std::set<size_t> failed;
};

absl::StatusOr<Leaving> WhoLeaves(const Sketch& sketch, const v1::SimulateRequest& request) {
  Leaving leaving;
  const auto find = [&](const std::string& name) -> absl::StatusOr<size_t> {
    if (const auto host = sketch.Find(name)) return *host;
    return absl::NotFoundError(
        StrCat("there is no host \"", name, "\"; trucectl get hosts lists those that are known"));
  };
  for (const std::string& name : request.drain_hosts()) {
    TRUCE_ASSIGN_OR_RETURN(const size_t host, find(name));
    leaving.drained.insert(host);
  }
  for (const std::string& name : request.fail_hosts()) {
    TRUCE_ASSIGN_OR_RETURN(const size_t host, find(name));
    leaving.failed.insert(host);
  }
  for (const std::string& domain : request.fail_domains()) {
    const size_t before = leaving.failed.size();
    for (size_t i = 0; i < sketch.hosts(); ++i) {
      if (sketch.host(i).picture.fault_domain == domain) leaving.failed.insert(i);
    }
    if (leaving.failed.size() == before) {
      return absl::NotFoundError(StrCat("no host is in fault domain \"", domain,
                                        "\" (fault_domain of its agent), or all of them fail already"));
    }
  }
  for (const size_t host : leaving.failed) leaving.drained.erase(host);
  return leaving;
}

void Stay(const Resident& resident, const std::string& host, bool reserved, v1::SimulateResponse* response) {
  v1::SimulatedPlacement& placement = *response->add_placements();
  placement.set_workload(resident.workload);
  placement.set_application(resident.application);
  placement.set_workload_class(resident.workload_class);
  placement.set_source_host(host);
  placement.set_target_host(host);
  placement.set_reason(reserved ? "it is reserved and not there yet; release it, or place it anew when its time is over"
                                : "nobody may move it: it is critical, or has no driver or no leave to migrate");
  response->set_staying_count(response->staying_count() + 1);
}

// Empties the host into `homeless`; of a drained one what can't be moved stays.
void Empty(size_t host, bool failed, Sketch* sketch, std::vector<Homeless>* homeless, v1::SimulateResponse* response) {
  const std::string name = sketch->host(host).name;
  const size_t running = sketch->host(host).picture.residents.size() - sketch->host(host).reserved;
  sketch->Close(host, failed ? "it has failed" : "it is drained");
  for (size_t i = sketch->host(host).picture.residents.size(); i-- > 0;) {
    Resident resident = sketch->host(host).picture.residents[i];
    const bool reserved = i >= running;
    if (reserved) resident.workload = StrCat("reserved", resident.workload.empty() ? "" : ": ", resident.workload);
    if (!failed && !resident.movable) {
      Stay(resident, name, reserved, response);
      continue;
    }
    homeless->push_back({std::move(resident), sketch->host(host).effects[i], name});
    sketch->Take(host, i);
  }
}

}  // namespace

absl::StatusOr<v1::SimulateResponse> Simulate(PlacesSnapshot snapshot, const v1::SimulateRequest& request,
                                              const std::function<bool()>& cancelled) {
  if (request.has_add()) TRUCE_RETURN_IF_ERROR(CheckDescription(request.add()));
  const uint32_t count = request.has_add() ? std::max(1U, request.add_count()) : 0;
  if (count > kMostAdded) {
    return absl::InvalidArgumentError(StrCat("add_count: ", count, " is more than ", kMostAdded));
  }
  if (request.has_add() && request.add().has_rules()) {
    return absl::InvalidArgumentError("add.rules: what-if knows room and contention, and no rules; leave them out");
  }
  const bool asks =
      count > 0 || request.drain_hosts_size() + request.fail_hosts_size() + request.fail_domains_size() > 0;
  if (!asks) return absl::InvalidArgumentError("nothing is asked: give add, drain_hosts, fail_hosts or fail_domains");
  const ApplicationEffects added = snapshot.effects.Of(request.add().application());
  Sketch sketch(std::move(snapshot));
  TRUCE_ASSIGN_OR_RETURN(const Leaving leaving, WhoLeaves(sketch, request));
  v1::SimulateResponse response;
  *response.mutable_before() = sketch.Figures();
  std::vector<Homeless> homeless;
  for (const size_t host : leaving.failed) Empty(host, true, &sketch, &homeless, &response);
  for (const size_t host : leaving.drained) Empty(host, false, &sketch, &homeless, &response);
  for (uint32_t i = 0; i < count; ++i) {
    Resident resident = ResidentOf(request.add());
    const std::string& name = resident.workload.empty() ? resident.application : resident.workload;
    resident.workload = StrCat(name.empty() ? "workload" : name, "-", i + 1);
    homeless.push_back({std::move(resident), added, ""});
  }
  std::stable_sort(homeless.begin(), homeless.end(), GoesFirst);
  for (Homeless& one : homeless) {
    if (cancelled && cancelled()) return absl::CancelledError("nobody waits for the answer any more");
    v1::SimulatedPlacement& placement = *response.add_placements();
    placement.set_workload(one.resident.workload);
    placement.set_application(one.resident.application);
    placement.set_workload_class(one.resident.workload_class);
    placement.set_source_host(one.source);
    if (const auto target = sketch.Best(one.resident, one.effects)) {
      placement.set_target_host(sketch.host(*target).name);
      sketch.Put(*target, std::move(one.resident), one.effects);
    } else {
      placement.set_reason(sketch.AnyOpen() ? "no host has room for it"
                                            : "no host is left that takes workloads: the others failed or are drained, "
                                              "as asked, are not connected or have not reported");
      response.set_homeless_count(response.homeless_count() + 1);
    }
  }
  *response.mutable_after() = sketch.Figures();
  return response;
}

}  // namespace truce::controller
