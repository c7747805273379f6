// The agent's part in migrations, from the hello to the end: it tells by what it could move and receive, takes orders,
// answers them in reports, and leaves nothing behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "agent/agent.h"
#include "src/base/text.h"
#include "tests/agent/link/fake_controller.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kWeb[] = "system.slice/web.service";

class AgentMigrationTest : public testing::Test {
 protected:
  AgentMigrationTest() {
    host_.Put("cgroup/cgroup.controllers", "cpu\n");
    host_.Put(StrCat("cgroup/", kWeb, "/cpu.stat"), "usage_usec 1000\nsystem_usec 0\n");
    host_.Put("sys/devices/system/cpu/online", "0-3\n");
    host_.Put("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
    host_.Put("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n");
    host_.MakeDirectory("run");
    // A program that says yes, and writes down what it was asked.
    host_.Put("program", StrCat("#!/bin/sh\necho $1 >>", host_.Path("asked"),
                                "\ncase $1 in can_move) echo '{\"can_move\": true}' ;; look) echo '{\"where\": "
                                "\"absent\"}' ;; reserve) echo '{\"endpoint\": \"here\"}' ;; esac\n"));
    chmod(host_.Path("program").c_str(), 0755);
    ConfigSource source;
    source.text =
        StrCat("host: test-host\nstate_directory: ", host_.Path("state"), "\npaths: {procfs: ", host_.Path("proc"),
               ", sysfs: ", host_.Path("sys"), ", cgroup: ", host_.Path("cgroup"), ", run: ", host_.Path("run"),
               "}\nmigration: {drivers: [command, podman], command: ", host_.Path("program"),
               "}\nscore: {from: evidence, interval: 500ms}\nsample: {interval: 100ms}\npmu: {enabled: false}\n"
               "metrics: {listen: ''}\ncontroller: {plaintext: true, address: '",
               controller_.address(), "'}\ndiscovery: {rules: [{match: ", kWeb, ", levers: [migrate]}]}\n");
    auto settings = ReadAgentSettings(source);
    if (!settings.ok()) ADD_FAILURE() << settings.status();
    settings_ = *std::move(settings);
    runner_ = std::thread([this] {
      ShutdownSignals signals;
      auto agent = Agent::Create(settings_, SystemClock());
      result_ = agent.ok() ? (*agent)->Run(signals) : agent.status();
    });
    stream_ = controller_.Accept();
  }
  ~AgentMigrationTest() override { Stop(); }

  void Stop() {
    if (!runner_.joinable()) return;
    pthread_kill(runner_.native_handle(), SIGTERM);
    while (stream_->Read().has_value()) {
    }
    runner_.join();
  }
  std::string Asked() const {
    std::ifstream in(host_.Path("asked"));
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void Send(std::vector<v1::MigrationOrder> orders) {
    v1::ConnectResponse response;
    v1::DesiredSet& desired = *response.mutable_desired_set();
    desired.set_version(1);
    desired.set_nonce("n");
    for (v1::MigrationOrder& order : orders) *desired.add_migrations() = std::move(order);
    stream_->Write(response);
  }
  static v1::MigrationOrder Order(const std::string& id, v1::MigrationRole role, v1::MigrationStep step) {
    v1::MigrationOrder order;
    order.set_migration_id(id);
    order.set_role(role);
    order.set_step(step);
    order.set_driver("command");
    order.set_workload(kWeb);
    order.set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
    order.set_memory_bytes(1 << 20);
    order.mutable_time_to_live()->set_seconds(60);
    order.set_mode(v1::MODE_ENFORCE);
    return order;
  }
  // Past answers to desired sets, which say nothing of migrations.
  v1::Report NextReport() {
    while (true) {
      auto request = stream_->Read();
      EXPECT_TRUE(request.has_value()) << "the stream ended";
      if (!request || request->has_report()) return request.value_or(v1::ConnectRequest()).report();
    }
  }
  // The status of the migration in the first report in which it was answered.
  v1::MigrationStatus AwaitAnswer(const std::string& id) {
    for (int i = 0; i < 100; ++i) {
      const v1::Report report = NextReport();
      for (const v1::MigrationStatus& status : report.migrations()) {
        if (status.migration_id() == id && status.progress() != v1::MIGRATION_PROGRESS_WORKING) return status;
      }
    }
    return {};
  }

  test::Tree host_;
  FakeController controller_;
  AgentSettings settings_;
  std::unique_ptr<FakeController::Stream> stream_;
  absl::Status result_ = absl::UnknownError("never returned");
  std::thread runner_;
};

TEST_F(AgentMigrationTest, TellsTakesAndAnswers) {
  const v1::Hello hello = stream_->Expect(v1::ConnectRequest::kHello).hello();
  EXPECT_THAT(hello.inventory().migration_drivers(), ElementsAre("command"));
  EXPECT_EQ(hello.inventory().migration_journal().size(), 32u) << "so that nothing is asked of a lost journal";
  std::string missing;
  for (const v1::MissingCapability& one : hello.inventory().missing()) {
    if (one.name() == "migration") missing = one.reason();
  }
  EXPECT_THAT(missing, HasSubstr("podman: ")) << "it is configured, and lacks a directory at least";
  EXPECT_EQ(hello.migrations_size(), 0);
  stream_->Welcome();

  Send({Order("in-1", v1::MIGRATION_ROLE_TARGET, v1::MIGRATION_STEP_RESERVE),
        Order("out-1", v1::MIGRATION_ROLE_SOURCE, v1::MIGRATION_STEP_MOVE)});
  const v1::MigrationStatus refused = AwaitAnswer("out-1");
  EXPECT_EQ(refused.progress(), v1::MIGRATION_PROGRESS_REFUSED);
  EXPECT_THAT(refused.reason(), HasSubstr("is instance")) << "the order named none";
  const v1::MigrationStatus reserved = AwaitAnswer("in-1");
  EXPECT_EQ(reserved.progress(), v1::MIGRATION_PROGRESS_DONE) << reserved.reason();
  EXPECT_EQ(reserved.endpoint(), "here");
  EXPECT_EQ(reserved.driver(), "command");

  bool told = false;
  for (int i = 0; i < 100 && !told; ++i) {
    const v1::Report report = NextReport();
    ASSERT_EQ(report.workloads_size(), 1);
    told = report.workloads(0).workload().migration_drivers_size() == 1;
    if (told) {
      EXPECT_EQ(report.workloads(0).workload().migration_drivers(0), "command");
    }
  }
  EXPECT_TRUE(told) << "by what the workload could be moved";

  EXPECT_THAT(Asked(), testing::Not(HasSubstr("drop")));
  Stop();
  EXPECT_TRUE(result_.ok()) << result_;
  EXPECT_THAT(Asked(), HasSubstr("drop")) << "what it had reserved";
  EXPECT_THAT(Asked(), testing::Not(HasSubstr("\nmove\n"))) << Asked();
}

TEST_F(AgentMigrationTest, EventsOfMigrationsAreReported) {
  stream_->Expect(v1::ConnectRequest::kHello);
  stream_->Welcome();
  Send({Order("in-1", v1::MIGRATION_ROLE_TARGET, v1::MIGRATION_STEP_RESERVE)});
  std::string told;
  for (int i = 0; i < 100 && told.empty(); ++i) {
    const v1::Report report = NextReport();
    for (const v1::Event& event : report.events()) {
      if (event.kind() == "migration_begun") told = event.message();
    }
  }
  EXPECT_THAT(told, HasSubstr("migration in-1: getting ready to receive it"));
  // After a lost connection the hello says it too.
  stream_.reset();
  stream_ = controller_.Accept();
  const v1::Hello hello = stream_->Expect(v1::ConnectRequest::kHello).hello();
  ASSERT_EQ(hello.migrations_size(), 1);
  EXPECT_EQ(hello.migrations(0).migration_id(), "in-1");
  stream_->Welcome();
}

}  // namespace
}  // namespace truce::agent
