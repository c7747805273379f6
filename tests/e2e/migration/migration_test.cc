// A real, running machine of QEMU's that slows its neighbour, and that no lever may touch, moves to another host by a
// decision of the planner; and one whose new host refuses it runs on where it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>

#include "src/host/qmp.h"
#include "tests/e2e/fixture_host.h"
#include "tests/e2e/fleet.h"
#include "tests/fixtures/real_qemu.h"
#include "truce/v1/operator.pb.h"

namespace truce::e2e {
namespace {

using testing::HasSubstr;

// The planner waits a minute before it believes that no lever helps, and emulated machines take their time.
constexpr absl::Duration kMigrationPatience = absl::Minutes(4);

// What an operator installs on a host that receives machines: starts one that waits for its state.
// clang-format off: it takes the script for C++.
constexpr char kStartCommand[] = R"sh(#!/bin/bash
set -e
incoming=$(sed 's/.*"incoming":"\([^"]*\)".*/\1/')
cgroup=ROOT/cgroup/batch/indexer
mkdir -p $cgroup
printf 'usage_usec 1\nuser_usec 1\nsystem_usec 0\n' >$cgroup/cpu.stat
echo 'max 100000' >$cgroup/cpu.max
echo 1048576 >$cgroup/memory.current
rm -f ROOT/monitor
setsid QEMU -nodefaults -no-user-config -display none -accel tcg -name indexer -m MEMORY \
  -qmp unix:ROOT/monitor,server=on,wait=off -incoming "$incoming" >ROOT/qemu.log 2>&1 </dev/null &
echo $! >ROOT/pid
echo $! >$cgroup/cgroup.procs
ln -s /proc/$! ROOT/proc/$!
tries=300
while [ ! -S ROOT/monitor ] && [ $((tries--)) -gt 0 ]; do sleep 0.1; done
echo '{"monitor": "ROOT/monitor", "workload": "batch/indexer"}'
)sh";
// clang-format on

class MigrationTest : public testing::Test {
 protected:
  // A source where the machine runs beside the victim, and a target that would start it with so much memory.
  void SetUpHosts(const std::string& target_memory) {
    fleet_.StartController();
    machine_ =
        std::make_unique<test::RealQemu>(std::vector<std::string>{"-accel", "tcg", "-name", "indexer", "-m", "64"});
    ASSERT_TRUE(machine_->up()) << machine_->why();
    source_.LetRun(kAggressor, machine_->pid());
    target_.RemoveCgroup(kAggressor);
    const std::string command = target_.Path("start-machine");
    std::string script = kStartCommand;
    for (const auto& [word, value] : {std::pair<std::string, std::string>{"ROOT", target_.root()},
                                      {"QEMU", test::RealQemu::kProgram},
                                      {"MEMORY", target_memory}}) {
      for (size_t at = 0; (at = script.find(word, at)) != std::string::npos; at += value.size()) {
        script.replace(at, word.size(), value);
      }
    }
    std::ofstream(command) << script;
    chmod(command.c_str(), 0755);
    source_.StartTime();
    target_.StartTime();
    fleet_.AddAgent("source", source_.root(),
                    "discovery:\n  rules:\n    - {match: shop/*, class: standard}\n"
                    "    - {match: batch/*, kind: machine, class: best_effort, levers: [migrate]}\n"
                    "migration: {drivers: [qemu]}\n");
    fleet_.AddAgent("target", target_.root(),
                    "discovery:\n  rules:\n    - {match: shop/cache, class: standard}\n"
                    "    - {match: batch/*, kind: machine, class: best_effort, levers: [migrate]}\n"
                    "migration: {drivers: [qemu], address: 127.0.0.1, qemu_start_command: " +
                        command + "}\n");
    ASSERT_EQ(fleet_.Ctl({"set", "mode", "enforce", "--class", "best_effort"}).exit_code, 0);
    ASSERT_TRUE(Eventually([this] { return IsKnown("source", kVictim) && IsKnown("target", kBystander); }));
    ASSERT_TRUE(Eventually([this] {
      const auto machines = fleet_.Get<v1::ListWorkloadsResponse>({"get", "workloads", kAggressor});
      return machines.workloads_size() == 1 && machines.workloads(0).report().workload().migration_drivers_size() == 1;
    })) << "how it can be moved is found out on the side";
  }
  void SetUp() override {
    if (const auto missing = test::RealQemu::Missing()) GTEST_SKIP() << *missing;
  }
  void TearDown() override {
    if (const int pid = TargetPid(); pid > 0) kill(pid, SIGKILL);
    if (!HasFailure()) return;
    for (const char* noun : {"hosts", "workloads", "pairs", "decisions", "migrations", "receipts", "events"}) {
      std::fprintf(stderr, "--- %s\n%s\n", noun, fleet_.Ctl({"get", noun}).output.c_str());
    }
  }

