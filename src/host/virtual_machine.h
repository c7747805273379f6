// Virtual machines among the workloads: who runs in a cgroup, and by what its hypervisor can be asked.
//
//   a qemu process of the cgroup   its command line says how it was started: name (-name guest=web or -name web),
//                                  monitor socket (-qmp unix:PATH,server=on,... or -chardev socket,id=X,path=PATH with
//                                  -mon chardev=X,mode=control), whether libvirt owns it
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

namespace truce::host {

struct VirtualMachine {
  // As it was started; libvirt's domain name for one of libvirt's.
  std::string name;
  // Of the qemu process.
  int pid = 0;
  // Where QMP is spoken; empty when it has no such socket. libvirt keeps the socket of its machines to itself.
  std::string monitor;
  // libvirt started it (its monitor is libvirt's, below /var/lib/libvirt or /run/libvirt): ask libvirt, not QEMU.
  bool of_libvirt = false;
  // Its command line, word by word.
  std::vector<std::string> arguments;
};

// The machine that runs in the cgroup or below it; nullopt when there is none, or more than one. `procfs` is where
// /proc is.
std::optional<VirtualMachine> FindVirtualMachine(const Cgroup& cgroup, const std::string& procfs);

// The same of one command line, without its pid; nullopt when it is no qemu's.
std::optional<VirtualMachine> VirtualMachineOf(const std::vector<std::string>& arguments);

}  // namespace truce::host
