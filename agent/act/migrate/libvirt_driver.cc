// libvirt's machines: the libvirt here moves one to the libvirt there, live, with its definition. Storage and networks
// are the operator's, as with virsh migrate --live --p2p --persistent --undefinesource.
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "agent/act/migrate/libvirt_api.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/virtual_machine.h"

namespace truce::agent {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(200);
// How long a job that was told to end may take.
constexpr absl::Duration kJobEnd = absl::Seconds(60);
constexpr char kAddress[] = "{address}";
// libvirt makes the names of its cgroups no longer.
constexpr size_t kLongestMachineName = 64;

// "qemu-3-web" of "machine.slice/machine-qemu\x2d3\x2dweb.scope" or "machine/qemu-3-web.libvirt-qemu".
std::string MachineNameIn(std::string_view workload) {
  const size_t slash = workload.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? workload : workload.substr(slash + 1);
  std::string name;
  for (size_t i = 0; i < last.size(); ++i) {
    uint32_t byte = 0;
    if (last.substr(i).starts_with("\\x") && i + 3 < last.size() &&
        absl::SimpleHexAtoi(AbslView(last.substr(i + 2, 2)), &byte)) {
      name += static_cast<char>(byte);
      i += 3;
    } else {
      name += last[i];
    }
  }
  for (const char* suffix : {".scope", ".libvirt-qemu"}) {
    if (name.ends_with(suffix)) name.erase(name.size() - std::string_view(suffix).size());
  }
  if (name.starts_with("machine-")) name.erase(0, 8);
  return name;
}

// A domain's name as libvirt writes it in the name of a cgroup: what host names allow, no dots and dashes in a row.
std::string AsInMachineName(std::string_view domain) {
  std::string name;
  bool skip = true;
  for (const char c : domain) {
    const bool joint = c == '.' || c == '-';
    if (joint ? !skip : absl::ascii_isalnum(static_cast<unsigned char>(c))) name += c;
    skip = joint;
  }
  while (name.ends_with('-') || name.ends_with('.')) name.pop_back();
  return name;
}

// Whether the domain's cgroup could have the machine name ("qemu-3-web"), whatever its number.
bool IsMachineOf(std::string_view machine, std::string_view domain) {
  constexpr std::string_view kPrefix = "qemu-";
  if (!machine.starts_with(kPrefix)) return false;
  const bool cut = machine.size() >= kLongestMachineName;
  machine.remove_prefix(kPrefix.size());
  const size_t dash = machine.find('-');
  if (dash == std::string_view::npos || dash == 0) return false;
  machine.remove_prefix(dash + 1);
  const std::string name = AsInMachineName(domain);
  return !machine.empty() && (name == machine || (cut && name.starts_with(machine)));
}

v1::MigrationPresence PresenceOf(int state) {
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
      return v1::MIGRATION_PRESENCE_RUNNING;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
      return v1::MIGRATION_PRESENCE_STOPPED;
    default:  // off: nothing is here but what it is made of
      return v1::MIGRATION_PRESENCE_ABSENT;
  }
}

class LibvirtDriver final : public MigrationDriver {
 public:
  LibvirtDriver(const MigrationSettings& settings, std::string library)
      : settings_(settings), library_(std::move(library)) {
    if (settings_.procfs.empty()) settings_.procfs = "/proc";
  }

  std::string_view name() const override { return "libvirt"; }
  absl::Status Ready() override {
    if (settings_.libvirt_uri.empty()) return absl::FailedPreconditionError("virtual_machines.libvirt_uri is not set");
    return Open().status();
  }
  absl::Status ReadyToReceive() override {
    if (settings_.address.empty() && settings_.libvirt_peer_uri.find(kAddress) != std::string::npos) {
      return absl::FailedPreconditionError(
          "to receive by libvirt, set migration.address to what others reach this host by");
    }
    return absl::OkStatus();
  }
  bool CanMove(const Movable& workload) override {
    const auto machine = host::FindVirtualMachine(*workload.cgroup, settings_.procfs);
    return machine && machine->of_libvirt;
  }

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
  struct Found {
    LibvirtDomain domain;
    std::string uuid;
    int state = VIR_DOMAIN_NOSTATE;
    int reason = 0;
    v1::MigrationPresence presence() const { return domain ? PresenceOf(state) : v1::MIGRATION_PRESENCE_ABSENT; }
  };