  bool IsKnown(const std::string& host, const std::string& workload) {
    const auto workloads = fleet_.Get<v1::ListWorkloadsResponse>({"get", "workloads", workload, "--host", host});
    return workloads.workloads_size() == 1 && workloads.workloads(0).report().diagnosis() == v1::DIAGNOSIS_HEALTHY;
  }
  // The newest migration; a default one while there is none.
  v1::Migration Newest() {
    const auto migrations = fleet_.Get<v1::ListMigrationsResponse>({"get", "migrations"});
    return migrations.migrations_size() == 0 ? v1::Migration()
                                             : migrations.migrations(migrations.migrations_size() - 1);
  }
  bool Ends(v1::MigrationPhase phase) {
    return Eventually([&] { return Newest().phase() == phase; }, kMigrationPatience);
  }
  bool HasReceipt(v1::ReceiptOutcome outcome) {
    const auto receipts = fleet_.Get<v1::ListReceiptsResponse>({"get", "receipts"});
    return std::any_of(receipts.receipts().begin(), receipts.receipts().end(), [&](const v1::ReceiptRecord& record) {
      return record.receipt().outcome() == outcome && record.receipt().action().lever() == v1::LEVER_MIGRATE;
    });
  }
  // Of the machine that the target started; 0 while there is none.
  int TargetPid() const {
    const int pid = std::atoi(ReadText(target_.Path("pid")).c_str());
    const bool runs = pid > 0 && ReadText(StrCat("/proc/", pid, "/cmdline")).find("-incoming") != std::string::npos;
    return runs ? pid : 0;
  }
  // "running", "paused", ...; empty when nobody answers.
  static std::string StatusOf(const std::string& monitor) {
    auto qemu = host::QmpClient::Connect(monitor, absl::Seconds(10));
    if (!qemu.ok()) return "";
    const auto status = (*qemu)->Execute("query-status");
    return status.ok() ? host::TextIn(*status, "status") : "";
  }

  FixtureHost source_{Layout::kV2};
  FixtureHost target_{Layout::kV2};
  Fleet fleet_{{.lease_time_to_live = "30s", .policy = "  migration_mode: enforce\n"}};
  std::unique_ptr<test::RealQemu> machine_;
};

TEST_F(MigrationTest, APlannersDecisionMovesARunningMachine) {
  ASSERT_NO_FATAL_FAILURE(SetUpHosts("64"));
  source_.LetAggressorRun(true);
  ASSERT_TRUE(Ends(v1::MIGRATION_PHASE_MOVED)) << Newest().ShortDebugString();
  source_.LetAggressorRun(false);
  EXPECT_TRUE(Eventually([this] { return StatusOf(machine_->monitor()).empty(); })) << "nothing is left on the source";
  EXPECT_EQ(StatusOf(target_.Path("monitor")), "running");
  EXPECT_EQ(Newest().source_host(), "source");
  EXPECT_EQ(Newest().target_host(), "target");
  EXPECT_EQ(Newest().victim(), kVictim) << "it was the planner's wish, not an operator's";
  EXPECT_GT(Newest().expected_gain_core_seconds(), Newest().expected_cost_core_seconds());
  // The victim is watched for a minute before the receipt is written.
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_MOVED); }, kMigrationPatience));
  EXPECT_THAT(fleet_.Ctl({"get", "decisions"}).output, HasSubstr("migrate"));
  EXPECT_TRUE(source_.ChangedFiles() == std::vector<std::string>{kAggressor + std::string("/cgroup.procs")})
      << "no lever was allowed, and none was used";
}

TEST_F(MigrationTest, AMachineThatItsNewHostRefusesRunsOnWhereItWas) {
  ASSERT_NO_FATAL_FAILURE(SetUpHosts("128"));
  const Outcome begun = fleet_.Ctl({"migrate", kAggressor, "--host", "source", "--to", "target"});
  ASSERT_EQ(begun.exit_code, 0) << begun.output;
  ASSERT_TRUE(Ends(v1::MIGRATION_PHASE_ROLLED_BACK)) << Newest().ShortDebugString();
  EXPECT_EQ(StatusOf(machine_->monitor()), "running");
  EXPECT_TRUE(Eventually([this] { return TargetPid() == 0; })) << "what came is gone";
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_REVERTED); }, kMigrationPatience));
}

}  // namespace
}  // namespace truce::e2e
