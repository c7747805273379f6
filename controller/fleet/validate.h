// Refuses nonsense before it reaches the state of the fleet: not-a-number, scores outside 0-100, pairs of workloads
// that the report doesn't list, endless strings. What a report can do without is left out of it instead. Called by
// Fleet for each message of an agent; without state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "truce/v1/agent.pb.h"

namespace truce::controller {

// The protocol version that this controller speaks.
inline constexpr uint32_t kProtocolVersion = 1;

struct MessageLimits {
  // Most workloads in one report; pairs and held actions are bounded by it as well.
  int workloads_per_host = 20'000;
  // Longest string anywhere in a message.
  size_t string_bytes = 4096;
  // Largest message. The server cuts streams only at twice that, so that a message in between is refused and counted
  // while its session survives.
  size_t message_bytes = size_t{16} << 20;
};

// Why a message, or a part of it, was refused.
struct Refusal {
  // A stable word for metrics, one of kRefusalReasons.
  std::string_view reason;
  // For a person: names the field and the value.
  std::string detail;
};

// Every word that Refusal::reason may be: the bound of the metric's label.
inline constexpr std::string_view kRefusalReasons[] = {
    "not_a_number", "out_of_range",  "unknown_workload", "duplicate_workload", "too_many_workloads", "too_many_entries",
    "long_string",  "missing_field", "out_of_order",     "protocol_version",   "wrong_identity",     "bad_signature",
    "bad_bounds",   "bad_migration", "bad_forecast",     "bad_errors"};

// What a report had to do without.
struct LeftOut {
  // How many of each reason.
  std::map<std::string_view, uint64_t> by_reason;
  // The first of them; nullopt for none.
  std::optional<Refusal> first;
};

// Most statuses of migrations in one message: an agent takes part in a few at a time.
inline constexpr int kMostMigrations = 64;
// Most disks in one report: what an agent watches.
inline constexpr int kMostDevices = 256;

// Most sums of forecasts' errors in one report.
inline constexpr int kMostForecastErrors = 10'000;

// Takes each unsound signature ("bad_signature"), a workload's forecasts where one of them is unsound ("bad_forecast"),
// each severity's bounds that don't enclose it ("bad_bounds"), each status of a migration that can't be understood
// ("bad_migration") and each sum of forecasts' errors that can't be one ("bad_errors") out of `report`: an agent or a
// model newer than this controller must not blind it to everything else that they say.
LeftOut LeaveOutUnsound(const MessageLimits& limits, v1::Report* report);
// The same of the migrations in a hello.
LeftOut LeaveOutUnsound(google::protobuf::RepeatedPtrField<v1::MigrationStatus>* migrations);

// nullopt when the message is sound.
std::optional<Refusal> CheckHello(const v1::Hello& hello, const MessageLimits& limits);
// After LeaveOutUnsound.
std::optional<Refusal> CheckReport(const v1::Report& report, const MessageLimits& limits);
std::optional<Refusal> CheckReceipts(const v1::ReceiptBatch& batch, const MessageLimits& limits);
std::optional<Refusal> CheckResult(const v1::DesiredSetResult& result, const MessageLimits& limits);
// What an agent asks for or says of a model.
std::optional<Refusal> CheckModelMessage(const v1::ConnectRequest& request, const MessageLimits& limits);

}  // namespace truce::controller
