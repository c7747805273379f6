#include "agent/act/migrate/libvirt_machines.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "agent/act/migrate/driver_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// libvirt makes the names of its cgroups no longer.
constexpr size_t kLongestMachineName = 64;

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

}  // namespace

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

v1::MigrationPresence LibvirtMachine::presence() const {
  if (domain == nullptr) return v1::MIGRATION_PRESENCE_ABSENT;
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:
      return v1::MIGRATION_PRESENCE_RUNNING;
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
      return v1::MIGRATION_PRESENCE_STOPPED;
    default:
      return v1::MIGRATION_PRESENCE_ABSENT;
  }
}

absl::StatusOr<LibvirtMachine> LibvirtMachines::Describe(host::LibvirtDomain domain) const {
  LibvirtMachine machine{.domain = std::move(domain)};
  char uuid[VIR_UUID_STRING_BUFLEN] = {};
  if (api().uuid(machine.domain.get(), uuid) != 0 ||
      api().state(machine.domain.get(), &machine.state, &machine.reason, 0) != 0) {
    absl::Status failure = api().Failure("looking at the machine");
    if (absl::IsNotFound(failure)) return LibvirtMachine();
    return failure;
  }
  machine.uuid = uuid;
  return machine;
}

absl::StatusOr<LibvirtMachine> LibvirtMachines::FindByName(const std::string& name) const {
  virDomainPtr domain = api().by_name(connection_.get(), name.c_str());
  if (domain == nullptr) return api().Failure(StrCat("looking for the machine ", name));
  return Describe(host::LibvirtDomain(domain, host::FreeDomain{api_}));
}

absl::StatusOr<LibvirtMachine> LibvirtMachines::Find(const DriverMemory& memory) const {
  const std::string uuid = WordIn(memory, "uuid");
  if (uuid.empty()) return FindByMachineName(WordIn(memory, "machine"));
  virDomainPtr domain = api().by_uuid(connection_.get(), uuid.c_str());
  if (domain != nullptr) return Describe(host::LibvirtDomain(domain, host::FreeDomain{api_}));
  absl::Status failure = api().Failure("looking for the machine");
  if (absl::IsNotFound(failure)) return LibvirtMachine();
  return failure;
}

absl::StatusOr<LibvirtMachine> LibvirtMachines::FindByMachineName(const std::string& machine) const {
  virDomainPtr* list = nullptr;
  const int count = api().list(connection_.get(), &list, 0);
  if (count < 0) return api().Failure("listing the machines");
  std::vector<std::pair<std::string, host::LibvirtDomain>> alike;
  for (int i = 0; i < count; ++i) {
    host::LibvirtDomain domain(list[i], host::FreeDomain{api_});
    const char* name = api().name(domain.get());
    if (name != nullptr && IsMachineOf(machine, name)) alike.emplace_back(name, std::move(domain));
  }
  std::free(list);
  // What is only defined is in nobody's way of one that is on, so all are looked at first.
  std::vector<std::pair<std::string, LibvirtMachine>> on;
  std::vector<std::pair<std::string, LibvirtMachine>> off;
  for (auto& [name, domain] : alike) {
    TRUCE_ASSIGN_OR_RETURN(LibvirtMachine one, Describe(std::move(domain)));
    // It went away just now.
    if (one.domain == nullptr) continue;
    auto& kind = one.presence() == v1::MIGRATION_PRESENCE_ABSENT ? off : on;
    kind.emplace_back(name, std::move(one));
  }
  auto& fit = on.empty() ? off : on;
  if (fit.empty()) return LibvirtMachine();
  if (fit.size() > 1) {
    return absl::FailedPreconditionError(StrCat("the machines ", fit[0].first, " and ", fit[1].first,
                                                " of this host could both have the cgroup ", machine,
                                                ", so it can't be told which is meant; rename one of them"));
  }
  return std::move(fit[0].second);
}

absl::Status LibvirtMachines::Remove(const LibvirtMachine& machine, bool definition) const {
  if (machine.domain == nullptr) return absl::OkStatus();
  if (machine.presence() == v1::MIGRATION_PRESENCE_RUNNING) {
    return absl::FailedPreconditionError("the machine runs, and is not removed");
  }
  const bool persistent = api().is_persistent(machine.domain.get()) == 1;
  if (machine.presence() == v1::MIGRATION_PRESENCE_STOPPED && api().destroy(machine.domain.get()) != 0) {
    absl::Status failure = api().Failure("ending the machine");
    return absl::IsNotFound(failure) ? absl::OkStatus() : failure;
  }
  if (!persistent || !definition) return absl::OkStatus();
  // What was moved live has no saved memory here. A machine that has some was saved by somebody, and libvirt refuses to
  // forget it unless it is told to (VIR_DOMAIN_UNDEFINE_MANAGED_SAVE).
  constexpr unsigned kFlags = VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
  if (api().undefine(machine.domain.get(), kFlags | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM) == 0) return absl::OkStatus();
  // Not every hypervisor has machines with an NVRAM.
  const virErrorPtr error = api().last_error();
  const bool knows_none = error != nullptr && error->code == VIR_ERR_INVALID_ARG;
  if (knows_none && api().undefine(machine.domain.get(), kFlags) == 0) return absl::OkStatus();
  absl::Status failure = api().Failure("removing the machine's definition");
  return absl::IsNotFound(failure) ? absl::OkStatus() : failure;
}

absl::Status LibvirtMachines::LetRun(const LibvirtMachine& machine) const {
  return api().resume(machine.domain.get()) == 0 ? absl::OkStatus() : api().Failure("letting the machine run");
}

bool LibvirtMachines::HasJob(virDomainPtr domain, MoveControl& control) const {
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

absl::StatusOr<const host::LibvirtApi*> LibvirtLibrary::Api() {
  const absl::MutexLock lock(&mutex_);
  if (api_ == nullptr) {
    TRUCE_ASSIGN_OR_RETURN(const host::LibvirtApi loaded, host::LibvirtApi::Load(name_));
    api_ = std::make_unique<const host::LibvirtApi>(loaded);
  }
  return api_.get();
}

absl::StatusOr<LibvirtMachines> LibvirtLibrary::Connect(const std::string& uri) {
  if (uri.empty()) return absl::FailedPreconditionError("virtual_machines.libvirt_uri is not set");
  TRUCE_ASSIGN_OR_RETURN(const host::LibvirtApi* const api, Api());
  virConnectPtr connection = api->open(uri.c_str());
  if (connection == nullptr) return api->Failure(StrCat("connecting to libvirt at ", uri));
  return LibvirtMachines(api, host::LibvirtConnection(connection, host::CloseConnection{api}));
}

}  // namespace truce::agent
