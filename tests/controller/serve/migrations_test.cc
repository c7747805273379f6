// Migrations from end to end in the controller: what operators ask, what two agents are ordered over their streams,
// what is stored and told, and what a controller that is started anew makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Keeps the last desired set that was queued.
class ListeningSink final : public SessionSink {
 public:
  void Queue(v1::ConnectResponse message) override {
    if (message.has_desired_set()) desired = message.desired_set();
  }
  void QueueClose(absl::Status) override {}
  void Pump() override {}
  v1::DesiredSet desired;
};

class ServeMigrationsTest : public testing::Test {
 protected:
  struct Agent {
    std::shared_ptr<ListeningSink> sink = std::make_shared<ListeningSink>();
    uint64_t session = 0;
    v1::Report report;
    uint64_t sequence = 0;
  };

  ServeMigrationsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-migrations-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    Start();
    v1::WorkloadReport* batch =
        AddWorkload({"shop/batch", v1::WORKLOAD_CLASS_BEST_EFFORT, 2}, &agents_["web-1"].report);
    batch->mutable_workload()->add_allowed_levers(v1::LEVER_MIGRATE);
    batch->mutable_workload()->add_migration_drivers("qemu");
    batch->mutable_workload()->set_application("batch");
    batch->mutable_readings()->set_memory_usage_bytes(1 << 30);
    AddWorkload({"shop/db", v1::WORKLOAD_CLASS_CRITICAL, 0.5}, &agents_["web-1"].report);
    agents_["web-2"];
    for (const char* host : {"web-1", "web-2"}) Connect(host);
  }
  ~ServeMigrationsTest() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start(int queue_capacity = 10'000) {
    StoreOptions store_options;
    store_options.queue_capacity = queue_capacity;
    store_options.file = directory_ + "/controller.db";
    auto store = Store::Open(store_options, clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    options.instance = "run";
    core_ = std::make_unique<ControllerCore>(std::move(options), clock_, *store_);
  }
  void Stop() {
    core_.reset();
    store_.reset();
  }
  void Connect(const std::string& host, const std::vector<v1::MigrationStatus>& statuses = {}) {
    Agent& agent = agents_[host];
    agent.session = core_->OnOpened(agent.sink, std::nullopt);
    v1::ConnectRequest request;
    *request.mutable_hello() = MakeHello(host, 8);
    request.mutable_hello()->mutable_inventory()->add_migration_drivers("qemu");
    for (const auto& status : statuses) *request.mutable_hello()->add_migrations() = status;
    core_->OnMessage(agent.session, request);
    Report(host, statuses);
  }
  void Report(const std::string& host, const std::vector<v1::MigrationStatus>& statuses = {}) {
    Agent& agent = agents_[host];
    v1::ConnectRequest request;
    *request.mutable_report() = agent.report;
    request.mutable_report()->set_sequence(++agent.sequence);
    for (const auto& status : statuses) *request.mutable_report()->add_migrations() = status;
    core_->OnMessage(agent.session, request);
  }
  static v1::MigrationStatus Source(v1::MigrationStep step, v1::MigrationProgress progress,
                                    v1::MigrationPresence presence = v1::MIGRATION_PRESENCE_UNSPECIFIED) {
    v1::MigrationStatus status;
    status.set_migration_id("run-m1");
    status.set_role(v1::MIGRATION_ROLE_SOURCE);
    status.set_step(step);
    status.set_progress(progress);
    status.set_presence(presence);
    return status;
  }
  static v1::MigrationStatus Target(v1::MigrationStep step, v1::MigrationProgress progress,
                                    v1::MigrationPresence presence = v1::MIGRATION_PRESENCE_UNSPECIFIED) {
    v1::MigrationStatus status = Source(step, progress, presence);
    status.set_role(v1::MIGRATION_ROLE_TARGET);
    if (step == v1::MIGRATION_STEP_RESERVE) status.set_endpoint("tcp:web-2:49152");
    return status;
  }
  absl::StatusOr<v1::MigrateResponse> Migrate(bool validate_only = false, const std::string& to = "",
                                              const std::string& workload = "batch", const std::string& driver = "") {
    v1::MigrateRequest request;
    request.set_workload(workload);
    request.set_target_host(to);
    request.set_driver(driver);
    request.set_validate_only(validate_only);
    return core_->Migrate(request, "operator alice");
  }
  std::string Refusal(const std::string& to = "", const std::string& workload = "batch",
                      const std::string& driver = "") {
    const auto response = Migrate(true, to, workload, driver);
    EXPECT_FALSE(response.ok());
    return std::string(response.status().message());
  }
  // The step that the host was ordered last; UNSPECIFIED for nothing.
  v1::MigrationStep Step(const std::string& host) {
    // What is not stored is not ordered yet.
    (void)store_->Flush();
    const v1::DesiredSet& desired = agents_[host].sink->desired;
    return desired.migrations().empty() ? v1::MIGRATION_STEP_UNSPECIFIED : desired.migrations(0).step();
  }
  std::vector<v1::Migration> List(const v1::ListMigrationsRequest& request = {}) {
    const auto response = core_->ListMigrations(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return {response->migrations().begin(), response->migrations().end()};
  }
  std::string Events() {
    const auto events = core_->ListEvents({});
    EXPECT_TRUE(events.ok()) << events.status();
    std::vector<std::string> kinds;
    for (const auto& event : events->events()) {
      if (event.kind().starts_with("migration_")) kinds.push_back(event.kind());
    }
    return absl::StrJoin(kinds, " ");
  }
  void MoveIt() {
    Report("web-2", {Target(v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_DONE)});
    Report("web-1", {Source(v1::MIGRATION_STEP_MOVE, v1::MIGRATION_PROGRESS_DONE)});
  }

  std::string directory_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControllerCore> core_;
  std::map<std::string, Agent> agents_;
};

TEST_F(ServeMigrationsTest, AnOperatorsWishIsCarriedOutStepByStepStoredAndTold) {
  const auto begun = Migrate();
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->migration().target_host(), "web-2");
  EXPECT_EQ(begun->migration().migration_id(), "run-m1");
  EXPECT_EQ(begun->migration().reason(), "operator alice asked for it");
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_RESERVE) << "at once, not with the next report";
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_UNSPECIFIED);
  Report("web-2", {Target(v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_DONE)});
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_MOVE)
      << "a host is sent its next step when the other has done the one before";
  Report("web-1", {Source(v1::MIGRATION_STEP_MOVE, v1::MIGRATION_PROGRESS_DONE)});
  Report("web-1", {Source(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_STOPPED)});
  Report("web-2", {Target(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_RUNNING)});
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_FINISH);
  Report("web-2", {Target(v1::MIGRATION_STEP_FINISH, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_RUNNING)});
  Report("web-1", {Source(v1::MIGRATION_STEP_FINISH, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_ABSENT)});
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_MOVED);
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_UNSPECIFIED);
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_UNSPECIFIED);
  EXPECT_EQ(Events(), "migration_begun migration_moved");
  const auto receipts = core_->ListReceipts({});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  ASSERT_THAT(receipts->receipts(), SizeIs(1));
  EXPECT_EQ(receipts->receipts(0).host(), "web-1");
  EXPECT_EQ(receipts->receipts(0).receipt().outcome(), v1::RECEIPT_OUTCOME_MOVED);
  EXPECT_THAT(core_->Metrics().counts.migrations_by_outcome, ElementsAre(testing::Pair("moved", 1u)));
  Stop();
  Start();
  ASSERT_THAT(List(), SizeIs(1)) << "and remembered";
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_MOVED);
  EXPECT_EQ(core_->ListReceipts({})->receipts_size(), 1) << "its receipt is not written twice";
}

