#include "controller/plan/policy.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_join.h"
#include "controller/fleet/words.h"
#include "controller/plan/allocations.h"
#include "google/protobuf/util/message_differencer.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using google::protobuf::util::MessageDifferencer;

// A duration or number of the policy with its bounds; the tables below are walked for completing and checking alike.
struct DurationField {
  const char* name;
  bool (v1::Policy::*has)() const;
  const google::protobuf::Duration& (v1::Policy::*get)() const;
  google::protobuf::Duration* (v1::Policy::*mutate)();
  absl::Duration minimum;
  absl::Duration maximum;
};

const std::vector<DurationField>& DurationFields() {
  static const auto* const kFields = new std::vector<DurationField>{
      {"minimum_dwell", &v1::Policy::has_minimum_dwell, &v1::Policy::minimum_dwell, &v1::Policy::mutable_minimum_dwell,
       absl::Seconds(1), absl::Minutes(30)},
      {"step_interval", &v1::Policy::has_step_interval, &v1::Policy::step_interval, &v1::Policy::mutable_step_interval,
       absl::Seconds(1), absl::Minutes(10)},
      {"lease_time_to_live", &v1::Policy::has_lease_time_to_live, &v1::Policy::lease_time_to_live,
       &v1::Policy::mutable_lease_time_to_live, absl::Seconds(5), absl::Minutes(5)},
  };
  return *kFields;
}

struct NumberField {
  const char* name;
  bool (v1::Policy::*has)() const;
  double (v1::Policy::*get)() const;
  void (v1::Policy::*set)(double);
  double minimum;
  double maximum;
};

constexpr NumberField kNumberFields[] = {
    {"minimum_confidence", &v1::Policy::has_minimum_confidence, &v1::Policy::minimum_confidence,
     &v1::Policy::set_minimum_confidence, 0, 1},
    {"deadband_ratio", &v1::Policy::has_deadband_ratio, &v1::Policy::deadband_ratio, &v1::Policy::set_deadband_ratio, 0,
     0.5},
    {"quota_cut_ratio", &v1::Policy::has_quota_cut_ratio, &v1::Policy::quota_cut_ratio,
     &v1::Policy::set_quota_cut_ratio, 0.1, 0.95},
    {"escalation_severity_ratio", &v1::Policy::has_escalation_severity_ratio, &v1::Policy::escalation_severity_ratio,
     &v1::Policy::set_escalation_severity_ratio, 0.01, 100},
    {"quota_release_ratio", &v1::Policy::has_quota_release_ratio, &v1::Policy::quota_release_ratio,
     &v1::Policy::set_quota_release_ratio, 0.01, 1},
    {"floor_cores", &v1::Policy::has_floor_cores, &v1::Policy::floor_cores, &v1::Policy::set_floor_cores, 0.01, 1024},
    {"fleet_brake_ratio", &v1::Policy::has_fleet_brake_ratio, &v1::Policy::fleet_brake_ratio,
     &v1::Policy::set_fleet_brake_ratio, 0.001, 1},
};

struct CountField {
  const char* name;
  bool (v1::Policy::*has)() const;
  uint32_t (v1::Policy::*get)() const;
  void (v1::Policy::*set)(uint32_t);
};

constexpr CountField kCountFields[] = {
    {"host_actions_per_minute", &v1::Policy::has_host_actions_per_minute, &v1::Policy::host_actions_per_minute,
     &v1::Policy::set_host_actions_per_minute},
    {"fleet_actions_per_minute", &v1::Policy::has_fleet_actions_per_minute, &v1::Policy::fleet_actions_per_minute,
     &v1::Policy::set_fleet_actions_per_minute},
    {"host_migrations_per_hour", &v1::Policy::has_host_migrations_per_hour, &v1::Policy::host_migrations_per_hour,
     &v1::Policy::set_host_migrations_per_hour},
    {"fleet_migrations_per_hour", &v1::Policy::has_fleet_migrations_per_hour, &v1::Policy::fleet_migrations_per_hour,
     &v1::Policy::set_fleet_migrations_per_hour},
};
constexpr uint32_t kMostOfARate = 100'000;

bool IsGlobal(const v1::Threshold& threshold) {
  return threshold.victim_class() == v1::WORKLOAD_CLASS_UNSPECIFIED && threshold.victim().empty() &&
         threshold.aggressor().empty();
}

