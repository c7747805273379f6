// libvirt's machines: the libvirt here moves one to the libvirt there, live, with its definition. Storage and networks
// are the operator's, as with virsh migrate --live --p2p --persistent --undefinesource.
#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "agent/act/migrate/libvirt_machines.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/virtual_machine.h"

namespace truce::agent {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(200);
// How long a job that was told to end may take.
constexpr absl::Duration kJobEnd = absl::Seconds(60);
constexpr std::string_view kAddress = "{address}";

class LibvirtDriver final : public MigrationDriver {
 public:
  LibvirtDriver(const MigrationSettings& settings, std::string library)
      : settings_(settings), libvirt_(std::move(library)) {
    if (settings_.procfs.empty()) settings_.procfs = "/proc";
  }

  std::string_view name() const override { return "libvirt"; }
  absl::Status Ready() override { return Connect().status(); }
  absl::Status ReadyToReceive() override {
    if (settings_.address.empty() && settings_.libvirt_peer_uri.find(kAddress) != std::string::npos) {
      return absl::FailedPreconditionError(
          "to receive by libvirt, set migration.address to what others reach this host by");
    }
    return absl::OkStatus();
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
  absl::StatusOr<LibvirtMachines> Connect() { return libvirt_.Connect(settings_.libvirt_uri); }
  // The machine of libvirt's that runs in the workload's cgroup, vouched for by libvirt.
  absl::StatusOr<host::VirtualMachine> Find(const Movable& workload) const;
  bool IsPeer(const std::string& uri) const;
  void Watch(const LibvirtMachines& machines, virDomainPtr domain, const std::atomic<bool>& over,
             MoveControl& control) const;
  absl::Status Migrate(const LibvirtMachines& machines, virDomainPtr domain, const std::string& uri,
                       MoveControl& control) const;

  MigrationSettings settings_;
  LibvirtLibrary libvirt_;
};

// As this host would write it for some address: anything else could make libvirt run programs ("qemu+ext:").
bool LibvirtDriver::IsPeer(const std::string& uri) const {
  const std::string& form = settings_.libvirt_peer_uri;
  const size_t place = form.find(kAddress);
  if (place == std::string::npos) return uri == form;
  const std::string before = form.substr(0, place);
  const std::string after = form.substr(place + kAddress.size());
  if (uri.size() <= before.size() + after.size() || !uri.starts_with(before) || !uri.ends_with(after)) return false;
  const std::string address = uri.substr(before.size(), uri.size() - before.size() - after.size());
  return std::all_of(address.begin(), address.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view(".-:[]_").find(c) != std::string::npos;
  });
}

absl::StatusOr<host::VirtualMachine> LibvirtDriver::Find(const Movable& workload) const {
  auto found = host::FindVirtualMachine(*workload.cgroup, settings_.procfs);
  if (!found || !found->of_libvirt) {
    return absl::FailedPreconditionError(
        StrCat("there is not exactly one machine of libvirt's in ", workload.workload));
  }
  TRUCE_RETURN_IF_ERROR(host::CheckLibvirtsPid(found->name, found->pid, settings_.run_directory));
  return *std::move(found);
}

absl::StatusOr<DriverMemory> LibvirtDriver::Recall(const v1::MigrationOrder& /*order*/, const Movable& workload) {
  TRUCE_ASSIGN_OR_RETURN(const host::VirtualMachine found, Find(workload));
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.FindByName(found.name));
  if (machine.presence() != v1::MIGRATION_PRESENCE_RUNNING) {
    return absl::FailedPreconditionError(StrCat(found.name, " does not run; only one that runs is moved"));
  }
  return MakeMemory({{"uuid", machine.uuid}, {"name", found.name}});
}

absl::StatusOr<DriverMemory> LibvirtDriver::Plan(const v1::MigrationOrder& order) {
  TRUCE_RETURN_IF_ERROR(ReadyToReceive());
  const std::string name = MachineNameIn(order.workload());
  if (!name.starts_with("qemu-")) {
    return absl::FailedPreconditionError(StrCat(order.workload(), " is no cgroup of a machine of libvirt's"));
  }
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.FindByMachineName(name));
  if (machine.presence() != v1::MIGRATION_PRESENCE_ABSENT) {
    return absl::FailedPreconditionError(StrCat("a machine of that name is on this host: ", name));
  }
  // What was defined here before stays defined, whatever becomes of the migration.
  return MakeMemory({{"machine", name}, {"defined", machine.uuid}});
}

absl::StatusOr<Reservation> LibvirtDriver::Reserve(const v1::MigrationOrder& /*order*/, const DriverMemory& plan) {
  // libvirt gets ready by itself when the machine comes.
  return Reservation{
      .endpoint = absl::StrReplaceAll(settings_.libvirt_peer_uri, {{AbslView(kAddress), settings_.address}}),
      .memory = plan};
}

// Bounds the move, and ends it when that is due.
void LibvirtDriver::Watch(const LibvirtMachines& machines, virDomainPtr domain, const std::atomic<bool>& over,
                          MoveControl& control) const {
  const absl::Time deadline = absl::Now() + settings_.longest_move;
  const auto downtime_ms = static_cast<unsigned long long>(absl::ToInt64Milliseconds(settings_.longest_downtime));
  bool downtime_set = false;
  while (!over) {
    const bool active = machines.HasJob(domain, control);
    if (active && !downtime_set) downtime_set = machines.api().set_downtime(domain, downtime_ms, 0) == 0;
    if (active && (control.cancelled || absl::Now() >= deadline)) (void)machines.api().abort_job(domain);
    absl::SleepFor(kPoll);
  }
}