TEST_F(ServeMigrationsTest, ADryRunSaysWhatWouldBeDoneAndDoesNothing) {
  const auto would = Migrate(true);
  ASSERT_TRUE(would.ok()) << would.status();
  EXPECT_EQ(would->migration().target_host(), "web-2");
  EXPECT_GT(would->migration().expected_cost_core_seconds(), 0);
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_UNSPECIFIED);
}

TEST_F(ServeMigrationsTest, RefusalsSayWhyAndNameWhatCouldBe) {
  EXPECT_THAT(Refusal("", "bach"), HasSubstr("no workload is named \"bach\""));
  EXPECT_THAT(Refusal("web-3"), AllOf(HasSubstr("no host is named \"web-3\""), HasSubstr("web-1, web-2")));
  EXPECT_THAT(Refusal("web-1"), AllOf(HasSubstr("it is there already"), HasSubstr("these can: web-2")));
  EXPECT_THAT(Refusal("", "batch", "podman"), HasSubstr("can't be moved by \"podman\"; it can be by: qemu"));
  EXPECT_THAT(Refusal("", "db"), HasSubstr("shop/db is critical and is never moved"));
  v1::HoldRequest hold;
  hold.set_host("web-2");
  ASSERT_TRUE(core_->Hold(hold, "alice").ok());
  EXPECT_THAT(Refusal("web-2"),
              AllOf(HasSubstr("host web-2 can't receive shop/batch: it is on hold"), HasSubstr("no host can")));
  EXPECT_THAT(Refusal(), HasSubstr("no host suits shop/batch (web-2: it is on hold)"));
  v1::ResumeRequest resume;
  resume.set_host("web-2");
  ASSERT_TRUE(core_->Resume(resume, "alice").ok());
  v1::SetModeRequest mode;
  mode.mutable_rule()->set_mode(v1::MODE_ADVISE);
  ASSERT_TRUE(core_->SetMode(mode, "alice").ok());
  EXPECT_THAT(Refusal(), HasSubstr("trucectl set mode enforce --workload shop/batch --host web-1"));
  mode.mutable_rule()->set_mode(v1::MODE_ENFORCE);
  ASSERT_TRUE(core_->SetMode(mode, "alice").ok());
  ASSERT_TRUE(Migrate().ok());
  EXPECT_THAT(Refusal(), HasSubstr("host web-1 has a migration under way (run-m1: shop/batch from web-1 to web-2)"));
}

