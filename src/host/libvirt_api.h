// The part of libvirt's client library that Truce calls, for balloons (balloon_libvirt.h) and migrations, loaded when
// it is first needed: a host without libvirt needs no library. A connection and its domains close themselves; a
// connection may be used by several threads.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::host {

struct LibvirtApi {
  decltype(&virSetErrorFunc) set_error_function = nullptr;
  decltype(&virGetLastError) last_error = nullptr;
  decltype(&virConnectOpen) open = nullptr;
  decltype(&virConnectIsAlive) is_alive = nullptr;
  decltype(&virConnectClose) close = nullptr;
  decltype(&virConnectListAllDomains) list = nullptr;
  decltype(&virDomainLookupByName) by_name = nullptr;
  decltype(&virDomainLookupByUUIDString) by_uuid = nullptr;
  decltype(&virDomainFree) free = nullptr;
  decltype(&virDomainGetName) name = nullptr;
  decltype(&virDomainGetUUIDString) uuid = nullptr;
  decltype(&virDomainGetState) state = nullptr;
  decltype(&virDomainGetInfo) info = nullptr;
  decltype(&virDomainMemoryStats) memory_stats = nullptr;
  decltype(&virDomainSetMemoryFlags) set_memory = nullptr;
  decltype(&virDomainIsPersistent) is_persistent = nullptr;
  decltype(&virDomainMigrateToURI3) migrate = nullptr;
  decltype(&virDomainMigrateSetMaxDowntime) set_downtime = nullptr;
  decltype(&virDomainGetJobStats) job_stats = nullptr;
  decltype(&virDomainAbortJob) abort_job = nullptr;
  decltype(&virTypedParamsFree) free_params = nullptr;
  decltype(&virDomainResume) resume = nullptr;
  decltype(&virDomainDestroy) destroy = nullptr;
  decltype(&virDomainUndefineFlags) undefine = nullptr;

  // Never unloaded: its threads may be in it. FailedPrecondition when it can't be loaded.
  static absl::StatusOr<LibvirtApi> Load(const std::string& library);
  // What this thread's last call failed with: NotFound for a domain that is not there, PermissionDenied, Unavailable
  // when libvirt can't be reached or somebody else is at the domain (it migrates, is saved, or is looked at),
  // FailedPrecondition for the rest.
  absl::Status Failure(std::string_view doing) const;
};

// OK when libvirt itself has written down, in RUN_DIRECTORY/libvirt/qemu/MACHINE.pid, that process `pid` is the machine
// of that name; else FailedPrecondition. A command line that says so proves nothing: anybody may write one.
absl::Status CheckLibvirtsPid(const std::string& machine, int pid, const std::string& run_directory);

struct CloseConnection {
  const LibvirtApi* api;
  void operator()(virConnectPtr connection) const { api->close(connection); }
};
struct FreeDomain {
  const LibvirtApi* api;
  void operator()(virDomainPtr domain) const { api->free(domain); }
};
using LibvirtConnection = std::unique_ptr<virConnect, CloseConnection>;
using LibvirtDomain = std::unique_ptr<virDomain, FreeDomain>;

}  // namespace truce::host
