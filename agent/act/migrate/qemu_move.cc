#include "agent/act/migrate/qemu_move.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/qmp.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;
using host::QmpClient;

constexpr absl::Duration kPoll = absl::Milliseconds(100);
// A machine that does not answer for so long while it moves is given up.
constexpr absl::Duration kSilence = absl::Seconds(60);
// How long it may take to come to rest after a migration that failed.
constexpr absl::Duration kRest = absl::Seconds(30);

// Only that: "exec:" and its like would run whatever the order says.
bool IsTcp(std::string_view uri) {
  constexpr std::string_view kTcp = "tcp:";
  if (!uri.starts_with(kTcp)) return false;
  uri.remove_prefix(kTcp.size());
  const size_t colon = uri.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == uri.size()) return false;
  const auto in_host = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == ':' || c == '[' ||
           c == ']' || c == '%' || c == '_';
  };
  const auto digit = [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); };
  return std::all_of(uri.begin(), uri.begin() + static_cast<std::ptrdiff_t>(colon), in_host) &&
         std::all_of(uri.begin() + static_cast<std::ptrdiff_t>(colon) + 1, uri.end(), digit);
}

// OK when there is something to follow: one that was begun, here or by an agent before this one, or that is over.
absl::Status Begin(const QemuMachine& machine, const std::string& uri, const MigrationSettings& settings,
                   const MoveControl& control) {
  bool asked = false;
  const absl::Status status = machine.Talk([&](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, StateOf(qemu));
    TRUCE_ASSIGN_OR_RETURN(const QemuMigration migration, MigrationOf(qemu));
    if (state.status == "postmigrate" || migration.goes_on()) return absl::OkStatus();
    if (!state.running) return absl::FailedPreconditionError(StrCat("the machine is ", state.status));
    if (control.cancelled) return absl::CancelledError("it had not begun");
    if (!IsTcp(uri)) return absl::AbortedError(StrCat("'", uri, "' is not tcp:HOST:PORT"));
    Struct parameters;
    auto& fields = *parameters.mutable_fields();
    fields["max-bandwidth"].set_number_value(static_cast<double>(settings.bytes_per_second));
    fields["downtime-limit"].set_number_value(std::round(absl::ToDoubleMilliseconds(settings.longest_downtime)));
    absl::Status begun = qemu.Execute("migrate-set-parameters", parameters).status();
    if (!begun.ok()) return absl::AbortedError(begun.message());
    Struct where;
    (*where.mutable_fields())["uri"].set_string_value(uri);
    asked = true;
    begun = qemu.Execute("migrate", where).status();
    // Refused. When there is no answer, following it tells.
    if (!begun.ok() && !absl::IsUnavailable(begun)) return absl::AbortedError(begun.message());
    return absl::OkStatus();
  });
  // Nothing was asked of it, so it is as it was.
  if (absl::IsUnavailable(status) && !asked && !control.cancelled) return absl::AbortedError(status.message());
  return status;
}

// Makes sure that it runs again, and returns the status; else an error that says that nobody knows.
absl::Status BackTo(const QemuMachine& machine, absl::Status status) {
  const absl::Time deadline = absl::Now() + kRest;
  bool told = false;
  while (true) {
    const auto state = machine.State();
    if (state.ok() && state->running) return status;
    // QEMU lets it run by itself, a moment after it said that the migration is over.
    if (state.ok() && state->status != "finish-migrate" && !std::exchange(told, true)) {
      const absl::Status continued = machine.Continue();
      if (continued.ok()) return status;
    }
    if (!machine.Alive() || absl::Now() >= deadline) {
      return absl::InternalError(StrCat(StdView(status.message()), "; but it does not: ",
                                        state.ok() ? StrCat("it is ", state->status) : state.status().ToString()));
    }
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<MoveOutcome> Follow(const QemuMachine& machine, absl::Duration longest, MoveControl& control) {
  const absl::Time deadline = absl::Now() + longest;
  absl::Time heard = absl::Now();
  bool told_to_stop = false;
  while (true) {
    const bool too_long = absl::Now() >= deadline;
    QemuMigration migration;
    QemuState state;
    const absl::Status said = machine.Talk([&](QmpClient& qemu) -> absl::Status {
      TRUCE_ASSIGN_OR_RETURN(migration, MigrationOf(qemu));
      TRUCE_ASSIGN_OR_RETURN(state, StateOf(qemu));
      if (!migration.goes_on() || told_to_stop || !(too_long || control.cancelled)) return absl::OkStatus();
      told_to_stop = true;
      return qemu.Execute("migrate_cancel").status();
    });
    if (!said.ok()) {
      if (!machine.Alive()) return absl::InternalError("the machine ended while it was moved");
      if (absl::Now() - heard >= kSilence) return absl::UnavailableError(said.message());
      absl::SleepFor(kPoll);
      continue;
    }
    heard = absl::Now();
    control.moved_bytes = migration.sent_bytes;
    if (migration.status == "completed" && !state.running) {
      return MoveOutcome{.downtime = migration.downtime, .moved_bytes = migration.sent_bytes};
    }
    if (migration.status == "cancelled") {
      if (control.cancelled) return BackTo(machine, absl::CancelledError("the move was cancelled; it runs here"));
      return BackTo(machine,
                    absl::AbortedError(told_to_stop ? StrCat("it was not moved within ", absl::FormatDuration(longest),
                                                             " (migration.longest_move); it runs here")
                                                    : std::string("somebody else cancelled the move; it runs here")));
    }
    // One that was completed and runs here was let run again long ago: this one did not begin.
    if (!migration.goes_on()) {
      return BackTo(machine,
                    absl::AbortedError(
                        StrCat("QEMU could not move it: ",
                               migration.reason.empty() ? "it does not say why; look at the target" : migration.reason,
                               "; it runs here")));
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace

absl::StatusOr<MoveOutcome> MoveMachine(const QemuMachine& machine, const std::string& uri,
                                        const MigrationSettings& settings, MoveControl& control) {
  TRUCE_RETURN_IF_ERROR(Begin(machine, uri, settings, control));
  return Follow(machine, settings.longest_move, control);
}

}  // namespace truce::agent
