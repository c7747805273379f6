// An append-only file of checksummed lines (journal_record.h) that outlives crashes: a line is there wholly or not at
// all, a torn end is cut off, a broken line in the middle is told and the rest is used. The journals (journal.h,
// migrate/move_journal.h) keep their records in one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "agent/act/disk.h"
#include "src/host/file.h"

namespace truce::agent {

// Not thread-safe.
class RecordFile {
 public:
  // What the whole file would say if it were written now, for rewriting it.
  using Snapshot = std::function<std::string()>;
  // What one line says, field by field; an error when it makes no sense.
  using Replay = std::function<absl::Status(const std::vector<std::string>& fields)>;

  // The file `name` of `directory`. `what` names it in messages ("the journal"), `remedy` says what comes of it when it
  // can't be written. `disk` outlives the object, and so does what `snapshot` refers to.
  RecordFile(std::string directory, std::string_view name, std::string what, std::string remedy, Disk& disk,
             Snapshot snapshot);

  // Reads what an earlier run left. A file that is missing is empty; broken lines are no error, problems() tells them.
  absl::Status Load(const Replay& replay);
  // Puts whole lines at the end, on disk when `sync`. All or nothing: on ResourceExhausted (full disk, short write) or
  // any other error the file is as it was.
  absl::Status Append(std::string_view lines, bool sync);
  // The file does not say what it should; the next Append or Flush writes it anew.
  void MarkStale() { stale_ = true; }
  // Writes anew what is stale. Cheap when there is nothing to do. When the disk has no room for a new file and `empty`,
  // which an empty file says as well, the old one is emptied.
  absl::Status Flush(bool empty);

  const std::string& path() const { return path_; }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  absl::Status Rewrite();
  absl::Status DiskError(std::string_view doing) const;

  const std::string directory_;
  const std::string path_;
  const std::string what_;
  const std::string remedy_;
  Disk& disk_;
  const Snapshot snapshot_;
  host::UniqueFd fd_;
  // Bytes of the file that are whole records.
  off_t size_ = 0;
  // A file of records that come and go while others stay is rewritten when it is this long.
  static constexpr off_t kCompactBytes = 256 * 1024;
  off_t compact_at_ = kCompactBytes;
  // There may be bytes beyond size_.
  bool torn_ = false;
  bool stale_ = false;
  std::vector<std::string> problems_;
};

}  // namespace truce::agent
