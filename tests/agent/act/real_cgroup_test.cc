// The same on the cgroups of this machine, where the kernel and not a plain file has the last word. Everything happens
// below truce-test-PID and is removed again. Skipped, with the reason, where that can't be made or there is one CPU
// only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>

#include "src/host/writer_host.h"
#include "tests/agent/act/rig.h"

namespace truce::agent {
namespace {

using host::Controller;
using testing::HasSubstr;

constexpr char kRoot[] = "/sys/fs/cgroup";

class RealCgroup : public testing::Test {
 protected:
  void SetUp() override {
    auto layout = host::CgroupLayout::Detect(kRoot);
    if (!layout.ok()) GTEST_SKIP() << layout.status();
    layout_ = *std::move(layout);
    const auto cpu = layout_->hierarchy_of(Controller::kCpu);
    const auto cpuset = layout_->hierarchy_of(Controller::kCpuset);
    if (!cpu || !cpuset) GTEST_SKIP() << "this host has no cpu or no cpuset controller";
    auto cpus =
        host::ReadFile(File(*cpuset, "", version(*cpuset) == 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"));
    if (!cpus.ok()) GTEST_SKIP() << cpus.status();
    cpus_ = *host::ParseCpuList(cpus->substr(0, cpus->find('\n')));
    if (cpus_.size() < 2) GTEST_SKIP() << "one CPU only; nothing to pin apart";
    top_ = "truce-test-" + std::to_string(getpid());
    for (const std::string& path : {top_, top_ + "/batch", top_ + "/batch/nested", top_ + "/other"}) {
      for (const size_t tree : {*cpu, *cpuset}) {
        const std::string why = Make(tree, path);
        if (!why.empty()) GTEST_SKIP() << why;
      }
      for (const Controller controller : {Controller::kMemory, Controller::kIo, Controller::kUnified}) {
        if (const auto tree = layout_->hierarchy_of(controller)) Make(*tree, path);
      }
    }
    ASSERT_TRUE(Put(*cpu, top_ + "/other", version(*cpu) == 1 ? "cpu.cfs_quota_us" : "cpu.max", "150000"));
    world_ = std::make_unique<World>(kRoot, state_.path() + "/act");
    world_->Live(top_ + "/batch");
    world_->Live(top_ + "/other");
  }

  void TearDown() override {
    world_.reset();
    // Deepest first: a cgroup with children can't be removed.
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
      EXPECT_EQ(rmdir(made->c_str()), 0) << *made << ": " << strerror(errno);
    }
  }

  int version(size_t tree) const { return layout_->hierarchies()[tree].version; }
  std::string File(size_t tree, const std::string& path, const std::string& file) const {
    return std::string(kRoot) + "/" + layout_->hierarchies()[tree].directory + "/" + path + "/" + file;
  }
  bool Put(size_t tree, const std::string& path, const std::string& file, const std::string& value) {
    std::ofstream out(File(tree, path, file));
    out << value << std::flush;
    return out.good();
  }

  // Makes a cgroup fit for tasks; the reason when that can't be done.
  std::string Make(size_t tree, const std::string& path) {
    const std::string directory = File(tree, path, "");
    if (mkdir(directory.c_str(), 0755) == 0) {
      made_.push_back(directory);
    } else if (errno != EEXIST) {
      return "making " + directory + ": " + strerror(errno);
    }
    if (version(tree) == 2) {
      // Only for our own cgroups: what the root does not hand down is not ours to change.
      if (!std::filesystem::exists(File(tree, path, "cpuset.cpus"))) return "cpuset is not handed down to " + directory;
      if (!Put(tree, path, "cgroup.subtree_control", "+cpu +cpuset")) return "no subtree control in " + directory;
      for (const char* controller : {"+memory", "+io"}) Put(tree, path, "cgroup.subtree_control", controller);
      return "";
    }
    const auto cpuset = layout_->hierarchy_of(Controller::kCpuset);
    if (tree != *cpuset) return "";
    // A v1 cpuset is born empty.
    if (!Put(tree, path, "cpuset.cpus", host::FormatCpuList(cpus_))) return "no CPUs for " + directory;
    return "";
  }

  // All controls of our cgroups, as the kernel states them.
  std::map<std::string, std::string> Snapshot() {
    std::map<std::string, std::string> files;
    for (const std::string& directory : made_) {
      for (const char* file :
           {"cpuset.cpus", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.max", "cpu.max.burst",
            "cpu.shares", "cpu.weight", "cpu.idle", "memory.high", "memory.soft_limit_in_bytes", "io.max",
            "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"}) {
        auto content = host::ReadFile(directory + file);
        if (content.ok()) files[directory + file] = *content;
      }
    }
    return files;
  }

  std::vector<v1::LeasedAction> Actions(double cores) {
    const std::string first = std::to_string(cpus_[0]);
    return {Pin("p", top_ + "/batch", first), Quota("q", top_ + "/batch", 0.5), Quota("r", top_ + "/other", cores)};
  }

  std::optional<host::CgroupLayout> layout_;
  std::vector<int> cpus_;
  std::string top_;
  std::vector<std::string> made_;
  TemporaryDirectory state_;
  std::unique_ptr<World> world_;
};

TEST_F(RealCgroup, KernelTakesPinMoveQuotaAndRestore) {
  const auto before = Snapshot();
  const auto actuator = world_->Open();
  auto result = actuator->Apply(Set(Actions(0.5)), world_->Lookup());
  ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
  ASSERT_NE(Snapshot(), before);
  // Moved to other CPUs while held: on v1 only possible widened top-down and then tightened bottom-up.
  auto actions = Actions(0.25);
  actions[0].set_cpus(std::to_string(cpus_[1]));
  result = actuator->Apply(Set(actions), world_->Lookup());
  ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
  const auto cpuset = *layout_->hierarchy_of(Controller::kCpuset);
  EXPECT_EQ(*host::ReadFile(File(cpuset, top_ + "/batch", "cpuset.cpus")), std::to_string(cpus_[1]) + "\n");
  world_->clock.Advance(absl::Seconds(1));
  actuator->Tick(world_->Lookup());
  EXPECT_EQ(actuator->held().size(), 3u);
  for (const v1::Event& event : actuator->TakeEvents()) {
    EXPECT_TRUE(event.kind() == "action_applied" || event.kind() == "action_changed") << event.ShortDebugString();
  }
  // More than the operator gave is refused, with the kernel untouched.
  actions[2].set_quota_cores(1.6);
  EXPECT_THAT(actuator->Apply(Set(actions), world_->Lookup()).results(2).reason(),
              HasSubstr("more than the 1.5 cores"));
  ASSERT_TRUE(actuator->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());
  EXPECT_EQ(Snapshot(), before);
}

// The first whole disk, as "254:0".
std::string SomeDisk() {
  const std::filesystem::directory_iterator none;
  std::error_code error;
  for (std::filesystem::directory_iterator block("/sys/block", error); block != none; block.increment(error)) {
    auto device = host::ReadFile(block->path().string() + "/dev");
    if (device.ok()) return device->substr(0, device->find('\n'));
  }
  return "";
}

// The real kernel's say on each lever: what it does to other files, what it rounds, what it takes back.
TEST_F(RealCgroup, KernelTakesEveryLeverAndGivesAllBack) {
  for (const char* file : {"cpu.shares", "cpu.weight"}) {
    (void)Put(*layout_->hierarchy_of(Controller::kCpu), top_ + "/batch", file, "250");
  }
  const auto before = Snapshot();
  const auto actuator = world_->Open();
  const std::string disk = SomeDisk();
  int taken = 0;
  for (v1::LeasedAction action : EveryLever(top_ + "/batch", /*counts_traffic=*/false)) {
    if (action.lever() == v1::LEVER_CPU_PIN) action.set_cpus(std::to_string(cpus_[0]));
    for (v1::DiskCap& cap : *action.mutable_disk_caps()) cap.set_device(disk);
    SCOPED_TRACE(Describe(action));
    const v1::ActionResult result = actuator->Apply(Set({action}), world_->Lookup()).results(0);
    if (result.state() != v1::ACTION_STATE_APPLIED) {
      // Only what this host lacks may be refused, and only by name.
      EXPECT_THAT(result.reason(),
                  testing::AnyOf(HasSubstr("controller"), HasSubstr("Linux has it from"), HasSubstr("block device")));
      printf("not here: %s: %s\n", Describe(action).c_str(), result.reason().c_str());
      continue;
    }
    ++taken;
    EXPECT_NE(Snapshot(), before);
    world_->clock.Advance(absl::Seconds(3));
    actuator->Tick(world_->Lookup());
    ASSERT_TRUE(actuator->Apply(Set({}), world_->Lookup()).accepted());
    ASSERT_EQ(Snapshot(), before);
  }
  for (const v1::Event& event : actuator->TakeEvents()) {
    EXPECT_THAT(event.kind(), testing::AnyOf("action_applied", "action_released", "action_refused")) << event.message();
  }
  printf("real cgroups: %d of %zu levers taken and given back\n", taken, EveryLever("", false).size());
  EXPECT_GE(taken, 3) << "pin, quota and weight are everywhere";
}

// The bound that no file holds goes the same way, and ends with the agent.
TEST_F(RealCgroup, NetworkCapIsSetTakenBackAndGoneAfterACrash) {
  const auto traffic = host::Traffic::Open(*layout_);
  if (!traffic.ok()) GTEST_SKIP() << traffic.status();
  const std::string path = top_ + "/batch";
  const auto cgroup = host::Cgroup::Open(*layout_, path);
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  if (const auto status = (*traffic)->Watch(**cgroup); !status.ok()) GTEST_SKIP() << status;
  host::HostControlWriter writer({.traffic = traffic->get()});
  world_->Live(path);
  auto actuator = OpenActuatorOn(world_->disk, world_->options, *layout_, world_->clock, writer);
  ASSERT_TRUE(actuator.ok()) << actuator.status();
  const v1::LeasedAction action = CapNetwork("n", path, 1 << 20);
  auto result = (*actuator)->Apply(Set({action}), world_->Lookup());
  ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
  EXPECT_EQ(*(*traffic)->Cap(**cgroup), uint64_t{1} << 20);
  world_->clock.Advance(absl::Seconds(1));
  (*actuator)->Tick(world_->Lookup());
  ASSERT_TRUE((*actuator)->Apply(Set({}), world_->Lookup()).accepted());
  EXPECT_EQ(*(*traffic)->Cap(**cgroup), std::nullopt);
  const auto receipts = (*actuator)->TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_THAT(receipts[0].changes(0).file(), HasSubstr("network_cap"));
  EXPECT_EQ(receipts[0].changes(0).restored(), "max\n");
  ASSERT_TRUE((*actuator)->Apply(Set({action}), world_->Lookup()).accepted());
  actuator->reset();
  const auto restored = world_->Restore();
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, 0) << "for whoever comes after, it is not there";
}

// The kill test of kill_test.cc, with the kernel's own files.
TEST_F(RealCgroup, KilledAtEveryStepIsRestored) {
  const auto before = Snapshot();
  int points = 0;
  for (int n = 1; n < 1000; ++n) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      int steps = 0;
      auto hook = [&steps, n](std::string_view) {
        if (++steps == n) kill(getpid(), SIGKILL);
      };
      world_->writer.SetHook(hook);
      world_->disk.SetHook(hook);
      const auto actuator = world_->Open();
      const bool good = actuator->Apply(Set(Actions(0.5)), world_->Lookup()).accepted() &&
                        actuator->Apply(Set(Actions(0.25)), world_->Lookup()).accepted() &&
                        actuator->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok();
      _exit(good ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    const auto restored = world_->Restore();
    ASSERT_TRUE(restored.ok()) << "step " << n << ": " << restored.status();
    ASSERT_EQ(Snapshot(), before) << "step " << n;
    ASSERT_EQ(*world_->Restore(), 0) << "step " << n;
    if (!WIFSIGNALED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++points;
  }
  printf("real cgroups: %d kill points\n", points);
  EXPECT_GT(points, 20);
}

TEST_F(RealCgroup, VanishedCgroupIsWrittenOff) {
  const auto actuator = world_->Open();
  ASSERT_TRUE(actuator->Apply(Set(Actions(0.5)), world_->Lookup()).accepted());
  const auto is_other = [this](const std::string& directory) {
    return directory.find(top_ + "/other") != std::string::npos;
  };
  for (const std::string& directory : made_) {
    if (is_other(directory)) {
      ASSERT_EQ(rmdir(directory.c_str()), 0) << strerror(errno);
    }
  }
  std::erase_if(made_, is_other);
  ASSERT_TRUE(actuator->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN).ok());
  EXPECT_EQ(actuator->TakeReceipts()[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
}

}  // namespace
}  // namespace truce::agent