// libvirt's call returns when all is over, so another thread watches.
absl::Status LibvirtDriver::Migrate(const LibvirtMachines& machines, virDomainPtr domain, const std::string& uri,
                                    MoveControl& control) const {
  std::atomic<bool> over = false;
  std::thread watcher;
  try {
    watcher = std::thread([&] { Watch(machines, domain, over, control); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(StrCat("no thread to watch the move: ", error.what()));
  }
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  virTypedParameter bandwidth{};
  std::string_view(VIR_MIGRATE_PARAM_BANDWIDTH).copy(bandwidth.field, sizeof bandwidth.field - 1);
  bandwidth.type = VIR_TYPED_PARAM_ULLONG;
  bandwidth.value.ul = std::max<uint64_t>(1, settings_.bytes_per_second / kMebibyte);
  const unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_UNDEFINE_SOURCE |
                         VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_ABORT_ON_ERROR;
  const bool bounded = settings_.bytes_per_second > 0;
  const host::LibvirtApi& api = machines.api();
  const int done = api.migrate(domain, uri.c_str(), bounded ? &bandwidth : nullptr, bounded ? 1 : 0, flags);
  absl::Status status = done == 0 ? absl::OkStatus() : api.Failure(StrCat("moving it to ", uri));
  over = true;
  watcher.join();
  return status;
}

// A job of an agent that died goes on without it, and is ended.
absl::StatusOr<MoveOutcome> AfterACrash(const LibvirtMachines& machines, const DriverMemory& memory,
                                        MoveControl& control) {
  const absl::Time deadline = absl::Now() + kJobEnd;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
    if (machine.domain == nullptr) return absl::InternalError("the machine is gone from this host");
    if (!machines.HasJob(machine.domain.get(), control)) {
      if (machine.presence() == v1::MIGRATION_PRESENCE_RUNNING) return absl::CancelledError("it runs here");
      return absl::InternalError("the machine does not run here");
    }
    if (absl::Now() >= deadline) return absl::UnavailableError("libvirt's job at the machine does not end");
    (void)machines.api().abort_job(machine.domain.get());
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<MoveOutcome> LibvirtDriver::Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                                MoveControl& control) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  if (control.cancelled) return AfterACrash(machines, memory, control);
  if (!IsPeer(order.endpoint())) {
    return absl::AbortedError(StrCat("'", order.endpoint(), "' is not of the form ", settings_.libvirt_peer_uri,
                                     " (migration.libvirt_peer_uri)"));
  }
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  if (machine.domain == nullptr) return absl::NotFoundError("the machine is gone");
  const absl::Status moved = Migrate(machines, machine.domain.get(), order.endpoint(), control);
  if (moved.ok()) return MoveOutcome{.moved_bytes = control.moved_bytes};
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine after, machines.Find(memory));
  if (after.presence() != v1::MIGRATION_PRESENCE_RUNNING) return absl::InternalError(moved.message());
  const std::string text = StrCat(StdView(moved.message()), "; it runs here");
  return control.cancelled ? absl::CancelledError(text) : absl::AbortedError(text);
}

// One that is stopped: whether that is for its migration.
bool WaitsToRun(const LibvirtMachine& machine) {
  return machine.reason == VIR_DOMAIN_PAUSED_MIGRATION || machine.reason == VIR_DOMAIN_PAUSED_STARTING_UP;
}

absl::StatusOr<Presence> LibvirtDriver::Look(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  const bool paused = machine.presence() == v1::MIGRATION_PRESENCE_STOPPED && !WaitsToRun(machine);
  return Presence{.where = machine.presence(), .arrived = paused && order.role() == v1::MIGRATION_ROLE_TARGET};
}

absl::Status LibvirtDriver::Leave(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  return machines.Remove(machine, /*definition=*/true);
}

absl::Status LibvirtDriver::Settle(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  if (machine.presence() != v1::MIGRATION_PRESENCE_STOPPED) return absl::OkStatus();
  // One that its owner paused is his business.
  return WaitsToRun(machine) ? machines.LetRun(machine) : absl::OkStatus();
}

absl::Status LibvirtDriver::Resume(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  if (machine.presence() == v1::MIGRATION_PRESENCE_RUNNING) return absl::OkStatus();
  if (machine.presence() == v1::MIGRATION_PRESENCE_STOPPED) return machines.LetRun(machine);
  return absl::FailedPreconditionError("the machine is off, and what it had in memory is gone from this host");
}

absl::Status LibvirtDriver::Drop(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachines machines, Connect());
  TRUCE_ASSIGN_OR_RETURN(const LibvirtMachine machine, machines.Find(memory));
  return machines.Remove(machine, /*definition=*/WordIn(memory, "defined") != machine.uuid);
}

}  // namespace

std::unique_ptr<MigrationDriver> MakeLibvirtDriver(const MigrationSettings& settings, const std::string& library) {
  return std::make_unique<LibvirtDriver>(settings, library);
}

}  // namespace truce::agent
