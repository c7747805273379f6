// What kube-scheduler sends and reads, down to the names in JSON and what is a number and what a text.
#include "controller/serve/extender.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/serve/http_server.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// As kube-scheduler 1.29 marshals ExtenderArgs for an extender that is node cache capable, shortened where Truce reads
// nothing.
constexpr char kQuestion[] = R"({
  "pod": {
    "metadata": {
      "name": "checkout-7d4b9c8f6-x2x8q", "generateName": "checkout-7d4b9c8f6-", "namespace": "shop",
      "uid": "0a5c1c1e-6d3a-4a53-8a57-1f7f9a6f2c11", "resourceVersion": "48213", "creationTimestamp": "2026-11-20T10:11:12Z",
      "labels": {"app.kubernetes.io/name": "checkout", "pod-template-hash": "7d4b9c8f6", "truce.io/class": "critical"},
      "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-7d4b9c8f6", "controller": true}]
    },
    "spec": {
      "volumes": [{"name": "kube-api-access", "projected": {"defaultMode": 420}}],
      "initContainers": [{"name": "migrate", "image": "shop/migrate:3", "resources": {"requests": {"cpu": "3"}}}],
      "containers": [
        {"name": "app", "image": "shop/checkout:41", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
         "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "1500m", "memory": "1Gi"}}},
        {"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}}}],
      "overhead": {"cpu": "100m"},
      "restartPolicy": "Always", "schedulerName": "default-scheduler", "priority": 1000, "preemptionPolicy": "PreemptLowerPriority",
      "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]
    },
    "status": {"phase": "Pending", "qosClass": "Burstable"}
  },
  "nodes": null,
  "nodenames": ["web-1", "web-2", "web-3", "web-4"]
})";

class ExtenderTest : public testing::Test {
 protected:
  static void Add(const char* host, bool connected, bool fits, double price, const char* reason,
                  v1::ScoreHostsResponse* response) {
    v1::HostScore& one = *response->add_hosts();
    one.set_host(host);
    one.set_connected(connected);
    one.set_fits(fits);
    if (fits) one.set_price(price);
    one.set_reason(reason);
  }
  ExtenderTest() {
    Add("web-1", true, true, 0.2, "roomy", &answer_);
    Add("web-2", true, false, 0, "0.50 cores are free and 3.10 are asked for", &answer_);
    Add("web-3", false, false, 0, "its agent is not connected", &answer_);
  }
  Extender Make() {
    return Extender([this](const v1::ScoreHostsRequest& request) -> absl::StatusOr<v1::ScoreHostsResponse> {
      asked_ = request;
      if (!failure_.ok()) return failure_;
      return answer_;
    });
  }

  std::optional<v1::ScoreHostsRequest> asked_;
  v1::ScoreHostsResponse answer_;
  absl::Status failure_;
};

