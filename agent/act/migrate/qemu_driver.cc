// Machines that were started without libvirt, moved by QEMU's own migration over TCP. Storage and networks are the
// operator's: both hosts must reach the machine's disks, and the program that starts it on the target knows the rest.
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "agent/act/migrate/qemu_machine.h"
#include "agent/act/migrate/qemu_move.h"
#include "src/base/program.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/virtual_machine.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;
using host::QmpClient;

constexpr absl::Duration kStart = absl::Seconds(60);
constexpr absl::Duration kPoll = absl::Milliseconds(100);
// How long a machine may take to come up, or to take in what came.
constexpr absl::Duration kRest = absl::Seconds(30);

// Whether nobody listens there. An error when the address is none of this host's.
absl::StatusOr<bool> IsFree(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.c_str(), StrCat(port).c_str(), &hints, &found); error != 0) {
    return absl::FailedPreconditionError(
        StrCat("migration.address: ", address, " can't be resolved: ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  const host::UniqueFd socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoStatus(errno, "making a socket");
  constexpr int kYes = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &kYes, sizeof kYes);
  if (bind(socket.get(), found->ai_addr, found->ai_addrlen) == 0) return true;
  if (errno == EADDRINUSE || errno == EACCES) return false;
  return ErrnoStatus(errno, StrCat("migration.address: binding to ", address));
}

class QemuDriver final : public MigrationDriver {
 public:
  explicit QemuDriver(const MigrationSettings& settings) : settings_(settings) {
    if (settings_.procfs.empty()) settings_.procfs = "/proc";
  }

  std::string_view name() const override { return "qemu"; }
  absl::Status Ready() override { return absl::OkStatus(); }
  absl::Status ReadyToReceive() override {
    if (settings_.address.empty()) {
      return absl::FailedPreconditionError(
          "to receive by qemu, set migration.address to what others reach this host by");
    }
    return CheckProgram("migration.qemu_start_command", settings_.qemu_start_command);
  }
  bool CanMove(const Movable& workload) override { return Find(workload).ok(); }

  absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) override;
  absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& order) override;
  absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) override;
  absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                   MoveControl& control) override;
  absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Leave(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Settle(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Resume(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Drop(const v1::MigrationOrder& order, const DriverMemory& memory) override;

 private:
  absl::StatusOr<host::VirtualMachine> Find(const Movable& workload) const;
  // Of the memory; of a plan, the machine that waits where it was planned. nullopt when there is none.
  absl::StatusOr<std::optional<QemuMachine>> Recollect(const DriverMemory& memory) const;
  // What waits for `uri` in the cgroup that the operator's program named.
  absl::StatusOr<QemuMachine> FindWaiting(const std::string& workload, const std::string& uri) const;
  // Ends what was started and is no reservation.
  absl::Status EndWaiting(const std::string& uri) const;
  std::string UriOf(int port) const;
  absl::StatusOr<Reservation> Start(const v1::MigrationOrder& order, const std::string& uri) const;
  absl::Status CheckWaiting(const QemuMachine& machine, const std::string& uri) const;
  void Release(const v1::MigrationOrder& order) {
    const absl::MutexLock lock(&mutex_);
    ports_.erase(order.migration_id());
  }

  MigrationSettings settings_;
  absl::Mutex mutex_;
  // Planned, so that two that are planned at a time get two: by migration.
  std::map<std::string, int> ports_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<host::VirtualMachine> QemuDriver::Find(const Movable& workload) const {
  auto machine = host::FindVirtualMachine(*workload.cgroup, settings_.procfs);
  if (!machine) {
    return absl::FailedPreconditionError(StrCat("there is not exactly one machine of QEMU's in ", workload.workload));
  }
  if (machine->of_libvirt) {
    return absl::FailedPreconditionError(StrCat(machine->name, " is libvirt's; use the driver libvirt"));
  }
  if (machine->monitor.empty()) {
    return absl::FailedPreconditionError(
        StrCat(machine->name, " has no QMP socket; start it with -qmp unix:PATH,server=on,wait=off"));
  }
  return *std::move(machine);
}

absl::StatusOr<DriverMemory> QemuDriver::Recall(const v1::MigrationOrder& order, const Movable& workload) {
  TRUCE_ASSIGN_OR_RETURN(const host::VirtualMachine found, Find(workload));
  const auto started = StartOfProcess(settings_.procfs, found.pid);
  if (!started) return absl::FailedPreconditionError(StrCat(workload.workload, " has just ended"));
  const QemuMachine machine(settings_.procfs, found.monitor, found.pid, *started);
  TRUCE_RETURN_IF_ERROR(machine.Talk([](QmpClient& qemu) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, StateOf(qemu));
    if (!state.running) {
      return absl::FailedPreconditionError(StrCat("the machine is ", state.status, "; only one that runs is moved"));
    }
    TRUCE_ASSIGN_OR_RETURN(const QemuMigration migration, MigrationOf(qemu));
    if (migration.goes_on()) return absl::FailedPreconditionError("somebody else moves the machine already");
    if (migration.status == "none" && !migration.reason.empty()) return absl::FailedPreconditionError(migration.reason);
    return absl::OkStatus();
  }));
  return machine.Remember("", order.workload());
}

std::string QemuDriver::UriOf(int port) const {
  const bool is_v6 = settings_.address.find(':') != std::string::npos && settings_.address[0] != '[';
  return is_v6 ? StrCat("tcp:[", settings_.address, "]:", port) : StrCat("tcp:", settings_.address, ":", port);
}

absl::StatusOr<DriverMemory> QemuDriver::Plan(const v1::MigrationOrder& order) {
  TRUCE_RETURN_IF_ERROR(ReadyToReceive());
  const absl::MutexLock lock(&mutex_);
  for (int port = settings_.first_port; port <= settings_.last_port; ++port) {
    bool taken = false;
    for (const auto& [id, other] : ports_) taken |= other == port;
    if (taken) continue;
    TRUCE_ASSIGN_OR_RETURN(const bool free, IsFree(settings_.address, port));
    if (!free) continue;
    ports_[order.migration_id()] = port;
    return MakeMemory({{"uri", UriOf(port)}});
  }
  return absl::FailedPreconditionError(StrCat("no port from ", settings_.first_port, " to ", settings_.last_port,
                                              " is free (migration.first_port, migration.last_port)"));
}

absl::StatusOr<Reservation> QemuDriver::Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) {
  const std::string uri = WordIn(plan, "uri");
  auto reservation = Start(order, uri);
  if (reservation.ok()) return reservation;
  // Whatever was started goes again.
  const absl::Status quit = EndWaiting(uri);
  Release(order);
  if (quit.ok()) return reservation;
  return absl::FailedPreconditionError(
      StrCat(StdView(reservation.status().message()), "; and the machine is still there: ", StdView(quit.message())));
}

