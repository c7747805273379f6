// Balloons: how much of its memory a virtual machine may keep. Its guest's driver takes pages away from the guest and
// gives them to the host, as far and as fast as the guest can, so what is asked for is there only after a while.
//
//   Balloons ─► FindVirtualMachine ─► Balloon   over the machine's QMP monitor (qmp.h)
//                                               or through libvirt, for libvirt's machines (balloon_libvirt.h)
//
// HostControlWriter has them behind the name of a control file, balloon_bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/host/cgroup.h"
#include "src/host/virtual_machine.h"

namespace truce::host {

struct BalloonState {
  // Memory that the guest has now: all of it without what the balloon holds.
  uint64_t actual_bytes = 0;
  // All of it.
  uint64_t maximum_bytes = 0;
  // What the guest said in the last half minute, if it did: the memory that it sees, and how much of that it could
  // hand out without swapping. Only a machine whose balloon has a polling interval asks its guest.
  std::optional<uint64_t> guest_total_bytes;
  std::optional<uint64_t> guest_available_bytes;
};

// The balloon of one machine. Each call takes a few seconds at the longest. Not thread-safe.
class Balloon {
 public:
  virtual ~Balloon() = default;
  // NotFound when nobody is there to ask (any more), Unavailable when nobody answers in time, FailedPrecondition when
  // the machine has no balloon or doesn't let it be used. The error says what to do.
  virtual absl::StatusOr<BalloonState> Look() = 0;
  // Asks for a size of the guest's memory. OK as soon as the hypervisor took it. After Unavailable or Internal nobody
  // knows whether it did; after other errors it did not.
  virtual absl::Status Ask(uint64_t bytes) = 0;
};

// Over a monitor at this socket, at which process `pid` must listen (0: whoever).
std::unique_ptr<Balloon> MakeQmpBalloon(const std::string& monitor, absl::Duration patience, int pid = 0);

using BalloonMaker = std::function<std::unique_ptr<Balloon>(const VirtualMachine&)>;

// By QMP, or by the libvirt at `libvirt_uri` where the machine is libvirt's. What it makes has `patience` for each
// step. A command line proves nothing: the process itself must listen at its monitor, or libvirt must have written
// down, in RUN_DIRECTORY/libvirt/qemu/NAME.pid, that this process is the machine of that name; else each call is
// FailedPrecondition.
BalloonMaker SystemBalloons(const std::string& libvirt_uri, absl::Duration patience = absl::Seconds(2),
                            const std::string& run_directory = "/run");

struct BalloonsOptions {
  std::string procfs = "/proc";
  BalloonMaker make;
  // A cgroup is searched for its machine again after this.
  absl::Duration search_every = absl::Seconds(10);
  // While nothing is known to have changed, Target looks at the machine so often.
  absl::Duration look_every = absl::Seconds(5);
  // A machine that did not answer in time is left alone for so long.
  absl::Duration quiet = absl::Seconds(20);
};

// The balloons of this host, by the cgroups that their machines run in, and what each was asked for. Errors are those
// of Balloon, with the machine's name; NotFound means that no machine runs in the cgroup. Not thread-safe.
//
// No hypervisor tells what it was asked for, only what the guest has. So Target says what was asked for here, and until
// something was, what the guest has. It goes back to what the guest has when that moves the wrong way by more than
// 16 MiB, away from what was asked for: then somebody else asked for another size, or the guest took memory back (it
// was short of it, or started anew). A guest that is slow to give, or gives nothing, is no reason. After a crash
// nothing is known to have been asked for, so Ask always asks then, even for what the guest has: it may be on its way
// elsewhere.
class Balloons {
 public:
  explicit Balloons(BalloonsOptions options) : options_(std::move(options)) {}

  absl::StatusOr<uint64_t> Target(const Cgroup& cgroup);
  // Does nothing when that is what was asked for last.
  absl::Status Ask(const Cgroup& cgroup, uint64_t bytes);
  absl::StatusOr<BalloonState> Look(const Cgroup& cgroup);

 private:
  struct Asked {
    uint64_t bytes = 0;
    // What the guest had when it was nearest to that.
    uint64_t nearest = 0;
  };
  struct Known {
    absl::Time searched_at = absl::InfinitePast();
    absl::Time used_at;
    // None, or more than one, is an error.
    absl::Status searched;
    VirtualMachine machine;
    std::unique_ptr<Balloon> balloon;
    std::optional<Asked> asked;
    // What the guest had when it was to get another size and the hypervisor refused: to undo that, nothing is to do.
    std::optional<uint64_t> untouched;
    uint64_t actual_bytes = 0;
    absl::Time looked_at = absl::InfinitePast();
    absl::Time quiet_until = absl::InfinitePast();
  };

  absl::StatusOr<Known*> Find(const Cgroup& cgroup);
  void Search(const Cgroup& cgroup, Known& known) const;
  absl::StatusOr<BalloonState> LookAt(const Cgroup& cgroup, Known& known);
  absl::Status Failed(const Cgroup& cgroup, Known& known, const absl::Status& status);

  const BalloonsOptions options_;
  std::map<std::pair<std::string, uint64_t>, Known> known_;  // by path and instance of the cgroup
};

}  // namespace truce::host