TEST_F(ServeMigrationsTest, RatesOfThePolicyHoldForOperatorsToo) {
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->set_fleet_migrations_per_hour(0);
  ASSERT_TRUE(core_->ApplyPolicy(request, "alice").ok());
  EXPECT_THAT(Refusal(), HasSubstr("the fleet had its 0 migrations of this hour"));
}

TEST_F(ServeMigrationsTest, AHoldTakesBackWhatIsUnderWay) {
  ASSERT_TRUE(Migrate().ok());
  ASSERT_TRUE(core_->Hold({}, "alice").ok());
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_ROLL_BACK) << "orders go on where everything else is held";
  EXPECT_TRUE(agents_["web-2"].sink->desired.hold());
  Report("web-2", {Target(v1::MIGRATION_STEP_ROLL_BACK, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_ABSENT)});
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_ROLLED_BACK);
  EXPECT_THAT(List()[0].detail(), HasSubstr("alice put the fleet on hold"));
  EXPECT_EQ(Events(), "migration_begun migration_rolled_back");
}

TEST_F(ServeMigrationsTest, ALostHostMakesItUncertainAndAnOperatorIsTold) {
  ASSERT_TRUE(Migrate().ok());
  MoveIt();
  Report("web-1", {Source(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_STOPPED)});
  core_->OnClosed(agents_["web-2"].session);
  for (int i = 0; i < 30; ++i) {
    clock_.Advance(absl::Seconds(5));
    Report("web-1", {Source(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_STOPPED)});
    core_->Tick();
  }
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_UNCERTAIN);
  EXPECT_EQ(Events(), "migration_begun migration_uncertain");
  EXPECT_EQ(core_->ListReceipts({})->receipts(0).receipt().outcome(), v1::RECEIPT_OUTCOME_RESTORE_FAILED);
}

// The other host is back, or an operator has looked: what both say decides, and nobody has to guess.
TEST_F(ServeMigrationsTest, AnUncertainOneIsLookedAtAgainWhenAnOperatorAsks) {
  ASSERT_TRUE(Migrate().ok());
  MoveIt();
  const auto stopped = Source(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_STOPPED);
  v1::VerifyMigrationRequest request;
  request.set_migration_id("run-m1");
  const auto refusal = [&] {
    return std::string(core_->VerifyMigration(request, "operator alice").status().message());
  };
  EXPECT_THAT(refusal(), HasSubstr("has not ended yet"));
  core_->OnClosed(agents_["web-2"].session);
  for (int i = 0; i < 30; ++i) {
    clock_.Advance(absl::Seconds(5));
    Report("web-1", {stopped});
    core_->Tick();
  }
  ASSERT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_UNCERTAIN);
  EXPECT_THAT(refusal(), HasSubstr("host web-2 is not connected"));
  Connect("web-2");
  v1::HoldRequest hold;
  hold.set_host("web-2");
  ASSERT_TRUE(core_->Hold(hold, "alice").ok());
  EXPECT_EQ(refusal(), "host web-2 is on hold; trucectl resume ends it");
  v1::ResumeRequest resume;
  resume.set_host("web-2");
  ASSERT_TRUE(core_->Resume(resume, "alice").ok());
  request.set_validate_only(true);
  ASSERT_TRUE(core_->VerifyMigration(request, "operator alice").ok());
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_UNCERTAIN) << "a dry run";
  request.set_validate_only(false);
  const auto verified = core_->VerifyMigration(request, "operator alice");
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->migration().phase(), v1::MIGRATION_PHASE_VERIFYING);
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_VERIFY);
  Report("web-1", {stopped});
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_VERIFY);
  Report("web-2", {Target(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_RUNNING)});
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_FINISH);
  Report("web-2", {Target(v1::MIGRATION_STEP_FINISH, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_RUNNING)});
  Report("web-1", {Source(v1::MIGRATION_STEP_FINISH, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_ABSENT)});
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_MOVED);
  EXPECT_EQ(Events(), "migration_begun migration_uncertain migration_verified migration_moved");
  const auto counts = core_->Metrics().counts;
  EXPECT_THAT(counts.migrations_by_outcome, ElementsAre(testing::Pair("uncertain", 1u))) << "each is counted once";
  EXPECT_THAT(counts.verified_migrations_by_outcome, ElementsAre(testing::Pair("moved", 1u)));
  EXPECT_THAT(refusal(), HasSubstr("it is known how migration run-m1 ended"));
  request.set_migration_id("run-m9");
  EXPECT_EQ(core_->VerifyMigration(request, "alice").status().code(), absl::StatusCode::kNotFound);
}