std::string DescribeThreshold(const v1::Threshold& threshold) {
  if (IsGlobal(threshold)) return "global threshold";
  std::vector<std::string> parts;
  if (threshold.victim_class() != v1::WORKLOAD_CLASS_UNSPECIFIED) {
    parts.push_back(StrCat("victims of class ", ClassWord(threshold.victim_class())));
  }
  if (!threshold.victim().empty()) parts.push_back(StrCat("victim ", threshold.victim()));
  if (!threshold.aggressor().empty()) parts.push_back(StrCat("aggressor ", threshold.aggressor()));
  return StrCat("threshold for ", absl::StrJoin(parts, ", "));
}

// The last global threshold: the one that holds.
const v1::Threshold* GlobalOf(const v1::Policy& policy) {
  const v1::Threshold* global = nullptr;
  for (const auto& threshold : policy.thresholds()) {
    if (IsGlobal(threshold)) global = &threshold;
  }
  return global;
}

std::string ThresholdName(const v1::Policy& policy, int index) {
  return StrCat("thresholds[", index, "] (", DescribeThreshold(policy.thresholds(index)), ")");
}

// The global thresholds take from `from`; the others then take from the global one.
void FillScores(const v1::Threshold& from, bool global, v1::Policy* policy, std::vector<std::string>* filled) {
  for (int i = 0; i < policy->thresholds_size(); ++i) {
    v1::Threshold& threshold = *policy->mutable_thresholds(i);
    if (IsGlobal(threshold) != global) continue;
    if (!threshold.has_trigger_score()) {
      threshold.set_trigger_score(from.trigger_score());
      filled->push_back(StrCat(ThresholdName(*policy, i), ".trigger_score"));
    }
    if (!threshold.has_restore_score()) {
      threshold.set_restore_score(from.restore_score());
      filled->push_back(StrCat(ThresholdName(*policy, i), ".restore_score"));
    }
  }
}

void CompleteThresholds(const v1::Policy& defaults, v1::Policy* policy, std::vector<std::string>* filled) {
  if (const v1::Threshold* global = GlobalOf(defaults)) FillScores(*global, /*global=*/true, policy, filled);
  if (const v1::Threshold* global = GlobalOf(*policy)) FillScores(*global, /*global=*/false, policy, filled);
}

void CheckThresholds(const v1::Policy& policy, std::vector<std::string>* problems) {
  for (int i = 0; i < policy.thresholds_size(); ++i) {
    const auto& threshold = policy.thresholds(i);
    const double trigger = threshold.trigger_score();
    const double restore = threshold.restore_score();
    const std::string name = ThresholdName(policy, i);
    if (!(trigger > 0 && trigger <= 100)) {
      problems->push_back(StrCat(name, ".trigger_score: ", trigger, " is not above 0 and at most 100"));
    }
    if (!(restore >= 0 && restore < trigger)) {
      problems->push_back(
          StrCat(name, ".restore_score: ", restore, " is not at least 0 and below the trigger score ", trigger));
    }
  }
}

bool SameScope(const v1::ModeRule& a, const v1::ModeRule& b) {
  return a.host() == b.host() && a.workload() == b.workload() && a.workload_class() == b.workload_class();
}

// Which of two would hold is nothing to guess about.
void CheckScopes(const v1::Policy& policy, std::vector<std::string>* problems) {
  using Scope = std::tuple<std::string, std::string, v1::WorkloadClass>;
  std::map<Scope, int> first;
  for (int i = 0; i < policy.mode_rules_size(); ++i) {
    const auto& rule = policy.mode_rules(i);
    const auto [it, is_first] = first.try_emplace({rule.host(), rule.workload(), rule.workload_class()}, i);
    if (is_first) continue;
    problems->push_back(StrCat("mode_rules[", i, "]: the mode of ", DescribeScope(rule), " is set by mode_rules[",
                               it->second, "] already; leave one of them out"));
  }
  first.clear();
  for (int i = 0; i < policy.thresholds_size(); ++i) {
    const auto& threshold = policy.thresholds(i);
    const auto [it, is_first] =
        first.try_emplace({threshold.victim(), threshold.aggressor(), threshold.victim_class()}, i);
    if (is_first) continue;
    problems->push_back(StrCat(ThresholdName(policy, i), ": thresholds[", it->second,
                               "] is about the same pairs; leave one of them out"));
  }
}

