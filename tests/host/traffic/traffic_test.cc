// Traffic of real cgroups over loopback: what is counted, what a bound does, and that it ends with whoever set it.
// Skipped, with the reason, where the kernel does not take the programs.
#include "src/host/traffic.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "src/base/text.h"
#include "src/host/scratch_cgroups.h"

namespace truce::host {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMegabyte = 1'000'000;

class TrafficTest : public testing::Test {
 protected:
  void SetUp() override {
    auto layout = CgroupLayout::Detect("/sys/fs/cgroup");
    if (!layout.ok()) GTEST_SKIP() << layout.status();
    layout_ = *std::move(layout);
    auto traffic = Traffic::Open(*layout_);
    if (!traffic.ok()) GTEST_SKIP() << traffic.status();
    traffic_ = *std::move(traffic);
    auto cgroups = ScratchCgroups::Create(*layout_, StrCat("truce-test-traffic-", getpid()));
    if (!cgroups.ok()) GTEST_SKIP() << "cannot make cgroups here: " << cgroups.status();
    cgroups_.emplace(*std::move(cgroups));
    const auto path = cgroups_->Add("sender");
    ASSERT_TRUE(path.ok()) << path.status();
    cgroup_ = *Cgroup::Open(*layout_, *path);
    if (!cgroup_->has(Controller::kUnified)) GTEST_SKIP() << "the cgroup2 tree does not have it";
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener_, 1), 0);
    socklen_t length = sizeof address_;
    ASSERT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &length), 0);
  }
  void TearDown() override {
    if (listener_ >= 0) close(listener_);
    traffic_.reset();
    if (cgroups_) {
      EXPECT_TRUE(cgroups_->Remove().ok());
    }
  }

  // A process of the cgroup sends to this one for so long, or so many bytes; returns what came.
  uint64_t Send(absl::Duration limit, uint64_t bytes) {
    const pid_t child = fork();
    if (child == 0) {
      if (!cgroups_->Enter("sender", 0).ok()) _exit(1);
      const int out = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(out, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) _exit(2);
      const std::string chunk(65536, 'x');
      for (uint64_t sent = 0; sent < bytes;) {
        const ssize_t count = send(out, chunk.data(), std::min<uint64_t>(chunk.size(), bytes - sent), MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += static_cast<uint64_t>(count);
      }
      _exit(0);
    }
    const int in = accept(listener_, nullptr, nullptr);
    const absl::Time end = absl::Now() + limit;
    std::string buffer(1 << 20, '\0');
    uint64_t received = 0;
    while (absl::Now() < end) {
      pollfd ready{in, POLLIN, 0};
      if (poll(&ready, 1, 50) <= 0) continue;
      const ssize_t count = read(in, buffer.data(), buffer.size());
      if (count <= 0) break;
      received += static_cast<uint64_t>(count);
    }
    close(in);
    kill(child, SIGKILL);
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
    return received;
  }

  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Traffic> traffic_;
  std::optional<ScratchCgroups> cgroups_;
  std::unique_ptr<Cgroup> cgroup_;
  int listener_ = -1;
  sockaddr_in address_{};
};

TEST_F(TrafficTest, CountsWhatACgroupSendsAndReceives) {
  EXPECT_TRUE(absl::IsNotFound(traffic_->Read(*cgroup_).status()));
  ASSERT_TRUE(traffic_->Watch(*cgroup_).ok());
  ASSERT_TRUE(traffic_->Watch(*cgroup_).ok()) << "twice is once";
  ASSERT_EQ(Send(absl::Seconds(20), 10 * kMegabyte), 10 * kMegabyte);
  const auto totals = traffic_->Read(*cgroup_);
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_GE(totals->sent_bytes, 10 * kMegabyte);
  EXPECT_LT(totals->sent_bytes, 11 * kMegabyte) << "headers are little beside it, and nobody else's traffic is in it";
  EXPECT_GT(totals->received_packets, 0u) << "what TCP acknowledges";
  EXPECT_LT(totals->received_bytes, kMegabyte);
  EXPECT_EQ(totals->dropped_packets, 0u);
  traffic_->Forget(Traffic::IdOf(*cgroup_));
  EXPECT_TRUE(absl::IsNotFound(traffic_->Read(*cgroup_).status()));
}

TEST_F(TrafficTest, ABoundHoldsUntilItIsTakenBack) {
  ASSERT_TRUE(traffic_->Watch(*cgroup_).ok());
  EXPECT_EQ(*traffic_->Cap(*cgroup_), std::nullopt);
  ASSERT_TRUE(traffic_->SetCap(*cgroup_, 4 * kMegabyte).ok());
  EXPECT_EQ(*traffic_->Cap(*cgroup_), 4 * kMegabyte);
  const uint64_t bound = Send(absl::Seconds(3), 1000 * kMegabyte);
  EXPECT_LE(bound, 4 * kMegabyte * 4) << "three seconds and a bucket";
  EXPECT_GE(bound, 4 * kMegabyte) << "TCP gets along with it";
  ASSERT_TRUE(traffic_->SetCap(*cgroup_, std::nullopt).ok());
  EXPECT_EQ(*traffic_->Cap(*cgroup_), std::nullopt);
  EXPECT_GT(Send(absl::Seconds(3), 1000 * kMegabyte), 5 * bound);
}

// Nothing has to be restored after a crash: the kernel does it.
TEST_F(TrafficTest, ABoundEndsWithWhoeverSetIt) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t holder = fork();
  if (holder == 0) {
    auto own = Traffic::Open(*layout_);
    const bool set = own.ok() && (*own)->Watch(*cgroup_).ok() && (*own)->SetCap(*cgroup_, kMegabyte).ok();
    const char answer = set ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  const uint64_t bound = Send(absl::Seconds(2), 1000 * kMegabyte);
  EXPECT_LT(bound, 6 * kMegabyte);
  kill(holder, SIGKILL);
  ASSERT_EQ(waitpid(holder, nullptr, 0), holder);
  EXPECT_GT(Send(absl::Seconds(2), 1000 * kMegabyte), 10 * bound);
  close(ready[0]);
  close(ready[1]);
}

TEST(TrafficHostTest, WithoutACgroup2TreeItIsMissingWithAReason) {
  char name[] = "/tmp/truce-traffic-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string root = name;
  ASSERT_EQ(mkdir((root + "/cpu").c_str(), 0700), 0);
  fclose(fopen((root + "/cpu/cpu.shares").c_str(), "w"));
  const auto layout = CgroupLayout::Detect(root);
  ASSERT_TRUE(layout.ok()) << layout.status();
  const auto traffic = Traffic::Open(*layout);
  EXPECT_TRUE(absl::IsFailedPrecondition(traffic.status()));
  EXPECT_THAT(std::string(traffic.status().message()), HasSubstr("no cgroup2 tree"));
  unlink((root + "/cpu/cpu.shares").c_str());
  rmdir((root + "/cpu").c_str());
  rmdir(root.c_str());
}

}  // namespace
}  // namespace truce::host
