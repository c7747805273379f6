// The agent as a whole, on a small host of files and with a controller in this process: it refuses to start where it
// must, and otherwise says hello, reports what it sees, and stops when told to.
#include "agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "models/forecast/demand_model_file.h"
#include "models/weights/model_bytes.h"
#include "src/host/file.h"
#include "tests/agent/link/fake_controller.h"
#include "tests/fixtures/fake_resctrl.h"
#include "tests/fixtures/tree.h"
#include "tests/models/interference/made_up.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    host_.Put("cgroup/cgroup.controllers", "cpu\n");
    host_.Put("cgroup/system.slice/web.service/cpu.stat", "usage_usec 1000\nsystem_usec 0\n");
    host_.Put("sys/devices/system/cpu/online", "0-3\n");
    host_.Put("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
    host_.MakeDirectory("run");
    settings_ = *ReadAgentSettings(ConfigSource());
    settings_.host = "test-host";
    settings_.procfs = settings_.sampler.procfs = settings_.counters.procfs = host_.Path("proc");
    settings_.sysfs = settings_.counters.sysfs = host_.Path("sys");
    settings_.cgroup_root = host_.Path("cgroup");
    settings_.run_directory = host_.Path("run");
    settings_.actuator.state_directory = host_.Path("state");
    settings_.counters.enabled = false;
    settings_.controller_enabled = false;
    settings_.metrics_listen = "";
    // Scores come from what the test stages, whatever model the build tree holds.
    settings_.fuse.from = ScoreFrom::kEvidence;
    settings_.sample_interval = absl::Milliseconds(100);
    settings_.score_interval = absl::Milliseconds(200);
  }
  test::Tree host_;
  AgentSettings settings_;
};

TEST_F(AgentTest, ASecondOneOnTheSameHostRefusesToStart) {
  auto first = Agent::Create(settings_, SystemClock());
  ASSERT_TRUE(first.ok()) << first.status();
  // Another state directory does not make it another host.
  AgentSettings other = settings_;
  other.actuator.state_directory = host_.Path("other-state");
  const auto second = Agent::Create(other, SystemClock());
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another truce-agent already runs"));
  first->reset();
  EXPECT_TRUE(Agent::Create(settings_, SystemClock()).ok()) << "the lock goes with its holder";
}

TEST_F(AgentTest, WithoutACgroupTreeItSaysSo) {
  settings_.cgroup_root = host_.Path("run");
  const auto agent = Agent::Create(settings_, SystemClock());
  EXPECT_TRUE(absl::IsFailedPrecondition(agent.status())) << agent.status();
  EXPECT_THAT(std::string(agent.status().message()), HasSubstr("--path.cgroup"));
}

TEST_F(AgentTest, WithoutProcItSaysSoInsteadOfBlamingTheKernel) {
  settings_.procfs = host_.Path("run");
  const auto agent = Agent::Create(settings_, SystemClock());
  EXPECT_TRUE(absl::IsFailedPrecondition(agent.status())) << agent.status();
  EXPECT_THAT(std::string(agent.status().message()), HasSubstr("paths.procfs"));
}

