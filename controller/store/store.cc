#include "controller/store/store.h"

#include <algorithm>
#include <utility>

#include "absl/synchronization/notification.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kBatch = 512;
constexpr int64_t kPruneBatch = 2'000;
// How long a stopping controller goes on writing; it has to be gone within 5 s of SIGTERM.
constexpr absl::Duration kDrainTime = absl::Seconds(2);

// A database of the operator's choice may be asked for anything; a person reads at most so much.
int Bounded(int limit) {
  return std::clamp(limit, 1, 10'000);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options, const Clock& clock) {
  TRUCE_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(options.file, options.maximum_bytes));
  TRUCE_ASSIGN_OR_RETURN(StoredState restored, database->Load());
  return std::unique_ptr<Store>(new Store(options, clock, std::move(database), std::move(restored)));
}

Store::Store(StoreOptions options, const Clock& clock, std::unique_ptr<Database> database, StoredState restored)
    : options_(std::move(options)),
      clock_(clock),
      restored_(std::move(restored)),
      database_(std::move(database)),
      owner_([this] { Run(); }) {}

Store::~Store() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  owner_.join();
}

bool Store::Post(Task task) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= static_cast<size_t>(options_.queue_capacity)) {
    ++status_.dropped;
    return false;
  }
  queue_.push_back(std::move(task));
  return true;
}

bool Store::Add(v1::Decision decision) {
  return Post({.run = [row = std::move(decision)](Database& database) { return database.Insert(row); }});
}
bool Store::Add(v1::Event event) {
  return Post({.run = [row = std::move(event)](Database& database) { return database.Insert(row); }});
}
bool Store::Add(PairMinute row) {
  return Post({.run = [row = std::move(row)](Database& database) { return database.Insert(row); }});
}
bool Store::Add(WorkloadMinute row) {
  return Post({.run = [row = std::move(row)](Database& database) { return database.Insert(row); }});
}
bool Store::Add(std::vector<v1::ApplicationSignature> learned) {
  return Post({.run = [learned = std::move(learned)](Database& database) -> absl::Status {
    for (const auto& one : learned) TRUCE_RETURN_IF_ERROR(database.SaveSignature(one));
    return absl::OkStatus();
  }});
}
bool Store::AddDrifts(std::vector<v1::ApplicationBaseline> baselines, std::vector<v1::DriftEpisode> episodes) {
  return Post(
      {.run = [baselines = std::move(baselines), episodes = std::move(episodes)](Database& database) -> absl::Status {
        for (const auto& one : baselines) TRUCE_RETURN_IF_ERROR(database.SaveBaseline(one));
        for (const auto& one : episodes) TRUCE_RETURN_IF_ERROR(database.SaveDriftEpisode(one));
        return absl::OkStatus();
      }});
}
bool Store::AddDemand(std::vector<v1::DemandBlock> blocks) {
  return Post({.run = [blocks = std::move(blocks)](Database& database) -> absl::Status {
    for (const auto& one : blocks) TRUCE_RETURN_IF_ERROR(database.SaveDemandBlock(one));
    return absl::OkStatus();
  }});
}
bool Store::Add(v1::Migration migration, std::function<void(const absl::Status&)> done) {
  return Post({.run = [row = std::move(migration)](Database& database) { return database.SaveMigration(row); },
               .done = std::move(done)});
}
bool Store::Add(v1::RolloutState rollout) {
  return Post({.run = [row = std::move(rollout)](Database& database) { return database.SaveRollout(row); }});
}
bool Store::SaveState(std::optional<v1::Policy> policy, std::map<std::string, std::string> holds,
                      std::function<void(const absl::Status&)> done) {
  return Post({.run = [policy = std::move(policy), holds = std::move(holds)](Database& database) -> absl::Status {
                 if (policy) TRUCE_RETURN_IF_ERROR(database.SavePolicy(*policy));
                 return database.SaveHolds(holds);
               },
               .done = std::move(done)});
}
bool Store::AddReceipts(std::string host, v1::ReceiptBatch batch, std::function<void(const absl::Status&)> done) {
  return Post({.run = [this, host = std::move(host), batch = std::move(batch)](
                          Database& database) { return database.Insert(host, batch, clock_.Now()); },
               .done = std::move(done)});
}

