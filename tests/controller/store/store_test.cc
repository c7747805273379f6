#include "controller/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/synchronization/notification.h"
#include "controller/store/schema.h"
#include "src/base/soci_without_boost.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-store-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    options_.file = directory_ + "/controller.db";
  }
  ~StoreTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Store> Open() {
    auto store = Store::Open(options_, clock_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  v1::Decision MakeDecision(uint64_t id, const std::string& host = "web-1", const std::string& victim = "redis") {
    v1::Decision decision;
    decision.set_id(id);
    decision.mutable_decided_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    decision.set_host(host);
    decision.set_verdict("apply");
    decision.set_victim(victim);
    decision.set_workload("stress");
    decision.mutable_score()->set_score(87.5);
    return decision;
  }
  v1::Event MakeEvent(uint64_t sequence, const std::string& host) {
    v1::Event event;
    event.set_sequence(sequence);
    event.mutable_occurred_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    event.set_host(host);
    return event;
  }
  v1::ApplicationSignature MakeLearned(const std::string& application, const std::string& model, uint64_t samples) {
    v1::ApplicationSignature learned;
    learned.set_application(application);
    learned.mutable_signature()->set_model_version(model);
    learned.mutable_signature()->add_embedding(0.1F);
    learned.set_sample_count(samples);
    learned.mutable_last_learned_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    return learned;
  }
  v1::Migration MakeMigration(const std::string& id, v1::MigrationPhase phase) {
    v1::Migration migration;
    migration.set_migration_id(id);
    migration.set_workload("batch");
    migration.set_phase(phase);
    migration.set_move_ordered(true);
    migration.mutable_target()->set_presence(v1::MIGRATION_PRESENCE_RUNNING);
    migration.mutable_changed_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
    return migration;
  }
  static v1::ReceiptBatch MakeBatch(uint64_t id, const std::string& lease) {
    v1::ReceiptBatch batch;
    batch.set_batch_id(id);
    auto* receipt = batch.add_receipts();
    receipt->mutable_action()->set_lease_id(lease);
    receipt->mutable_action()->set_victim("redis");
    receipt->set_outcome(v1::RECEIPT_OUTCOME_RELEASED);
    receipt->add_changes()->set_original(std::string("\x00\xff\n", 3));
    return batch;
  }
  static void Ignore(const absl::Status&) {}

  std::string directory_;
  StoreOptions options_;
  FakeClock clock_;
};

TEST_F(StoreTest, KeepsPolicyHoldsAndCountersOverARestart) {
  {
    auto store = Open();
    EXPECT_FALSE(store->restored().policy.has_value());
    v1::Policy policy;
    policy.set_version(3);
    policy.set_floor_cores(0.25);
    store->SaveState(policy, {{"", "maintenance"}, {"web-1", ""}}, Ignore);
    store->Add(MakeDecision(41));
    store->Add(MakeEvent(7, "web-1"));
    ASSERT_TRUE(store->Flush().ok());
  }
  auto store = Open();
  ASSERT_TRUE(store->restored().policy.has_value());
  EXPECT_EQ(store->restored().policy->floor_cores(), 0.25);
  EXPECT_THAT(store->restored().holds,
              testing::ElementsAre(testing::Pair("", "maintenance"), testing::Pair("web-1", "")));
  EXPECT_EQ(store->restored().next_decision_id, 42u);
  EXPECT_EQ(store->restored().next_event_sequence, 8u);
  store->SaveState(std::nullopt, {}, Ignore);
  ASSERT_TRUE(store->Flush().ok());
  store.reset();
  store = Open();
  EXPECT_TRUE(store->restored().policy.has_value()) << "saving no policy forgets none";
  EXPECT_THAT(store->restored().holds, testing::IsEmpty());
}

TEST_F(StoreTest, RestoresTheNewestReceiptsOldestFirst) {
  {
    auto store = Open();
    v1::ReceiptBatch batch;
    for (int i = 0; i < kTeachingReceipts + 2; ++i) batch.add_receipts()->mutable_action()->set_lease_id(StrCat(i));
    ASSERT_TRUE(store->AddReceipts("web-1", batch, Ignore));
    ASSERT_TRUE(store->Flush().ok());
  }
  auto store = Open();
  const auto& receipts = store->restored().receipts;
  ASSERT_EQ(receipts.size(), static_cast<size_t>(kTeachingReceipts));
  EXPECT_EQ(receipts.front().action().lease_id(), "2");
  EXPECT_EQ(receipts.back().action().lease_id(), StrCat(kTeachingReceipts + 1));
  store->DropRestored();
  EXPECT_THAT(store->restored().receipts, testing::IsEmpty());
}

TEST_F(StoreTest, AnswersWithTheNewestLastAndFilters) {
  auto store = Open();
  for (uint64_t i = 1; i <= 5; ++i) store->Add(MakeDecision(i, i == 5 ? "web-2" : "web-1", i == 2 ? "nginx" : "redis"));
  const auto all = store->Decisions("", "", 3);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(3));
  EXPECT_EQ(all->front().id(), 3u);
  EXPECT_EQ(all->back().id(), 5u);
  EXPECT_EQ(all->back().score().score(), 87.5);
  EXPECT_THAT(*store->Decisions("web-1", "", 100), SizeIs(4));
  EXPECT_THAT(*store->Decisions("", "nginx", 100), SizeIs(1));
  for (uint64_t i = 1; i <= 5; ++i) store->Add(MakeEvent(i, "web-1"));
  EXPECT_EQ(store->Events({.after = 2, .limit = 2})->front().sequence(), 3u);
  EXPECT_EQ(store->Events({.limit = 2})->front().sequence(), 4u);
  v1::Event odd;
  odd.set_sequence(1'000);
  odd.set_host("web-9");
  odd.set_workload("shop");
  odd.set_kind("anomaly");
  ASSERT_TRUE(store->Add(odd));
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_THAT(*store->Events({.kinds = {"anomaly", "drift"}}), SizeIs(1));
  EXPECT_THAT(*store->Events({.workload = "shop"}), SizeIs(1));
  EXPECT_THAT(*store->Events({.workload = "shop", .kinds = {"anomal"}}), SizeIs(0)) << "whole words";
}

TEST_F(StoreTest, ARepeatedReceiptBatchIsStoredOnce) {
  auto store = Open();
  absl::Notification stored;
  ASSERT_TRUE(store->AddReceipts("web-1", MakeBatch(1, "a"), [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    stored.Notify();
  }));
  stored.WaitForNotification();
  store->AddReceipts("web-1", MakeBatch(1, "a"), Ignore);
  store->AddReceipts("web-2", MakeBatch(1, "a"), Ignore);  // another host
  store->AddReceipts("web-1", MakeBatch(1, "b"), Ignore);  // an agent that began to count anew
  const auto receipts = store->Receipts("web-1", "", 100);
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  ASSERT_THAT(*receipts, SizeIs(2));
  EXPECT_EQ(receipts->front().receipt().changes(0).original(), std::string("\x00\xff\n", 3)) << "bytes survive";
}

TEST_F(StoreTest, KeepsTheNewestOfWhatWasLearnedOfEachApplicationAndModel) {
  {
    auto store = Open();
    EXPECT_THAT(store->restored().signatures, testing::IsEmpty());
    store->Add({MakeLearned("cache", "m1", 1), MakeLearned("batch", "m1", 2), MakeLearned("cache", "m2", 3)});
    ASSERT_TRUE(store->Flush().ok());
    EXPECT_EQ(store->status().written, 1u) << "a fleet's applications must not fill the queue";
    clock_.Advance(absl::Minutes(1));
    store->Add({MakeLearned("cache", "m1", 40)});
    ASSERT_TRUE(store->Flush().ok()) << store->status().last_error;
  }
  auto store = Open();
  const auto& known = store->restored().signatures;
  ASSERT_THAT(known, SizeIs(3));
  EXPECT_EQ(known[2].application(), "cache") << "the last learned comes last";
  EXPECT_EQ(known[2].signature().model_version(), "m1");
  EXPECT_EQ(known[2].sample_count(), 40u);
  EXPECT_EQ(known[2].signature().embedding(0), 0.1F) << "to the last bit";
}

TEST_F(StoreTest, KeepsBaselinesAndEpisodesOfDriftInTheirLastState) {
  v1::ApplicationBaseline baseline;
  baseline.set_application("cache");
  baseline.set_cpu_model("EPYC");
  baseline.set_size_bucket(2);
  baseline.mutable_levels()->add_sums(0.1);
  v1::DriftEpisode episode;
  episode.set_episode_id("e1");
  episode.set_magnitude(3);
  {
    auto store = Open();
    EXPECT_THAT(store->restored().baselines, testing::IsEmpty());
    ASSERT_TRUE(store->AddDrifts({baseline}, {episode}));
    ASSERT_TRUE(store->Flush().ok()) << store->status().last_error;
    baseline.mutable_levels()->set_sums(0, 0.3);
    episode.set_magnitude(4);
    ASSERT_TRUE(store->AddDrifts({baseline}, {episode}));
    baseline.set_size_bucket(3);
    ASSERT_TRUE(store->AddDrifts({baseline}, {}));
    ASSERT_TRUE(store->Flush().ok()) << store->status().last_error;
  }
  auto store = Open();
  ASSERT_THAT(store->restored().baselines, SizeIs(2));
  EXPECT_EQ(store->restored().baselines[0].cpu_model(), "EPYC");
  EXPECT_EQ(store->restored().baselines[0].levels().sums(0), 0.3) << "to the last bit";
  ASSERT_THAT(store->restored().drift_episodes, SizeIs(1));
  EXPECT_EQ(store->restored().drift_episodes[0].magnitude(), 4);
}

TEST_F(StoreTest, KeepsTheLastStateOfEachMigration) {
  {
    auto store = Open();
    EXPECT_THAT(store->restored().migrations, testing::IsEmpty());
    store->Add(MakeMigration("m1", v1::MIGRATION_PHASE_MOVING));
    store->Add(MakeMigration("m2", v1::MIGRATION_PHASE_RESERVING));
    clock_.Advance(absl::Minutes(1));
    store->Add(MakeMigration("m1", v1::MIGRATION_PHASE_MOVED));
    ASSERT_TRUE(store->Flush().ok()) << store->status().last_error;
  }
  auto store = Open();
  const auto& known = store->restored().migrations;
  ASSERT_THAT(known, SizeIs(2));
  EXPECT_EQ(known[0].migration_id(), "m2");
  EXPECT_EQ(known[0].phase(), v1::MIGRATION_PHASE_RESERVING);
  EXPECT_EQ(known[1].phase(), v1::MIGRATION_PHASE_MOVED) << "the last changed comes last";
  EXPECT_TRUE(known[1].move_ordered());
  EXPECT_EQ(known[1].target().presence(), v1::MIGRATION_PRESENCE_RUNNING);
}

TEST_F(StoreTest, MigrationsUnderWayAreKeptHoweverOldAndEndedOnesAsLongAsTheRest) {
  auto database = *Database::Open(options_.file, 0);
  ASSERT_TRUE(database->Begin().ok());
  ASSERT_TRUE(database->SaveMigration(MakeMigration("open", v1::MIGRATION_PHASE_ROLLING_BACK)).ok());
  for (int i = 0; i < kRestoredMigrations + 2; ++i) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_TRUE(database->SaveMigration(MakeMigration(StrCat("m", i), v1::MIGRATION_PHASE_UNCERTAIN)).ok());
  }
  ASSERT_TRUE(database->Commit().ok());
  const auto state = database->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_THAT(state->migrations, SizeIs(kRestoredMigrations + 1));
  EXPECT_EQ(state->migrations[0].migration_id(), "open");
  EXPECT_EQ(state->migrations[1].migration_id(), "m2") << "of those that ended, the newest";
  ASSERT_TRUE(database->Prune(clock_.Now() + absl::Seconds(1), 1'000, 1'000).ok());
  EXPECT_EQ(*database->CountRows("migrations"), 1);
}

