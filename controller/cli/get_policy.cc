// trucectl get policy: with -o yaml, the file that `trucectl apply -f` reads.
#include "absl/strings/str_split.h"
#include "controller/cli/view.h"
#include "controller/cli/yaml.h"
#include "google/protobuf/duration.pb.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

std::string Seconds(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()));
}
std::string OrEvery(const std::string& name) {
  return name.empty() ? "every" : name;
}
template <typename E>
std::string ClassOrEvery(E value) {
  return static_cast<int>(value) == 0 ? "every" : EnumWord(value);
}

Table Settings(const v1::Policy& policy) {
  Table table({{"NAME"}, {"VALUE", Align::kRight}});
  table.AddRow({"minimum_confidence", FormatNumber(policy.minimum_confidence(), 2)});
  table.AddRow({"minimum_dwell", Seconds(policy.minimum_dwell())});
  table.AddRow({"step_interval", Seconds(policy.step_interval())});
  table.AddRow({"lease_time_to_live", Seconds(policy.lease_time_to_live())});
  table.AddRow({"deadband_ratio", FormatRatio(policy.deadband_ratio())});
  table.AddRow({"quota_cut_ratio", FormatRatio(policy.quota_cut_ratio())});
  table.AddRow({"escalation_severity_ratio", FormatRatio(policy.escalation_severity_ratio())});
  table.AddRow({"quota_release_ratio", FormatRatio(policy.quota_release_ratio())});
  table.AddRow({"floor_cores", FormatNumber(policy.floor_cores(), 2)});
  table.AddRow({"host_actions_per_minute", StrCat(policy.host_actions_per_minute())});
  table.AddRow({"fleet_actions_per_minute", StrCat(policy.fleet_actions_per_minute())});
  table.AddRow({"fleet_brake_ratio", FormatRatio(policy.fleet_brake_ratio())});
  table.AddRow({"migration_mode", EnumCell(policy.migration_mode())});
  table.AddRow({"host_migrations_per_hour", StrCat(policy.host_migrations_per_hour())});
  table.AddRow({"fleet_migrations_per_hour", StrCat(policy.fleet_migrations_per_hour())});
  return table;
}

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::GetPolicyResponse response, controller->GetPolicy({}));
  const v1::Policy& policy = response.policy();
  Table thresholds({{"VICTIM", Align::kLeft, false, true},
                    {"CLASS"},
                    {"AGGRESSOR", Align::kLeft, false, true},
                    {"TRIGGER", Align::kRight},
                    {"RESTORE", Align::kRight}});
  for (const v1::Threshold& threshold : policy.thresholds()) {
    thresholds.AddRow({OrEvery(threshold.victim()), ClassOrEvery(threshold.victim_class()),
                       OrEvery(threshold.aggressor()), FormatNumber(threshold.trigger_score(), 0),
                       FormatNumber(threshold.restore_score(), 0)});
  }
  Table modes({{"HOST", Align::kLeft, false, true}, {"CLASS"}, {"WORKLOAD", Align::kLeft, false, true}, {"MODE"}});
  for (const v1::ModeRule& rule : policy.mode_rules()) {
    modes.AddRow(
        {OrEvery(rule.host()), ClassOrEvery(rule.workload_class()), OrEvery(rule.workload()), EnumCell(rule.mode())});
  }
  Table allocations({{"HOST", Align::kLeft, false, true},
                     {"WORKLOAD", Align::kLeft, false, true},
                     {"LEAST", Align::kRight},
                     {"MOST", Align::kRight},
                     {"HEADROOM", Align::kRight},
                     {"FORESIGHT"}});
  for (const v1::AllocationRule& rule : policy.allocations()) {
    allocations.AddRow(
        {OrEvery(rule.host()), rule.workload(), rule.has_least_cores() ? FormatNumber(rule.least_cores(), 2) : "floor",
         rule.has_most_cores() ? FormatNumber(rule.most_cores(), 2) : "all",
         rule.has_headroom_ratio() ? FormatRatio(rule.headroom_ratio()) : "default", rule.reactive() ? "no" : "yes"});
  }
  View view;
  view.yaml = PolicyToYaml(policy);
  view.names = {"policy"};
  view.sections.push_back({.title = StrCat("Policy, version ", policy.version()), .table = Settings(policy)});
  if (!thresholds.empty()) view.sections.push_back({.title = "Thresholds", .table = std::move(thresholds)});
  if (!modes.empty()) view.sections.push_back({.title = "Modes", .table = std::move(modes)});
  if (!allocations.empty()) view.sections.push_back({.title = "Allocations", .table = std::move(allocations)});
  view.message = std::make_shared<v1::GetPolicyResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status GetPolicy(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