absl::Status Store::Query(std::function<absl::Status(Database&)> run) {
  // Shared, because the owner thread may come to it after this caller gave up.
  auto answered = std::make_shared<absl::Notification>();
  auto answer = std::make_shared<absl::Status>();
  const bool posted = Post({.run = std::move(run),
                            .done =
                                [answered, answer](const absl::Status& status) {
                                  *answer = status;
                                  answered->Notify();
                                },
                            .is_write = false});
  if (!posted) return absl::ResourceExhaustedError("the store's queue is full; its disk is too slow or stuck");
  if (!answered->WaitForNotificationWithTimeout(kQueryTimeout)) {
    return absl::DeadlineExceededError(StrCat("the store did not answer within ", absl::FormatDuration(kQueryTimeout),
                                              "; its disk is too slow or stuck"));
  }
  return *answer;
}

absl::StatusOr<std::vector<v1::Decision>> Store::Decisions(const std::string& host, const std::string& workload,
                                                           int limit) {
  auto rows = std::make_shared<std::vector<v1::Decision>>();
  TRUCE_RETURN_IF_ERROR(Query([=](Database& database) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(*rows, database.Decisions(host, workload, Bounded(limit)));
    return absl::OkStatus();
  }));
  return std::move(*rows);
}

absl::StatusOr<std::vector<v1::ReceiptRecord>> Store::Receipts(const std::string& host, const std::string& workload,
                                                               int limit) {
  auto rows = std::make_shared<std::vector<v1::ReceiptRecord>>();
  TRUCE_RETURN_IF_ERROR(Query([=](Database& database) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(*rows, database.Receipts(host, workload, Bounded(limit)));
    return absl::OkStatus();
  }));
  return std::move(*rows);
}

absl::StatusOr<std::vector<v1::Event>> Store::Events(EventQuery query) {
  query.limit = Bounded(query.limit);
  auto rows = std::make_shared<std::vector<v1::Event>>();
  TRUCE_RETURN_IF_ERROR(Query([=](Database& database) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(*rows, database.Events(query));
    return absl::OkStatus();
  }));
  return std::move(*rows);
}

absl::Status Store::Flush() {
  TRUCE_RETURN_IF_ERROR(Query([](Database&) { return absl::OkStatus(); }));
  return status().last_error;
}

StoreStatus Store::status() const {
  absl::MutexLock lock(&mutex_);
  StoreStatus status = status_;
  status.queued = static_cast<int>(queue_.size());
  return status;
}

void Store::Run() {
  const absl::Time never = absl::InfiniteFuture();
  absl::Time give_up = never;
  while (true) {
    std::vector<Task> batch;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !queue_.empty() || stopping_; };
      mutex_.AwaitWithTimeout(absl::Condition(&ready), std::min(options_.prune_interval, absl::Seconds(5)));
      if (stopping_ && give_up == never) give_up = absl::Now() + kDrainTime;
      if (stopping_ && (queue_.empty() || absl::Now() >= give_up)) {
        status_.dropped += queue_.size();
        return;
      }
      while (!queue_.empty() && batch.size() < kBatch) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    if (!batch.empty()) RunBatch(std::move(batch));
    PruneIfDue();
  }
}

void Store::RunBatch(std::vector<Task> batch) {
  // One transaction for all of them: a commit costs more than the rows in it.
  std::vector<absl::Status> results(batch.size(), absl::OkStatus());
  absl::Status outcome = database_->Begin();
  for (size_t i = 0; i < batch.size() && outcome.ok(); ++i) {
    results[i] = batch[i].run(*database_);
    // A read that fails is the reader's affair; a write that fails takes its transaction with it.
    if (batch[i].is_write) outcome = results[i];
  }
  if (outcome.ok()) outcome = database_->Commit();
  if (!outcome.ok()) database_->Rollback();
  uint64_t writes = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].is_write) ++writes;
    if (!outcome.ok() && results[i].ok()) results[i] = outcome;
  }
  if (writes > 0) {
    absl::MutexLock lock(&mutex_);
    (outcome.ok() ? status_.written : status_.failed) += writes;
    status_.last_error = outcome;
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].done) batch[i].done(results[i]);
  }
}

void Store::PruneIfDue() {
  if (clock_.Monotonic() < next_prune_) return;
  const auto deleted = database_->Prune(clock_.Now() - options_.retention_age, options_.retention_rows, kPruneBatch);
  // In small bites, so that writes never wait long behind a large one; a full bite means that there is more.
  const bool more = deleted.ok() && *deleted >= kPruneBatch;
  next_prune_ = clock_.Monotonic() + (more ? absl::Milliseconds(200) : options_.prune_interval);
}

}  // namespace truce::controller