absl::Status QemuDriver::EndWaiting(const std::string& uri) const {
  TRUCE_ASSIGN_OR_RETURN(const auto machine, QemuMachine::WaitingFor(uri, settings_.procfs));
  return machine ? machine->Quit() : absl::OkStatus();
}

absl::StatusOr<QemuMachine> QemuDriver::FindWaiting(const std::string& workload, const std::string& uri) const {
  TRUCE_ASSIGN_OR_RETURN(const host::CgroupLayout layout, host::CgroupLayout::Detect(settings_.cgroup_root));
  TRUCE_ASSIGN_OR_RETURN(const auto cgroup, host::Cgroup::Open(layout, workload));
  return QemuMachine::WaitingIn(*cgroup, uri, settings_.procfs);
}

absl::StatusOr<Reservation> QemuDriver::Start(const v1::MigrationOrder& order, const std::string& uri) const {
  Struct request;
  auto& fields = *request.mutable_fields();
  fields["migration_id"].set_string_value(order.migration_id());
  fields["workload"].set_string_value(order.workload());
  fields["application"].set_string_value(order.application());
  fields["source_host"].set_string_value(order.peer_host());
  fields["memory_bytes"].set_number_value(static_cast<double>(order.memory_bytes()));
  fields["incoming"].set_string_value(uri);
  const std::string& program = settings_.qemu_start_command;
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult result,
                         RunProgram({.arguments = {program}, .input = ToJson(request), .patience = kStart}));
  if (result.exit_code != 0 || result.end != ProgramResult::End::kByItself) {
    return absl::FailedPreconditionError(
        StrCat(program, result.end == ProgramResult::End::kTimedOut ? " took too long: " : " failed: ",
               result.last_error.empty() ? StrCat("exit code ", result.exit_code) : result.last_error));
  }
  auto answer = ParseObject(result.output);
  if (!answer.ok()) return WithContext(answer.status(), StrCat(program, " said"));
  const std::string monitor = JsonText(*answer, "monitor");
  const std::string workload = JsonText(*answer, "workload");
  if (!monitor.starts_with('/') || workload.empty()) {
    return absl::FailedPreconditionError(
        StrCat(program, " did not say where the monitor is and which cgroup the machine is in: ", result.output));
  }
  auto machine = FindWaiting(workload, uri);
  if (!machine.ok()) {
    return absl::FailedPreconditionError(
        StrCat(program, " started no QEMU where it says: ", StdView(machine.status().message())));
  }
  machine->set_monitor(monitor);
  TRUCE_RETURN_IF_ERROR(CheckWaiting(*machine, uri));
  return Reservation{.endpoint = uri, .memory = machine->Remember(uri, workload)};
}