TEST_F(StoreTest, KeepsTheLastStateOfARollout) {
  {
    auto store = Open();
    v1::RolloutState rollout;
    rollout.set_kind(v1::MODEL_KIND_DEMAND);
    rollout.set_phase(v1::ROLLOUT_PHASE_CANARY);
    store->Add(rollout);
    rollout.set_phase(v1::ROLLOUT_PHASE_WATCHED);
    rollout.mutable_champion()->set_sha256("abc");
    v1::LossBucket& bucket = *rollout.mutable_trial_now()->add_buckets();
    bucket.set_index(28'333'334);
    bucket.set_loss_sum(0.1 + 0.2);
    store->Add(rollout);
    ASSERT_TRUE(store->Flush().ok());
  }
  const auto restored = Open()->restored().rollouts;
  ASSERT_EQ(restored.size(), 1u);
  EXPECT_EQ(restored[0].phase(), v1::ROLLOUT_PHASE_WATCHED);
  EXPECT_EQ(restored[0].champion().sha256(), "abc");
  EXPECT_EQ(restored[0].trial_now().buckets(0).index(), 28'333'334);
  EXPECT_EQ(restored[0].trial_now().buckets(0).loss_sum(), 0.1 + 0.2) << "to the last bit";
}

v1::DemandBlock MakeDemandBlock(const std::string& workload, int64_t second, float cores) {
  v1::DemandBlock block;
  block.set_host("web-1");
  block.set_workload(workload);
  block.mutable_began_at()->set_seconds(second);
  block.add_cpu_cores(cores);
  block.add_cpu_cores(std::numeric_limits<float>::quiet_NaN());
  return block;
}