// A controller that is started anew would know nothing of what was ordered.
TEST_F(ServeMigrationsTest, QuestionsThatNameNobodyAreErrors) {
  v1::ListReceiptsRequest receipts;
  EXPECT_TRUE(core_->ListReceipts(receipts).ok());
  receipts.set_workload("nobody");
  EXPECT_EQ(core_->ListReceipts(receipts).status().code(), absl::StatusCode::kNotFound);
  receipts.set_workload("shop/batch");
  EXPECT_TRUE(core_->ListReceipts(receipts).ok());
  receipts.set_host("nowhere");
  EXPECT_EQ(core_->ListReceipts(receipts).status().code(), absl::StatusCode::kNotFound);
  v1::ListDecisionsRequest decisions;
  decisions.set_workload("nobody");
  EXPECT_EQ(core_->ListDecisions(decisions).status().code(), absl::StatusCode::kNotFound);
  v1::ListEventsRequest events;
  events.set_host("nowhere");
  EXPECT_EQ(core_->ListEvents(events).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServeMigrationsTest, WhatTheStoreRefusesIsNotBegun) {
  Stop();
  Start(/*queue_capacity=*/0);
  for (const char* host : {"web-1", "web-2"}) Connect(host);
  const uint64_t told = core_->Metrics().counts.events;
  ASSERT_TRUE(Migrate().ok());
  EXPECT_EQ(core_->Metrics().counts.events, told + 2) << "that it began, and that it is not stored";
  for (int i = 0; i < 5; ++i) {
    core_->Tick();
    clock_.Advance(absl::Seconds(5));
    for (const char* host : {"web-1", "web-2"}) Report(host);
    EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_UNSPECIFIED) << i;
  }
  EXPECT_GE(core_->Metrics().counts.migration_writes_refused, 4u) << "it is tried again";
  clock_.Advance(absl::Seconds(6));
  core_->Tick();
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_ROLL_BACK) << "what leads to a safe end does not wait for ever";
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_UNSPECIFIED);
  Report("web-2", {Target(v1::MIGRATION_STEP_ROLL_BACK, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_ABSENT)});
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_ROLLED_BACK);
  EXPECT_THAT(List()[0].detail(), HasSubstr("the controller could not store that it goes on"));
}

// One that the store has lost is looked at; until then its hosts must not think that nobody orders it any more.
TEST_F(ServeMigrationsTest, WhatHostsAreAtIsRenewedThoughItIsNotStored) {
  Stop();
  Start(/*queue_capacity=*/0);
  Connect("web-1");
  auto reserved = Target(v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_DONE);
  reserved.set_migration_id("old-m7");
  Connect("web-2", {reserved});
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_RESERVE);
}

// What was taken from it here would travel with it.
TEST_F(ServeMigrationsTest, ItIsMovedWhenNothingIsHeldOnItAnyMore) {
  ASSERT_TRUE(Migrate().ok());
  v1::HeldAction& held = *agents_["web-1"].report.add_held();
  held.mutable_action()->set_lease_id("run-1");
  held.mutable_action()->set_workload("shop/batch");
  held.mutable_action()->set_lever(v1::LEVER_CPU_QUOTA);
  held.mutable_action()->set_quota_cores(1);
  held.mutable_action()->set_mode(v1::MODE_ENFORCE);
  Report("web-1");
  const auto reserved = Target(v1::MIGRATION_STEP_RESERVE, v1::MIGRATION_PROGRESS_DONE);
  Report("web-2", {reserved});
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_UNSPECIFIED);
  EXPECT_THAT(agents_["web-1"].sink->desired.actions(), IsEmpty()) << "it is released";
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_RESERVE);
  agents_["web-1"].report.clear_held();
  Report("web-1");
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_MOVE);
}

