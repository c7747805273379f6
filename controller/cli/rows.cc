#include "controller/cli/rows.h"

#include <algorithm>

#include "src/base/enum_words.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// In the unit of the lever: what was bound is what it cost.
std::string FormatCost(const v1::Receipt& receipt) {
  if (receipt.has_cost_byte_seconds()) return FormatBytes(receipt.cost_byte_seconds()) + "B-s";
  if (receipt.has_cost_bytes()) return FormatBytes(receipt.cost_bytes()) + "B";
  if (receipt.has_cost_core_seconds()) return StrCat(FormatNumber(receipt.cost_core_seconds(), 1), " core-s");
  return "-";
}

// "50% cache, 30% bandwidth", "3.1 GB/s".
std::string CacheClassValue(const v1::LeasedAction& action) {
  std::string value;
  const auto add = [&value](const std::string& bound) { StrAppend(&value, value.empty() ? "" : ", ", bound); };
  if (action.cache_ratio() > 0) add(FormatRatio(action.cache_ratio()) + " cache");
  if (action.memory_bandwidth_ratio() > 0) add(FormatRatio(action.memory_bandwidth_ratio()) + " bandwidth");
  if (const uint64_t bytes = action.memory_bandwidth_bytes_per_second(); bytes > 0) {
    add(FormatNumber(static_cast<double>(bytes) / 1e9, 1) + " GB/s");
  }
  return value.empty() ? "-" : value;
}

}  // namespace

Cell HostState(const v1::HostStatus& host) {
  if (!host.connected()) return {"gone", Tone::kBad};
  if (host.held()) return {"held", Tone::kWarning};
  return {"ready", Tone::kGood};
}

Cell DiagnosisCell(v1::Diagnosis diagnosis) {
  const std::string word = EnumCell(diagnosis);
  switch (diagnosis) {
    case v1::DIAGNOSIS_HEALTHY:
      return {word, Tone::kGood};
    case v1::DIAGNOSIS_NEIGHBOUR:
      return {word, Tone::kBad};
    case v1::DIAGNOSIS_OWN_QUOTA:
    case v1::DIAGNOSIS_STEAL:
    case v1::DIAGNOSIS_SELF:
      return {word, Tone::kWarning};
    default:
      return {word, Tone::kFaint};
  }
}

Cell StateCell(v1::ActionState state) {
  const std::string word = EnumCell(state);
  switch (state) {
    case v1::ACTION_STATE_APPLIED:
      return {word, Tone::kGood};
    case v1::ACTION_STATE_REFUSED:
      return {word, Tone::kBad};
    case v1::ACTION_STATE_PENDING:
      return {word, Tone::kWarning};
    default:
      return word;
  }
}

Cell PhaseCell(v1::MigrationPhase phase) {
  const std::string word = EnumCell(phase);
  switch (phase) {
    case v1::MIGRATION_PHASE_MOVED:
      return {word, Tone::kGood};
    case v1::MIGRATION_PHASE_UNCERTAIN:
      return {word, Tone::kBad};
    case v1::MIGRATION_PHASE_ROLLING_BACK:
    case v1::MIGRATION_PHASE_ROLLED_BACK:
      return {word, Tone::kWarning};
    case v1::MIGRATION_PHASE_WITHDRAWN:
      return {word, Tone::kFaint};
    default:
      return word;
  }
}

std::string DestinationCell(const v1::Migration& migration) {
  return migration.target_host().empty() ? "(chosen elsewhere)" : migration.target_host();
}

std::string ActionValue(const v1::LeasedAction& action) {
  switch (action.lever()) {
    case v1::LEVER_CPU_PIN:
      return StrCat("cpus ", action.cpus());
    case v1::LEVER_CPU_QUOTA:
      if (action.has_follow()) {
        return StrCat(FormatNumber(action.follow().least_cores(), 2), "-",
                      FormatNumber(action.follow().most_cores(), 2), " cores, as needed");
      }
      return StrCat(FormatNumber(action.quota_cores(), 2), " cores");
    case v1::LEVER_CPU_WEIGHT:
      return StrCat("weight ", action.cpu_weight());
    case v1::LEVER_MEMORY_SQUEEZE:
      return StrCat(action.memory_high_bytes() >> 20, " MiB");
    case v1::LEVER_NETWORK_CAP:
      return StrCat(FormatNumber(static_cast<double>(action.network_bytes_per_second()) / 1e6, 1), " MB/s");
    case v1::LEVER_CACHE_CLASS:
      return CacheClassValue(action);
    case v1::LEVER_DISK_CAP:
      return StrCat(action.disk_caps_size(), action.disk_caps_size() == 1 ? " disk" : " disks");
    default:
      return "-";
  }
}

std::string PairName(const v1::PairScore& score) {
  return StrCat(score.victim(), " <- ", score.aggressor());
}