absl::Status QemuDriver::CheckWaiting(const QemuMachine& machine, const std::string& uri) const {
  const std::string words = host::ReadFile(StrCat(settings_.procfs, "/", machine.pid(), "/cmdline")).value_or("");
  if (words.find(std::string("\0-S\0", 4)) != std::string::npos) {
    return absl::FailedPreconditionError("the machine was started with -S and would not run when it has come");
  }
  const absl::Time deadline = absl::Now() + kRest;
  while (true) {
    const auto state = machine.State();
    if (state.ok() && state->status != "inmigrate") {
      return absl::FailedPreconditionError(
          StrCat("the machine is ", state->status, " and does not wait for one that comes"));
    }
    if (state.ok()) break;
    if (!machine.Alive()) return absl::FailedPreconditionError("the machine ended at once; see what it wrote");
    if (absl::Now() >= deadline) return state.status();
    absl::SleepFor(kPoll);
  }
  int port = 0;
  (void)absl::SimpleAtoi(uri.substr(uri.rfind(':') + 1), &port);
  TRUCE_ASSIGN_OR_RETURN(const bool free, IsFree(settings_.address, port));
  if (free) return absl::FailedPreconditionError(StrCat("the machine does not listen at ", uri));
  return absl::OkStatus();
}

absl::StatusOr<MoveOutcome> QemuDriver::Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                             MoveControl& control) {
  return MoveMachine(QemuMachine::Of(memory, settings_.procfs), order.endpoint(), settings_, control);
}

absl::StatusOr<std::optional<QemuMachine>> QemuDriver::Recollect(const DriverMemory& memory) const {
  if (WordIn(memory, "pid").empty()) return QemuMachine::WaitingFor(WordIn(memory, "uri"), settings_.procfs);
  return std::optional(QemuMachine::Of(memory, settings_.procfs));
}

absl::StatusOr<Presence> QemuDriver::Look(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const auto machine, Recollect(memory));
  if (!machine || !machine->Alive()) return Presence{.where = v1::MIGRATION_PRESENCE_ABSENT};
  const auto state = machine->State();
  if (!state.ok() && !machine->Alive()) return Presence{.where = v1::MIGRATION_PRESENCE_ABSENT};
  if (!state.ok()) return absl::UnavailableError(state.status().message());
  // One that is whole and does not run was paused by its owner, or by what happened in it.
  const bool whole = state->status != "inmigrate" && state->status != "prelaunch";
  return Presence{.where = state->running ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_STOPPED,
                  .workload = WordIn(memory, "workload"),
                  .arrived = whole && order.role() == v1::MIGRATION_ROLE_TARGET};
}

absl::Status QemuDriver::Leave(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const auto machine, Recollect(memory));
  return machine ? machine->Quit() : absl::OkStatus();
}

absl::Status QemuDriver::Settle(const v1::MigrationOrder& order, const DriverMemory& memory) {
  const QemuMachine machine = QemuMachine::Of(memory, settings_.procfs);
  const absl::Time deadline = absl::Now() + kRest;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const QemuState state, machine.State());
    if (state.status != "inmigrate") break;  // one that its owner had paused comes paused, and that is his business
    if (absl::Now() >= deadline) return absl::UnavailableError("it still waits for the rest of the machine");
    absl::SleepFor(kPoll);
  }
  Release(order);
  return absl::OkStatus();
}

absl::Status QemuDriver::Resume(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  const QemuMachine machine = QemuMachine::Of(memory, settings_.procfs);
  TRUCE_ASSIGN_OR_RETURN(const QemuMigration migration, machine.Migration());
  if (migration.goes_on()) {
    TRUCE_RETURN_IF_ERROR(machine.Talk([](QmpClient& qemu) { return qemu.Execute("migrate_cancel").status(); }));
    return absl::UnavailableError("a move of it still went on, and was told to stop");
  }
  return machine.Continue();
}

absl::Status QemuDriver::Drop(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const auto machine, Recollect(memory));
  if (machine) TRUCE_RETURN_IF_ERROR(machine->Quit());
  Release(order);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<MigrationDriver> MakeQemuDriver(const MigrationSettings& settings) {
  return std::make_unique<QemuDriver>(settings);
}

}  // namespace truce::agent