TEST_F(AgentTest, SaysHelloReportsAndStopsWhenTold) {
  FakeController controller;
  settings_.controller_enabled = true;
  settings_.link.address = controller.address();
  settings_.link.plaintext = true;

  absl::Status result = absl::UnknownError("never returned");
  std::thread runner([&] {
    ShutdownSignals signals;
    auto agent = Agent::Create(settings_, SystemClock());
    result = agent.ok() ? (*agent)->Run(signals) : agent.status();
  });
  auto stream = controller.Accept();
  ASSERT_NE(stream, nullptr);
  const v1::Hello hello = stream->Expect(v1::ConnectRequest::kHello).hello();
  EXPECT_EQ(hello.protocol_version(), kProtocolVersion);
  EXPECT_EQ(hello.inventory().host(), "test-host");
  EXPECT_EQ(hello.inventory().cgroup_layout(), v1::CGROUP_LAYOUT_V2);
  EXPECT_EQ(hello.inventory().cpus_size(), 4);
  EXPECT_EQ(hello.mode(), v1::MODE_OBSERVE);
  EXPECT_EQ(hello.mode_ceiling(), v1::MODE_ENFORCE);
  EXPECT_EQ(hello.held_size(), 0);
  EXPECT_EQ(hello.report_interval().seconds(), 0);
  EXPECT_EQ(hello.report_interval().nanos(), 200'000'000) << "one report a score";
  stream->Welcome();

  const v1::Report report = stream->Expect(v1::ConnectRequest::kReport).report();
  EXPECT_EQ(report.sequence(), 1u);
  ASSERT_EQ(report.workloads_size(), 1);
  EXPECT_EQ(report.workloads(0).workload().name(), "system.slice/web.service");
  EXPECT_EQ(report.workloads(0).workload().application(), "web");
  EXPECT_EQ(report.workloads(0).workload().mode(), v1::MODE_OBSERVE);
  EXPECT_EQ(report.workloads(0).diagnosis(), v1::DIAGNOSIS_UNKNOWN);
  EXPECT_TRUE(report.workloads(0).readings().has_cpu_usage_cores());
  ASSERT_EQ(report.events_size(), 1);
  EXPECT_EQ(report.events(0).kind(), "workload_arrived");
  EXPECT_GT(report.cost().resident_bytes(), 0u);

  // A mode that the controller sets holds from the next report on, and the set is answered.
  v1::ConnectResponse response;
  response.mutable_desired_set()->set_version(3);
  response.mutable_desired_set()->set_nonce("n");
  v1::ModeRule& rule = *response.mutable_desired_set()->add_mode_rules();
  rule.set_workload("system.slice/web.service");
  rule.set_mode(v1::MODE_ADVISE);
  stream->Write(response);
  bool answered = false;
  v1::Mode mode = v1::MODE_OBSERVE;
  while (!answered || mode != v1::MODE_ADVISE) {
    const auto request = stream->Read();
    ASSERT_TRUE(request.has_value()) << "the stream ended";
    if (request->has_desired_set_result()) {
      EXPECT_EQ(request->desired_set_result().nonce(), "n");
      EXPECT_TRUE(request->desired_set_result().accepted());
      answered = true;
    }
    if (request->has_report()) mode = request->report().workloads(0).workload().mode();
  }

  // To that thread alone: the threads of this test's controller do not block the signal.
  pthread_kill(runner.native_handle(), SIGTERM);
  while (stream->Read().has_value()) {
  }
  runner.join();
  EXPECT_TRUE(result.ok()) << result;
}

class AgentResctrlTest : public AgentTest {
 protected:
  AgentResctrlTest() {
    settings_.controller_enabled = true;
    settings_.link.address = controller_.address();
    settings_.link.plaintext = true;
    host_.Put("proc/cpuinfo", test::Xeon().cpuinfo);
  }
  // The inventory that the agent tells.
  v1::HostInventory Inventory() {
    std::thread runner([this] {
      ShutdownSignals signals;
      auto agent = Agent::Create(settings_, SystemClock());
      if (agent.ok()) (*agent)->Run(signals).IgnoreError();
    });
    const auto stream = controller_.Accept();
    v1::Hello hello = stream->Expect(v1::ConnectRequest::kHello).hello();
    stream->Welcome();
    pthread_kill(runner.native_handle(), SIGTERM);
    while (stream->Read().has_value()) {
    }
    runner.join();
    return hello.inventory();
  }
  static std::string ReasonOf(const v1::HostInventory& inventory) {
    for (const v1::MissingCapability& missing : inventory.missing()) {
      if (missing.name() == "resctrl") return missing.reason();
    }
    return "";
  }

  FakeController controller_;
};

TEST_F(AgentResctrlTest, ItsClassesAreInTheInventory) {
  test::Tree sys;
  sys.Put("devices/system/cpu/online", "0-3\n");
  const test::FakeResctrl kernel(sys, test::Xeon());
  settings_.sysfs = settings_.counters.sysfs = sys.root();
  const v1::HostInventory inventory = Inventory();
  if (geteuid() != 0) {
    EXPECT_THAT(ReasonOf(inventory), HasSubstr("User=root")) << "the kernel lets nobody else move threads";
    return;
  }
  EXPECT_EQ(ReasonOf(inventory), "");
  EXPECT_TRUE(inventory.cache_control().available());
  EXPECT_EQ(inventory.cache_control().classes(), 8u);
  EXPECT_EQ(inventory.cache_control().cache_ways(), 11u);
  EXPECT_EQ(inventory.cache_control().bandwidth_unit(), v1::BANDWIDTH_UNIT_PERCENT);
}

TEST_F(AgentResctrlTest, WithoutThemItSaysWhy) {
  const v1::HostInventory inventory = Inventory();
  EXPECT_FALSE(inventory.cache_control().available());
  EXPECT_THAT(ReasonOf(inventory), HasSubstr("CONFIG_X86_CPU_RESCTRL"));
}

