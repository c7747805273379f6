// The controller's tables, behind SOCI. Everything here runs on the store's owner thread; SOCI's exceptions stop here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/history.pb.h"
#include "truce/v1/operator.pb.h"
#include "truce/v1/rollout.pb.h"

namespace soci {
class session;
}

namespace truce::controller {

// Most signatures of applications that are kept, those that were learned last; one of each application and model.
// However old they are: an application that runs once a month is worth remembering.
inline constexpr size_t kMostSignatures = 10'000;

// Most baselines of applications that are kept, those that were learned from last, and most episodes of drift, the
// newest. However old they are: an application that runs once a month is worth remembering.
inline constexpr size_t kMostStoredBaselines = 4'000;
inline constexpr size_t kMostStoredEpisodes = 5'000;

// Most rows of what workloads used that are kept, the newest: 24 hours and the one that is going on, of 500 workloads
// (controller/learn/demand_history.h).
inline constexpr size_t kMostStoredDemandBlocks = 12'500;

// So many receipts, the newest, teach the arbiter of a controller that starts.
inline constexpr long long kTeachingReceipts = 10'000;

// So many migrations that ended, the newest, are read back by a controller that starts, and all that are under way.
inline constexpr long long kRestoredMigrations = 1'000;

// What a controller needs back after a restart.
struct StoredState {
  std::optional<v1::Policy> policy;
  // Holds by host with their reason; the host "" is the fleet.
  std::map<std::string, std::string> holds;
  // Hosts that connected, as long as the events of that are kept.
  std::set<std::string> hosts;
  // Continue here.
  uint64_t next_decision_id = 1;
  uint64_t next_event_sequence = 1;
  // What was learned of applications, the longest unlearned first; at most kMostSignatures.
  std::vector<v1::ApplicationSignature> signatures;
  // What is usual for applications, the longest unlearned first; at most kMostStoredBaselines.
  std::vector<v1::ApplicationBaseline> baselines;
  // Earlier drifts, the oldest first; at most kMostStoredEpisodes.
  std::vector<v1::DriftEpisode> drift_episodes;
  // What workloads used, the oldest first; at most kMostStoredDemandBlocks.
  std::vector<v1::DemandBlock> demand_blocks;
  // What the last actions did, oldest first; at most kTeachingReceipts.
  std::vector<v1::Receipt> receipts;
  // Those under way and the newest that ended, the longest unchanged first.
  std::vector<v1::Migration> migrations;
  // Of each kind of model.
  std::vector<v1::RolloutState> rollouts;
};

// A pair's scores within one minute.
struct PairMinute {
  absl::Time minute;
  std::string host;
  std::string victim;
  std::string aggressor;
  double mean_score = 0;
  double worst_score = 0;
  int sample_count = 0;
};

// A workload's CPU use within one minute.
struct WorkloadMinute {
  absl::Time minute;
  std::string host;
  std::string workload;
  double mean_cores = 0;
  double most_cores = 0;
  int sample_count = 0;
};

// Which events are asked for; what is empty or zero bounds nothing.
struct EventQuery {
  std::string host;
  std::string workload;
  std::vector<std::string> kinds;
  // Only those after this sequence, oldest first; zero: the newest ones.
  uint64_t after = 0;
  int limit = 100;
};

// Not thread-safe. Errors name the file and what can be done; ResourceExhausted means a full disk or the size bound.
class Database {
 public:
  // Opens or creates `file` (":memory:" keeps everything in memory) and brings its schema up to date. `maximum_bytes`
  // bounds the file; zero does not. DataLoss for a file that is no database, FailedPrecondition for one that a newer
  // controller wrote or that another one has open.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& file, int64_t maximum_bytes);
  ~Database();

  absl::StatusOr<StoredState> Load();
  absl::Status Begin();
  absl::Status Commit();
  // Never fails for a transaction that is over already.
  void Rollback();

  absl::Status Insert(const v1::Decision& decision);
  absl::Status Insert(const v1::Event& event);
  // A batch that is known already (same host, id and content) is accepted and changes nothing.
  absl::Status Insert(const std::string& host, const v1::ReceiptBatch& batch, absl::Time now);
  absl::Status Insert(const PairMinute& row);
  absl::Status Insert(const WorkloadMinute& row);
  absl::Status SavePolicy(const v1::Policy& policy);
  absl::Status SaveHolds(const std::map<std::string, std::string>& holds);
  // Replaces what was stored of the same application and model.
  absl::Status SaveSignature(const v1::ApplicationSignature& learned);
  // Replaces what was stored of the same application, CPU model and size bucket.
  absl::Status SaveBaseline(const v1::ApplicationBaseline& baseline);
  // Replaces what was stored of it.
  absl::Status SaveDriftEpisode(const v1::DriftEpisode& episode);
  // Replaces what was stored of the same workload and beginning.
  absl::Status SaveDemandBlock(const v1::DemandBlock& block);
  // Replaces what was stored of it.
  absl::Status SaveMigration(const v1::Migration& migration);
  // Replaces what was stored of the same kind of model.
  absl::Status SaveRollout(const v1::RolloutState& rollout);

  // The newest `limit`, newest last. Empty filters let everything through.
  absl::StatusOr<std::vector<v1::Decision>> Decisions(const std::string& host, const std::string& workload, int limit);
  absl::StatusOr<std::vector<v1::ReceiptRecord>> Receipts(const std::string& host, const std::string& workload,
                                                          int limit);
  // With `after`, the oldest `limit` events after that sequence; without, the newest.
  absl::StatusOr<std::vector<v1::Event>> Events(const EventQuery& query);

  // Deletes at most `batch` rows of each table that are older than `oldest` or beyond the newest `rows`. Returns how
  // many went; fewer than `batch` means that it is done for now. Signatures go when they are beyond the newest
  // kMostSignatures, whatever their age, and are not counted; the same of baselines, episodes of drift and what
  // workloads used, by their own bounds; so do migrations, once they have ended, when they are
  // older than `oldest`.
  absl::StatusOr<int64_t> Prune(absl::Time oldest, int64_t rows, int64_t batch);
  absl::StatusOr<int64_t> CountRows(std::string_view table);

 private:
  explicit Database(std::string file);
  // Runs `body` and turns what SOCI throws into a status that begins with `what`.
  absl::Status Guard(std::string_view what, const std::function<void()>& body);
  absl::Status SaveSetting(const std::string& name, const std::string& body);
  int64_t NextId(const std::string& table);
  // demand_blocks.cc. Within a guard.
  std::vector<v1::DemandBlock> LoadDemandBlocks();
  void PruneDemandBlocks();

  std::string file_;
  std::unique_ptr<soci::session> sql_;
  std::map<std::string, int64_t> next_ids_;
};

}  // namespace truce::controller
