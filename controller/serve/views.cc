#include "controller/serve/views.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "controller/fleet/words.h"
#include "controller/plan/cache_class.h"
#include "controller/plan/policy.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kCandidates = 8;

// "cpu_pin on 1", "cpu_quota 0.60 cores", "disk_cap".
std::string How(const v1::LeasedAction& action) {
  const std::string lever = LeverWord(action.lever());
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      return StrCat(lever, " on ", action.cpus());
    case v1::LEVER_CPU_QUOTA:
      if (action.has_follow()) {
        return absl::StrFormat("%s of %.2f to %.2f cores as needed", lever, action.follow().least_cores(),
                               action.follow().most_cores());
      }
      return absl::StrFormat("%s %.2f cores", lever, action.quota_cores());
    case v1::LEVER_CPU_WEIGHT:
      return StrCat(lever, " ", action.cpu_weight());
    case v1::LEVER_MEMORY_SQUEEZE:
      return StrCat(lever, " to ", action.memory_high_bytes() >> 20, " MiB");
    case v1::LEVER_NETWORK_CAP:
      return absl::StrFormat("%s %.1f MB/s", lever, static_cast<double>(action.network_bytes_per_second()) / 1e6);
    case v1::LEVER_CACHE_CLASS:
      return StrCat(lever, " of ", CacheClassWords(action));
    default:
      return lever;
  }
}

// Of what a host may miss: something to act by, which no evidence rests on.
bool IsControl(std::string_view missing) {
  return missing == "cpuset" || missing == "systemd" || missing == "resctrl";
}

std::string Age(absl::Duration age) {
  return absl::FormatDuration(absl::Trunc(std::max(age, absl::ZeroDuration()), absl::Seconds(1)));
}

}  // namespace

std::string Candidates(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const bool more = names.size() > kCandidates;
  if (more) names.resize(kCandidates);
  return absl::StrJoin(names, ", ") + (more ? ", ..." : "");
}

v1::HostStatus ViewHost(const HostState& host, const HostPlan& plan, const v1::Policy& policy, bool held) {
  v1::HostStatus status;
  *status.mutable_inventory() = host.inventory;
  status.set_connected(host.connected);
  SetTime(host.first_seen.wall, status.mutable_first_seen());
  if (host.last_report_at.has_value()) SetTime(host.last_report_at->wall, status.mutable_last_report());
  status.set_workload_count(static_cast<uint32_t>(host.report.workloads_size()));
  status.set_worst_score(host.summary.worst_score);
  status.set_action_count(static_cast<uint32_t>(std::ranges::count_if(
      AllActions(plan), [](const PlannedAction* planned) { return planned->state == v1::ACTION_STATE_APPLIED; })));
  status.set_mode(ModeOfHost(policy, host));
  status.set_mode_ceiling(host.mode_ceiling);
  status.set_held(held);
  *status.mutable_cost() = host.report.cost();
  *status.mutable_devices() = host.report.devices();
  if (host.summary.cpu_busy_ratio.has_value()) status.set_cpu_busy_ratio(*host.summary.cpu_busy_ratio);
  return status;
}

v1::ActionStatus ViewAction(const HostState& host, const PlannedAction& planned) {
  v1::ActionStatus status;
  status.set_host(host.name);
  *status.mutable_action() = planned.action;
  status.set_state(planned.state);
  status.set_reason(planned.state_reason);
  SetTime(planned.created_at.wall, status.mutable_created_at());
  if (planned.applied_at.has_value()) SetTime(planned.applied_at->wall, status.mutable_applied_at());
  return status;
}