// An agent that scores by model, with its first hello and the events of its reports.
class AgentModelTest : public AgentTest {
 protected:
  AgentModelTest() {
    settings_.fuse.from = ScoreFrom::kBoth;
    settings_.model_file = host_.Path("model.truce");
    settings_.controller_enabled = true;
    settings_.link.address = controller_.address();
    settings_.link.plaintext = true;
  }
  ~AgentModelTest() override {
    if (!runner_.joinable()) return;
    pthread_kill(runner_.native_handle(), SIGTERM);
    while (stream_->Read().has_value()) {
    }
    runner_.join();
  }
  static std::string Model(const std::string& version) {
    const ModelFile file{version, "", {}, InterferenceModel(RandomWeights(3), Calibration(), AnythingGoes())};
    return SerializeModel(file, MadeUpMeetings(6, 1, 2).front());
  }
  v1::Hello Start() {
    runner_ = std::thread([this] {
      ShutdownSignals signals;
      auto agent = Agent::Create(settings_, SystemClock());
      if (agent.ok()) (*agent)->Run(signals).IgnoreError();
    });
    stream_ = controller_.Accept();
    v1::Hello hello = stream_->Expect(v1::ConnectRequest::kHello).hello();
    stream_->Welcome();
    return hello;
  }
  // The message of the first event of that kind in what the agent said; empty when there is none.
  static std::string Told(const v1::ConnectRequest& request, const std::string& kind) {
    for (const v1::Event& event : request.report().events()) {
      if (event.kind() == kind) return event.message();
    }
    return "";
  }
  // The message of the next event of that kind. The stream may begin anew meanwhile, to say what changed.
  std::string Await(const std::string& kind) {
    for (int i = 0; i < 100; ++i) {
      const auto request = stream_->Read();
      if (!request) {
        NextHello();
        continue;
      }
      EXPECT_TRUE(request->has_report()) << request->ShortDebugString();
      const std::string told = Told(*request, kind);
      if (!told.empty()) return told;
    }
    return "";
  }
  // The agent ends its stream, and what it says first on the next one.
  v1::Hello NextHello() {
    bool ended = false;
    for (int i = 0; i < 100 && !ended; ++i) ended = !stream_->Read().has_value();
    EXPECT_TRUE(ended) << "the agent goes on with its stream";
    stream_->Close();
    stream_ = controller_.Accept();
    v1::Hello hello = stream_->Expect(v1::ConnectRequest::kHello).hello();
    stream_->Welcome();
    return hello;
  }
  // Puts a whole file in the place of another one.
  void Replace(const std::string& file, const std::string& content) {
    host_.Put(file + ".new", content);
    std::filesystem::rename(host_.Path(file + ".new"), host_.Path(file));
  }
  static std::string ShippedDemand() {
    return *host::ReadFile(std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/demand.truce");
  }
  // Why the host lacks what has that name; empty when it does not.
  static std::string Reason(const v1::Hello& hello, const std::string& name) {
    for (const v1::MissingCapability& missing : hello.inventory().missing()) {
      if (missing.name() == name) return missing.reason();
    }
    return "";
  }
  static bool Lacks(const v1::Hello& hello, const std::string& name) { return !Reason(hello, name).empty(); }

  FakeController controller_;
  std::unique_ptr<FakeController::Stream> stream_;
  std::thread runner_;
};

TEST_F(AgentModelTest, SaysThatItHasNoneAndGoesOnUntilOneIsThere) {
  const v1::Hello hello = Start();
  EXPECT_TRUE(Lacks(hello, "model"));
  EXPECT_THAT(Await("model_refused"), HasSubstr("evidence goes on alone"));
  host_.Put("model.truce", Model("first"));
  EXPECT_THAT(Await("model_taken_up"), HasSubstr("interference model first"));
}

TEST_F(AgentModelTest, KeepsItsModelWhenItsSuccessorIsDamaged) {
  host_.Put("model.truce", Model("first"));
  EXPECT_FALSE(Lacks(Start(), "model"));
  host_.Put("model.truce", Model("second").substr(0, 1000));
  const std::string refused = Await("model_refused");
  EXPECT_THAT(refused, HasSubstr("checksum"));
  EXPECT_THAT(refused, HasSubstr("model first stays"));
}

// A CPU that is unplugged: the controller is told by a new hello, and what scores pairs takes it up.
TEST_F(AgentModelTest, FollowsCpusThatComeAndGo) {
  host_.Put("model.truce", Model("first"));
  EXPECT_EQ(Start().inventory().cpus_size(), 4);
  host_.Put("sys/devices/system/cpu/online", "0-1,3\n");
  // The old stream may bring the event before it ends.
  std::string told;
  while (const auto request = stream_->Read()) told += Told(*request, "cpus_changed");
  stream_->Close();
  stream_ = controller_.Accept();
  const v1::Hello hello = stream_->Expect(v1::ConnectRequest::kHello).hello();
  ASSERT_EQ(hello.inventory().cpus_size(), 3);
  EXPECT_EQ(hello.inventory().cpus(2).id(), 3u);
  EXPECT_FALSE(Lacks(hello, "model")) << "what else is there or not stays";
  stream_->Welcome();
  EXPECT_THAT(told.empty() ? Await("cpus_changed") : told, HasSubstr("has the CPUs 0-1,3 now, and had 0-3"));
}

// What only a hello says: the controller hears of it while the agent runs.
TEST_F(AgentModelTest, SaysHelloAnewWhenItsOwnModelCameToBe) {
  host_.Put("model.truce", Model("first"));
  host_.Put("own.truce", ShippedDemand().substr(0, 1000));
  settings_.demand_model_file = host_.Path("own.truce");
  const v1::Hello before = Start();
  EXPECT_THAT(Reason(before, "demand_model"), HasSubstr("own.truce is no model that can be used"));
  ASSERT_EQ(before.models_size(), 1);
  EXPECT_EQ(before.models(0).sha256(), "");
  Replace("own.truce", ShippedDemand());
  const v1::Hello after = NextHello();
  EXPECT_EQ(Reason(after, "demand_model"), "");
  ASSERT_EQ(after.models_size(), 1);
  EXPECT_EQ(after.models(0).sha256(), FileSha256(ShippedDemand()));
  EXPECT_FALSE(after.models(0).sent());
}

TEST_F(AgentModelTest, KeepsItsDemandModelWhenItsSuccessorIsDamagedAndSaysWhy) {
  host_.Put("model.truce", Model("first"));
  host_.Put("own.truce", ShippedDemand());
  settings_.demand_model_file = host_.Path("own.truce");
  EXPECT_EQ(Reason(Start(), "demand_model"), "");
  Replace("own.truce", ShippedDemand().substr(0, 1000));
  const v1::Hello after = NextHello();
  EXPECT_THAT(Reason(after, "demand_model"), HasSubstr("own.truce is no model that can be used"));
  EXPECT_THAT(Reason(after, "demand_model"), HasSubstr(" stays"));
  ASSERT_EQ(after.models_size(), 1);
  EXPECT_EQ(after.models(0).sha256(), FileSha256(ShippedDemand())) << "it is used all the same";
}

// The controller sends a demand model: it is fetched part by part between reports, used, and named by the next hello.
TEST_F(AgentModelTest, TakesADemandModelThatIsSent) {
  const std::string shipped = ShippedDemand();
  host_.Put("own.truce", shipped);
  host_.Put("model.truce", Model("first"));
  settings_.demand_model_file = host_.Path("own.truce");
  auto content = ParseDemandModel(shipped, "demand.truce");
  ASSERT_TRUE(content.ok()) << content.status();
  content->version = "sent-1";
  const std::string bytes = SerializeDemandModel(*content);

  const v1::Hello hello = Start();
  ASSERT_EQ(hello.models_size(), 1);
  EXPECT_EQ(hello.models(0).kind(), v1::MODEL_KIND_DEMAND);
  EXPECT_EQ(hello.models(0).sha256(), FileSha256(shipped));
  EXPECT_FALSE(hello.models(0).sent());

  v1::ConnectResponse response;
  response.mutable_model_offer()->set_kind(v1::MODEL_KIND_DEMAND);
  response.mutable_model_offer()->set_sha256(FileSha256(bytes));
  response.mutable_model_offer()->set_size_bytes(bytes.size());
  stream_->Write(response);
  std::optional<v1::ModelAnswer> answer;
  std::string told;  // By a report before the answer or after it.
  while (!answer || told.empty()) {
    const auto request = stream_->Read();
    ASSERT_TRUE(request.has_value()) << "the stream ended";
    told += Told(*request, "model_taken_up");
    if (request->has_model_answer()) answer = request->model_answer();
    if (!request->has_model_request()) continue;
    response.mutable_model_chunk()->set_sha256(FileSha256(bytes));
    response.mutable_model_chunk()->set_offset(request->model_request().offset());
    response.mutable_model_chunk()->set_data(bytes.substr(request->model_request().offset(), 60'000));
    stream_->Write(response);
  }
  EXPECT_TRUE(answer->accepted()) << answer->reason();
  EXPECT_EQ(answer->sha256(), FileSha256(bytes));
  EXPECT_THAT(told, HasSubstr("demand model sent-1"));

  // After a report that followed the answer, the next hello names it.
  stream_->Expect(v1::ConnectRequest::kReport);
  stream_->Close();
  stream_ = controller_.Accept();
  const v1::Hello again = stream_->Expect(v1::ConnectRequest::kHello).hello();
  stream_->Welcome();
  ASSERT_EQ(again.models_size(), 1);
  EXPECT_EQ(again.models(0).sha256(), FileSha256(bytes));
  EXPECT_EQ(again.models(0).version(), "sent-1");
  EXPECT_TRUE(again.models(0).sent());
}

}  // namespace
}  // namespace truce::agent
