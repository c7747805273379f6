// ControllerCore's half that operators and schedulers change: modes, holds, policy; and the metrics.
#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "controller/fleet/words.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kSaveAgain = absl::Seconds(10);

void PumpAll(const std::vector<std::shared_ptr<SessionSink>>& sinks) {
  for (const auto& sink : sinks) sink->Pump();
}

constexpr size_t kNamedOverruled = 5;

// Workloads whose mode another rule than the one just set goes on deciding.
struct Overruled {
  size_t count = 0;
  std::vector<std::string> named;

  void Add(const HostState& host, const v1::Workload& workload, const v1::ModeRule& rule) {
    if (++count > kNamedOverruled) return;
    named.push_back(
        StrCat(workload.name(), " on ", host.name, " keeps ", ModeWord(rule.mode()), " (", DescribeScope(rule), ")"));
  }
  std::string Warning() const {
    return StrCat(count, count == 1 ? " workload keeps" : " workloads keep",
                  " another mode because a more specific rule says so: ", absl::StrJoin(named, ", "),
                  count > named.size() ? StrCat(", and ", count - named.size(), " more") : std::string(),
                  "; trucectl get policy -o yaml shows the rules, trucectl apply changes them");
  }
};

}  // namespace

std::shared_ptr<ControllerCore::Saving> ControllerCore::SaveState() {
  save_again_at_ = clock_.Monotonic() + kSaveAgain;
  auto saving = std::make_shared<Saving>();
  // A save that waited on a stuck disk says nothing of a newer one that had no room. The store works in order, so what
  // it stores last is the newest that it has.
  const auto done = [saving, saves = saves_, number = ++saves_->begun](const absl::Status& status) {
    if (status.ok()) saves->stored = number;
    saving->status = status;
    saving->done.Notify();
  };
  if (!store_.SaveState(policy_is_set_ ? std::optional(policy_) : std::nullopt, holds_, done)) {
    done(absl::ResourceExhaustedError("the store's queue is full; its disk is too slow or stuck"));
  }
  return saving;
}

std::optional<std::string> ControllerCore::MakeDurable(std::string_view what, Saving& saving) {
  absl::Status status = absl::DeadlineExceededError(StrCat("the store did not confirm it within ",
                                                           absl::FormatDuration(Store::kQueryTimeout),
                                                           "; its disk is too slow or stuck"));
  if (saving.done.WaitForNotificationWithTimeout(Store::kQueryTimeout)) status = saving.status;
  if (status.ok()) return std::nullopt;
  std::string warning = StrCat(what,
                               " is in force but could not be stored; a controller that restarts before this is mended "
                               "forgets it, and it is tried again every ",
                               absl::FormatDuration(kSaveAgain), ": ", StdView(status.message()));
  absl::MutexLock lock(&mutex_);
  Tell("", "", "store_failed", warning);
  return warning;
}