namespace {

std::string MeanOverKinds(const v1::ApplicationStatus& application, double (v1::KindEffect::*ratio)() const) {
  const auto& kinds = application.learned().signature().kinds();
  if (kinds.empty()) return "-";
  double sum = 0;
  for (const v1::KindEffect& kind : kinds) sum += (kind.*ratio)();
  return FormatRatio(sum / kinds.size());
}

}  // namespace

std::string HurtsCell(const v1::ApplicationStatus& application) {
  return MeanOverKinds(application, &v1::KindEffect::hurts_on_same_cpus_ratio);
}

std::string SuffersCell(const v1::ApplicationStatus& application) {
  return MeanOverKinds(application, &v1::KindEffect::suffers_on_same_cpus_ratio);
}

std::vector<v1::Resemblance> Resemblances(const v1::ApplicationStatus& application) {
  const auto& programs = application.learned().signature().resembles();
  std::vector<v1::Resemblance> all(application.resembles().begin(), application.resembles().end());
  all.insert(all.end(), programs.begin(), programs.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const v1::Resemblance& a, const v1::Resemblance& b) { return a.similarity() > b.similarity(); });
  return all;
}

std::string ResemblanceCell(const v1::Resemblance& one) {
  return StrCat(one.name(), " ", FormatNumber(one.similarity(), 2));
}

Table PairTable(const google::protobuf::RepeatedPtrField<v1::PairStatus>& pairs, absl::Time now) {
  Table table({{"NAME", Align::kLeft, false, true},
               {"HOST", Align::kLeft, false, true},
               {"SCORE", Align::kRight},
               {"SEVERITY", Align::kRight},
               {"CONFIDENCE", Align::kRight},
               {"RESOURCE"},
               {"SOURCE"},
               {"RESPONSE"},
               {"SYMMETRIC", Align::kRight, true},
               {"SIGNAL", Align::kLeft, true},
               {"OBSERVED", Align::kRight, true},
               {"BASELINE", Align::kRight, true},
               {"CORRELATION", Align::kRight, true},
               {"AGE", Align::kRight}});
  for (const v1::PairStatus& pair : pairs) {
    const v1::PairScore& score = pair.score();
    const v1::Evidence& evidence = score.evidence();
    const bool seen = score.has_evidence();
    table.AddRow({PairName(score), pair.host(), FormatNumber(score.score(), 0), FormatRatio(score.severity()),
                  FormatNumber(score.confidence(), 2), EnumCell(score.resource()), EnumCell(score.source()),
                  pair.response(), FormatNumber(pair.symmetric_score(), 0), evidence.signal(),
                  ReadingCell(evidence.signal(), seen, evidence.observed()),
                  ReadingCell(evidence.signal(), seen, evidence.baseline_mean()),
                  seen ? FormatNumber(evidence.correlation(), 2) : "-",
                  FormatAge(now, score.scored_at(), score.has_scored_at())});
  }
  return table;
}

Table ActionTable(const google::protobuf::RepeatedPtrField<v1::ActionStatus>& actions, absl::Time now) {
  Table table({{"NAME", Align::kLeft},
               {"HOST", Align::kLeft, false, true},
               {"WORKLOAD", Align::kLeft, false, true},
               {"LEVER"},
               {"VALUE"},
               {"STATE"},
               {"PROTECTS", Align::kLeft, false, true},
               {"EXPECTED", Align::kRight, true},
               {"MODE", Align::kLeft, true},
               {"DECISION", Align::kRight, true},
               {"APPLIED", Align::kRight, true},
               {"WHY", Align::kLeft, true},
               {"AGE", Align::kRight}});
  for (const v1::ActionStatus& status : actions) {
    const v1::LeasedAction& action = status.action();
    table.AddRow({action.lease_id(), status.host(), action.workload(), EnumCell(action.lever()), ActionValue(action),
                  StateCell(status.state()), action.victim(), FormatRatio(action.expected_recovery()),
                  EnumCell(action.mode()), StrCat(action.decision_id()),
                  FormatAge(now, status.applied_at(), status.has_applied_at()),
                  status.reason().empty() ? action.reason() : status.reason(),
                  FormatAge(now, status.created_at(), status.has_created_at())});
  }
  return table;
}

