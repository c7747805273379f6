// ControllerCore's half that operators see.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "controller/fleet/words.h"
#include "controller/plan/place/demands.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "controller/serve/views.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr int kDefaultLimit = 100;
constexpr int kExplainRows = 10;

int Limit(uint32_t limit) {
  return limit == 0 ? kDefaultLimit : static_cast<int>(std::min<uint32_t>(limit, 10'000));
}

}  // namespace

bool ControllerCore::IsHeld(std::string_view host) const {
  return holds_.contains("") || holds_.contains(std::string(host));
}

const HostPlan& ControllerCore::PlanOf(const HostState& host) const {
  static const auto* const kNone = new HostPlan();
  const auto it = entries_.find(host.name);
  return it == entries_.end() ? *kNone : it->second.plan;
}

std::optional<std::string> ControllerCore::NotYetConnected(std::string_view host) const {
  if (host.empty() || fleet_.Find(host) != nullptr) return std::nullopt;
  return StrCat("host ", host, " has not connected since the controller started");
}

absl::Status ControllerCore::EverKnownHost(std::string_view host) const {
  const std::string name(host);
  return earlier_hosts_.contains(name) || holds_.contains(name) ? absl::OkStatus() : KnownHost(host);
}

absl::Status ControllerCore::KnownHost(std::string_view host) const {
  const auto not_yet = NotYetConnected(host);
  if (!not_yet) return absl::OkStatus();
  if (earlier_hosts_.contains(std::string(host))) return absl::NotFoundError(*not_yet);
  std::vector<std::string> names;
  for (const auto& [name, _] : fleet_.hosts()) {
    if (absl::StrContains(name, AbslView(host)) || absl::StrContains(AbslView(host), name)) names.push_back(name);
  }
  if (names.empty()) {
    for (const auto& [name, _] : fleet_.hosts()) names.push_back(name);
  }
  const std::string candidates = Candidates(std::move(names));
  return absl::NotFoundError(
      StrCat("no host is named \"", host, "\"; ",
             candidates.empty() ? std::string("no agent has connected yet") : StrCat("known are: ", candidates)));
}

std::vector<const HostState*> ControllerCore::HostsFor(std::string_view host) const {
  std::vector<const HostState*> hosts;
  if (!host.empty()) {
    if (const HostState* one = fleet_.Find(host)) hosts.push_back(one);
    return hosts;
  }
  for (const auto& [_, state] : fleet_.hosts()) hosts.push_back(&state);
  return hosts;
}

std::vector<ControllerCore::Found> ControllerCore::FindWorkloads(std::string_view host, std::string_view query) const {
  std::vector<Found> exact;
  std::vector<Found> found;
  for (const HostState* state : HostsFor(host)) {
    if (const auto* workload = state->Find(query)) exact.push_back({state, workload});
    for (const auto& workload : state->report.workloads()) {
      if (NamesWorkload(workload.workload(), query)) found.push_back({state, &workload});
    }
  }
  // A full name means that workload, whatever else ends in it.
  return exact.empty() ? found : exact;
}

ControllerCore::Asked ControllerCore::TakeApart(std::string_view host, std::string_view query) const {
  const size_t slash = query.find('/');
  const std::string_view first = query.substr(0, slash);
  const bool is_host = slash != std::string_view::npos && fleet_.Find(first) != nullptr;
  // The name of a workload may begin like a host's, and means that workload then.
  if (is_host && (host.empty() || host == first) && FindWorkloads(host, query).empty()) {
    return {std::string(first), std::string(query.substr(slash + 1))};
  }
  return {std::string(host), std::string(query)};
}

absl::Status ControllerCore::NoSuchWorkload(std::string_view host, std::string_view query) const {
  std::vector<std::string> names;
  for (const HostState* state : HostsFor(host)) {
    for (const auto& workload : state->report.workloads()) {
      if (absl::StrContains(absl::AsciiStrToLower(workload.workload().name()),
                            absl::AsciiStrToLower(AbslView(query)))) {
        names.push_back(StrCat(state->name, "/", workload.workload().name()));
      }
    }
  }
  const std::string candidates = Candidates(std::move(names));
  return absl::NotFoundError(StrCat("no workload", host.empty() ? std::string() : StrCat(" on host ", host),
                                    " is named \"", query, "\" by name, last path element or application",
                                    candidates.empty() ? std::string("; trucectl get workloads lists them")
                                                       : StrCat("; did you mean: ", candidates)));
}

absl::StatusOr<ControllerCore::Found> ControllerCore::OneWorkload(std::string_view host, std::string_view query) const {
  TRUCE_RETURN_IF_ERROR(KnownHost(host));
  if (query.empty()) return absl::InvalidArgumentError("no workload was named");
  const Asked asked = TakeApart(host, query);
  const std::vector<Found> found = FindWorkloads(asked.host, asked.workload);
  if (found.empty()) return NoSuchWorkload(asked.host, asked.workload);
  if (found.size() == 1) return found.front();
  std::vector<std::string> names;
  for (const Found& one : found) names.push_back(StrCat(one.host->name, "/", one.workload->workload().name()));
  return absl::FailedPreconditionError(StrCat("\"", query, "\" may be any of ", found.size(),
                                              " workloads: ", Candidates(std::move(names)),
                                              "; give one as it is written here, or its host with --host"));
}

absl::StatusOr<v1::ListHostsResponse> ControllerCore::ListHosts(const v1::ListHostsRequest& request) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(request.host()));
  v1::ListHostsResponse response;
  for (const HostState* host : HostsFor(request.host())) {
    *response.add_hosts() = ViewHost(*host, PlanOf(*host), policy_, IsHeld(host->name));
  }
  return response;
}