absl::StatusOr<v1::SetModeResponse> ControllerCore::SetMode(const v1::SetModeRequest& request, std::string_view who) {
  TRUCE_RETURN_IF_ERROR(CheckModeRule(request.rule()));
  Pumps pumps;
  v1::SetModeResponse response;
  std::shared_ptr<Saving> saving;
  {
    absl::MutexLock lock(&mutex_);
    v1::ModeRule rule = request.rule();
    TRUCE_RETURN_IF_ERROR(EverKnownHost(rule.host()));
    if (const auto not_yet = NotYetConnected(rule.host())) {
      response.add_warnings(StrCat(*not_yet, ", and learns of the mode when it does"));
    }
    if (!rule.workload().empty()) {
      // Agents match rules by full name: say that, whatever short name the operator used.
      const Asked asked = TakeApart(rule.host(), rule.workload());
      rule.set_host(asked.host);
      rule.set_workload(asked.workload);
      const auto found = FindWorkloads(rule.host(), rule.workload());
      if (found.empty()) return NoSuchWorkload(rule.host(), rule.workload());
      const std::string& name = found.front().workload->workload().name();
      const bool same = std::all_of(found.begin(), found.end(),
                                    [&](const Found& one) { return one.workload->workload().name() == name; });
      if (!same) TRUCE_RETURN_IF_ERROR(OneWorkload(rule.host(), rule.workload()).status());
      rule.set_workload(name);
    }
    v1::Policy changed = policy_;
    SetModeRule(rule, &changed);
    Overruled overruled;
    for (const HostState* host : HostsFor(rule.host())) {
      bool concerned = false;
      for (const auto& report : host->report.workloads()) {
        const auto& workload = report.workload();
        const bool matches = (rule.workload().empty() || workload.name() == rule.workload()) &&
                             (rule.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED ||
                              workload.workload_class() == rule.workload_class());
        if (!matches) continue;
        concerned = true;
        if (ModeOf(changed, *host, workload) != ModeOf(policy_, *host, workload)) {
          response.set_affected_workload_count(response.affected_workload_count() + 1);
        }
        const v1::ModeRule* holds = ModeRuleOf(changed, *host, workload);
        if (holds != nullptr && holds->mode() != rule.mode()) overruled.Add(*host, workload, *holds);
      }
      if (concerned && rule.mode() > host->mode_ceiling) response.add_capped_hosts(host->name);
    }
    if (overruled.count > 0) response.add_warnings(overruled.Warning());
    if (request.validate_only()) return response;
    changed.set_version(policy_.version() + 1);
    policy_ = std::move(changed);
    policy_is_set_ = true;
    Tell(rule.host(), rule.workload(), "mode_set",
         StrCat(who, " set the mode of ", DescribeScope(rule), " to ", ModeWord(rule.mode()), "; it changes ",
                response.affected_workload_count(), " workloads"));
    saving = SaveState();
    PlanAll(pumps);
  }
  PumpAll(pumps);
  if (auto warning = MakeDurable("the new mode", *saving)) response.add_warnings(*std::move(warning));
  return response;
}

absl::StatusOr<v1::HoldResponse> ControllerCore::Hold(const v1::HoldRequest& request, std::string_view who) {
  Pumps pumps;
  v1::HoldResponse response;
  std::shared_ptr<Saving> saving;
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_RETURN_IF_ERROR(EverKnownHost(request.host()));
    if (const auto not_yet = NotYetConnected(request.host())) {
      response.add_warnings(StrCat(*not_yet,
                                   ", and learns of the hold when it does; until then its actions end with "
                                   "their leases"));
    }
    size_t actions = 0;
    for (const HostState* host : HostsFor(request.host())) actions += PlanOf(*host).actions.size();
    response.set_released_action_count(static_cast<uint32_t>(actions));
    if (request.validate_only()) return response;
    holds_[request.host()] = request.reason();
    Tell(request.host(), "", "hold",
         StrCat(who, " put ", request.host().empty() ? std::string("the fleet") : StrCat("host ", request.host()),
                " on hold", request.reason().empty() ? std::string() : StrCat(" (", request.reason(), ")"), ": ",
                actions, " actions are restored and none is taken"));
    saving = SaveState();
    migrations_.Hold(request.host(),
                     StrCat(who, " put ", request.host().empty() ? "the fleet" : "the host", " on hold"),
                     MomentOf(clock_));
    FollowMigrations(pumps);
    PlanAll(pumps);
  }
  PumpAll(pumps);
  if (auto warning = MakeDurable("the hold", *saving)) response.add_warnings(*std::move(warning));
  return response;
}

absl::StatusOr<v1::ResumeResponse> ControllerCore::Resume(const v1::ResumeRequest& request, std::string_view who) {
  Pumps pumps;
  v1::ResumeResponse response;
  std::shared_ptr<Saving> saving;
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_RETURN_IF_ERROR(EverKnownHost(request.host()));
    if (!holds_.contains(request.host())) {
      std::vector<std::string> held;
      for (const auto& [host, _] : holds_) held.push_back(host.empty() ? "the fleet" : host);
      return absl::FailedPreconditionError(StrCat(
          request.host().empty() ? std::string("the fleet") : StrCat("host ", request.host()), " is not on hold; ",
          held.empty() ? std::string("nothing is") : StrCat("on hold: ", absl::StrJoin(held, ", "))));
    }
    auto holds = holds_;
    holds.erase(request.host());
    uint32_t resumed = 0;
    for (const HostState* host : HostsFor(request.host())) {
      if (!holds.contains("") && !holds.contains(host->name)) ++resumed;
    }
    response.set_resumed_host_count(resumed);
    if (!request.host().empty() && holds.contains("")) {
      response.add_warnings(StrCat(request.host(), " stays on hold with the fleet; trucectl resume ends that"));
    }
    if (request.validate_only()) return response;
    holds_ = std::move(holds);
    Tell(request.host(), "", "resume",
         StrCat(who, " ended the hold of ",
                request.host().empty() ? std::string("the fleet") : StrCat("host ", request.host()), "; ", resumed,
                " hosts resume"));
    saving = SaveState();
    PlanAll(pumps);
  }
  PumpAll(pumps);
  if (auto warning = MakeDurable("the end of the hold", *saving)) response.add_warnings(*std::move(warning));
  return response;
}

