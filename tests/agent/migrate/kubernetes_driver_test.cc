// The kubernetes driver against an API server that a test plays: finds pods by their cgroups, evicts them, waits until
// they are gone, and never ends one that nobody would start again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <map>
#include <mutex>
#include <thread>

#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "src/base/text.h"
#include "src/rpc/certificates.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kPod[] =
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f3a1b2c_77aa_4e5d_9b1c_0123456789ab.slice";
constexpr char kUid[] = "0f3a1b2c-77aa-4e5d-9b1c-0123456789ab";

// One pod on one node, and what is done to it.
class ApiServer {
 public:
  explicit ApiServer(std::unique_ptr<httplib::Server> server) : server_(std::move(server)) {
    server_->Get("/api/v1/pods", [this](const httplib::Request& request, httplib::Response& response) {
      Note(request);
      const std::lock_guard<std::mutex> lock(mutex_);
      const bool here = request.get_param_value("fieldSelector") == "spec.nodeName=node-1";
      response.set_content(StrCat(R"({"kind": "PodList", "items": [)", here && exists_ ? PodText() : "", "]}"),
                           "application/json");
    });
    server_->Get(
        "/api/v1/namespaces/shop/pods/web-0", [this](const httplib::Request& request, httplib::Response& response) {
          Note(request);
          const std::lock_guard<std::mutex> lock(mutex_);
          // One that is going is gone after a few looks.
          if (going_ && --looks_ <= 0) exists_ = false;
          if (!exists_) response.status = 404;
          response.set_content(exists_ ? PodText() : R"({"kind": "Status", "message": "pods \"web-0\" not found"})",
                               "application/json");
        });
    server_->Post("/api/v1/namespaces/shop/pods/web-0/eviction", [this](const httplib::Request& request,
                                                                        httplib::Response& response) {
      Note(request);
      const std::lock_guard<std::mutex> lock(mutex_);
      evictions_.push_back(request.body);
      response.status = eviction_status_;
      if (eviction_status_ < 300) going_ = true;
      response.set_content(StrCat(R"({"kind": "Status", "message": ")", eviction_message_, "\"}"), "application/json");
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  ~ApiServer() {
    server_->stop();
    thread_.join();
  }

  int port() const { return port_; }
  void SetOwner(const std::string& kind) {
    Locked([&] { owner_ = kind; });
  }
  void SetUid(const std::string& uid) {
    Locked([&] { uid_ = uid; });
  }
  void SetGoing(bool going) {
    Locked([&] { going_ = going; });
  }
  void SetExists(bool exists) {
    Locked([&] { exists_ = exists; });
  }
  void SetPhase(const std::string& phase) {
    Locked([&] { phase_ = phase; });
  }
  void AnswerEvictions(int status, const std::string& message) {
    Locked([&] {
      eviction_status_ = status;
      eviction_message_ = message;
    });
  }
  std::vector<std::string> evictions() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return evictions_;
  }
  std::string token() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return token_;
  }

 private:
  template <typename F>
  void Locked(F&& work) {
    const std::lock_guard<std::mutex> lock(mutex_);
    work();
  }
  void Note(const httplib::Request& request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    token_ = request.get_header_value("Authorization");
  }
  std::string PodText() const {
    const std::string owners =
        owner_.empty()
            ? std::string()
            : StrCat(R"(, "ownerReferences": [{"kind": "Other"}, {"controller": true, "kind": ")", owner_, "\"}]");
    return StrCat(R"({"metadata": {"name": "web-0", "namespace": "shop", "uid": ")", uid_, "\"", owners,
                  going_ ? R"(, "deletionTimestamp": "2024-01-01T00:00:00Z")" : "", R"(}, "status": {"phase": ")",
                  phase_, "\"}}");
  }

  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::string owner_ = "ReplicaSet";
  std::string uid_ = kUid;
  std::string phase_ = "Running";
  bool exists_ = true;
  bool going_ = false;
  int looks_ = 2;
  int eviction_status_ = 201;
  std::string eviction_message_;
  std::vector<std::string> evictions_;
  std::string token_;
};