TEST_F(ServeMigrationsTest, AControllerThatIsStartedAnewGoesOnWithWhatItStored) {
  ASSERT_TRUE(Migrate().ok());
  MoveIt();
  Stop();
  Start();
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_VERIFYING);
  agents_["web-2"].sink->desired.Clear();
  Connect("web-1", {Source(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_STOPPED)});
  EXPECT_EQ(Step("web-1"), v1::MIGRATION_STEP_VERIFY);
  Connect("web-2", {Target(v1::MIGRATION_STEP_VERIFY, v1::MIGRATION_PROGRESS_DONE, v1::MIGRATION_PRESENCE_RUNNING)});
  EXPECT_EQ(Step("web-2"), v1::MIGRATION_STEP_FINISH);
}

TEST_F(ServeMigrationsTest, ProposedWhereNoLeverHelpsToldOnceExplainedAndBegunUnderItsId) {
  v1::Report& report = agents_["web-1"].report;
  report.mutable_workloads(0)->mutable_workload()->clear_allowed_levers();
  report.mutable_workloads(0)->mutable_workload()->add_allowed_levers(v1::LEVER_MIGRATE);
  report.mutable_workloads(1)->set_diagnosis(v1::DIAGNOSIS_NEIGHBOUR);
  report.mutable_workloads(1)->set_slowdown_ratio(0.5);
  AddPair("shop/db", "shop/batch", 90, &report);
  for (int i = 0; i < 40; ++i) {
    clock_.Advance(absl::Seconds(5));
    for (const char* host : {"web-1", "web-2"}) Report(host);
    core_->Tick();
  }
  ASSERT_THAT(List(), SizeIs(1));
  EXPECT_EQ(List()[0].phase(), v1::MIGRATION_PHASE_PROPOSED);
  EXPECT_EQ(Events(), "migration_proposed");
  const auto decisions = core_->ListDecisions({});
  ASSERT_TRUE(decisions.ok()) << decisions.status();
  EXPECT_EQ(decisions->decisions().rbegin()->verdict(), "propose_migration");
  EXPECT_EQ(decisions->decisions().rbegin()->lease_id(), List()[0].migration_id());
  v1::ExplainRequest explain;
  explain.set_victim("db");
  const auto explained = core_->Explain(explain);
  ASSERT_TRUE(explained.ok()) << explained.status();
  EXPECT_THAT(explained->sentences(), Contains(HasSubstr("Moving shop/batch to web-2 by qemu is proposed")));
  v1::ListWorkloadsRequest workloads;
  workloads.set_workload("batch");
  EXPECT_THAT(core_->ListWorkloads(workloads)->workloads(0).migration(),
              HasSubstr("trucectl migrate shop/batch --host web-1 begins it"));
  EXPECT_THAT(core_->Metrics().migrations_by_phase, ElementsAre(testing::Pair("proposed", 1)));

  const auto begun = Migrate();
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->migration().migration_id(), decisions->decisions().rbegin()->lease_id());
  EXPECT_EQ(begun->migration().victim(), "shop/db");
  EXPECT_DOUBLE_EQ(begun->migration().victim_slowdown_before(), 0.5);
  EXPECT_THAT(begun->migration().reason(), HasSubstr("it was proposed because shop/db is slowed by shop/batch"));
  EXPECT_THAT(List(), SizeIs(1));
}

TEST_F(ServeMigrationsTest, ListsByHostAndByWorkloadOrVictim) {
  ASSERT_TRUE(Migrate().ok());
  v1::ListMigrationsRequest request;
  request.set_host("web-2");
  EXPECT_THAT(List(request), SizeIs(1)) << "as its target";
  request.set_workload("batch");
  EXPECT_THAT(List(request), SizeIs(1));
  request.set_workload("db");
  EXPECT_THAT(List(request), IsEmpty());
  request.Clear();
  request.set_host("web-9");
  EXPECT_EQ(core_->ListMigrations(request).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServeMigrationsTest, WhatIsOnItsWayCountsWhereOthersArePlaced) {
  v1::ScoreHostsRequest request;
  request.add_hosts("web-2");
  const double before = core_->places().ScoreHosts(request)->hosts(0).free_cpu_cores();
  ASSERT_TRUE(Migrate().ok());
  EXPECT_DOUBLE_EQ(core_->places().ScoreHosts(request)->hosts(0).free_cpu_cores(), before - 2);
}

}  // namespace
}  // namespace truce::controller