Table MigrationTable(const google::protobuf::RepeatedPtrField<v1::Migration>& migrations, absl::Time now) {
  Table table({{"NAME", Align::kLeft},
               {"WORKLOAD", Align::kLeft, false, true},
               {"FROM", Align::kLeft, false, true},
               {"TO", Align::kLeft, false, true},
               {"DRIVER"},
               {"PHASE"},
               {"PROTECTS", Align::kLeft, false, true},
               {"GAIN", Align::kRight},
               {"COST", Align::kRight},
               {"CLASS", Align::kLeft, true},
               {"SENT", Align::kRight, true},
               {"STOOD-STILL", Align::kRight, true},
               {"CHANGED", Align::kRight, true},
               {"WHY", Align::kLeft, true},
               {"DETAIL", Align::kLeft, false, true},
               {"AGE", Align::kRight}});
  for (const v1::Migration& migration : migrations) {
    const v1::MigrationStatus& source = migration.source();
    const absl::Duration still =
        absl::Seconds(source.downtime().seconds()) + absl::Nanoseconds(source.downtime().nanos());
    const double gain = migration.expected_gain_core_seconds();
    table.AddRow({migration.migration_id(), migration.workload(), migration.source_host(), DestinationCell(migration),
                  migration.driver(), PhaseCell(migration.phase()), migration.victim(),
                  gain > 0 ? StrCat(FormatNumber(gain, 0), " core-s") : "-",
                  StrCat(FormatNumber(migration.expected_cost_core_seconds(), 0), " core-s"),
                  EnumCell(migration.workload_class()),
                  source.moved_bytes() > 0 ? FormatBytes(static_cast<double>(source.moved_bytes())) : "-",
                  source.has_downtime() ? absl::FormatDuration(absl::Trunc(still, absl::Milliseconds(1))) : "-",
                  FormatAge(now, migration.changed_at(), migration.has_changed_at()), migration.reason(),
                  migration.detail(), FormatAge(now, migration.created_at(), migration.has_created_at())});
  }
  return table;
}

Table DecisionTable(const google::protobuf::RepeatedPtrField<v1::Decision>& decisions, absl::Time now) {
  Table table({{"NAME", Align::kRight},
               {"HOST", Align::kLeft, false, true},
               {"VERDICT"},
               {"WORKLOAD", Align::kLeft, false, true},
               {"LEVER"},
               {"PROTECTS", Align::kLeft, false, true},
               {"SCORE", Align::kRight},
               {"LEASE", Align::kLeft, true},
               {"SEVERITY", Align::kRight, true},
               {"WHY", Align::kLeft, false, true},
               {"AGE", Align::kRight}});
  for (const v1::Decision& decision : decisions) {
    table.AddRow({StrCat(decision.id()), decision.host(), decision.verdict(), decision.workload(),
                  EnumCell(decision.lever()), decision.victim(),
                  decision.has_score() ? FormatNumber(decision.score().score(), 0) : "-", decision.lease_id(),
                  decision.has_score() ? FormatRatio(decision.score().severity()) : "-", decision.reason(),
                  FormatAge(now, decision.decided_at(), decision.has_decided_at())});
  }
  return table;
}

Table ReceiptTable(const google::protobuf::RepeatedPtrField<v1::ReceiptRecord>& receipts, absl::Time now) {
  Table table({{"NAME", Align::kLeft},
               {"HOST", Align::kLeft, false, true},
               {"WORKLOAD", Align::kLeft, false, true},
               {"LEVER"},
               {"OUTCOME"},
               {"PROTECTED", Align::kLeft, false, true},
               {"BEFORE", Align::kRight},
               {"AFTER", Align::kRight},
               {"EXPECTED", Align::kRight, true},
               {"LOSS", Align::kRight},
               {"COST", Align::kRight},
               {"HELD", Align::kRight, true},
               {"VALUE", Align::kLeft, true},
               {"DETAIL", Align::kLeft, true},
               {"AGE", Align::kRight}});
  for (const v1::ReceiptRecord& record : receipts) {
    const v1::Receipt& receipt = record.receipt();
    const bool ran = receipt.has_applied_at() && receipt.has_ended_at();
    const absl::Duration held =
        absl::Seconds(receipt.ended_at().seconds()) - absl::Seconds(receipt.applied_at().seconds());
    const Tone tone = receipt.outcome() == v1::RECEIPT_OUTCOME_RESTORE_FAILED ? Tone::kBad : Tone::kPlain;
    table.AddRow(
        {receipt.action().lease_id(), record.host(), receipt.action().workload(), EnumCell(receipt.action().lever()),
         Cell(EnumCell(receipt.outcome()), tone), receipt.action().victim(),
         receipt.has_victim_slowdown_before() ? FormatRatio(receipt.victim_slowdown_before()) : "-",
         receipt.has_victim_slowdown_after() ? FormatRatio(receipt.victim_slowdown_after()) : "-",
         receipt.has_victim_slowdown_before()
             ? FormatRatio(std::max(0.0, receipt.victim_slowdown_before() - receipt.action().expected_recovery()))
             : "-",
         receipt.has_workload_loss_ratio() ? FormatRatio(receipt.workload_loss_ratio()) : "-", FormatCost(receipt),
         ran ? FormatAge(held) : "-", ActionValue(receipt.action()), receipt.detail(),
         FormatAge(now, receipt.ended_at(), receipt.has_ended_at())});
  }
  return table;
}

}  // namespace truce::cli
