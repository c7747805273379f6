// One way to move a workload from host to host. The mover (mover.h) asks drivers, step by step as the controller
// orders; each knows one mechanism and nothing of controllers, leases or journals.
//
//   target  Reserve ─────────► Look ─► Settle           (or Drop)
//   source            Move ──► Look ─► Leave            (or Resume)
//
// At every moment at most one of the two hosts may let the workload run: a driver resumes or settles it only when it is
// told that the other host does not.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/host/cgroup.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// A workload that may be moved.
struct Movable {
  // Its name, kind ("machine", "podman", ...) and application, as reported.
  std::string workload;
  std::string kind;
  std::string application;
  // Outlives the call.
  const host::Cgroup* cgroup = nullptr;
};

// Where a reservation is kept between steps; goes to the mover's journal, so that an agent that was restarted can go on
// or clean up. In the driver's own words, such as "pid=4711 qmp=/run/x.qmp". Must hold everything that Look, Settle,
// Leave, Resume and Drop need.
using DriverMemory = std::string;

struct Reservation {
  // Where the source must send it, in words that the same driver understands on the other host.
  std::string endpoint;
  DriverMemory memory;
};

struct MoveOutcome {
  // For how long the workload stood still; infinite when not known.
  absl::Duration downtime = absl::InfiniteDuration();
  uint64_t moved_bytes = 0;
};

struct Presence {
  v1::MigrationPresence where = v1::MIGRATION_PRESENCE_UNSPECIFIED;
  // The workload's name on this host, when it has a cgroup here.
  std::string workload;
  // Target: it is certain that it is here for good although it does not run: it ran to its end, or its owner has paused
  // it. Until this or RUNNING is seen nothing is removed from the source.
  bool arrived = false;
};

// How a long step tells how it goes, and is told to stop. Thread-safe.
struct MoveControl {
  // Set from outside: give up as soon as that is safe, and leave everything as it was.
  std::atomic<bool> cancelled = false;
  std::atomic<uint64_t> moved_bytes = 0;
};

// Calls come from the mover's threads, one at a time for each migration and possibly several migrations at once, and
// may block for as long as the step takes; none but Move for more than a minute or two. Errors are sentences with a
// remedy; Unavailable says that trying again soon makes sense. No call leaves a half-made change: after an error of
// Reserve, Move or Settle the host is as before the call. Each may be called again after an agent that died within it.
class MigrationDriver {
 public:
  virtual ~MigrationDriver() = default;
  // "qemu", ...: the word of Workload.migration_drivers.
  virtual std::string_view name() const = 0;
  // Why this host can neither send nor receive by it; OK when it can. Cheap enough for once a minute.
  virtual absl::Status Ready() = 0;
  // Why it can't receive although it is ready.
  virtual absl::Status ReadyToReceive() { return absl::OkStatus(); }
  // Whether it could move this one. Cheap: asked when a workload is first seen and then every minute.
  virtual bool CanMove(const Movable& workload) = 0;

  // Source: notes what later steps need of the workload, before anything is done.
  virtual absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) = 0;
  // Target: notes what Drop needs to clean up if the agent dies within Reserve. Changes nothing.
  virtual absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& order) = 0;
  // Target: gets ready to receive what `order` names, as it was planned. When it fails, Look and Drop are called with
  // the plan, in case it left something all the same.
  virtual absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) = 0;
  // Source: moves it to order.endpoint(). When this returns OK it is stopped here and complete there. Cancelled when
  // `control` said so in time; then it runs here as before. Aborted when it failed and runs here as before,
  // ResourceExhausted when it did not begin and may later. Any other error: nobody knows, look.
  // When an agent died within Move, the next one calls it again with `control` cancelled from the start: it begins
  // nothing, ends what still goes on, and says how that ended.
  virtual absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                           MoveControl& control) = 0;
  // Both: where the workload stands on this host now. Changes nothing.
  virtual absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& memory) = 0;
  // Source, when it is certain that it runs on the target: removes what is left here.
  virtual absl::Status Leave(const v1::MigrationOrder& order, const DriverMemory& memory) = 0;
  // Target, when it is certain that it does not run on the source and won't: lets it run, where it does not by itself,
  // and undoes whatever was only for the migration.
  virtual absl::Status Settle(const v1::MigrationOrder& order, const DriverMemory& memory) = 0;
  // Source, when it is certain that it does not run on the target: lets it run here again. OK when it runs already.
  virtual absl::Status Resume(const v1::MigrationOrder& order, const DriverMemory& memory) = 0;
  // Target: removes the reservation and whatever came. OK when there is nothing.
  virtual absl::Status Drop(const v1::MigrationOrder& order, const DriverMemory& memory) = 0;
};

// What a host may be configured with; see `migration` in deploy/truce-agent.yaml.
struct MigrationSettings {
  // Drivers in use, the preferred one first; empty: this host takes no part in migrations.
  std::vector<std::string> drivers;
  // What other hosts reach this one by; needed to receive.
  std::string address;
  // Ports that a target may listen on.
  int first_port = 49152;
  int last_port = 49215;
  // What a move may send in a second; 0: no bound.
  uint64_t bytes_per_second = 0;
  // How long a workload may stand still at the end of a live migration.
  absl::Duration longest_downtime = absl::Milliseconds(300);
  // A move that takes longer is cancelled.
  absl::Duration longest_move = absl::Minutes(10);
  // qemu: the operator's program that starts a machine which waits for its state; see docs/migration.md.
  std::string qemu_start_command;
  // command: the operator's program; see docs/migration.md.
  std::string command;
  // podman: a directory that all hosts share, for checkpoints.
  std::string podman_directory;
  std::string podman_program = "/usr/bin/podman";
  // libvirt: which libvirt here, and by which URI a source reaches the libvirt of the host at `address`.
  std::string libvirt_uri = "qemu:///system";
  std::string libvirt_peer_uri = "qemu+tls://{address}/system";
  // kubernetes: the API server, and the files with the token and the CA of the agent's service account.
  std::string kubernetes_api;
  // The name of this host's node.
  std::string kubernetes_node;
  std::string kubernetes_token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string kubernetes_ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  // Empty: /proc.
  std::string procfs = "/proc";
  // Where cgroups are mounted, as MoverOptions' layout has it.
  std::string cgroup_root = "/sys/fs/cgroup";
  // libvirt writes its machines' processes down below it.
  std::string run_directory = "/run";
};

// The drivers named in the settings, in their order. InvalidArgument for an unknown name.
absl::StatusOr<std::vector<std::unique_ptr<MigrationDriver>>> MakeMigrationDrivers(const MigrationSettings& settings);

}  // namespace truce::agent