class KubernetesTest : public testing::Test {
 protected:
  KubernetesTest() {
    files_.Put("token", "secret\n");
    settings_.kubernetes_api = StrCat("http://127.0.0.1:", server_.port());
    settings_.kubernetes_node = "node-1";
    settings_.kubernetes_token_file = files_.Path("token");
    settings_.kubernetes_ca_file = "";
    settings_.longest_move = absl::Seconds(20);
    order_.set_migration_id("m1");
    order_.set_role(v1::MIGRATION_ROLE_SOURCE);
    order_.set_workload(kPod);
  }
  std::unique_ptr<MigrationDriver> Driver() { return MakeKubernetesDriver(settings_); }
  static Movable Web(const char* name = kPod) { return {name, "kubernetes", "web", nullptr}; }
  std::string RecallError() { return std::string(Driver()->Recall(order_, Web()).status().message()); }
  absl::Status Move(bool cancelled = false) {
    MoveControl control;
    control.cancelled = cancelled;
    return Driver()->Move(order_, memory_, control).status();
  }

  test::Tree files_;
  ApiServer server_{std::make_unique<httplib::Server>()};
  MigrationSettings settings_;
  v1::MigrationOrder order_;
  const DriverMemory memory_ = StrCat("namespace=shop name=web-0 uid=", kUid);
};

TEST_F(KubernetesTest, PodsAreKnownByTheirCgroups) {
  for (const char* name : {kPod, "kubepods.slice/kubepods-pod0f3a1b2c_77aa.slice",
                           "kubepods/burstable/pod0f3a1b2c-77aa", "kubepods/pod0f3a1b2c-77aa"}) {
    EXPECT_TRUE(Driver()->CanMove(Web(name))) << name;
  }
  for (const char* name : {"kubepods.slice", "kubepods.slice/kubepods-burstable.slice", "system.slice/pod0f3a.slice",
                           "machine.slice/libpod-0f3a.scope"}) {
    EXPECT_FALSE(Driver()->CanMove(Web(name))) << name;
  }
}

TEST_F(KubernetesTest, FindsThePodOfACgroup) {
  const auto memory = Driver()->Recall(order_, Web());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(*memory, memory_);
  EXPECT_EQ(server_.token(), "Bearer secret");
  server_.SetUid("another");
  EXPECT_THAT(RecallError(),
              HasSubstr("the cluster knows no pod 0f3a1b2c-77aa-4e5d-9b1c-0123456789ab on the node node-1"));
}

TEST_F(KubernetesTest, WhatNobodyWouldStartAgainIsNotEvicted) {
  server_.SetOwner("");
  EXPECT_THAT(RecallError(), HasSubstr("evicting it would end it"));
  server_.SetOwner("DaemonSet");
  EXPECT_THAT(RecallError(), HasSubstr("belongs to a DaemonSet and would come back"));
  server_.SetOwner("Node");
  EXPECT_THAT(RecallError(), HasSubstr("belongs to a Node"));
  server_.SetOwner("StatefulSet");
  server_.SetGoing(true);
  EXPECT_THAT(RecallError(), HasSubstr("already going"));
}

TEST_F(KubernetesTest, EvictsAndWaitsUntilItIsGone) {
  EXPECT_EQ(Driver()->Look(order_, memory_)->where, v1::MIGRATION_PRESENCE_RUNNING);
  EXPECT_TRUE(Move().ok());
  ASSERT_EQ(server_.evictions().size(), 1u);
  const auto eviction = ParseObject(server_.evictions()[0]);
  ASSERT_TRUE(eviction.ok());
  EXPECT_EQ(JsonText(*eviction, "apiVersion"), "policy/v1");
  EXPECT_EQ(JsonText(*eviction, "kind"), "Eviction");
  EXPECT_EQ(JsonText(JsonObject(*eviction, "metadata"), "name"), "web-0");
  EXPECT_EQ(JsonText(JsonObject(JsonObject(*eviction, "deleteOptions"), "preconditions"), "uid"), kUid)
      << "another of the same name is not meant";
  EXPECT_EQ(Driver()->Look(order_, memory_)->where, v1::MIGRATION_PRESENCE_ABSENT);
}

TEST_F(KubernetesTest, ADisruptionBudgetIsARefusalThatPasses) {
  server_.AnswerEvictions(429, "Cannot evict pod as it would violate the pod's disruption budget.");
  const absl::Status status = Move();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("disruption budget.; try again later"));
}

TEST_F(KubernetesTest, OtherRefusalsLeaveItWhereItIs) {
  server_.AnswerEvictions(403, "pods/eviction is forbidden");
  absl::Status status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("let the agent's service account list and get pods and create"));
  server_.AnswerEvictions(409, "the UID in the precondition does not match");
  status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  // One that failed in the middle: the pod tells.
  server_.AnswerEvictions(500, "etcd is down");
  status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("did not take the eviction"));
}