v1::PairStatus ViewPair(const HostState& host, const HostPlan& plan, const v1::Policy& policy,
                        const v1::PairScore& score) {
  v1::PairStatus status;
  status.set_host(host.name);
  *status.mutable_score() = score;
  const v1::PairScore* reverse = host.FindPair(score.aggressor(), score.victim());
  status.set_symmetric_score(std::max(score.score(), reverse == nullptr ? 0 : reverse->score()));
  std::vector<std::string> responses;
  for (auto it = plan.actions.lower_bound({score.aggressor(), v1::LEVER_UNSPECIFIED});
       it != plan.actions.end() && it->first.first == score.aggressor(); ++it) {
    if (!it->second.victims.contains(score.victim())) continue;
    responses.push_back(StrCat(How(it->second.action), " (", StateWord(it->second.state), ")"));
  }
  const v1::WorkloadReport* victim = host.Find(score.victim());
  const v1::WorkloadReport* aggressor = host.Find(score.aggressor());
  if (!responses.empty()) {
    status.set_response(absl::StrJoin(responses, ", "));
  } else {
    const bool watching =
        victim != nullptr && aggressor != nullptr &&
        score.score() > ThresholdOf(policy, victim->workload(), aggressor->workload()).restore_score();
    status.set_response(watching ? "watching" : "none");
  }
  return status;
}

std::vector<v1::WorkloadStatus> ViewWorkloads(const HostState& host, const HostPlan& plan, const v1::Policy& policy) {
  struct Worst {
    double innocent = 1;  // probability of hurting nobody
    double score = 0;
    const std::string* aggressor = nullptr;
  };
  absl::flat_hash_map<std::string, Worst> worst;
  for (const auto& pair : host.report.pairs()) {
    worst[pair.aggressor()].innocent *= 1 - pair.score() / 100;
    Worst& victim = worst[pair.victim()];
    if (pair.score() > victim.score) {
      victim.score = pair.score();
      victim.aggressor = &pair.aggressor();
    }
  }
  std::vector<v1::WorkloadStatus> statuses;
  for (const auto& report : host.report.workloads()) {
    auto& status = statuses.emplace_back();
    status.set_host(host.name);
    *status.mutable_report() = report;
    const std::string& name = report.workload().name();
    status.mutable_report()->mutable_workload()->set_mode(ModeOf(policy, host, report.workload()));
    if (const auto it = worst.find(name); it != worst.end()) {
      status.set_risk(1 - it->second.innocent);
      status.set_worst_score_as_victim(it->second.score);
      if (it->second.aggressor != nullptr) status.set_worst_aggressor(*it->second.aggressor);
    }
    for (const HostPlan::Actions* actions : {&plan.actions, &plan.allocations}) {
      for (auto action = actions->lower_bound({name, v1::LEVER_UNSPECIFIED});
           action != actions->end() && action->first.first == name; ++action) {
        *status.add_actions() = ViewAction(host, action->second);
      }
    }
  }
  return statuses;
}

