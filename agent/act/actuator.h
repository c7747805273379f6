// The only part of the agent that changes the host. It takes the controller's desired set, asks the guard about each
// action, journals originals, writes controls, proves them by reading back, and restores everything when a lease ends.
//
//   desired set ─► Guard ─► LeaseBook ─► Journal (fsync) ─► ControlWriter ─► read back
//                                  └────── restore, in reverse order ◄── release, expiry, hold, exit, crash
//
// Called by the agent's tick thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/act/lever_values.h"
#include "agent/act/squeeze.h"
#include "src/base/clock.h"
#include "src/host/cgroup.h"
#include "src/host/resctrl.h"
#include "src/host/writer.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// What the actuator must know of a workload before it touches it.
struct ActionTarget {
  std::string name;
  std::string kind;
  uint64_t instance = 0;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  // After every rule and ceiling (local configuration, controller's mode rules).
  v1::Mode mode = v1::MODE_OBSERVE;
  std::vector<v1::Lever> allowed_levers;
  // Non-empty when somebody else owns its controls ("systemd owns this unit's CPU attributes ...").
  std::string owner_refusal;
  // Non-empty when somebody else keeps its CPUs.
  std::string pin_refusal;
  // Levers of the actions that are held on it, or not wholly restored. For the mover alone: the actuator knows what it
  // holds.
  std::vector<v1::Lever> held_levers;
  // CPUs that somebody was given alone, sorted: nobody is pinned to them.
  std::vector<int> exclusive_cpus;
  // Held by the sampler; outlives the call.
  host::Cgroup* cgroup = nullptr;
  std::optional<double> cpu_usage_cores;
  // Share of its quota's periods in which it was throttled.
  std::optional<double> cpu_throttled_ratio;
  // What it is likely to need within the next seconds at most, in cores; nullopt when nothing is foretold.
  std::optional<double> cpu_foretold_cores;
  // Read and written together.
  std::optional<double> disk_bytes_per_second;
  std::optional<double> network_transmit_bytes_per_second;
  std::optional<double> instructions_per_second;
  // Of WorkloadVerdict.
  std::optional<double> slowdown_ratio;
  std::optional<double> slowdown_since_onset;
  MemoryState memory;
};

// Finds a workload that lives now by name; nullopt when there is none.
using TargetLookup = std::function<std::optional<ActionTarget>(const std::string& name)>;

struct ActuatorOptions {
  // Directory of the journal; created with mode 0700.
  std::string state_directory;
  // What everybody keeps under any action, beside one CPU under a pin.
  LeverFloors floors;
  // Guard's own brake, whatever the controller says: at most so many changes a minute on this host.
  int changes_per_minute = 60;
  // Leases longer than this are cut to it.
  absl::Duration longest_lease = absl::Minutes(5);
  // What is said of a victim looks back so far: for so long after an action began it still shows what was before.
  absl::Duration verdict_age = absl::Seconds(10);
  // An action whose victim has not improved by at least this share of its slowdown after the window is reverted.
  absl::Duration help_window = absl::Seconds(20);
  double help_ratio = 0.1;
  // After such a revert the same (victim, workload, lever) is refused for this long.
  absl::Duration futile_backoff = absl::Minutes(10);
  // A control that somebody else resets is written again after this, doubling each time, and given up after so many.
  absl::Duration reapply_backoff = absl::Seconds(5);
  int reapply_limit = 3;
  SqueezeOptions squeeze;
  // Outlives the actuator; null where there are no classes of cache and memory bandwidth.
  host::Resctrl* resctrl = nullptr;
};

class Actuator {
 public:
  virtual ~Actuator() = default;

  // Makes the host's leased actions equal to the set, or says action by action why not. A repeated set renews leases.
  virtual v1::DesiredSetResult Apply(const v1::DesiredSet& desired, const TargetLookup& targets) = 0;
  // Once per sampling interval: ends leases whose time is up, notices workloads that went away and controls that
  // somebody else reset, reverts what did not help.
  virtual void Tick(const TargetLookup& targets) = 0;
  // Restores everything now and reports `outcome` in the receipts. Errors are per file; the rest goes on.
  virtual absl::Status RestoreAll(v1::ReceiptOutcome outcome) = 0;

  // In the order of application; then, as `unrestored`, those whose lease has ended and of which something could not be
  // put back yet.
  virtual std::vector<v1::HeldAction> held() const = 0;
  // Receipts and events since the last call.
  virtual std::vector<v1::Receipt> TakeReceipts() = 0;
  virtual std::vector<v1::Event> TakeEvents() = 0;
};

// Opens the journal; anything still in it from a run that ended badly is restored first (its receipts say SHUTDOWN).
// `layout`, `clock` and `writer` outlive the actuator.
absl::StatusOr<std::unique_ptr<Actuator>> OpenActuator(const ActuatorOptions& options, const host::CgroupLayout& layout,
                                                       const Clock& clock, host::ControlWriter& writer);

// What `truce-agent restore` and ExecStopPost run: puts back every original that the journal in `state_directory` still
// holds, and empties it. Returns the number of files restored. Calling it twice is harmless. `writer` is asked for when
// it is certain that no agent runs here; not at all where there is no journal.
absl::StatusOr<int> RestoreFromJournal(const std::string& state_directory, const host::CgroupLayout& layout,
                                       const std::function<host::ControlWriter&()>& writer);

}  // namespace truce::agent
