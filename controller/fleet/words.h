// The words that people and metrics see for the enums of the wire, and the short names of workloads. Used by every room
// of the controller.
#pragma once

#include <string>
#include <string_view>

#include "src/base/enum_words.h"
#include "truce/v1/operator.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// "critical", "standard", "best_effort"; "unspecified" for none.
inline std::string ClassWord(v1::WorkloadClass workload_class) {
  return EnumWord(workload_class);
}
// "observe", "advise", "enforce"; "unspecified" for none.
inline std::string ModeWord(v1::Mode mode) {
  return EnumWord(mode);
}
// "cpu_pin", "cpu_quota"; "unspecified" for none.
inline std::string LeverWord(v1::Lever lever) {
  return EnumWord(lever);
}
// "CPU time", "last-level cache", ...; "an unknown resource" for none.
std::string_view ResourceWord(v1::Resource resource);
// "healthy", "throttled by its own CPU quota", ...
std::string_view DiagnosisWord(v1::Diagnosis diagnosis);
// "pending", "applied", "refused", "advised", "restored"; "unspecified" for none.
inline std::string StateWord(v1::ActionState state) {
  return EnumWord(state);
}
// "released", "expired", "reverted", ...; "unspecified" for none.
inline std::string OutcomeWord(v1::ReceiptOutcome outcome) {
  return EnumWord(outcome);
}
// "proposed", "reserving", "moving", ...; "unspecified" for none.
inline std::string PhaseWord(v1::MigrationPhase phase) {
  return EnumWord(phase);
}
// What a class is worth when two workloads contend; larger is worth more. Unspecified counts as standard.
int ClassRank(v1::WorkloadClass workload_class);
// The last element of a workload's path: "redis.service" of "system.slice/redis.service".
std::string_view LastElement(std::string_view name);
// Whether an operator who says `query` may mean this workload: its name, last path element or application.
bool NamesWorkload(const v1::Workload& workload, std::string_view query);

}  // namespace truce::controller
