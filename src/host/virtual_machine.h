// Virtual machines among the workloads: who runs in a cgroup, and by what its hypervisor can be asked.
//
//   a qemu process of the cgroup   its command line says how it was started: name (-name guest=web or -name web),
//                                  monitor socket (-qmp unix:PATH,server=on,... or -chardev socket,id=X,path=PATH with
//                                  -mon chardev=X,mode=control), whether libvirt owns it
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "src/host/cgroup.h"

namespace truce::host {

struct VirtualMachine {
  // As it was started; libvirt's domain name for one of libvirt's.
  std::string name;
  // Of the qemu process.
  int pid = 0;
  // Where QMP is spoken, as this process reaches it; empty when there is no such socket, and for a machine of libvirt,
  // which keeps the socket to itself.
  std::string monitor;
  // libvirt started it (its monitor is libvirt's): ask libvirt, not QEMU.
  bool of_libvirt = false;
  // Its command line, word by word.
  std::vector<std::string> arguments;
};

// The machines that run in the cgroup or below it. `procfs` is where /proc is. Reads the command lines of the processes
// in there, at most 1024 of them: not for every tick.
std::vector<VirtualMachine> FindVirtualMachines(const Cgroup& cgroup, const std::string& procfs);

// The one that runs there; nullopt when there is none, or more than one.
std::optional<VirtualMachine> FindVirtualMachine(const Cgroup& cgroup, const std::string& procfs);

// The same of one command line, without its pid; nullopt when it is no qemu's.
std::optional<VirtualMachine> VirtualMachineOf(const std::vector<std::string>& arguments);

}  // namespace truce::host
