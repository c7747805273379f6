// What Truce must put back, on disk before it is changed. An append-only file of checksummed lines:
//
//   header  truce-journal 1 BOOT_ID
//   lease   OWNER HELD_ACTION                       who changes things, for the receipt of a run that ended badly
//   intent  OWNER CONTROLLER PATH FILE INODE ORIGINAL   synced before the file is touched
//   done    CONTROLLER PATH FILE                    the original is back (or the cgroup is gone)
//
// An intent without a done is outstanding. The lease book's actuator and RestoreFromJournal own one each; a lock in the
// directory keeps them apart. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/act/disk.h"
#include "agent/act/record_file.h"
#include "src/host/cgroup.h"
#include "src/host/file.h"

namespace truce::agent {

// A control file whose original must be put back.
struct JournalEntry {
  // Names the (workload, lever) that changed it.
  std::string owner;
  host::Controller controller = host::Controller::kCpu;
  // The cgroup, the file in it, and the inode of its directory in the controller's tree.
  std::string path;
  std::string file;
  uint64_t inode = 0;
  // Its content before, byte for byte.
  std::string original;
  // Rises in the order in which intents were recorded; set by the journal.
  uint64_t sequence = 0;
};

class Journal {
 public:
  // Locks `directory` (made with mode 0700 when missing) and reads what an earlier run left. FailedPrecondition when
  // another process holds the lock. Broken lines are no error: everything readable is outstanding, problems() tells the
  // rest. Entries of another boot (a boot id that is known and differs) are dropped: their cgroups died with the host.
  // `disk` outlives the journal.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& directory, const std::string& boot_id,
                                                       Disk& disk);
  ~Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Puts the owner's lease and the originals on disk; when it returns OK the files may be changed. All or nothing: on
  // ResourceExhausted (full disk, short write) or any other error nothing was recorded and nothing may be changed. None
  // of `intents` may be outstanding already.
  absl::Status Record(const std::string& owner, const std::string& held_action, std::vector<JournalEntry> intents);
  // The originals are back. Forgets them at once; when the disk does not take it, Flush tries again.
  void Close(const std::vector<JournalEntry>& entries);
  // Writes what Close could not write. Cheap when there is nothing to do.
  absl::Status Flush() { return file_.Flush(entries_.empty()); }

  // The outstanding entry of a file, or nullptr. Valid until the next change of the journal.
  const JournalEntry* Find(host::Controller controller, std::string_view path, std::string_view file) const;
  // Outstanding entries in the order of their intents: all, or those of one owner.
  std::vector<JournalEntry> Outstanding() const;
  std::vector<JournalEntry> OutstandingOf(std::string_view owner) const;
  bool empty() const { return entries_.empty(); }
  // What Record was last told of this owner; nullptr when nothing is known.
  const std::string* HeldActionOf(std::string_view owner) const;
  // What was wrong with the file when it was opened, one sentence each.
  const std::vector<std::string>& problems() const { return file_.problems(); }

 private:
  using Key = std::tuple<host::Controller, std::string, std::string>;
  Journal(std::string directory, std::string boot_id, Disk& disk);
  static Key KeyOf(const JournalEntry& entry) { return {entry.controller, entry.path, entry.file}; }

  absl::Status Lock();
  absl::Status Load();
  absl::Status Replay(const std::vector<std::string>& fields, bool* other_boot);
  void ForgetIdleOwners();
  std::string Snapshot() const;

  const std::string directory_;
  const std::string boot_id_;
  host::UniqueFd lock_;
  RecordFile file_;
  uint64_t next_sequence_ = 1;
  std::map<Key, JournalEntry> entries_;
  std::map<std::string, std::string, std::less<>> held_actions_;
};

// This host's boot id, or "" when the kernel does not tell.
std::string ReadBootId();

}  // namespace truce::agent
