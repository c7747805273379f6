// What trucectl shows of migrations, and how one is asked for.
#include <gmock/gmock.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class MigrationsCliTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    v1::Migration* moved = controller_.migrations.add_migrations();
    moved->set_migration_id("908bd109-m1");
    moved->set_workload("shop/nightly-batch");
    moved->set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    moved->set_source_host("web-17");
    moved->set_target_host("web-18");
    moved->set_driver("qemu");
    moved->set_phase(v1::MIGRATION_PHASE_MOVED);
    moved->set_victim("shop/shop-db");
    moved->set_reason("shop/shop-db is slowed");
    moved->set_expected_gain_core_seconds(2073.6);
    moved->set_expected_cost_core_seconds(17.1);
    *moved->mutable_created_at() = Ago(absl::Minutes(5));
    *moved->mutable_changed_at() = Ago(absl::Minutes(4));
    moved->mutable_source()->set_moved_bytes(uint64_t{3} << 30);
    moved->mutable_source()->mutable_downtime()->set_nanos(212'000'000);
    v1::Migration* begun = controller_.migrations.add_migrations();
    begun->set_migration_id("908bd109-m2");
    begun->set_workload("pods/web");
    begun->set_source_host("web-17");
    begun->set_driver("kubernetes");
    begun->set_phase(v1::MIGRATION_PHASE_MOVING);
    begun->set_detail("no news");
    begun->set_expected_cost_core_seconds(60);
    *begun->mutable_created_at() = Ago(absl::Seconds(7));
  }
};