namespace {

std::string SayVictim(const HostState& host, const v1::WorkloadReport& victim, Moment now) {
  const auto& workload = victim.workload();
  std::string text = StrCat(workload.name(), " on ", host.name, " (", ClassWord(workload.workload_class()), ") is ",
                            DiagnosisWord(victim.diagnosis()));
  if (!victim.diagnosis_detail().empty()) StrAppend(&text, ": ", victim.diagnosis_detail());
  if (!text.ends_with('.')) text += '.';
  if (victim.has_slowdown_ratio()) {
    StrAppend(&text,
              absl::StrFormat(" Against its own baseline it takes %.0f %% longer.", 100 * victim.slowdown_ratio()));
  }
  if (!host.connected) {
    StrAppend(&text, " Host ", host.name, " is not connected: this is what it last said",
              host.last_report_at.has_value()
                  ? StrCat(", ", Age(now.monotonic - host.last_report_at->monotonic), " ago.")
                  : std::string("."));
  }
  return text;
}

// "40 %", or "40 % (10 to 80 %)" where the model gave bounds.
std::string SaySeverity(const v1::PairScore& score) {
  std::string text = absl::StrFormat("%.0f %%", 100 * score.severity());
  if (score.has_severity_low() && score.has_severity_high()) {
    StrAppend(&text, absl::StrFormat(" (%.0f to %.0f %%)", 100 * score.severity_low(), 100 * score.severity_high()));
  }
  return text;
}

std::string SaySuspect(const HostState& host, const v1::PairStatus& pair) {
  const auto& score = pair.score();
  const v1::WorkloadReport* aggressor = host.Find(score.aggressor());
  std::string text = StrCat("Suspect ", score.aggressor());
  if (aggressor != nullptr) {
    StrAppend(&text, " (", ClassWord(aggressor->workload().workload_class()));
    if (const auto usage = HostState::CpuUsage(*aggressor)) StrAppend(&text, absl::StrFormat(", %.2f cores", *usage));
    StrAppend(&text, ")");
  }
  StrAppend(&text,
            absl::StrFormat(": score %.0f of 100 that it alone slows the victim by 5 %% or more, expected slowdown "
                            "%s, confidence %.2f; they contend for %s.",
                            score.score(), SaySeverity(score), score.confidence(),
                            std::string(ResourceWord(score.resource()))));
  if (!score.has_evidence()) return text;
  const auto& evidence = score.evidence();
  if (!evidence.summary().empty()) StrAppend(&text, " Evidence: ", evidence.summary());
  if (!text.ends_with('.')) text += '.';
  if (!evidence.signal().empty()) {
    StrAppend(&text, absl::StrFormat(" The victim's %s was %.4g where %.4g ± %.2g is usual (%d outliers), and follows "
                                     "the suspect's %s with correlation %.2f.",
                                     evidence.signal(), evidence.observed(), evidence.baseline_mean(),
                                     evidence.baseline_stddev(), static_cast<int>(evidence.outlier_count()),
                                     evidence.usage_reading(), evidence.correlation()));
  }
  return text;
}

// That nobody is suspected, or (when one alone was asked about) that this one is not, and who is instead.
std::string SayNoSuspect(const HostState& host, const std::string& victim, std::string_view aggressor) {
  std::vector<const v1::PairScore*> suspects;
  for (const v1::PairScore& pair : host.report.pairs()) {
    if (pair.victim() == victim) suspects.push_back(&pair);
  }
  if (suspects.empty()) return "Nobody on the host is suspected of slowing it: no pair with it as victim has a score.";
  std::stable_sort(suspects.begin(), suspects.end(),
                   [](const auto* a, const auto* b) { return a->score() > b->score(); });
  const size_t more = suspects.size() - std::min(suspects.size(), kCandidates);
  suspects.resize(suspects.size() - more);
  std::vector<std::string> names;
  for (const auto* pair : suspects)
    names.push_back(absl::StrFormat("%s (score %.0f)", pair->aggressor(), pair->score()));
  return StrCat(aggressor, " is not suspected of slowing it: the host reports no score of that pair. Others are: ",
                absl::StrJoin(names, ", "), more > 0 ? StrCat(" and ", more, " more") : std::string(), ".");
}

std::string SayActions(const HostPlan& plan, const std::string& victim, Moment now) {
  std::vector<std::string> parts;
  for (const auto& [_, planned] : plan.actions) {
    if (!planned.victims.contains(victim)) continue;
    std::string part = StrCat(planned.action.workload(), " has ", How(planned.action), ", ", StateWord(planned.state));
    if (planned.applied_at.has_value())
      StrAppend(&part, " ", Age(now.monotonic - planned.applied_at->monotonic), " ago");
    if (planned.calm_since.has_value()) {
      StrAppend(&part, " and calm for ", Age(now.monotonic - *planned.calm_since), " (released after ",
                absl::FormatDuration(planned.dwell), ")");
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return "";
  return StrCat("To protect it, ", absl::StrJoin(parts, "; "), ".");
}

}  // namespace

std::string SayMigration(const v1::Migration& migration, Moment now) {
  const std::string where =
      StrCat(migration.target_host().empty() ? std::string("where its cluster chooses") : migration.target_host(),
             migration.driver().empty() ? std::string() : StrCat(" by ", migration.driver()));
  if (migration.phase() == v1::MIGRATION_PHASE_PROPOSED) {
    return absl::StrFormat(
        "Moving %s to %s is proposed: it is expected to win %.0f core-seconds of work and to cost %.0f (trucectl "
        "migrate %s --host %s begins it).",
        migration.workload(), where, migration.expected_gain_core_seconds(), migration.expected_cost_core_seconds(),
        migration.workload(), migration.source_host());
  }
  return StrCat(migration.workload(), " is being moved from ", migration.source_host(), " to ", where, ": ",
                PhaseWord(migration.phase()), " for ", Age(now.wall - ToTime(migration.changed_at())),
                migration.detail().empty() ? std::string() : StrCat(" (", migration.detail(), ")"), ".");
}

std::vector<std::string> ExplainSentences(const HostState& host, const HostPlan& plan, const v1::Policy& policy,
                                          bool held, Moment now, const v1::ExplainResponse& facts,
                                          std::string_view only_suspect, const std::vector<v1::Migration>& migrations) {
  std::vector<std::string> sentences;
  const auto& victim = facts.victim().report();
  const std::string& name = victim.workload().name();
  sentences.push_back(SayVictim(host, victim, now));
  if (facts.pairs().empty()) sentences.push_back(SayNoSuspect(host, name, only_suspect));
  for (const auto& pair : facts.pairs()) sentences.push_back(SaySuspect(host, pair));
  const std::string actions = SayActions(plan, name, now);
  if (!actions.empty()) {
    sentences.push_back(actions);
  } else if (held) {
    sentences.push_back("Nothing is done about it: the host is on hold (trucectl resume ends it).");
  } else if (!facts.pairs().empty()) {
    const auto& worst = facts.pairs(0).score();
    const v1::WorkloadReport* aggressor = host.Find(worst.aggressor());
    if (aggressor != nullptr) {
      const auto& threshold = ThresholdOf(policy, victim.workload(), aggressor->workload());
      sentences.push_back(
          absl::StrFormat("Nothing is done about it now: Truce acts at a score of %.0f with a confidence of at least "
                          "%.2f, and the mode "
                          "of %s is %s.",
                          threshold.trigger_score(), policy.minimum_confidence(), worst.aggressor(),
                          std::string(ModeWord(ModeOf(policy, host, aggressor->workload())))));
    }
  }
  for (const v1::Migration& migration : migrations) {
    const bool here = migration.source_host() == host.name || migration.target_host() == host.name;
    if (here && (migration.victim() == name || migration.workload() == name)) {
      sentences.push_back(SayMigration(migration, now));
    }
  }
  if (!facts.decisions().empty()) {
    const auto& last = *facts.decisions().rbegin();
    sentences.push_back(StrCat("Last decision, ", Age(now.wall - ToTime(last.decided_at())), " ago: ", last.verdict(),
                               " ", last.workload(), ": ", last.reason()));
  }
  if (!facts.receipts().empty()) {
    const auto& last = facts.receipts().rbegin()->receipt();
    std::string text = StrCat("Last receipt: ", LeverWord(last.action().lever()), " on ", last.action().workload(),
                              " was ", OutcomeWord(last.outcome()));
    if (last.has_victim_slowdown_before() && last.has_victim_slowdown_after()) {
      StrAppend(&text, absl::StrFormat("; the victim's slowdown went from %.0f %% to %.0f %%",
                                       100 * last.victim_slowdown_before(), 100 * last.victim_slowdown_after()));
    }
    if (last.has_workload_loss_ratio())
      StrAppend(&text, absl::StrFormat(", %s lost %.0f %% of its work", last.action().workload(),
                                       100 * last.workload_loss_ratio()));
    if (last.has_cost_core_seconds())
      StrAppend(&text, absl::StrFormat(", at %.1f core-seconds", last.cost_core_seconds()));
    sentences.push_back(text + ".");
  }
  for (const auto& missing : host.inventory.missing()) {
    if (IsControl(missing.name())) continue;
    sentences.push_back(StrCat("The host has no ", missing.name(), " (", missing.reason(),
                               "), which makes the evidence thinner",
                               missing.remedy().empty() ? std::string(".") : StrCat(": ", missing.remedy(), ".")));
  }
  return sentences;
}

}  // namespace truce::controller