TEST_F(StoreTest, WhatWorkloadsUsedComesBackOldestFirstWithItsGaps) {
  {
    auto store = Open();
    store->AddDemand({MakeDemandBlock("redis", 3600, 1), MakeDemandBlock("redis", 0, 2), MakeDemandBlock("web", 0, 3)});
    store->AddDemand({MakeDemandBlock("redis", 3600, 1.5F)});
    EXPECT_TRUE(store->Flush().ok());
  }
  auto store = Open();
  const auto& blocks = store->restored().demand_blocks;
  ASSERT_THAT(blocks, SizeIs(3));
  EXPECT_EQ(blocks[2].began_at().seconds(), 3600);
  EXPECT_EQ(blocks[2].cpu_cores(0), 1.5F) << "the newer took the place of the older";
  EXPECT_TRUE(std::isnan(blocks[2].cpu_cores(1)));
}

TEST_F(StoreTest, OfWhatWorkloadsUsedTheNewestIsKept) {
  auto database = *Database::Open(options_.file, 0);
  ASSERT_TRUE(database->Begin().ok());
  for (size_t i = 0; i < kMostStoredDemandBlocks + 10; ++i) {
    ASSERT_TRUE(database->SaveDemandBlock(MakeDemandBlock("redis", static_cast<int64_t>(i) * 3600, 1)).ok());
  }
  ASSERT_TRUE(database->Commit().ok());
  ASSERT_TRUE(database->Prune(absl::UnixEpoch(), 1'000, 1'000).ok());
  EXPECT_EQ(*database->CountRows("demand_blocks"), static_cast<int64_t>(kMostStoredDemandBlocks));
  const auto state = database->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->demand_blocks.front().began_at().seconds(), 10 * 3600);
}

