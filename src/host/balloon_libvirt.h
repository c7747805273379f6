// Balloons of libvirt's machines, through libvirt's own client library.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/host/balloon.h"

namespace truce::host {

struct LibvirtSession;

// One connection, made when it is first needed and anew when it broke. libvirt's calls have no time limit, so each is
// made on a thread of its own; one that takes too long is waited for no longer, and until it is back nothing else is
// asked. Not thread-safe.
class Libvirt {
 public:
  // `uri` as of virsh -c: qemu:///system. `library` is what is loaded.
  Libvirt(const std::string& uri, absl::Duration patience, const std::string& library = "libvirt.so.0");
  ~Libvirt();
  Libvirt(const Libvirt&) = delete;
  Libvirt& operator=(const Libvirt&) = delete;

  // Of the machine of that name. FailedPrecondition when there is no libvirt, no such machine, or no balloon;
  // PermissionDenied when libvirt doesn't let this user; Unavailable when libvirt can't be reached or is slow.
  absl::StatusOr<BalloonState> Look(const std::string& machine);
  absl::Status Ask(const std::string& machine, uint64_t bytes);

 private:
  using Work = std::function<absl::StatusOr<BalloonState>(LibvirtSession&)>;
  // A call is still under way.
  bool Busy() const;
  // Calls it with a connection.
  absl::StatusOr<BalloonState> Run(Work work);
  // Calls it on a thread of its own.
  absl::StatusOr<BalloonState> Start(std::function<absl::StatusOr<BalloonState>()> call);

  const absl::Duration patience_;
  // Shared with a call that is still under way.
  std::shared_ptr<LibvirtSession> session_;
  std::future<absl::StatusOr<BalloonState>> pending_;
};

// `libvirt` is shared by all of its machines.
std::unique_ptr<Balloon> MakeLibvirtBalloon(std::shared_ptr<Libvirt> libvirt, const std::string& machine);

}  // namespace truce::host