absl::StatusOr<v1::ApplyPolicyResponse> ControllerCore::ApplyPolicy(const v1::ApplyPolicyRequest& request,
                                                                    std::string_view who) {
  Pumps pumps;
  v1::ApplyPolicyResponse response;
  std::shared_ptr<Saving> saving;
  {
    absl::MutexLock lock(&mutex_);
    v1::Policy policy = request.policy();
    const std::vector<std::string> filled = CompletePolicy(options_.initial_policy, &policy);
    TRUCE_RETURN_IF_ERROR(CheckPolicy(policy));
    policy.set_version(policy_.version() + (SamePolicy(policy, policy_) ? 0 : 1));
    for (auto& change : DescribeChanges(policy_, policy)) response.add_changes(std::move(change));
    const std::string changes = absl::StrJoin(response.changes(), "; ");
    if (!filled.empty()) response.add_changes(StrCat("not given, so at their defaults: ", absl::StrJoin(filled, ", ")));
    *response.mutable_policy() = policy;
    if (request.validate_only()) return response;
    policy_ = std::move(policy);
    policy_is_set_ = true;
    Tell("", "", "policy_applied",
         StrCat(who, " applied policy ", policy_.version(), ": ", changes.empty() ? "nothing changes" : changes));
    saving = SaveState();
    PlanAll(pumps);
  }
  PumpAll(pumps);
  if (auto warning = MakeDurable("the new policy", *saving)) response.add_warnings(*std::move(warning));
  return response;
}

MetricsSnapshot ControllerCore::Metrics() {
  MetricsSnapshot snapshot;
  snapshot.store = store_.status();
  snapshot.version = options_.version;
  absl::MutexLock lock(&mutex_);
  snapshot.counts = counts_;
  for (const auto& [reason, count] : fleet_.refused()) snapshot.counts.refused_by_reason[reason] += count;
  snapshot.reports = fleet_.reports();
  snapshot.hosts_connected = fleet_.connected_count();
  snapshot.hosts_disconnected = static_cast<int>(fleet_.hosts().size()) - snapshot.hosts_connected;
  snapshot.hosts_troubled = brake_.troubled_hosts;
  snapshot.sessions = static_cast<int>(sessions_.size());
  snapshot.workloads_drifting = drifts_.drifting();
  snapshot.drift_episodes = drifts_.episodes_begun();
  snapshot.baselines = static_cast<int64_t>(drifts_.baselines());
  snapshot.forecasts = live_errors_.ByModel();
  snapshot.forecasts_by_application = live_errors_.ByApplication(kApplicationsShown);
  snapshot.hosts_by_model = rollout_.MostUsed(kModelsShown);
  snapshot.rollout_phase = EnumWord(rollout_.phase());
  snapshot.demand_history_values = static_cast<int64_t>(retraining_.history().values());
  snapshot.retrainings_by_outcome = retraining_.schedule().ByOutcome();
  snapshot.retraining = retraining_.schedule().state() == RetrainingSchedule::State::kRunning;
  for (const auto& [name, host] : fleet_.hosts()) {
    snapshot.workloads += host.report.workloads_size();
    snapshot.pairs += host.report.pairs_size();
    snapshot.hosts_held += IsHeld(name) ? 1 : 0;
    if (host.summary.worst_score > 0) snapshot.worst_hosts.emplace_back(name, host.summary.worst_score);
    for (const PlannedAction* planned : AllActions(PlanOf(host))) {
      ++snapshot.actions_by_state[std::string(StateWord(planned->state))];
    }
  }
  for (const v1::Migration& migration : migrations_.Open())
    ++snapshot.migrations_by_phase[PhaseWord(migration.phase())];
  std::sort(snapshot.worst_hosts.begin(), snapshot.worst_hosts.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (snapshot.worst_hosts.size() > kWorstHosts) snapshot.worst_hosts.resize(kWorstHosts);
  return snapshot;
}

}  // namespace truce::controller
