// The host's part in migrations: takes orders, lets drivers carry them out on a thread of its own, and says how far
// they are. What it has begun is journalled, so that an agent that comes back knows what must be looked at.
//
//   orders ─► Take ─► guard ─► queue ─► worker: driver ─► statuses ─► report
//
// Safety: an order names one step; a step is done once however often it is sent; an order that is not renewed in time
// ends as MigrationOrder says. A critical workload is never moved, one whose levers or mode don't allow it neither.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/act/actuator.h"
#include "agent/act/migrate/driver.h"
#include "src/base/clock.h"
#include "src/host/cgroup.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

struct MoverOptions {
  // Its journal lives here, beside the actuator's.
  std::string state_directory;
  // At most so many migrations at a time on this host, whatever the controller wants.
  int most_at_a_time = 2;
  // Target: refuses a reservation that would leave less than this share of the host's memory free.
  double least_free_memory_ratio = 0.1;
  // Where free memory is read (MemAvailable).
  std::string procfs = "/proc";
  // The ceiling of the host's own configuration: below MODE_ENFORCE nothing is moved, and nothing comes.
  v1::Mode mode_ceiling = v1::MODE_ENFORCE;
};

// Called by the agent's tick thread only; the drivers work on threads of its own.
class Mover {
 public:
  virtual ~Mover() = default;
  // The host's whole set of orders; what is missing from it is over. On hold nothing new begins and what can be
  // cancelled is. `targets` finds workloads that live here, with what is held on them: that is released before a move
  // begins.
  virtual void Take(const v1::DesiredSet& desired, const TargetLookup& targets) = 0;
  // Once per sampling interval: orders whose time is up, steps that are done.
  virtual void Tick() = 0;
  // Why nothing may be changed on the workload now: the migration that it leaves this host by; empty when there is
  // none.
  virtual std::string MovingRefusal(const std::string& workload) const = 0;
  // One for each migration that this host has a part in. One that is not in the desired set stays as long as something
  // of it is left here that an operator should know of.
  virtual std::vector<v1::MigrationStatus> statuses() const = 0;
  // Drivers by which the workload could be moved, preferred first, as far as is known: they are asked on a thread of
  // their own when it is first named here and then every minute.
  virtual std::vector<std::string> DriversFor(const Movable& workload) = 0;
  // HostInventory.migration_journal.
  virtual std::string journal() const = 0;
  // Drivers by which this host could receive, and what each of the others lacks; asked every minute.
  virtual std::vector<std::string> ReadyDrivers() const = 0;
  virtual std::map<std::string, std::string> MissingDrivers() const = 0;
  // Events since the last call.
  virtual std::vector<v1::Event> TakeEvents() = 0;
  // Cancels what can be cancelled and waits for the drivers, at most `patience`. Called before the end.
  virtual void Stop(absl::Duration patience) = 0;
};

// Opens the journal: a reservation of an earlier run is dropped unless its workload runs here by now; a move of an
// earlier run is ended or, if it is over, left as it is, and told so. Asks each driver whether it is ready, and waits
// for their answers for at most two seconds; who takes longer is ready when it says so. Without drivers every order is
// refused. Opened after the actuator, whose lock keeps others out of the state directory. `clock` and `layout` outlive
// the mover.
absl::StatusOr<std::unique_ptr<Mover>> OpenMover(const MoverOptions& options,
                                                 std::vector<std::unique_ptr<MigrationDriver>> drivers,
                                                 const host::CgroupLayout& layout, const Clock& clock);

}  // namespace truce::agent
