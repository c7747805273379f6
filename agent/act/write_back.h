// How what an action wrote is taken back, one control at a time, where the kernel or systemd don't make that a plain
// write. Restoring (restore.h) and undoing (enact.h) call it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/act/journal.h"
#include "src/host/cgroup.h"
#include "src/host/writer.h"

namespace truce::agent {

// Writes `original` back, or what means the same where the kernel does not take it. Returns what the control may say
// then, any of it.
//
// A cgroup2 kernel takes an empty cpuset.cpus of a cgroup without tasks only. A list of all CPUs that the machine can
// have leaves the cgroup what its parent has just as well, also after CPUs come or the parent's change; but where a
// cgroup beside it is a partition, whose CPUs nobody else's list may have, it is what the parent has now. Of a unit of
// systemd such a list counts as empty: it is what a pin of before left, and systemd is to keep nothing of it.
absl::StatusOr<std::vector<std::string>> WriteBack(const host::ControlFile& control, const std::string& original,
                                                   host::ControlWriter& writer);

// Takes back what outlives the cgroup of `entry`, which is gone, or lacks the control now: from another one that has
// its name, or from systemd alone. OK also when there is nothing.
absl::Status ForgetGone(const JournalEntry& entry, const host::CgroupLayout& layout, host::ControlWriter& writer);

}  // namespace truce::agent