  // The library, once it could be loaded; it is never unloaded, so the pointer stays good.
  absl::StatusOr<const LibvirtApi*> Api();
  absl::StatusOr<LibvirtConnection> Open();
  const LibvirtApi& api() const { return *api_; }
  absl::StatusOr<Found> Describe(LibvirtDomain domain) const;
  // The domain of the memory: by its uuid on the source, by its machine's name on the target. Without a domain when
  // there is none.
  absl::StatusOr<Found> Find(virConnectPtr connection, const DriverMemory& memory) const;
  absl::StatusOr<Found> FindByMachine(virConnectPtr connection, const std::string& machine) const;
  bool IsPeer(const std::string& uri) const;
  // Whether a job is under way at the domain; notes how far it is.
  bool Watch(virDomainPtr domain, MoveControl& control) const;
  absl::Status Migrate(virDomainPtr domain, const std::string& uri, MoveControl& control) const;
  absl::StatusOr<MoveOutcome> AfterACrash(virConnectPtr connection, const DriverMemory& memory,
                                          MoveControl& control) const;
  absl::Status Remove(const Found& found, bool definition) const;

  MigrationSettings settings_;
  const std::string library_;
  std::mutex mutex_;
  std::optional<LibvirtApi> api_;
};

absl::StatusOr<const LibvirtApi*> LibvirtDriver::Api() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!api_) {
    TRUCE_ASSIGN_OR_RETURN(api_, LibvirtApi::Load(library_));
  }
  return &*api_;
}

absl::StatusOr<LibvirtConnection> LibvirtDriver::Open() {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtApi* const loaded, Api());
  virConnectPtr connection = loaded->open(settings_.libvirt_uri.c_str());
  if (connection != nullptr) return LibvirtConnection(connection, CloseConnection{loaded});
  return loaded->Failure(StrCat("connecting to libvirt at ", settings_.libvirt_uri));
}

absl::StatusOr<LibvirtDriver::Found> LibvirtDriver::Describe(LibvirtDomain domain) const {
  Found found{.domain = std::move(domain)};
  char uuid[VIR_UUID_STRING_BUFLEN] = {};
  if (api().uuid(found.domain.get(), uuid) != 0 ||
      api().state(found.domain.get(), &found.state, &found.reason, 0) != 0) {
    absl::Status failure = api().Failure("looking at the machine");
    if (absl::IsNotFound(failure)) return Found();
    return failure;
  }
  found.uuid = uuid;
  return found;
}

absl::StatusOr<LibvirtDriver::Found> LibvirtDriver::Find(virConnectPtr connection, const DriverMemory& memory) const {
  const std::string uuid = WordIn(memory, "uuid");
  if (uuid.empty()) return FindByMachine(connection, WordIn(memory, "machine"));
  virDomainPtr domain = api().by_uuid(connection, uuid.c_str());
  if (domain != nullptr) return Describe(LibvirtDomain(domain, FreeDomain{&api()}));
  absl::Status failure = api().Failure("looking for the machine");
  if (absl::IsNotFound(failure)) return Found();
  return failure;
}

absl::StatusOr<LibvirtDriver::Found> LibvirtDriver::FindByMachine(virConnectPtr connection,
                                                                  const std::string& machine) const {
  virDomainPtr* list = nullptr;
  const int count = api().list(connection, &list, 0);
  if (count < 0) return api().Failure("listing the machines");
  LibvirtDomain wanted(nullptr, FreeDomain{&api()});
  for (int i = 0; i < count; ++i) {
    LibvirtDomain domain(list[i], FreeDomain{&api()});
    const char* name = api().name(domain.get());
    if (name != nullptr && IsMachineOf(machine, name)) wanted = std::move(domain);
  }
  std::free(list);
  if (!wanted) return Found();
  return Describe(std::move(wanted));
}

// As this host would write it for some address: anything else could make libvirt run programs ("qemu+ext:").
bool LibvirtDriver::IsPeer(const std::string& uri) const {
  const std::string& form = settings_.libvirt_peer_uri;
  const size_t place = form.find(kAddress);
  if (place == std::string::npos) return uri == form;
  const std::string before = form.substr(0, place);
  const std::string after = form.substr(place + sizeof kAddress - 1);
  if (uri.size() <= before.size() + after.size() || !uri.starts_with(before) || !uri.ends_with(after)) return false;
  for (const char c : uri.substr(before.size(), uri.size() - before.size() - after.size())) {
    const bool fine = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == ':' ||
                      c == '[' || c == ']' || c == '_';
    if (!fine) return false;
  }
  return true;
}