TEST_F(KubernetesTest, OneThatDoesNotGoInTimeIsUncertain) {
  settings_.longest_move = absl::ZeroDuration();
  const absl::Status status = Move();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(Driver()->Look(order_, memory_)->where, v1::MIGRATION_PRESENCE_ABSENT) << "a moment later it is";
}

TEST_F(KubernetesTest, AfterACrashItEvictsNothing) {
  EXPECT_TRUE(absl::IsCancelled(Move(/*cancelled=*/true)));
  server_.SetGoing(true);
  EXPECT_TRUE(Move(/*cancelled=*/true).ok()) << "that can't be called off, so it is waited for";
  EXPECT_THAT(server_.evictions(), IsEmpty());
}

TEST_F(KubernetesTest, LooksByTheApi) {
  const auto where = [this] { return Driver()->Look(order_, memory_)->where; };
  server_.SetPhase("Pending");
  EXPECT_EQ(where(), v1::MIGRATION_PRESENCE_STOPPED);
  server_.SetPhase("Running");
  server_.SetUid("a new one of the same name");
  EXPECT_EQ(where(), v1::MIGRATION_PRESENCE_ABSENT);
  settings_.kubernetes_api = "http://127.0.0.1:1";
  EXPECT_TRUE(absl::IsUnavailable(Driver()->Look(order_, memory_).status()));
}

TEST_F(KubernetesTest, NothingIsReceivedOrTakenBack) {
  const auto driver = Driver();
  EXPECT_TRUE(absl::IsUnimplemented(driver->Plan(order_).status()));
  EXPECT_TRUE(absl::IsUnimplemented(driver->Resume(order_, memory_)));
  EXPECT_TRUE(driver->Leave(order_, memory_).ok());
}

TEST_F(KubernetesTest, IsReadyWhenItMayAsk) {
  EXPECT_TRUE(Driver()->Ready().ok()) << Driver()->Ready();
  settings_.kubernetes_node = "";
  EXPECT_THAT(std::string(Driver()->Ready().message()), HasSubstr("migration.kubernetes_node"));
  settings_.kubernetes_node = "node-1";
  settings_.kubernetes_token_file = files_.Path("none");
  EXPECT_THAT(std::string(Driver()->Ready().message()), HasSubstr("migration.kubernetes_token_file"));
  settings_.kubernetes_token_file = "";
  settings_.kubernetes_api = "ftp://x";
  EXPECT_FALSE(Driver()->Ready().ok());
  settings_.kubernetes_api = "";
  EXPECT_THAT(std::string(Driver()->Ready().message()), HasSubstr("migration.kubernetes_api is not set"));
}

TEST(KubernetesTlsTest, TheServerMustBeWhoTheCaSays) {
  const test::Tree files({{"token", "secret"}});
  for (const char* authority : {"ours", "theirs"}) {
    ASSERT_TRUE(rpc::CreateAuthority(files.Path(authority)).ok());
    ASSERT_TRUE(
        rpc::IssueCertificate(files.Path(authority), {.role = "controller", .name = "api", .addresses = {"127.0.0.1"}})
            .ok());
  }
  ApiServer server(std::make_unique<httplib::SSLServer>(files.Path("ours/controller-api.crt").c_str(),
                                                        files.Path("ours/controller-api.key").c_str()));
  MigrationSettings settings;
  settings.kubernetes_api = StrCat("https://127.0.0.1:", server.port());
  settings.kubernetes_node = "node-1";
  settings.kubernetes_token_file = files.Path("token");
  settings.kubernetes_ca_file = files.Path("ours/ca.crt");
  EXPECT_TRUE(MakeKubernetesDriver(settings)->Ready().ok()) << MakeKubernetesDriver(settings)->Ready();
  EXPECT_EQ(server.token(), "Bearer secret");
  settings.kubernetes_ca_file = files.Path("theirs/ca.crt");
  EXPECT_THAT(std::string(MakeKubernetesDriver(settings)->Ready().message()),
              HasSubstr("migration.kubernetes_ca_file"));
  settings.kubernetes_ca_file = files.Path("none");
  EXPECT_FALSE(MakeKubernetesDriver(settings)->Ready().ok());
}

}  // namespace
}  // namespace truce::agent
