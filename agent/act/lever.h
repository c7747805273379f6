// What a lever would write: mechanism without policy. A lever reads the controls of a workload and computes the new
// contents of its files; enact.h writes them, the guard has already said that the action may exist.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/act/journal.h"
#include "src/host/cgroup.h"
#include "src/host/resctrl.h"
#include "src/host/writer.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// What a lever may look at. All of it outlives the call.
struct LeverContext {
  const host::CgroupLayout& layout;
  // Only read from.
  host::ControlWriter& writer;
  // Knows the content before Truce of files that an action already holds.
  const Journal& journal;
  // null where there are no classes of cache and memory bandwidth. Only read from.
  host::Resctrl* resctrl = nullptr;
};

// One file that the action changes.
struct PlannedFile {
  host::ControlFile control;
  // Its content before Truce, byte for byte; for a file that the journal already holds, what it holds.
  std::string original;
  // Its content under the action.
  std::string wanted;
  // The kernel changes it along with another file of the plan: it is neither written nor proved, only restored.
  bool follows = false;
};

// One write on the way there.
struct PlannedWrite {
  host::ControlFile control;
  std::string value;
  // What the kernel changes along with it, and would not change back.
  std::vector<host::ControlFile> also_changes = {};
};

struct LeverPlan {
  // Own the cgroups that the control files point to; the workload's own first.
  std::vector<std::unique_ptr<host::Cgroup>> cgroups;
  // Each file once, in the order in which its original is journalled.
  std::vector<PlannedFile> files;
  // In the order in which they must be made. A file may be written twice (widened, then tightened); a file without a
  // write already holds what is wanted.
  std::vector<PlannedWrite> writes;
  // The writes are for those who came to the workload since the action was applied, and not because somebody reset a
  // control.
  bool only_newcomers = false;
};

// Plans `action` on the cgroup at `path` without touching anything. The error is a refusal, in a sentence with a
// remedy: FailedPrecondition when the controller is not there, InvalidArgument when the value doesn't fit this host,
// NotFound when the workload went away.
absl::StatusOr<LeverPlan> PlanLever(const v1::LeasedAction& action, const std::string& path,
                                    const LeverContext& context);

// LEVER_CPU_PIN: cpuset.cpus. On v1 also of every nested cgroup, because each holds its own copy there: first all are
// widened top-down to what they have and get, then tightened bottom-up. A nested cgroup that was made while the pin was
// in force and inherited it gets the workload's original as its own, or it would stay pinned for ever.
absl::StatusOr<LeverPlan> PlanCpuPin(const v1::LeasedAction& action, const std::string& path,
                                     const LeverContext& context);

// LEVER_CPU_QUOTA: cpu.max (v2) or cpu.cfs_quota_us (v1), with the period left alone. On v1 the kernel wants every
// quota at most its parent's; an action that would break this is refused. A burst (cpu.max.burst, cpu.cfs_burst_us;
// Linux 5.14) is set when the action has one, and lowered when the one that is there would not fit the quota.
absl::StatusOr<LeverPlan> PlanCpuQuota(const v1::LeasedAction& action, const std::string& path,
                                       const LeverContext& context);

// LEVER_CPU_WEIGHT: cpu.weight (v2) or cpu.shares (v1, 1024 for 100). Refused when it would raise the weight of one
// that gives way, or lower that of the victim itself.
absl::StatusOr<LeverPlan> PlanCpuWeight(const v1::LeasedAction& action, const std::string& path,
                                        const LeverContext& context);

// LEVER_CPU_IDLE: cpu.idle (Linux 5.15). The kernel takes the weight away along with it and does not give it back, so
// that is restored too.
absl::StatusOr<LeverPlan> PlanCpuIdle(const v1::LeasedAction& action, const std::string& path,
                                      const LeverContext& context);

// LEVER_MEMORY_SQUEEZE: memory.high (v2) or memory.soft_limit_in_bytes (v1, which the kernel honours only while the
// host as a whole is short of memory), in whole pages. Never above what was there. Of a cgroup that a virtual machine
// runs in, balloon_bytes (src/host/writer_host.h) and nothing else: refused when its balloon can't be used. NotFound
// also when such a machine went away, or came, while the squeeze is in force.
absl::StatusOr<LeverPlan> PlanMemorySqueeze(const v1::LeasedAction& action, const std::string& path,
                                            const LeverContext& context);

// LEVER_DISK_CAP: the devices' lines of io.max (v2) or of blkio.throttle.* (v1). A bound that was there stays where it
// is the lower one.
absl::StatusOr<LeverPlan> PlanDiskCap(const v1::LeasedAction& action, const std::string& path,
                                      const LeverContext& context);

// LEVER_NETWORK_CAP: network_cap (src/host/writer_host.h), in the cgroup2 tree.
absl::StatusOr<LeverPlan> PlanNetworkCap(const v1::LeasedAction& action, const std::string& path,
                                         const LeverContext& context);

// LEVER_CACHE_CLASS: cache_class (src/host/writer_host.h). Refused where somebody else manages classes of the
// workload's threads. What was there before Truce is always the default class.
absl::StatusOr<LeverPlan> PlanCacheClass(const v1::LeasedAction& action, const std::string& path,
                                         const LeverContext& context);

// `value` ended by the white space that ends `like`; a newline when `like` has none and is empty. So contents that
// Truce writes have the form in which the file was found.
std::string InFormOf(std::string_view like, std::string value);

// Reads a control that the lever needs; when it is missing, FailedPrecondition saying that there is no such controller
// on the cgroup and how to get it (NotFound when the cgroup itself went away).
absl::StatusOr<std::string> ReadNeeded(const host::ControlFile& control, const LeverContext& context);

// The same for a file that only some kernels have: nullopt where the cgroup is there without it.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const host::ControlFile& control, const LeverContext& context);

// Whether a v1 tree serves the controller here.
bool IsV1(host::Controller controller, const LeverContext& context);

// Opens the workload's cgroup as the plan's first; valid as long as the plan.
absl::StatusOr<host::Cgroup*> OpenFirst(const std::string& path, const LeverContext& context, LeverPlan* plan);

// Adds a file, and its write unless it holds `value` already. `content` is what it holds now.
void AddFile(const host::ControlFile& control, const std::string& content, const std::string& value,
             const LeverContext& context, LeverPlan* plan);

// The content before Truce: what the journal holds for this very cgroup, or for an earlier one of its name where that
// outlives it, else `current`.
std::string OriginalOf(const host::ControlFile& control, const std::string& current, const LeverContext& context);

// The path of the cgroup above; nullopt for the root.
std::optional<std::string> ParentPath(std::string_view path);

}  // namespace truce::agent