TEST_F(StoreTest, BringsADatabaseOfVersionOneUpToDate) {
  {
    soci::session sql(soci::sqlite3, "db=" + options_.file);
    ASSERT_TRUE(Migrate(sql, 1).ok());
    sql << "INSERT INTO decisions (id, at, host, victim, workload, verdict, body) VALUES (9, 1700000000000000, "
           "'web-1', "
           "'redis', 'stress', 'apply', '{\"id\": \"9\", \"host\": \"web-1\"}')";
    int tables = -1;
    sql << "SELECT COUNT(*) FROM sqlite_master WHERE name = 'pair_minutes'", soci::into(tables);
    ASSERT_EQ(tables, 0) << "version 1 has no history";
  }
  auto store = Open();
  EXPECT_EQ(store->restored().next_decision_id, 10u);
  EXPECT_EQ(store->Decisions("", "", 10)->front().id(), 9u);
  store->Add(PairMinute{clock_.Now(), "web-1", "redis", "stress", 50, 80, 12});
  store->Add(WorkloadMinute{clock_.Now(), "web-1", "redis", 0.5, 0.9, 12});
  store->Add({MakeLearned("cache", "m1", 1)});
  store->Add(MakeMigration("m1", v1::MIGRATION_PHASE_MOVED));
  store->Add(v1::RolloutState());
  EXPECT_TRUE(store->Flush().ok());
}

TEST_F(StoreTest, RefusesADatabaseThatANewerControllerWrote) {
  {
    soci::session sql(soci::sqlite3, "db=" + options_.file);
    sql << "CREATE TABLE schema_version (version BIGINT NOT NULL)";
    sql << "INSERT INTO schema_version VALUES (99)";
  }
  const auto store = Store::Open(options_, clock_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("version 99"));
}

