#include "agent/act/migrate/qemu_machine.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/virtual_machine.h"

namespace truce::agent {
namespace {

using host::QmpClient;

// QEMU answers within milliseconds, and not at all while it writes out the last of a machine.
constexpr absl::Duration kAnswer = absl::Seconds(5);
// How long others may hold the monitor.
constexpr absl::Duration kTurn = absl::Seconds(15);
constexpr absl::Duration kEnd = absl::Seconds(20);
constexpr absl::Duration kPoll = absl::Milliseconds(50);

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

bool WaitsFor(const std::vector<std::string>& arguments, const std::string& uri) {
  for (size_t i = 0; i + 1 < arguments.size(); ++i) {
    if ((arguments[i] == "-incoming" || arguments[i] == "--incoming") && arguments[i + 1] == uri) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<QemuState> StateOf(QmpClient& qemu) {
  TRUCE_ASSIGN_OR_RETURN(const auto answer, qemu.Execute("query-status"));
  QemuState state{.status = host::TextIn(answer, "status")};
  const auto running = answer.struct_value().fields().find("running");
  state.running = running != answer.struct_value().fields().end() && running->second.bool_value();
  return state;
}

absl::StatusOr<QemuMigration> MigrationOf(QmpClient& qemu) {
  TRUCE_ASSIGN_OR_RETURN(const auto answer, qemu.Execute("query-migrate"));
  const google::protobuf::Struct& said = answer.struct_value();
  QemuMigration migration{.status = JsonText(said, "status"), .reason = JsonText(said, "error-desc")};
  // QEMU leaves it out when there never was one.
  if (migration.status.empty()) migration.status = "none";
  if (const auto blocked = said.fields().find("blocked-reasons");
      blocked != said.fields().end() && blocked->second.list_value().values_size() > 0) {
    migration.reason = blocked->second.list_value().values(0).string_value();
  }
  if (const auto downtime = JsonNumber(said, "downtime")) migration.downtime = absl::Milliseconds(*downtime);
  if (const auto sent = JsonNumber(JsonObject(said, "ram"), "transferred"); sent && *sent > 0) {
    migration.sent_bytes = static_cast<uint64_t>(*sent);
  }
  return migration;
}

QemuMachine QemuMachine::Of(const DriverMemory& memory, const std::string& procfs) {
  int pid = 0;
  (void)absl::SimpleAtoi(WordIn(memory, "pid"), &pid);
  return {procfs, WordIn(memory, "monitor"), pid, WordIn(memory, "started")};
}

absl::StatusOr<std::optional<QemuMachine>> QemuMachine::WaitingFor(const std::string& uri, const std::string& procfs) {
  std::optional<QemuMachine> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(procfs, error)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const auto arguments = Words(host::ReadFile(entry.path().string() + "/cmdline").value_or(std::string()));
    if (!WaitsFor(arguments, uri)) continue;
    const auto machine = host::VirtualMachineOf(arguments);
    const auto started = StartOfProcess(procfs, pid);
    if (!machine || !started) continue;
    if (found) {
      return absl::UnavailableError(StrCat("the processes ", found->pid(), " and ", pid,
                                           " both say that they wait for ", uri,
                                           "; end the one that is not the machine"));
    }
    found = QemuMachine(procfs, machine->monitor, pid, *started);
  }
  return found;
}

absl::StatusOr<QemuMachine> QemuMachine::WaitingIn(const host::Cgroup& cgroup, const std::string& uri,
                                                   const std::string& procfs) {
  const auto machine = host::FindVirtualMachine(cgroup, procfs);
  if (!machine) {
    return absl::FailedPreconditionError(
        StrCat("there is not exactly one machine of QEMU's in the cgroup ", cgroup.path()));
  }
  const auto started = StartOfProcess(procfs, machine->pid);
  if (!started || !WaitsFor(machine->arguments, uri)) {
    return absl::FailedPreconditionError(StrCat("the QEMU in the cgroup ", cgroup.path(), " (process ", machine->pid,
                                                ") was not started with -incoming ", uri));
  }
  return QemuMachine(procfs, machine->monitor, machine->pid, *started);
}

DriverMemory QemuMachine::Remember(const std::string& uri, const std::string& workload) const {
  return MakeMemory(
      {{"pid", StrCat(pid_)}, {"started", started_}, {"monitor", monitor_}, {"uri", uri}, {"workload", workload}});
}

bool QemuMachine::Alive() const {
  return pid_ > 0 && StartOfProcess(procfs_, pid_) == started_;
}

absl::Status QemuMachine::Talk(const std::function<absl::Status(QmpClient& qemu)>& talk) const {
  // Also a monitor that somebody else listens at by now is not this machine's.
  if (!Alive()) return absl::NotFoundError(StrCat("QEMU (process ", pid_, ") has ended"));
  const absl::Time deadline = absl::Now() + kTurn;
  while (true) {
    auto qemu = QmpClient::Connect(monitor_, kAnswer, pid_);
    if (qemu.ok()) return talk(**qemu);
    if (!absl::IsUnavailable(qemu.status()) || absl::Now() >= deadline) return qemu.status();
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<QemuState> QemuMachine::State() const {
  QemuState state;
  TRUCE_RETURN_IF_ERROR(Talk([&state](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(state, StateOf(qemu));
    return absl::OkStatus();
  }));
  return state;
}

absl::StatusOr<QemuMigration> QemuMachine::Migration() const {
  QemuMigration migration;
  TRUCE_RETURN_IF_ERROR(Talk([&migration](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(migration, MigrationOf(qemu));
    return absl::OkStatus();
  }));
  return migration;
}

absl::Status QemuMachine::Quit() const {
  if (!Alive()) return absl::OkStatus();
  const absl::Status said = Talk([](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, StateOf(qemu));
    if (state.running) return absl::FailedPreconditionError("the machine runs, and is not ended");
    // It may be gone before it answers.
    const absl::Status quit = qemu.Execute("quit").status();
    return absl::IsUnavailable(quit) ? absl::OkStatus() : quit;
  });
  if (!said.ok() && Alive()) return said;
  if (WaitForEnd(procfs_, pid_, started_, kEnd)) return absl::OkStatus();
  return absl::UnavailableError(StrCat("QEMU (process ", pid_, ") was told to quit and is still there after ",
                                       absl::FormatDuration(kEnd), "; look what it waits for"));
}

absl::Status QemuMachine::Continue() const {
  TRUCE_RETURN_IF_ERROR(Talk([](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, StateOf(qemu));
    return state.running ? absl::OkStatus() : qemu.Execute("cont").status();
  }));
  const absl::Time deadline = absl::Now() + kEnd;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, State());
    if (state.running) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(StrCat("QEMU was told to let the machine run, and it is ", state.status, " still"));
    }
    absl::SleepFor(kPoll);
  }
}

}  // namespace truce::agent
