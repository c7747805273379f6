// Cells and tables that more than one command shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "controller/cli/format.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "truce/v1/operator.pb.h"

namespace truce::cli {

// "ready", "on hold", "gone".
Cell HostState(const v1::HostStatus& host);
// The diagnosis's word, red for one that hurts.
Cell DiagnosisCell(v1::Diagnosis diagnosis);
Cell StateCell(v1::ActionState state);
Cell PhaseCell(v1::MigrationPhase phase);
// Where a migration goes: the host, or that somebody else chooses it.
std::string DestinationCell(const v1::Migration& migration);
// What the action does: "cpus 0-3", "0.50 cores".
std::string ActionValue(const v1::LeasedAction& action);
// A reading, or "-" when it is missing.
template <typename T>
std::string ReadingCell(std::string_view name, bool has, T value) {
  return has ? FormatReading(name, static_cast<double>(value)) : "-";
}
// "victim <- aggressor": names an ordered pair.
std::string PairName(const v1::PairScore& score);

// What an application does to its neighbours on the same CPUs, and what it suffers from them: the mean over all kinds;
// "-" while nothing was learned of it.
std::string HurtsCell(const v1::ApplicationStatus& application);
std::string SuffersCell(const v1::ApplicationStatus& application);
// The other applications and the lab's programs that it is like, most alike first.
std::vector<v1::Resemblance> Resemblances(const v1::ApplicationStatus& application);
// "memcached 0.93".
std::string ResemblanceCell(const v1::Resemblance& one);
// Why there may be no signature of an application that runs, for people.
inline constexpr char kNothingLearned[] =
    "no host reports a signature: the agent has no interference model or scores by evidence alone (trucectl describe "
    "host HOST names what is missing), or the application has not been at work for a minute, or an action of Truce "
    "holds it";

Table PairTable(const google::protobuf::RepeatedPtrField<v1::PairStatus>& pairs, absl::Time now);
Table ActionTable(const google::protobuf::RepeatedPtrField<v1::ActionStatus>& actions, absl::Time now);
Table MigrationTable(const google::protobuf::RepeatedPtrField<v1::Migration>& migrations, absl::Time now);
Table DecisionTable(const google::protobuf::RepeatedPtrField<v1::Decision>& decisions, absl::Time now);
Table ReceiptTable(const google::protobuf::RepeatedPtrField<v1::ReceiptRecord>& receipts, absl::Time now);

}  // namespace truce::cli