void CheckNumbers(const v1::Policy& policy, std::vector<std::string>* problems) {
  for (const auto& field : kNumberFields) {
    const double value = (policy.*field.get)();
    if (!(value >= field.minimum && value <= field.maximum)) {
      problems->push_back(StrCat(field.name, ": ", value, " is not between ", field.minimum, " and ", field.maximum));
    }
  }
  for (const auto& field : kCountFields) {
    if ((policy.*field.get)() > kMostOfARate) {
      problems->push_back(StrCat(field.name, ": ", (policy.*field.get)(), " is more than ", kMostOfARate));
    }
  }
  for (const auto& field : DurationFields()) {
    const absl::Duration value = ToDuration((policy.*field.get)());
    if (value < field.minimum || value > field.maximum) {
      problems->push_back(StrCat(field.name, ": ", absl::FormatDuration(value), " is not between ",
                                 absl::FormatDuration(field.minimum), " and ", absl::FormatDuration(field.maximum)));
    }
  }
}

int Specificity(const v1::Threshold& threshold) {
  return (threshold.victim().empty() ? 0 : 4) + (threshold.aggressor().empty() ? 0 : 2) +
         (threshold.victim_class() == v1::WORKLOAD_CLASS_UNSPECIFIED ? 0 : 1);
}

int Specificity(const v1::ModeRule& rule) {
  return (rule.workload().empty() ? 0 : 4) + (rule.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED ? 0 : 2) +
         (rule.host().empty() ? 0 : 1);
}

v1::Mode Capped(v1::Mode mode, const HostState& host) {
  return std::min(mode, host.mode_ceiling);
}

void DescribeAllocationChanges(const v1::Policy& before, const v1::Policy& after, std::vector<std::string>* changes) {
  const auto has = [](const v1::Policy& policy, const v1::AllocationRule& wanted) {
    return std::any_of(policy.allocations().begin(), policy.allocations().end(),
                       [&](const auto& rule) { return MessageDifferencer::Equals(rule, wanted); });
  };
  for (const auto& rule : after.allocations()) {
    if (!has(before, rule)) changes->push_back(StrCat("allocation of ", DescribeAllocation(rule), ": new"));
  }
  for (const auto& rule : before.allocations()) {
    if (!has(after, rule)) changes->push_back(StrCat("allocation of ", DescribeAllocation(rule), ": gone"));
  }
}

void DescribeRuleChanges(const v1::Policy& before, const v1::Policy& after, std::vector<std::string>* changes) {
  const auto find = [](const v1::Policy& policy, const v1::ModeRule& wanted) {
    v1::Mode mode = v1::MODE_UNSPECIFIED;
    for (const auto& rule : policy.mode_rules()) {
      if (SameScope(rule, wanted)) mode = rule.mode();
    }
    return mode;
  };
  for (const auto& rule : after.mode_rules()) {
    const v1::Mode old = find(before, rule);
    if (old == rule.mode()) continue;
    changes->push_back(StrCat("mode of ", DescribeScope(rule), ": ",
                              old == v1::MODE_UNSPECIFIED ? std::string_view("not set") : ModeWord(old), " -> ",
                              ModeWord(rule.mode())));
  }
  for (const auto& rule : before.mode_rules()) {
    if (find(after, rule) == v1::MODE_UNSPECIFIED) {
      changes->push_back(StrCat("mode of ", DescribeScope(rule), ": ", ModeWord(rule.mode()), " -> not set"));
    }
  }
}

}  // namespace

v1::Policy DefaultPolicy() {
  v1::Policy policy;
  auto* threshold = policy.add_thresholds();
  threshold->set_trigger_score(60);
  threshold->set_restore_score(20);
  policy.set_minimum_confidence(0.3);
  SetDuration(absl::Seconds(60), policy.mutable_minimum_dwell());
  SetDuration(absl::Seconds(5), policy.mutable_step_interval());
  SetDuration(absl::Seconds(30), policy.mutable_lease_time_to_live());
  policy.set_deadband_ratio(0.05);
  policy.set_quota_cut_ratio(0.6);
  policy.set_quota_release_ratio(0.25);
  policy.set_escalation_severity_ratio(0.2);
  policy.set_floor_cores(0.1);
  policy.set_host_actions_per_minute(6);
  policy.set_fleet_actions_per_minute(60);
  policy.set_fleet_brake_ratio(0.2);
  policy.set_migration_mode(v1::MODE_ADVISE);
  policy.set_host_migrations_per_hour(2);
  policy.set_fleet_migrations_per_hour(10);
  return policy;
}

