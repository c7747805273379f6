// The controller's memory on disk: one owner thread that writes what a bounded queue hands it, so that a slow disk
// never makes a stream wait. What doesn't fit is dropped and counted. ControllerCore writes; the operator service
// reads.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controller/store/database.h"
#include "src/base/clock.h"

namespace truce::controller {

struct StoreOptions {
  std::string file = "/var/lib/truce/controller.db";
  // Writes that may wait; more are dropped.
  int queue_capacity = 10'000;
  // Rows older than this, and in each table all but the newest so many, are deleted in the background. Signatures of
  // applications are kept by their number alone (kMostSignatures).
  absl::Duration retention_age = absl::Hours(7 * 24);
  int retention_rows = 1'000'000;
  absl::Duration prune_interval = absl::Minutes(1);
  // Bound of the file; zero for none.
  int64_t maximum_bytes = 0;
};

struct StoreStatus {
  int queued = 0;
  uint64_t written = 0;
  // Writes that the queue had no room for, and writes that the database refused.
  uint64_t dropped = 0;
  uint64_t failed = 0;
  // The last refusal; OK once a later write worked.
  absl::Status last_error;
};

// Thread-safe.
class Store {
 public:
  // Opens the database, loads the state, starts the owner thread. `clock` outlives the store.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options, const Clock& clock);
  // Writes what is queued, for at most a few seconds, and stops.
  ~Store();

  // What was stored when it was opened, until the one who takes it over drops it. Not thread-safe, unlike the rest:
  // before anything else is done with the store.
  const StoredState& restored() const { return restored_; }
  void DropRestored() { restored_ = {}; }

  // Each returns at once; false when the write was dropped.
  bool Add(v1::Decision decision);
  bool Add(v1::Event event);
  bool Add(PairMinute row);
  bool Add(WorkloadMinute row);
  // As one write, however many they are.
  bool AddDrifts(std::vector<v1::ApplicationBaseline> baselines, std::vector<v1::DriftEpisode> episodes);
  bool AddDemand(std::vector<v1::DemandBlock> blocks);
  bool Add(std::vector<v1::ApplicationSignature> learned);
  // In its last state: takes the place of what was stored of it. `done` as with AddReceipts.
  bool Add(v1::Migration migration, std::function<void(const absl::Status&)> done = {});
  // In its last state, likewise.
  bool Add(v1::RolloutState rollout);
  // What operators set, whole: so that the newest one that is stored makes good what an older one could not. No policy:
  // none was set, and the one in the configuration holds.
  bool SaveState(std::optional<v1::Policy> policy, std::map<std::string, std::string> holds,
                 std::function<void(const absl::Status&)> done);
  // `done` runs on the owner thread once the batch is on disk, or with the error; never when false is returned.
  bool AddReceipts(std::string host, v1::ReceiptBatch batch, std::function<void(const absl::Status&)> done);

  // Wait for the owner thread; DeadlineExceeded after `kQueryTimeout`. Never call them under a lock that a stream
  // needs.
  absl::StatusOr<std::vector<v1::Decision>> Decisions(const std::string& host, const std::string& workload, int limit);
  absl::StatusOr<std::vector<v1::ReceiptRecord>> Receipts(const std::string& host, const std::string& workload,
                                                          int limit);
  absl::StatusOr<std::vector<v1::Event>> Events(EventQuery query);
  // Waits until everything queued so far is written; the error of the last write when it failed.
  absl::Status Flush();

  StoreStatus status() const;

  static constexpr absl::Duration kQueryTimeout = absl::Seconds(3);

 private:
  struct Task {
    std::function<absl::Status(Database&)> run;
    std::function<void(const absl::Status&)> done;  // may be empty
    bool is_write = true;
  };

  Store(StoreOptions options, const Clock& clock, std::unique_ptr<Database> database, StoredState restored);
  bool Post(Task task);
  // Runs a read on the owner thread and waits for it.
  absl::Status Query(std::function<absl::Status(Database&)> run);
  void Run();
  void RunBatch(std::vector<Task> batch);
  void PruneIfDue();

  const StoreOptions options_;
  const Clock& clock_;
  StoredState restored_;
  // Owner thread only.
  const std::unique_ptr<Database> database_;
  absl::Duration next_prune_ = absl::ZeroDuration();

  mutable absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  StoreStatus status_ ABSL_GUARDED_BY(mutex_);
  std::thread owner_;
};

}  // namespace truce::controller