TEST_F(StoreTest, SaysWhatIsWrongWithABrokenFileASecondControllerAndAMissingDirectory) {
  std::ofstream(options_.file) << std::string(8192, 'x');
  const auto broken = Store::Open(options_, clock_);
  EXPECT_EQ(broken.status().code(), absl::StatusCode::kDataLoss) << broken.status();
  EXPECT_THAT(std::string(broken.status().message()), HasSubstr("move the file away"));
  std::filesystem::remove(options_.file);
  auto first = Open();
  const auto second = Store::Open(options_, clock_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  options_.file = "/proc/no-such-directory/controller.db";
  EXPECT_EQ(Store::Open(options_, clock_).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(StoreTest, ItsFilesAreForTheControllersUserOnly) {
  const mode_t before = umask(0);
  const auto store = Open();
  store->Add(MakeDecision(1));
  EXPECT_TRUE(store->Flush().ok());
  umask(before);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    struct stat status {};
    ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 1) << "the database and its log";
}

TEST_F(StoreTest, AFullDiskIsCountedAndTheStoreGoesOn) {
  options_.maximum_bytes = 40 * 4096;
  auto store = Open();
  v1::Decision large = MakeDecision(1);
  large.set_reason(std::string(400'000, 'x'));
  store->Add(large);
  const absl::Status full = store->Flush();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(std::string(full.message()), HasSubstr("store.maximum_mib"));
  EXPECT_EQ(store->status().failed, 1u);
  store->Add(MakeDecision(2));
  EXPECT_TRUE(store->Flush().ok()) << "small rows still fit";
  EXPECT_THAT(*store->Decisions("", "", 10), SizeIs(1));
}

TEST_F(StoreTest, AStuckDiskDropsWritesAndNeverBlocksTheCaller) {
  options_.queue_capacity = 100;
  auto store = Open();
  absl::Notification stuck;
  absl::Notification release;
  ASSERT_TRUE(store->AddReceipts("web-1", MakeBatch(1, "a"), [&](const absl::Status&) {
    stuck.Notify();
    release.WaitForNotification();  // the owner thread hangs here, as in a write to a dead disk
  }));
  stuck.WaitForNotification();
  int accepted = 0;
  for (uint64_t i = 1; i <= 150; ++i) accepted += store->Add(MakeDecision(i)) ? 1 : 0;
  EXPECT_EQ(accepted, 100);
  EXPECT_EQ(store->status().dropped, 50u);
  EXPECT_EQ(store->status().queued, 100);
  release.Notify();
}

TEST_F(StoreTest, PrunesByAgeAndByRows) {
  auto database = *Database::Open(options_.file, 0);
  for (uint64_t i = 1; i <= 10; ++i) ASSERT_TRUE(database->Insert(MakeDecision(i)).ok());
  clock_.Advance(absl::Hours(48));
  for (uint64_t i = 11; i <= 20; ++i) ASSERT_TRUE(database->Insert(MakeDecision(i)).ok());
  EXPECT_EQ(*database->Prune(clock_.Now() - absl::Hours(24), 1'000, 4), 4) << "in bites";
  EXPECT_EQ(*database->Prune(clock_.Now() - absl::Hours(24), 1'000, 1'000), 6);
  EXPECT_EQ(*database->Prune(clock_.Now() - absl::Hours(24), 3, 1'000), 7);
  EXPECT_EQ(*database->CountRows("decisions"), 3);
}

TEST_F(StoreTest, AnApplicationThatRunsOnceAMonthIsRemembered) {
  auto database = *Database::Open(options_.file, 0);
  ASSERT_TRUE(database->SaveSignature(MakeLearned("month-end", "m1", 1)).ok());
  clock_.Advance(absl::Hours(30 * 24));
  ASSERT_TRUE(database->SaveSignature(MakeLearned("cache", "m1", 1)).ok());
  ASSERT_TRUE(database->Prune(clock_.Now() - absl::Hours(24), 1, 1).ok());
  const auto state = database->Load();
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_THAT(state->signatures, SizeIs(2));
  EXPECT_EQ(state->signatures[0].application(), "month-end");
}

TEST_F(StoreTest, OfApplicationsTheLastLearnedAreLoadedAndKept) {
  auto database = *Database::Open(options_.file, 0);
  ASSERT_TRUE(database->Begin().ok());
  const size_t count = kMostSignatures + 3;
  for (size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(database->SaveSignature(MakeLearned(StrCat("app", i), "m1", 1)).ok());
    clock_.Advance(absl::Seconds(1));
  }
  ASSERT_TRUE(database->SaveSignature(MakeLearned("app0", "m1", 2)).ok());
  ASSERT_TRUE(database->Commit().ok());
  EXPECT_EQ(*database->CountRows("signatures"), static_cast<int64_t>(count));
  for (const char* when : {"before", "after"}) {
    const auto state = database->Load();
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_THAT(state->signatures, SizeIs(kMostSignatures)) << when;
    EXPECT_EQ(state->signatures.front().application(), "app4") << when;
    EXPECT_EQ(state->signatures.back().application(), "app0") << when << ": it was learned again";
    ASSERT_TRUE(database->Prune(clock_.Now(), 1, 1).ok());
  }
  EXPECT_EQ(*database->CountRows("signatures"), static_cast<int64_t>(kMostSignatures));
}

}  // namespace
}  // namespace truce::controller