TEST_F(MigrationsCliTest, TableSaysWhoGoesWhereAndHowFarItIs) {
  const Result result = RunWith({"get", "migrations"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME         WORKLOAD            FROM    TO                  DRIVER      PHASE   PROTECTS             "
            "GAIN       COST  DETAIL   AGE\n"
            "908bd109-m1  shop/nightly-batch  web-17  web-18              qemu        moved   shop/shop-db  2074 "
            "core-s  17 core-s  -         5m\n"
            "908bd109-m2  pods/web            web-17  (chosen elsewhere)  kubernetes  moving  -                       "
            "-  60 core-s  no news   7s\n");
  EXPECT_EQ(RunWith({"get", "migration", "-o", "name"}).out, "908bd109-m1\n908bd109-m2\n");
  EXPECT_THAT(RunWith({"get", "migrations", "-o", "wide"}).out,
              AllOf(HasSubstr("best_effort"), HasSubstr("3.0G"), HasSubstr("212ms"), HasSubstr("shop-db is slowed")));
  EXPECT_THAT(RunWith({"get", "migrations", "-o", "json"}).out, HasSubstr("\"phase\": \"MIGRATION_PHASE_MOVED\""));
  EXPECT_THAT(RunWith({"get", "migrations", "-o", "yaml"}).out, HasSubstr("migration_id: \"908bd109-m1\""));
}

TEST_F(MigrationsCliTest, FiltersAreTheControllers) {
  RunWith({"get", "migrations", "--host", "web-17", "--workload", "batch", "--limit", "3"});
  EXPECT_EQ(controller_.migrations_request.host(), "web-17");
  EXPECT_EQ(controller_.migrations_request.workload(), "batch");
  EXPECT_EQ(controller_.migrations_request.limit(), 3u);
  controller_.migrations.Clear();
  EXPECT_THAT(RunWith({"get", "migrations"}).err, HasSubstr("no migrations"));
}

TEST_F(MigrationsCliTest, MigrateAsksAndSaysHowToFollowIt) {
  *controller_.migrated.mutable_migration() = controller_.migrations.migrations(0);
  const Result result = RunWith({"migrate", "batch", "--host", "web-17", "--to", "web-18", "--driver", "qemu"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.migrated_request.workload(), "batch");
  EXPECT_EQ(controller_.migrated_request.host(), "web-17");
  EXPECT_EQ(controller_.migrated_request.target_host(), "web-18");
  EXPECT_EQ(controller_.migrated_request.driver(), "qemu");
  EXPECT_FALSE(controller_.migrated_request.validate_only());
  EXPECT_EQ(
      result.out,
      "shop/nightly-batch is being moved from web-17 to web-18 by qemu, which is expected to cost 17 core-seconds "
      "of work (908bd109-m1); follow it with: trucectl get migrations --watch\n");
}

TEST_F(MigrationsCliTest, ADryRunIsMarkedAndNamesNoMigration) {
  *controller_.migrated.mutable_migration() = controller_.migrations.migrations(1);
  controller_.migrated.mutable_migration()->clear_migration_id();
  const Result result = RunWith({"migrate", "web", "--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(controller_.migrated_request.validate_only());
  EXPECT_THAT(result.out, AllOf(HasSubstr("dry run, nothing was changed"),
                                HasSubstr("from web-17 to where its cluster chooses"), Not(HasSubstr("follow it"))));
}

TEST_F(MigrationsCliTest, ARefusalIsToldAndNamesThatAreEmptyAreNotAsked) {
  EXPECT_EQ(RunWith({"migrate"}).code, 2);
  EXPECT_EQ(RunWith({"migrate", "batch", "--to", ""}).code, 2);
  EXPECT_EQ(controller_.calls, 0);
  controller_.failure = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no host suits batch (web-18: full)");
  const Result result = RunWith({"migrate", "batch"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "trucectl: no host suits batch (web-18: full)\n");
}

TEST_F(MigrationsCliTest, VerifyAsksToLookAgain) {
  *controller_.verified.mutable_migration() = controller_.migrations.migrations(0);
  const Result result = RunWith({"verify", "migration", "908bd109-m1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.verified_request.migration_id(), "908bd109-m1");
  EXPECT_FALSE(controller_.verified_request.validate_only());
  EXPECT_EQ(result.out,
            "web-17 and web-18 look again where shop/nightly-batch runs (908bd109-m1); follow it with: trucectl get "
            "migrations --watch\n");
  EXPECT_THAT(RunWith({"verify", "migration", "908bd109-m1", "--dry-run"}).out,
              AllOf(HasSubstr("dry run, nothing was changed"), Not(HasSubstr("follow it"))));
  EXPECT_TRUE(controller_.verified_request.validate_only());
  controller_.verified.mutable_migration()->clear_target_host();
  EXPECT_THAT(RunWith({"verify", "migration", "908bd109-m1"}).out,
              testing::StartsWith("web-17 looks again where shop/nightly-batch runs"))
      << "where its cluster chooses the host";
  EXPECT_EQ(RunWith({"verify", "migration"}).code, 2);
  EXPECT_THAT(RunAlone({"completion", "bash"}).out,
              HasSubstr("_trucectl_dynamic[\"verify migration\"]=\"get migrations -o name\""));
}

TEST_F(MigrationsCliTest, DescribeNamesItsMigration) {
  v1::WorkloadStatus* workload = controller_.workloads.add_workloads();
  workload->mutable_report()->mutable_workload()->set_name("batch");
  EXPECT_THAT(RunWith({"describe", "workload", "batch"}).out, Not(HasSubstr("Migration")));
  workload->set_migration("Moving batch to web-18 is proposed.");
  EXPECT_THAT(RunWith({"describe", "workload", "batch"}).out,
              HasSubstr("Migration:      Moving batch to web-18 is proposed.\n"));
}

TEST_F(MigrationsCliTest, CompletionKnowsThem) {
  const std::string script = RunAlone({"completion", "bash"}).out;
  EXPECT_THAT(script, AllOf(HasSubstr("_trucectl_candidates[\"get migrations\"]"),
                            HasSubstr("_trucectl_dynamic[\"migrate\"]=\"get workloads -o name\""),
                            HasSubstr("--host | --to)"), HasSubstr("--driver)")));
}

}  // namespace
}  // namespace truce::cli