absl::StatusOr<v1::ListWorkloadsResponse> ControllerCore::ListWorkloads(const v1::ListWorkloadsRequest& request) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(request.host()));
  const Asked asked = TakeApart(request.host(), request.workload());
  std::map<std::pair<std::string, std::string>, std::string> moves;
  for (const v1::Migration& migration : migrations_.Open()) {
    moves[{migration.source_host(), migration.workload()}] = SayMigration(migration, MomentOf(clock_));
  }
  v1::ListWorkloadsResponse response;
  for (const HostState* host : HostsFor(asked.host)) {
    for (auto& workload : ViewWorkloads(*host, PlanOf(*host), policy_)) {
      const auto move = moves.find({host->name, workload.report().workload().name()});
      if (move != moves.end()) workload.set_migration(move->second);
      if (asked.workload.empty() || NamesWorkload(workload.report().workload(), asked.workload)) {
        if (auto drift = drifts_.Status(*host, workload.report().workload().name(), !asked.workload.empty())) {
          *workload.mutable_drift() = std::move(*drift);
        }
        for (v1::DemandStatus& demand : ViewDemands(*host, workload.report(), workload.risk(),
                                                    workload.has_drift() ? &workload.drift() : nullptr)) {
          *workload.add_demands() = std::move(demand);
        }
        workload.mutable_report()->clear_forecasts();
        *response.add_workloads() = std::move(workload);
      }
    }
  }
  if (response.workloads().empty() && !asked.workload.empty()) {
    return NoSuchWorkload(asked.host, asked.workload);
  }
  std::sort(
      response.mutable_workloads()->begin(), response.mutable_workloads()->end(), [](const auto& a, const auto& b) {
        return std::pair(a.host(), a.report().workload().name()) < std::pair(b.host(), b.report().workload().name());
      });
  return response;
}

absl::StatusOr<v1::ListPairsResponse> ControllerCore::ListPairs(const v1::ListPairsRequest& request) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(request.host()));
  const Asked asked = TakeApart(request.host(), request.workload());
  if (!asked.workload.empty() && FindWorkloads(asked.host, asked.workload).empty()) {
    return NoSuchWorkload(asked.host, asked.workload);
  }
  v1::ListPairsResponse response;
  for (const HostState* host : HostsFor(asked.host)) {
    const auto named = [&](const std::string& name) {
      const auto* workload = host->Find(name);
      return workload != nullptr && NamesWorkload(workload->workload(), asked.workload);
    };
    for (const auto& pair : host->report.pairs()) {
      if (pair.score() < request.minimum_score()) continue;
      if (!asked.workload.empty() && !named(pair.victim()) && !named(pair.aggressor())) continue;
      *response.add_pairs() = ViewPair(*host, PlanOf(*host), policy_, pair);
    }
  }
  std::stable_sort(response.mutable_pairs()->begin(), response.mutable_pairs()->end(),
                   [](const auto& a, const auto& b) { return a.score().score() > b.score().score(); });
  return response;
}

absl::StatusOr<v1::ListActionsResponse> ControllerCore::ListActions(const v1::ListActionsRequest& request) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(request.host()));
  v1::ListActionsResponse response;
  for (const HostState* host : HostsFor(request.host())) {
    for (const PlannedAction* planned : AllActions(PlanOf(*host)))
      *response.add_actions() = ViewAction(*host, *planned);
  }
  return response;
}

ControllerCore::Asked ControllerCore::FullName(std::string_view host, const std::string& query) {
  if (query.empty()) return {std::string(host), query};
  absl::MutexLock lock(&mutex_);
  Asked asked = TakeApart(host, query);
  const auto found = FindWorkloads(asked.host, asked.workload);
  const bool same = !found.empty() && std::all_of(found.begin(), found.end(), [&](const Found& one) {
    return one.workload->workload().name() == found.front().workload->workload().name();
  });
  if (same) asked.workload = found.front().workload->workload().name();
  return asked;
}

absl::Status ControllerCore::KnownNames(std::string_view host, std::string_view workload) {
  absl::MutexLock lock(&mutex_);
  TRUCE_RETURN_IF_ERROR(KnownHost(host));
  const bool known = workload.empty() || !FindWorkloads(host, workload).empty();
  return known ? absl::OkStatus() : NoSuchWorkload(host, workload);
}

