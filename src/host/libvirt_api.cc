#include "src/host/libvirt_api.h"

#include <dlfcn.h>

#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::host {
namespace {

// libvirt prints errors unless somebody else takes them.
void Silence(void* /*data*/, virErrorPtr /*error*/) {}

}  // namespace

absl::StatusOr<LibvirtApi> LibvirtApi::Load(const std::string& library) {
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return absl::FailedPreconditionError(StrCat("libvirt can't be asked: ", dlerror(), "; install libvirt0"));
  }
  LibvirtApi api;
  bool complete = true;
  const auto find = [&]<typename F>(const char* name, F* function) {
    *function = reinterpret_cast<F>(dlsym(handle, name));
    complete &= *function != nullptr;
  };
  find("virSetErrorFunc", &api.set_error_function);
  find("virGetLastError", &api.last_error);
  find("virConnectOpen", &api.open);
  find("virConnectIsAlive", &api.is_alive);
  find("virConnectClose", &api.close);
  find("virConnectListAllDomains", &api.list);
  find("virDomainLookupByName", &api.by_name);
  find("virDomainLookupByUUIDString", &api.by_uuid);
  find("virDomainFree", &api.free);
  find("virDomainGetName", &api.name);
  find("virDomainGetUUIDString", &api.uuid);
  find("virDomainGetState", &api.state);
  find("virDomainGetInfo", &api.info);
  find("virDomainMemoryStats", &api.memory_stats);
  find("virDomainSetMemoryFlags", &api.set_memory);
  find("virDomainIsPersistent", &api.is_persistent);
  find("virDomainMigrateToURI3", &api.migrate);
  find("virDomainMigrateSetMaxDowntime", &api.set_downtime);
  find("virDomainGetJobStats", &api.job_stats);
  find("virDomainAbortJob", &api.abort_job);
  find("virTypedParamsFree", &api.free_params);
  find("virDomainResume", &api.resume);
  find("virDomainDestroy", &api.destroy);
  find("virDomainUndefineFlags", &api.undefine);
  if (!complete) return absl::FailedPreconditionError(StrCat(library, " is no libvirt that Truce knows"));
  api.set_error_function(nullptr, Silence);
  return api;
}

absl::Status LibvirtApi::Failure(std::string_view doing) const {
  const virErrorPtr error = last_error();
  const std::string said = error == nullptr || error->message == nullptr ? "no reason given" : error->message;
  const std::string text = StrCat(doing, ": ", said);
  switch (error == nullptr ? VIR_ERR_OK : error->code) {
    case VIR_ERR_NO_DOMAIN:
      return absl::NotFoundError(text);
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
      return absl::PermissionDeniedError(
          StrCat(text, "; let the agent's user manage machines: usermod -aG libvirt truce-agent"));
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_RPC:
      return absl::UnavailableError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

absl::Status CheckLibvirtsPid(const std::string& machine, int pid, const std::string& run_directory) {
  const std::string file = StrCat(run_directory, "/libvirt/qemu/", machine, ".pid");
  const auto text = machine.find('/') == std::string::npos ? ReadFile(file) : absl::NotFoundError("no file");
  if (text.ok() && FirstNumber(*text) == pid) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("process ", pid, " says that it is libvirt's machine ", machine, ", and ", file, " does not"));
}

}  // namespace truce::host