absl::StatusOr<DriverMemory> LibvirtDriver::Recall(const v1::MigrationOrder& /*order*/, const Movable& workload) {
  const auto machine = host::FindVirtualMachine(*workload.cgroup, settings_.procfs);
  if (!machine || !machine->of_libvirt) {
    return absl::FailedPreconditionError(
        StrCat("there is not exactly one machine of libvirt's in ", workload.workload));
  }
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  virDomainPtr domain = api().by_name(connection.get(), machine->name.c_str());
  if (domain == nullptr) return api().Failure(StrCat("looking for the machine ", machine->name));
  TRUCE_ASSIGN_OR_RETURN(const Found found, Describe(LibvirtDomain(domain, FreeDomain{&api()})));
  if (found.presence() != v1::MIGRATION_PRESENCE_RUNNING) {
    return absl::FailedPreconditionError(StrCat(machine->name, " does not run; only one that runs is moved"));
  }
  return MakeMemory({{"uuid", found.uuid}, {"name", machine->name}});
}

absl::StatusOr<DriverMemory> LibvirtDriver::Plan(const v1::MigrationOrder& order) {
  TRUCE_RETURN_IF_ERROR(ReadyToReceive());
  const std::string machine = MachineNameIn(order.workload());
  if (!machine.starts_with("qemu-")) {
    return absl::FailedPreconditionError(StrCat(order.workload(), " is no cgroup of a machine of libvirt's"));
  }
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, FindByMachine(connection.get(), machine));
  if (found.presence() != v1::MIGRATION_PRESENCE_ABSENT) {
    return absl::FailedPreconditionError(StrCat("a machine of that name is on this host: ", machine));
  }
  // What was defined here before stays defined, whatever becomes of the migration.
  return MakeMemory({{"machine", machine}, {"defined", found.uuid}});
}

absl::StatusOr<Reservation> LibvirtDriver::Reserve(const v1::MigrationOrder& /*order*/, const DriverMemory& plan) {
  // libvirt gets ready by itself when the machine comes.
  return Reservation{.endpoint = absl::StrReplaceAll(settings_.libvirt_peer_uri, {{kAddress, settings_.address}}),
                     .memory = plan};
}

bool LibvirtDriver::Watch(virDomainPtr domain, MoveControl& control) const {
  int type = VIR_DOMAIN_JOB_NONE;
  virTypedParameterPtr params = nullptr;
  int count = 0;
  if (api().job_stats(domain, &type, &params, &count, 0) != 0) return false;
  for (int i = 0; i < count; ++i) {
    if (std::string_view(params[i].field) == VIR_DOMAIN_JOB_DATA_PROCESSED &&
        params[i].type == VIR_TYPED_PARAM_ULLONG) {
      control.moved_bytes = params[i].value.ul;
    }
  }
  api().free_params(params, count);
  return type != VIR_DOMAIN_JOB_NONE && type != VIR_DOMAIN_JOB_COMPLETED && type != VIR_DOMAIN_JOB_FAILED &&
         type != VIR_DOMAIN_JOB_CANCELLED;
}

// libvirt's call returns when all is over, so another thread watches and ends it.
absl::Status LibvirtDriver::Migrate(virDomainPtr domain, const std::string& uri, MoveControl& control) const {
  std::atomic<bool> over = false;
  std::thread watcher([&] {
    const absl::Time deadline = absl::Now() + settings_.longest_move;
    bool downtime_set = false;
    while (!over) {
      const bool active = Watch(domain, control);
      if (active && !downtime_set) {
        const auto milliseconds =
            static_cast<unsigned long long>(absl::ToInt64Milliseconds(settings_.longest_downtime));
        downtime_set = api().set_downtime(domain, milliseconds, 0) == 0;
      }
      if (active && (control.cancelled || absl::Now() >= deadline)) (void)api().abort_job(domain);
      absl::SleepFor(kPoll);
    }
  });
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  virTypedParameter bandwidth{};
  std::string_view(VIR_MIGRATE_PARAM_BANDWIDTH).copy(bandwidth.field, sizeof bandwidth.field - 1);
  bandwidth.type = VIR_TYPED_PARAM_ULLONG;
  bandwidth.value.ul = std::max<uint64_t>(1, settings_.bytes_per_second / kMebibyte);
  const unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_UNDEFINE_SOURCE |
                         VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_ABORT_ON_ERROR;
  const bool bounded = settings_.bytes_per_second > 0;
  const int done = api().migrate(domain, uri.c_str(), bounded ? &bandwidth : nullptr, bounded ? 1 : 0, flags);
  absl::Status status = done == 0 ? absl::OkStatus() : api().Failure(StrCat("moving it to ", uri));
  over = true;
  watcher.join();
  return status;
}

