// /metrics and /healthz of the agent: names and labels are an interface that dashboards and alerts hang on.
// tests/fixtures/agent_metrics.txt is written anew when TRUCE_BLESS=1 is set.
#include "agent/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "src/base/text.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kGolden[] = TRUCE_SOURCE_DIR "/tests/fixtures/agent_metrics.txt";

// A snapshot in which every field differs from its default.
MetricsSnapshot Filled() {
  MetricsSnapshot snapshot;
  snapshot.taken_at = absl::Seconds(1000);
  snapshot.version = "1.2.3";
  snapshot.ticks = 86400;
  snapshot.ticks_late = 3;
  snapshot.tick_length = absl::Microseconds(1500);
  snapshot.agent_cpu_cores = 0.0075;
  snapshot.agent_resident_bytes = 104857600;
  snapshot.workloads = {{"system.slice/redis.service", v1::WORKLOAD_CLASS_CRITICAL, 0.625, 0.25, 87.5, true},
                        {"docker/\"odd\\name\"", v1::WORKLOAD_CLASS_BEST_EFFORT, 1.5, 0, 0, false}};
  snapshot.workloads_left_out = 2;
  snapshot.pairs_left_out = 3;
  snapshot.pairs_at_least = {{1, 5}, {20, 4}, {40, 3}, {60, 2}, {80, 1}};
  snapshot.disks = {{"nvme0n1", "measured", 0.25, 3.5, 3.75}, {"sda", "unknown", {}, {}, {}}};
  snapshot.pmu_level = "small";
  snapshot.pmu_available = true;
  snapshot.pmu_duty_ratio = 0.125;
  snapshot.pmu_overhead_ratio = 0.0045;
  snapshot.pmu_switch_cost_seconds = 17e-6;
  snapshot.pmu_counted_workloads = 1;
  snapshot.missing = {"cpuset", "psi"};
  snapshot.controller_enabled = true;
  snapshot.controller_connected = true;
  snapshot.controller_connects = 4;
  snapshot.reports_sent = 1000;
  snapshot.reports_dropped = 10;
  snapshot.receipts_dropped = 1;
  snapshot.messages_refused = 2;
  snapshot.held = true;
  snapshot.actions_in_force = {{"cpu_pin", 1}, {"cpu_quota", 2}};
  snapshot.receipts_by_outcome = {{"released", 7}, {"expired", 1}};
  snapshot.actions_refused = 9;
  return snapshot;
}

TEST(FormatMetricsTest, EqualsTheGoldenText) {
  const std::string text = FormatMetrics(Filled());
  if (const char* bless = std::getenv("TRUCE_BLESS"); bless != nullptr && std::string_view(bless) == "1") {
    std::ofstream(kGolden) << text;
  }
  std::ifstream in(kGolden);
  std::stringstream golden;
  golden << in.rdbuf();
  EXPECT_EQ(text, golden.str()) << "when the change is meant, run this test with TRUCE_BLESS=1 and tell docs/metrics";
}

TEST(FormatMetricsTest, NamesFollowTheConventions) {
  std::istringstream lines(FormatMetrics(Filled()));
  std::set<std::string> families;
  std::string type;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, what, name;
    words >> hash >> what >> name;
    if (hash != "#") continue;
    EXPECT_TRUE(name.starts_with("truce_")) << line;
    if (what == "HELP") {
      EXPECT_TRUE(families.insert(name).second) << name << " is there twice";
      EXPECT_TRUE(line.ends_with(".")) << line;
    }
    EXPECT_TRUE(what != "TYPE" || line.ends_with("counter") == name.ends_with("_total")) << line;
    for (const char* unit : {"_ms", "_us", "_kb", "_mb", "_percent"}) EXPECT_FALSE(name.ends_with(unit)) << name;
  }
  EXPECT_GT(families.size(), 20u);
}

TEST(FormatMetricsTest, WithoutAControllerItSaysNothingOfOne) {
  MetricsSnapshot snapshot = Filled();
  snapshot.controller_enabled = false;
  EXPECT_THAT(FormatMetrics(snapshot), Not(HasSubstr("controller")));
}

TEST(FormatMetricsTest, RowsPerWorkloadAreBounded) {
  MetricsSnapshot snapshot;
  snapshot.workloads.resize(1500);
  for (size_t i = 0; i < snapshot.workloads.size(); ++i) snapshot.workloads[i].name = StrCat("w", i);
  const std::string text = FormatMetrics(snapshot);
  EXPECT_THAT(text, HasSubstr("truce_agent_workloads 1500"));
  EXPECT_THAT(text, HasSubstr("\"w999\""));
  EXPECT_THAT(text, Not(HasSubstr("\"w1000\"")));
}

class MetricsServerTest : public testing::Test {
 protected:
  MetricsServerTest() {
    auto server = StartMetricsServer("127.0.0.1:0", absl::Seconds(10), clock_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  httplib::Result Get(const char* path) { return httplib::Client("127.0.0.1", server_->port()).Get(path); }
  FakeClock clock_;
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, ServesTheLastSnapshot) {
  server_->Publish(Filled());
  const auto response = Get("/metrics");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, FormatMetrics(Filled()));
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  MetricsSnapshot next = Filled();
  next.ticks = 86401;
  server_->Publish(next);
  EXPECT_EQ(Get("/metrics")->body, FormatMetrics(next));
  EXPECT_EQ(Get("/other")->status, 404);
}

TEST_F(MetricsServerTest, IsHealthyWhileTicksEndAndNotWhenTheyStop) {
  EXPECT_EQ(Get("/healthz")->status, 503) << "before the first tick";
  MetricsSnapshot snapshot = Filled();
  snapshot.taken_at = clock_.Monotonic();
  server_->Publish(snapshot);
  EXPECT_EQ(Get("/healthz")->status, 200);
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(Get("/healthz")->status, 200);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(Get("/healthz")->status, 503);
  clock_.JumpWallTime(-absl::Hours(5));
  snapshot.taken_at = clock_.Monotonic();
  server_->Publish(snapshot);
  EXPECT_EQ(Get("/healthz")->status, 200) << "a change of the wall clock is no stall";
}

// There are two workers: two clients that keep their connections would keep everybody else out.
TEST_F(MetricsServerTest, AConnectionEndsAfterOneRequest) {
  server_->Publish(Filled());
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  const std::string twice = request + request;
  ASSERT_EQ(send(client, twice.data(), twice.size(), MSG_NOSIGNAL), static_cast<ssize_t>(twice.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t size; (size = read(client, buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<size_t>(size));
  }
  close(client);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << "the second is not answered";
}

TEST_F(MetricsServerTest, ABusyPortIsNamedAndNotShared) {
  const std::string listen = StrCat("127.0.0.1:", server_->port());
  const auto second = StartMetricsServer(listen, absl::Seconds(10), clock_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(listen));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("metrics.listen"));
}

TEST(StartMetricsServerTest, AnAddressThatIsNoneIsNamed) {
  FakeClock clock;
  for (const char* listen : {"nonsense", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1"}) {
    const auto server = StartMetricsServer(listen, absl::Seconds(10), clock);
    EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << listen;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(listen));
  }
}

}  // namespace
}  // namespace truce::agent