std::vector<std::string> CompletePolicy(const v1::Policy& defaults, v1::Policy* policy) {
  std::vector<std::string> filled;
  for (const auto& field : kNumberFields) {
    if ((policy->*field.has)()) continue;
    (policy->*field.set)((defaults.*field.get)());
    filled.emplace_back(field.name);
  }
  for (const auto& field : kCountFields) {
    if ((policy->*field.has)()) continue;
    (policy->*field.set)((defaults.*field.get)());
    filled.emplace_back(field.name);
  }
  for (const auto& field : DurationFields()) {
    if ((policy->*field.has)()) continue;
    *(policy->*field.mutate)() = (defaults.*field.get)();
    filled.emplace_back(field.name);
  }
  if (policy->migration_mode() == v1::MODE_UNSPECIFIED) {
    policy->set_migration_mode(defaults.migration_mode());
    filled.emplace_back("migration_mode");
  }
  if (std::none_of(policy->thresholds().begin(), policy->thresholds().end(), IsGlobal)) {
    for (const auto& threshold : defaults.thresholds()) {
      if (IsGlobal(threshold)) *policy->add_thresholds() = threshold;
    }
    filled.emplace_back("global threshold");
  }
  CompleteThresholds(defaults, policy, &filled);
  return filled;
}

absl::Status CheckModeRule(const v1::ModeRule& rule) {
  if (!v1::Mode_IsValid(rule.mode()) || rule.mode() == v1::MODE_UNSPECIFIED) {
    return absl::InvalidArgumentError(StrCat("mode of ", DescribeScope(rule), ": ", static_cast<int>(rule.mode()),
                                             " is not observe, advise or enforce"));
  }
  if (!v1::WorkloadClass_IsValid(rule.workload_class())) {
    return absl::InvalidArgumentError(StrCat("workload_class: ", static_cast<int>(rule.workload_class()),
                                             " is not critical, standard or best_effort"));
  }
  return absl::OkStatus();
}

absl::Status CheckPolicy(const v1::Policy& policy) {
  std::vector<std::string> problems;
  CheckThresholds(policy, &problems);
  CheckScopes(policy, &problems);
  CheckNumbers(policy, &problems);
  if (!v1::Mode_IsValid(policy.migration_mode()) || policy.migration_mode() == v1::MODE_UNSPECIFIED) {
    problems.push_back(
        StrCat("migration_mode: ", static_cast<int>(policy.migration_mode()), " is not observe, advise or enforce"));
  }
  for (const auto& rule : policy.mode_rules()) {
    if (auto status = CheckModeRule(rule); !status.ok()) problems.emplace_back(status.message());
  }
  for (std::string& problem : AllocationProblems(policy)) problems.push_back(std::move(problem));
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
}

bool SamePolicy(const v1::Policy& a, const v1::Policy& b) {
  v1::Policy other = b;
  other.set_version(a.version());
  return MessageDifferencer::Equals(a, other);
}

std::vector<std::string> DescribeChanges(const v1::Policy& before, const v1::Policy& after) {
  std::vector<std::string> changes;
  for (const auto& field : kNumberFields) {
    const double old = (before.*field.get)();
    const double now = (after.*field.get)();
    if (old != now) changes.push_back(StrCat(field.name, ": ", old, " -> ", now));
  }
  for (const auto& field : kCountFields) {
    const uint32_t old = (before.*field.get)();
    const uint32_t now = (after.*field.get)();
    if (old != now) changes.push_back(StrCat(field.name, ": ", old, " -> ", now));
  }
  for (const auto& field : DurationFields()) {
    const absl::Duration old = ToDuration((before.*field.get)());
    const absl::Duration now = ToDuration((after.*field.get)());
    if (old != now) {
      changes.push_back(StrCat(field.name, ": ", absl::FormatDuration(old), " -> ", absl::FormatDuration(now)));
    }
  }
  if (before.migration_mode() != after.migration_mode()) {
    changes.push_back(
        StrCat("migration_mode: ", ModeWord(before.migration_mode()), " -> ", ModeWord(after.migration_mode())));
  }
  const auto listed = [](const v1::Policy& policy, const v1::Threshold& wanted) {
    return std::any_of(policy.thresholds().begin(), policy.thresholds().end(),
                       [&](const auto& threshold) { return MessageDifferencer::Equals(threshold, wanted); });
  };
  const auto say = [](const v1::Threshold& threshold) {
    return StrCat(DescribeThreshold(threshold), ": trigger ", threshold.trigger_score(), ", restore ",
                  threshold.restore_score());
  };
  for (const auto& threshold : before.thresholds()) {
    if (!listed(after, threshold)) changes.push_back(StrCat("removed ", say(threshold)));
  }
  for (const auto& threshold : after.thresholds()) {
    if (!listed(before, threshold)) changes.push_back(StrCat("added ", say(threshold)));
  }
  DescribeRuleChanges(before, after, &changes);
  // Among rules that are equally specific the last one holds.
  DescribeAllocationChanges(before, after, &changes);
  if (changes.empty() && !SamePolicy(before, after)) {
    changes.emplace_back("the order of thresholds, mode_rules or allocations");
  }
  return changes;
}

