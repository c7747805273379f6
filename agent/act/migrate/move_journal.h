// What the mover has begun, on disk before a driver changes anything: the file `migrations` of the state directory, one
// whole record for each change of a migration, the last one counts.
//
//   header     truce-migrations 1
//   journal    NAME                            random; another one after the file was lost, emptied or damaged
//   migration  ID STAGE MEMORY ORDER STATUS    the last two as they are on the wire
//   over       ID                              nothing of it is left
//
// Records outlive the boot: a container that was stopped for its move still is afterwards. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/act/disk.h"
#include "agent/act/migrate/driver.h"
#include "agent/act/record_file.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// How far a migration is on this host; live_mover.h says what leads from one to the next.
enum class MoveStage : uint8_t {
  // Never begun; not in the journal.
  kRefused,
  kPreparing,
  // Target.
  kReserving,
  kReserved,
  kArrived,
  kSettled,
  kDropped,
  // Source.
  kMoving,
  kMoved,
  kStayed,
  kResumed,
  kLeft,
};

struct MoveRecord {
  MoveStage stage = MoveStage::kRefused;
  DriverMemory memory;
  v1::MigrationOrder order;
  v1::MigrationStatus status;
};

class MoveJournal {
 public:
  // Reads what an earlier run left. Broken lines are no error: everything readable is in records(), problems() tells
  // the rest. The caller keeps other processes out of `directory`, which is made when it is first written to. `disk`
  // outlives the journal.
  static absl::StatusOr<std::unique_ptr<MoveJournal>> Open(const std::string& directory, Disk& disk);
  MoveJournal(const MoveJournal&) = delete;
  MoveJournal& operator=(const MoveJournal&) = delete;

  // When it returns OK the record is on disk, and the driver may go on. Otherwise nothing was recorded.
  absl::Status Record(const MoveRecord& record);
  // Forgets it. When the disk does not take it, that costs a look at nothing at the next start.
  void Forget(const std::string& migration_id);

  // Gives it a name if it has none.
  void EnsureName();
  // Who knows that the journal had this name at some time knows that nothing was lost of it since: one that lost a line
  // has lost its name. Empty when it has none, or none that could be written down.
  const std::string& name() const { return name_; }
  const std::map<std::string, MoveRecord>& records() const { return records_; }
  const std::vector<std::string>& problems() const { return file_.problems(); }

 private:
  MoveJournal(const std::string& directory, Disk& disk);
  absl::Status Replay(const std::vector<std::string>& fields);
  std::string Snapshot() const;

  const std::string directory_;
  std::string name_;
  RecordFile file_;
  std::map<std::string, MoveRecord> records_;  // by migration
};

}  // namespace truce::agent