absl::StatusOr<MoveOutcome> LibvirtDriver::Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                                MoveControl& control) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  if (control.cancelled) return AfterACrash(connection.get(), memory, control);
  if (!IsPeer(order.endpoint())) {
    return absl::AbortedError(StrCat("'", order.endpoint(), "' is not of the form ", settings_.libvirt_peer_uri,
                                     " (migration.libvirt_peer_uri)"));
  }
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  if (!found.domain) return absl::NotFoundError("the machine is gone");
  const absl::Status moved = Migrate(found.domain.get(), order.endpoint(), control);
  if (moved.ok()) return MoveOutcome{.moved_bytes = control.moved_bytes};
  TRUCE_ASSIGN_OR_RETURN(const Found after, Find(connection.get(), memory));
  if (after.presence() != v1::MIGRATION_PRESENCE_RUNNING) return absl::InternalError(moved.message());
  const std::string text = StrCat(StdView(moved.message()), "; it runs here");
  return control.cancelled ? absl::CancelledError(text) : absl::AbortedError(text);
}

absl::StatusOr<MoveOutcome> LibvirtDriver::AfterACrash(virConnectPtr connection, const DriverMemory& memory,
                                                       MoveControl& control) const {
  const absl::Time deadline = absl::Now() + kJobEnd;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection, memory));
    if (!found.domain) return absl::InternalError("the machine is gone from this host");
    if (!Watch(found.domain.get(), control)) {
      if (found.presence() == v1::MIGRATION_PRESENCE_RUNNING) return absl::CancelledError("it runs here");
      return absl::InternalError("the machine does not run here");
    }
    if (absl::Now() >= deadline) return absl::UnavailableError("libvirt's job at the machine does not end");
    (void)api().abort_job(found.domain.get());
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<Presence> LibvirtDriver::Look(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  return Presence{.where = found.presence()};
}

absl::Status LibvirtDriver::Remove(const Found& found, bool definition) const {
  if (!found.domain) return absl::OkStatus();
  if (found.presence() == v1::MIGRATION_PRESENCE_RUNNING) {
    return absl::FailedPreconditionError("the machine runs, and is not removed");
  }
  const bool persistent = api().is_persistent(found.domain.get()) == 1;
  if (found.presence() == v1::MIGRATION_PRESENCE_STOPPED && api().destroy(found.domain.get()) != 0) {
    absl::Status failure = api().Failure("ending the machine");
    return absl::IsNotFound(failure) ? absl::OkStatus() : failure;
  }
  if (!persistent || !definition) return absl::OkStatus();
  constexpr unsigned kFlags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
  if (api().undefine(found.domain.get(), kFlags | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) == 0) return absl::OkStatus();
  // Not every hypervisor has machines with an NVRAM.
  const virErrorPtr error = api().last_error();
  const bool knows_none = error != nullptr && error->code == VIR_ERR_INVALID_ARG;
  if (knows_none && api().undefine(found.domain.get(), kFlags) == 0) return absl::OkStatus();
  absl::Status failure = api().Failure("removing the machine's definition");
  return absl::IsNotFound(failure) ? absl::OkStatus() : failure;
}

absl::Status LibvirtDriver::Leave(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  return Remove(found, true);
}

absl::Status LibvirtDriver::Settle(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  if (found.presence() != v1::MIGRATION_PRESENCE_STOPPED) return absl::OkStatus();
  // One that its owner paused is his business.
  if (found.reason != VIR_DOMAIN_PAUSED_MIGRATION && found.reason != VIR_DOMAIN_PAUSED_STARTING_UP) {
    return absl::OkStatus();
  }
  return api().resume(found.domain.get()) == 0 ? absl::OkStatus() : api().Failure("letting the machine run");
}

absl::Status LibvirtDriver::Resume(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  if (found.presence() == v1::MIGRATION_PRESENCE_RUNNING) return absl::OkStatus();
  if (found.presence() != v1::MIGRATION_PRESENCE_STOPPED) {
    return absl::FailedPreconditionError("the machine is off, and what it had in memory is gone from this host");
  }
  return api().resume(found.domain.get()) == 0 ? absl::OkStatus() : api().Failure("letting the machine run again");
}

absl::Status LibvirtDriver::Drop(const v1::MigrationOrder& /*order*/, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtConnection connection, Open());
  TRUCE_ASSIGN_OR_RETURN(const Found found, Find(connection.get(), memory));
  if (found.domain && found.presence() == v1::MIGRATION_PRESENCE_ABSENT) {
    // Off: only its definition may have come.
    return WordIn(memory, "defined") == found.uuid ? absl::OkStatus() : Remove(found, true);
  }
  return Remove(found, WordIn(memory, "defined") != found.uuid);
}

}  // namespace

std::unique_ptr<MigrationDriver> MakeLibvirtDriver(const MigrationSettings& settings, const std::string& library) {
  return std::make_unique<LibvirtDriver>(settings, library);
}

}  // namespace truce::agent