const v1::Threshold& ThresholdOf(const v1::Policy& policy, const v1::Workload& victim, const v1::Workload& aggressor) {
  const v1::Threshold* best = nullptr;
  for (const auto& threshold : policy.thresholds()) {
    const bool matches = (threshold.victim().empty() || NamesWorkload(victim, threshold.victim())) &&
                         (threshold.aggressor().empty() || NamesWorkload(aggressor, threshold.aggressor())) &&
                         (threshold.victim_class() == v1::WORKLOAD_CLASS_UNSPECIFIED ||
                          threshold.victim_class() == victim.workload_class());
    if (matches && (best == nullptr || Specificity(threshold) >= Specificity(*best))) best = &threshold;
  }
  static const auto* const kDefault = new v1::Threshold(DefaultPolicy().thresholds(0));
  return best == nullptr ? *kDefault : *best;
}

const v1::ModeRule* ModeRuleOf(const v1::Policy& policy, const HostState& host, const v1::Workload& workload) {
  const v1::ModeRule* best = nullptr;
  for (const auto& rule : policy.mode_rules()) {
    const bool matches =
        (rule.host().empty() || rule.host() == host.name) &&
        (rule.workload().empty() || NamesWorkload(workload, rule.workload())) &&
        (rule.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED || rule.workload_class() == workload.workload_class());
    if (matches && (best == nullptr || Specificity(rule) >= Specificity(*best))) best = &rule;
  }
  return best;
}

v1::Mode ModeOf(const v1::Policy& policy, const HostState& host, const v1::Workload& workload) {
  if (const v1::ModeRule* rule = ModeRuleOf(policy, host, workload)) return Capped(rule->mode(), host);
  return Capped(workload.mode() == v1::MODE_UNSPECIFIED ? host.agent_mode : workload.mode(), host);
}

v1::Mode ModeOfHost(const v1::Policy& policy, const HostState& host) {
  const v1::ModeRule* best = nullptr;
  for (const auto& rule : policy.mode_rules()) {
    const bool matches = (rule.host().empty() || rule.host() == host.name) && rule.workload().empty() &&
                         rule.workload_class() == v1::WORKLOAD_CLASS_UNSPECIFIED;
    if (matches && (best == nullptr || Specificity(rule) >= Specificity(*best))) best = &rule;
  }
  return Capped(best == nullptr ? host.agent_mode : best->mode(), host);
}

void SetModeRule(const v1::ModeRule& rule, v1::Policy* policy) {
  auto& rules = *policy->mutable_mode_rules();
  const auto same = [&](const v1::ModeRule& existing) { return SameScope(existing, rule); };
  const auto first = std::find_if(rules.begin(), rules.end(), same);
  if (first == rules.end()) {
    *policy->add_mode_rules() = rule;
    return;
  }
  first->set_mode(rule.mode());
  // A policy that was stored before two rules of one scope were refused.
  rules.erase(std::remove_if(first + 1, rules.end(), same), rules.end());
}

std::string DescribeScope(const v1::ModeRule& rule) {
  std::vector<std::string> parts;
  if (!rule.host().empty()) parts.push_back(StrCat("host ", rule.host()));
  if (rule.workload_class() != v1::WORKLOAD_CLASS_UNSPECIFIED) {
    parts.push_back(StrCat("class ", ClassWord(rule.workload_class())));
  }
  if (!rule.workload().empty()) parts.push_back(StrCat("workload ", rule.workload()));
  return parts.empty() ? "the fleet" : absl::StrJoin(parts, ", ");
}

}  // namespace truce::controller