absl::StatusOr<v1::ListEventsResponse> ControllerCore::ListEvents(const v1::ListEventsRequest& request) {
  const Asked asked = FullName(request.host(), request.workload());
  TRUCE_ASSIGN_OR_RETURN(auto events, store_.Events({.host = asked.host,
                                                     .workload = asked.workload,
                                                     .kinds = {request.kinds().begin(), request.kinds().end()},
                                                     .after = request.after_sequence(),
                                                     .limit = Limit(request.limit())}));
  v1::ListEventsResponse response;
  if (events.empty()) TRUCE_RETURN_IF_ERROR(KnownNames(asked.host, asked.workload));
  for (auto& event : events) *response.add_events() = std::move(event);
  return response;
}

absl::StatusOr<v1::ListReceiptsResponse> ControllerCore::ListReceipts(const v1::ListReceiptsRequest& request) {
  const Asked asked = FullName(request.host(), request.workload());
  TRUCE_ASSIGN_OR_RETURN(auto receipts, store_.Receipts(asked.host, asked.workload, Limit(request.limit())));
  v1::ListReceiptsResponse response;
  if (receipts.empty()) TRUCE_RETURN_IF_ERROR(KnownNames(asked.host, asked.workload));
  for (auto& receipt : receipts) *response.add_receipts() = std::move(receipt);
  return response;
}

absl::StatusOr<v1::ListDecisionsResponse> ControllerCore::ListDecisions(const v1::ListDecisionsRequest& request) {
  const Asked asked = FullName(request.host(), request.workload());
  TRUCE_ASSIGN_OR_RETURN(auto decisions, store_.Decisions(asked.host, asked.workload, Limit(request.limit())));
  v1::ListDecisionsResponse response;
  if (decisions.empty()) TRUCE_RETURN_IF_ERROR(KnownNames(asked.host, asked.workload));
  for (auto& decision : decisions) *response.add_decisions() = std::move(decision);
  return response;
}

absl::StatusOr<v1::ExplainResponse> ControllerCore::Explain(const v1::ExplainRequest& request) {
  std::string host_name;
  std::string victim_name;
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_ASSIGN_OR_RETURN(const Found victim, OneWorkload(request.host(), request.victim()));
    host_name = victim.host->name;
    victim_name = victim.workload->workload().name();
  }
  // The store is asked without the lock: it may be slow, and no stream may wait for it.
  auto decisions = store_.Decisions(host_name, victim_name, kExplainRows);
  auto receipts = store_.Receipts(host_name, victim_name, kExplainRows);
  absl::MutexLock lock(&mutex_);
  TRUCE_ASSIGN_OR_RETURN(const Found victim, OneWorkload(host_name, victim_name));
  const HostState& host = *victim.host;
  std::string aggressor_name;
  if (!request.aggressor().empty()) {
    TRUCE_ASSIGN_OR_RETURN(const Found aggressor, OneWorkload(host_name, request.aggressor()));
    aggressor_name = aggressor.workload->workload().name();
    if (aggressor_name == victim_name) {
      return absl::InvalidArgumentError(StrCat(
          "\"", request.aggressor(), "\" is the victim itself, which no score tells of; name a neighbour of it"));
    }
  }
  v1::ExplainResponse response;
  for (auto& workload : ViewWorkloads(host, PlanOf(host), policy_)) {
    if (workload.report().workload().name() == victim_name) *response.mutable_victim() = std::move(workload);
  }
  for (const auto& pair : host.report.pairs()) {
    if (pair.victim() != victim_name || (!aggressor_name.empty() && pair.aggressor() != aggressor_name)) continue;
    *response.add_pairs() = ViewPair(host, PlanOf(host), policy_, pair);
  }
  std::stable_sort(response.mutable_pairs()->begin(), response.mutable_pairs()->end(),
                   [](const auto& a, const auto& b) { return a.score().score() > b.score().score(); });
  if (decisions.ok()) {
    for (auto& decision : *decisions) *response.add_decisions() = std::move(decision);
  }
  if (receipts.ok()) {
    for (auto& receipt : *receipts) *response.add_receipts() = std::move(receipt);
  }
  for (auto& sentence : ExplainSentences(host, PlanOf(host), policy_, IsHeld(host.name), MomentOf(clock_), response,
                                         aggressor_name, migrations_.Open())) {
    response.add_sentences(std::move(sentence));
  }
  for (const auto& status : {decisions.status(), receipts.status()}) {
    if (!status.ok())
      response.add_sentences(StrCat("What was decided before can't be told: ", StdView(status.message())));
  }
  return response;
}

v1::GetPolicyResponse ControllerCore::GetPolicy() {
  absl::MutexLock lock(&mutex_);
  v1::GetPolicyResponse response;
  *response.mutable_policy() = policy_;
  return response;
}

}  // namespace truce::controller
