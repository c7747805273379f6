// Puts originals back. The one way in which a change ends, whoever ends it: release, expiry, hold, exit, the next start
// after a crash, `truce-agent restore`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/act/journal.h"
#include "src/host/cgroup.h"
#include "src/host/writer.h"

namespace truce::agent {

// How the restore of one file ended.
struct RestoredFile {
  enum class Result : uint8_t {
    kRestored,  // reads back as the original
    kGone,      // the cgroup went away, or another one has its name now; nothing was written
    kFailed,    // still outstanding
  };
  JournalEntry entry;
  Result result = Result::kFailed;
  // What the file holds now; empty unless restored.
  std::string content;
  // Why it failed.
  absl::Status status;
};

// Puts the originals of `entries` back and closes in the journal what was restored or is gone. Order: the reverse of
// the order in which they were recorded, but a v1 or v2 cpuset before the cpusets nested in it, because a v1 parent
// must be widened before its children. Cgroups that were made below a v1 pin and inherited it are restored with it. A
// file that fails doesn't stop the others.
std::vector<RestoredFile> RestoreEntries(std::vector<JournalEntry> entries, const host::CgroupLayout& layout,
                                         host::ControlWriter& writer, Journal& journal);

// "cpu/truce/redis/cpu.cfs_quota_us": the entry's file below the cgroup root.
std::string EntryName(const JournalEntry& entry, const host::CgroupLayout& layout);

// RestoreFromJournal of actuator.h with the disk handed in.
absl::StatusOr<int> RestoreFromJournalOn(Disk& disk, const std::string& state_directory,
                                         const host::CgroupLayout& layout,
                                         const std::function<host::ControlWriter&()>& writer);

}  // namespace truce::agent
