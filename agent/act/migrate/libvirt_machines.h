// The machines of one libvirt, over one connection: found by what a driver remembers of them, looked at, removed.
#pragma once

#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/act/migrate/driver.h"
#include "src/host/libvirt_api.h"

namespace truce::agent {

// "qemu-3-web" of "machine.slice/machine-qemu\x2d3\x2dweb.scope" or "machine/qemu-3-web.libvirt-qemu".
std::string MachineNameIn(std::string_view workload);
// Whether the domain's cgroup could have the machine name ("qemu-3-web"), whatever its number.
bool IsMachineOf(std::string_view machine, std::string_view domain);

struct LibvirtMachine {
  // Null when there is none.
  host::LibvirtDomain domain{nullptr, host::FreeDomain{nullptr}};
  std::string uuid;
  // virDomainState, and the reason that goes with it.
  int state = VIR_DOMAIN_NOSTATE;
  int reason = 0;

  // One that is off is absent: nothing is here but what it is made of.
  v1::MigrationPresence presence() const;
};

// A connection may be used by several threads.
class LibvirtMachines {
 public:
  LibvirtMachines(const host::LibvirtApi* api, host::LibvirtConnection connection)
      : api_(api), connection_(std::move(connection)) {}

  const host::LibvirtApi& api() const { return *api_; }
  // NotFound when there is none of the name.
  absl::StatusOr<LibvirtMachine> FindByName(const std::string& name) const;
  // The machine of a memory: by "uuid" on the source, by "machine" on the target. Without a domain when there is none.
  absl::StatusOr<LibvirtMachine> Find(const DriverMemory& memory) const;
  // Names of cgroups keep less than the name of a machine, so several may fit: the one that is on, else the one that is
  // defined. FailedPrecondition when two such fit equally well.
  absl::StatusOr<LibvirtMachine> FindByMachineName(const std::string& machine) const;
  // Ends it unless it runs (FailedPrecondition), and removes its definition if that is wanted; never one with a managed
  // save: that is memory that somebody else put there.
  absl::Status Remove(const LibvirtMachine& machine, bool definition) const;
  absl::Status LetRun(const LibvirtMachine& machine) const;
  // Whether a job is under way at the machine, and in `control` how far it is.
  bool HasJob(virDomainPtr domain, MoveControl& control) const;

 private:
  absl::StatusOr<LibvirtMachine> Describe(host::LibvirtDomain domain) const;

  const host::LibvirtApi* api_;
  host::LibvirtConnection connection_;
};

// Connects to a libvirt, and loads its library when that is first needed. Thread-safe.
class LibvirtLibrary {
 public:
  explicit LibvirtLibrary(std::string name) : name_(std::move(name)) {}
  absl::StatusOr<LibvirtMachines> Connect(const std::string& uri);

 private:
  absl::StatusOr<const host::LibvirtApi*> Api();

  const std::string name_;
  absl::Mutex mutex_;
  // Stays once it is there.
  std::unique_ptr<const host::LibvirtApi> api_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace truce::agent
