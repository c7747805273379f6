// Whatever the operator's program can move: one run of it for each step, told and telling in JSON. docs/migration.md
// has the contract.
#include <utility>

#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "src/base/enum_words.h"
#include "src/base/program.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;

// Exit codes of the contract, beside 0.
constexpr int kCancelled = 10;
constexpr int kAsBefore = 11;
constexpr int kTryAgain = 12;

constexpr absl::Duration kShort = absl::Seconds(10);     // ready, can_move
constexpr absl::Duration kStep = absl::Seconds(60);      // the others but move
constexpr absl::Duration kToCancel = absl::Seconds(30);  // from SIGTERM to SIGKILL

class CommandDriver final : public MigrationDriver {
 public:
  explicit CommandDriver(const MigrationSettings& settings) : settings_(settings) {}

  std::string_view name() const override { return "command"; }
  absl::Status Ready() override {
    absl::Status there = CheckProgram("migration.command", settings_.command);
    return there.ok() ? Run("ready", Struct(), kShort).status() : there;
  }

  bool CanMove(const Movable& workload) override {
    const auto answer = Run("can_move", About(workload), kShort);
    if (!answer.ok()) return false;
    const auto said = answer->fields().find("can_move");
    return said != answer->fields().end() && said->second.bool_value();
  }

  absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) override {
    Struct request = About(order, "");
    request.MergeFrom(About(workload));
    TRUCE_ASSIGN_OR_RETURN(const Struct answer, Run("recall", std::move(request), kStep));
    return JsonText(answer, "memory");
  }

  // The program is told the migration's id, which must do for a drop without a memory.
  absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& /*order*/) override { return DriverMemory(); }

  absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) override {
    TRUCE_ASSIGN_OR_RETURN(const Struct answer, Run("reserve", About(order, plan), kStep));
    return Reservation{.endpoint = JsonText(answer, "endpoint"), .memory = JsonText(answer, "memory")};
  }

  absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                   MoveControl& control) override {
    if (control.cancelled) return AfterACrash(order, memory);
    Struct request = About(order, memory);
    auto& fields = *request.mutable_fields();
    fields["bytes_per_second"].set_number_value(static_cast<double>(settings_.bytes_per_second));
    fields["longest_downtime_seconds"].set_number_value(absl::ToDoubleSeconds(settings_.longest_downtime));
    TRUCE_ASSIGN_OR_RETURN(const Struct answer,
                           Run("move", std::move(request), settings_.longest_move, &control.cancelled));
    MoveOutcome outcome;
    if (const auto seconds = JsonNumber(answer, "downtime_seconds")) outcome.downtime = absl::Seconds(*seconds);
    if (const auto bytes = JsonNumber(answer, "moved_bytes"); bytes && *bytes > 0) {
      outcome.moved_bytes = static_cast<uint64_t>(*bytes);
    }
    return outcome;
  }

  absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& memory) override {
    TRUCE_ASSIGN_OR_RETURN(const Struct answer, Run("look", About(order, memory), kStep));
    const std::string where = JsonText(answer, "where");
    const auto known = EnumFromWord<v1::MigrationPresence>(where);
    if (known == v1::MIGRATION_PRESENCE_UNSPECIFIED) {
      return absl::UnavailableError(
          StrCat(settings_.command, " look: 'where' is '", where, "' and not absent, stopped or running"));
    }
    const auto arrived = answer.fields().find("arrived");
    return Presence{.where = known,
                    .workload = JsonText(answer, "workload"),
                    .arrived = arrived != answer.fields().end() && arrived->second.bool_value()};
  }

  absl::Status Leave(const v1::MigrationOrder& order, const DriverMemory& memory) override {
    return Run("leave", About(order, memory), kStep).status();
  }
  absl::Status Settle(const v1::MigrationOrder& order, const DriverMemory& memory) override {
    return Run("settle", About(order, memory), kStep).status();
  }
  absl::Status Resume(const v1::MigrationOrder& order, const DriverMemory& memory) override {
    return Run("resume", About(order, memory), kStep).status();
  }
  absl::Status Drop(const v1::MigrationOrder& order, const DriverMemory& memory) override {
    return Run("drop", About(order, memory), kStep).status();
  }

 private:
  static Struct About(const Movable& workload) {
    Struct request;
    auto& fields = *request.mutable_fields();
    fields["workload"].set_string_value(workload.workload);
    fields["kind"].set_string_value(workload.kind);
    fields["application"].set_string_value(workload.application);
    return request;
  }

  Struct About(const v1::MigrationOrder& order, const DriverMemory& memory) const {
    Struct request;
    auto& fields = *request.mutable_fields();
    fields["migration_id"].set_string_value(order.migration_id());
    fields["role"].set_string_value(EnumWord(order.role()));
    fields["memory"].set_string_value(memory);
    fields["workload"].set_string_value(order.workload());
    fields["application"].set_string_value(order.application());
    fields["memory_bytes"].set_number_value(static_cast<double>(order.memory_bytes()));
    fields["cpu_cores"].set_number_value(order.cpu_cores());
    fields["peer_host"].set_string_value(order.peer_host());
    fields["endpoint"].set_string_value(order.endpoint());
    return request;
  }

  // What the program has to say, or why it failed: Cancelled, Aborted and Unavailable by its exit code.
  absl::StatusOr<Struct> Run(const std::string& step, Struct request, absl::Duration patience,
                             const std::atomic<bool>* cancelled = nullptr) const {
    (*request.mutable_fields())["step"].set_string_value(step);
    (*request.mutable_fields())["address"].set_string_value(settings_.address);
    const std::string& program = settings_.command;
    TRUCE_ASSIGN_OR_RETURN(const ProgramResult result, RunProgram({.arguments = {program, step},
                                                                   .input = ToJson(request),
                                                                   .patience = patience,
                                                                   .cancelled = cancelled,
                                                                   .grace = kToCancel}));
    if (result.exit_code == 0) {
      if (result.output.find_first_not_of(" \t\r\n") == std::string::npos) return Struct();
      auto answer = ParseObject(result.output);
      return answer.ok() ? answer : WithContext(answer.status(), StrCat(program, " ", step, " said"));
    }
    std::string reason = StrCat(program, " ", step, ": ",
                                result.last_error.empty() ? StrCat("exit code ", result.exit_code) : result.last_error);
    if (result.end == ProgramResult::End::kTimedOut) {
      StrAppend(&reason, " (it was told to stop after ", absl::FormatDuration(patience), ")");
    }
    switch (result.exit_code) {
      case kCancelled:
        // Only who asked for it calls it so.
        if (cancelled != nullptr && *cancelled) return absl::CancelledError(reason);
        return absl::AbortedError(reason);
      case kAsBefore:
        return absl::AbortedError(reason);
      case kTryAgain:
        // A move that may have begun is not tried again.
        if (cancelled != nullptr) return absl::ResourceExhaustedError(reason);
        return absl::UnavailableError(reason);
      default:
        return absl::InternalError(reason);
    }
  }

  // The program was told to stop when the agent died; what it made of that, only a look tells.
  absl::StatusOr<MoveOutcome> AfterACrash(const v1::MigrationOrder& order, const DriverMemory& memory) {
    TRUCE_ASSIGN_OR_RETURN(const Presence presence, Look(order, memory));
    if (presence.where == v1::MIGRATION_PRESENCE_RUNNING) return absl::CancelledError("it runs here");
    return absl::InternalError(StrCat("it is ", EnumWord(presence.where), " here"));
  }

  const MigrationSettings settings_;
};

}  // namespace

std::unique_ptr<MigrationDriver> MakeCommandDriver(const MigrationSettings& settings) {
  return std::make_unique<CommandDriver>(settings);
}

}  // namespace truce::agent