TEST_F(ExtenderTest, OnlyNodesThatAreKnownToBeFullAreKeptOut) {
  EXPECT_EQ(Make().Filter(kQuestion),
            R"({"nodenames":["web-1","web-3","web-4"],)"
            R"("failedNodes":{"web-2":"truce: 0.50 cores are free and 3.10 are asked for"},"error":""})");
  ASSERT_TRUE(asked_.has_value());
  const v1::WorkloadDescription& workload = asked_->workload();
  EXPECT_EQ(workload.application(), "checkout");
  EXPECT_EQ(workload.workload_class(), v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_EQ(workload.priority(), 1000);
  EXPECT_NEAR(workload.cpu_cores(), 3.1, 1e-9) << "what runs first needs more than all that run together";
  EXPECT_EQ(workload.memory_bytes(), (uint64_t{1} << 30) + (uint64_t{256} << 20));
}

TEST_F(ExtenderTest, NodesOfWhichNothingIsKnownAreNeitherSoughtNorShunned) {
  EXPECT_EQ(
      Make().Prioritize(kQuestion),
      R"([{"host":"web-1","score":10},{"host":"web-2","score":0},{"host":"web-3","score":5},{"host":"web-4","score":5}])");
}

TEST_F(ExtenderTest, NodesRankByWhatTheyAreDearerThanTheBest) {
  answer_.mutable_hosts(1)->set_fits(true);
  answer_.mutable_hosts(1)->set_price(0.2 + 0.3);
  Add("web-4", true, true, 2, "crowded", &answer_);
  EXPECT_EQ(
      Make().Prioritize(kQuestion),
      R"([{"host":"web-1","score":10},{"host":"web-2","score":7},{"host":"web-3","score":5},{"host":"web-4","score":0}])");
}

TEST_F(ExtenderTest, WhatGoesWrongIsSaidAndKeepsNobodyOut) {
  std::string problem;
  failure_ = absl::UnavailableError("the fleet is not known yet");
  EXPECT_THAT(Make().Filter(kQuestion, &problem), HasSubstr(R"("error":"truce: the fleet is not known yet")"));
  EXPECT_THAT(problem, HasSubstr("the fleet is not known yet"));
  problem.clear();
  EXPECT_THAT(Make().Prioritize(kQuestion, &problem),
              AllOf(HasSubstr(R"({"host":"web-1","score":5})"), HasSubstr(R"({"host":"web-4","score":5})")));
  EXPECT_THAT(problem, HasSubstr("the fleet is not known yet"));
}

TEST_F(ExtenderTest, NonsenseIsRefusedWithAReason) {
  std::string problem;
  EXPECT_THAT(Make().Filter("{", &problem), HasSubstr("this is no ExtenderArgs"));
  EXPECT_EQ(Make().Prioritize("{", &problem), "[]");
  EXPECT_THAT(Make().Filter(R"({"nodes":{"items":[{"metadata":{"name":"web-1"}}]}})", &problem),
              HasSubstr("set nodeCacheCapable: true"));
  EXPECT_THAT(
      Make().Filter(R"({"pod":{"spec":{"containers":[{"resources":{"requests":{"cpu":"lots"}}}]}},"nodenames":["a"]})"),
      HasSubstr(R"(the request of cpu: \"lots\" is no quantity such as 500m or 2Gi)"));
  EXPECT_FALSE(asked_.has_value());
  EXPECT_EQ(Make().Filter(R"({"nodenames":[]})"), R"({"nodenames":[],"failedNodes":{},"error":""})");
}

TEST_F(ExtenderTest, QuantitiesAreThoseOfKubernetes) {
  const auto value = [](const char* text) { return ParseQuantity(text).value_or(-1); };
  EXPECT_EQ(value("2"), 2);
  EXPECT_NEAR(value("500m"), 0.5, 1e-12);
  EXPECT_EQ(value("1.5Gi"), 1.5 * 0x1p30);
  EXPECT_EQ(value("1e3"), 1000);
  EXPECT_EQ(value("2E"), 2e18);
  EXPECT_EQ(value("100M"), 1e8);
  EXPECT_EQ(value("0"), 0);
  for (const char* nonsense : {"", "m", "-1", "0x10", "inf", "nan", "1 Gi", "1GiB", "1e400", "5mm"}) {
    EXPECT_FALSE(ParseQuantity(nonsense).ok()) << nonsense;
  }
}

TEST_F(ExtenderTest, IsServedOverHttp) {
  auto server = StartExtenderServer("127.0.0.1:0", Make());
  ASSERT_TRUE(server.ok()) << server.status();
  httplib::Client client("http://" + (*server)->address());
  const auto filtered = client.Post("/filter", kQuestion, "application/json");
  ASSERT_TRUE(filtered);
  EXPECT_EQ(filtered->status, 200);
  EXPECT_EQ(filtered->get_header_value("Content-Type"), "application/json");
  EXPECT_THAT(filtered->body, HasSubstr("web-4"));
  const auto ranked = client.Post("/prioritize", kQuestion, "application/json");
  ASSERT_TRUE(ranked);
  EXPECT_THAT(ranked->body, HasSubstr(R"("score":10)"));
  EXPECT_EQ(client.Get("/filter")->status, 404);
  const auto too_long = client.Post("/filter", std::string(size_t{9} << 20, ' '), "application/json");
  EXPECT_TRUE(!too_long || too_long->status == 413);
  EXPECT_THAT(StartExtenderServer((*server)->address(), Make()).status().ToString(),
              AllOf(HasSubstr("extender.listen: "), HasSubstr("can't be had"), Not(HasSubstr("http.listen"))));
}

// A connection on which half a question was asked.
class HangingScheduler {
 public:
  explicit HangingScheduler(const std::string& address) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&there), sizeof(there)), 0);
    constexpr std::string_view kHalf =
        "POST /filter HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    EXPECT_EQ(send(socket_, kHalf.data(), kHalf.size(), 0), static_cast<ssize_t>(kHalf.size()));
  }
  ~HangingScheduler() { close(socket_); }
  // Whether the server ends it, with an answer or without.
  bool IsEnded() {
    const timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char buffer[4096];
    while (true) {
      const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) return got == 0 || errno == ECONNRESET;
    }
  }

 private:
  const int socket_;
};

TEST_F(ExtenderTest, SchedulersThatHangKeepNobodyWaitingAndAreTimedOut) {
  auto server = StartExtenderServer("127.0.0.1:0", Make());
  ASSERT_TRUE(server.ok()) << server.status();
  std::vector<std::unique_ptr<HangingScheduler>> hanging;
  for (int i = 0; i < 4; ++i) hanging.push_back(std::make_unique<HangingScheduler>((*server)->address()));
  httplib::Client client("http://" + (*server)->address());
  const auto answered = client.Post("/prioritize", kQuestion, "application/json");
  ASSERT_TRUE(answered) << "four of them hang";
  EXPECT_EQ(answered->status, 200);
  for (const auto& one : hanging) EXPECT_TRUE(one->IsEnded());
}

}  // namespace
}  // namespace truce::controller
