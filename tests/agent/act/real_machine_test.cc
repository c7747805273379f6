// The same with QEMU on cgroups of this host. No guest runs in it but the firmware, which drives no balloon: what was
// asked for is read from the balloon device itself, as a guest's driver would; the last test has a guest. Skipped, with
// the reason, where there is no QEMU or no cgroup can be made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/host/qmp.h"
#include "src/host/scratch_cgroups.h"
#include "src/host/writer_host.h"
#include "tests/agent/act/rig.h"
#include "tests/fixtures/real_qemu.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kAll = 256 * kMiB;

class RealMachine : public testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    if (const auto missing = test::RealQemu::Missing()) GTEST_SKIP() << *missing;
    auto layout = host::CgroupLayout::Detect("/sys/fs/cgroup");
    if (!layout.ok()) GTEST_SKIP() << layout.status();
    layout_.emplace(*std::move(layout));
    auto cgroups = host::ScratchCgroups::Create(*layout_, StrCat("truce-machine-", getpid()));
    if (!cgroups.ok()) GTEST_SKIP() << cgroups.status();
    cgroups_.emplace(*std::move(cgroups));
    const auto path = cgroups_->Add("vm");
    if (!path.ok()) GTEST_SKIP() << path.status();
    path_ = *path;
    cgroup_ = *host::Cgroup::Open(*layout_, path_);
    options_.state_directory = state_.path() + "/act";
  }

  void TearDown() override {
    actuator_.reset();
    qemu_.reset();
    if (cgroups_) {
      EXPECT_TRUE(cgroups_->Remove().ok());
    }
  }

  void Start(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"-machine", "pc",  "-accel", "tcg,tb-size=32",
                                          "-m",       "256", "-name",  "guest=truce-test"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    qemu_.emplace(arguments, [this] { return cgroups_->Enter("vm", 0); });
    ASSERT_TRUE(qemu_->up()) << qemu_->why();
  }
  // As a process that has asked for nothing yet.
  void StartAgent() {
    actuator_.reset();
    balloons_.emplace(host::BalloonsOptions{.make = host::SystemBalloons("", absl::Seconds(20)),
                                            .search_every = absl::ZeroDuration()});
    writer_.emplace(host::HostControlWriterOptions{.balloons = &*balloons_});
    actuator_ = *OpenActuatorOn(SystemDisk(), options_, *layout_, clock_, *writer_);
  }
  TargetLookup Lookup() {
    return [this](const std::string& name) -> std::optional<ActionTarget> {
      if (name != path_) return std::nullopt;
      ActionTarget target;
      target.name = name;
      target.instance = cgroup_->instance();
      target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
      target.mode = v1::MODE_ENFORCE;
      target.allowed_levers = {v1::LEVER_MEMORY_SQUEEZE};
      target.memory = {80 * kMiB, 60 * kMiB, 0.0};
      target.cgroup = cgroup_.get();
      return target;
    };
  }
  v1::DesiredSetResult Squeeze() { return actuator_->Apply(Set({SqueezeTo("s", path_, 64 * kMiB)}), Lookup()); }

  // What QEMU's own monitor for people says.
  std::string Ask(const std::string& command) {
    const auto client = host::QmpClient::Connect(qemu_->monitor(), absl::Seconds(20));
    if (!client.ok()) return client.status().ToString();
    google::protobuf::Struct arguments;
    (*arguments.mutable_fields())["command-line"].set_string_value(command);
    const auto said = (*client)->Execute("human-monitor-command", arguments);
    return said.ok() ? said->string_value() : said.status().ToString();
  }
  // The size that the balloon device tells its driver to get to: num_pages, the first word of its configuration, which
  // a device without MSI-X has 20 bytes into its ports (Virtual I/O Device 1.1, 4.1.4.8 and 5.5.4).
  std::optional<uint64_t> DeviceWants() {
    // The firmware gives the device its ports and switches them on first; until then they read as all ones.
    constexpr uint64_t kNobody = 0xffffffff;
    for (const absl::Time deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline;) {
      const std::string devices = Ask("info pci");
      const size_t ports = devices.find("BAR0: I/O at 0x", devices.find("1af4:1002"));
      if (ports != std::string::npos) {
        const uint64_t port = std::strtoull(devices.c_str() + ports + 15, nullptr, 16);
        const std::string word = Ask(StrCat("i /w ", port + 20));
        const size_t value = word.find("= 0x");
        if (value == std::string::npos) ADD_FAILURE() << word;
        const uint64_t pages = std::strtoull(word.c_str() + value + 4, nullptr, 16);
        if (pages != kNobody) return kAll - 4096 * pages;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << "the firmware gave the balloon no ports: " << Ask("info pci");
    return std::nullopt;
  }

  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::string path_;
  std::unique_ptr<host::Cgroup> cgroup_;
  TemporaryDirectory state_;
  std::optional<test::RealQemu> qemu_;
  ActuatorOptions options_;
  FakeClock clock_;
  std::optional<host::Balloons> balloons_;
  std::optional<host::HostControlWriter> writer_;
  std::unique_ptr<Actuator> actuator_;
};

TEST_F(RealMachine, IsAskedReadBackAndRestored) {
  Start({"-device", "virtio-balloon-pci"});
  ASSERT_EQ(DeviceWants(), kAll);
  const auto before = cgroups_->SnapshotControls("vm");
  StartAgent();
  const v1::DesiredSetResult result = Squeeze();
  ASSERT_TRUE(result.accepted()) << result.ShortDebugString();
  const auto asked = DeviceWants();
  EXPECT_LT(asked, kAll);
  EXPECT_GT(asked, kAll * 9 / 10) << "a small step";
  EXPECT_EQ(*writer_->Read(host::BalloonControl(cgroup_.get(), host::kBalloon)), StrCat(*asked, "\n"));
  clock_.Advance(absl::Seconds(2));
  actuator_->Tick(Lookup());
  EXPECT_EQ(DeviceWants(), asked) << "no guest has given anything yet";
  EXPECT_EQ(cgroups_->SnapshotControls("vm"), before) << "by its balloon only";
  ASSERT_TRUE(actuator_->Apply(Set({}), Lookup()).accepted());
  EXPECT_EQ(DeviceWants(), kAll);
  for (const v1::Event& event : actuator_->TakeEvents()) {
    EXPECT_THAT(event.kind(), testing::AnyOf("action_applied", "action_released")) << event.message();
  }

  // A crash: the next process knows nothing but the journal.
  ASSERT_TRUE(Squeeze().accepted());
  EXPECT_EQ(DeviceWants(), asked);
  actuator_.reset();
  balloons_.emplace(host::BalloonsOptions{.make = host::SystemBalloons("", absl::Seconds(20))});
  const auto restored = RestoreFromJournalOn(SystemDisk(), options_.state_directory, *layout_,
                                             [this]() -> host::ControlWriter& { return *writer_; });
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(*restored, 1);
  EXPECT_EQ(DeviceWants(), kAll);
}

TEST_F(RealMachine, WithoutABalloonIsRefusedAndNotSqueezedOtherwise) {
  Start({"-S"});
  const auto before = cgroups_->SnapshotControls("vm");
  StartAgent();
  const v1::DesiredSetResult result = Squeeze();
  ASSERT_FALSE(result.accepted());
  EXPECT_THAT(result.results(0).reason(), HasSubstr("virtual machine truce-test"));
  EXPECT_THAT(result.results(0).reason(), HasSubstr("start it with -device virtio-balloon"));
  EXPECT_EQ(cgroups_->SnapshotControls("vm"), before);
}

TEST_F(RealMachine, ThatEndsIsWrittenOff) {
  Start({"-S", "-device", "virtio-balloon-pci"});
  const auto before = cgroups_->SnapshotControls("vm");
  StartAgent();
  ASSERT_TRUE(Squeeze().accepted());
  qemu_->Kill();
  clock_.Advance(absl::Seconds(2));
  actuator_->Tick(Lookup());
  const auto receipts = actuator_->TakeReceipts();
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].outcome(), v1::RECEIPT_OUTCOME_WORKLOAD_GONE) << receipts[0].detail();
  EXPECT_EQ(cgroups_->SnapshotControls("vm"), before);
}

// With a guest whose driver drives the balloon: it gives memory step by step, as far as it says it can, and gets all of
// it back. Run by tests/vm/run.sh, which has such a guest.
TEST_F(RealMachine, ItsGuestGivesMemoryAndGetsItBack) {
  const char* image = std::getenv("TRUCE_VM_IMAGE");
  if (image == nullptr) GTEST_SKIP() << "no guest to boot; tests/vm/run.sh has one";
  constexpr uint64_t kMemory = 512 * kMiB;
  const std::string files = image;
  Start({"-m", "512", "-cpu", "max", "-kernel", files + "/vmlinuz", "-initrd", files + "/initrd.img", "-append",
         "root=/dev/vda rw quiet mitigations=off audit=0 init_on_free=1", "-drive",
         StrCat("file=", files, "/root.ext4,if=virtio,format=raw,snapshot=on"), "-device",
         "virtio-balloon-pci,guest-stats-polling-interval=1"});
  StartAgent();
  const auto look = [this] { return *balloons_->Look(*cgroup_); };
  const auto eventually = [](const std::function<bool()>& condition) {
    const absl::Time deadline = absl::Now() + absl::Minutes(5);
    while (!condition() && absl::Now() < deadline) absl::SleepFor(absl::Seconds(1));
    return condition();
  };
  ASSERT_TRUE(eventually([&] { return look().guest_available_bytes.has_value(); })) << "the guest did not come up";
  // Until it is done with its boot.
  const auto settled = [&, last = uint64_t{0}]() mutable {
    const uint64_t before = std::exchange(last, *look().guest_available_bytes);
    return before != 0 && before < last + kMiB && last < before + kMiB;
  };
  ASSERT_TRUE(eventually(settled));
  const host::BalloonState before = look();
  ASSERT_EQ(before.actual_bytes, kMemory);
  const uint64_t works_with = kMemory - *before.guest_available_bytes;
  // What it costs the host: all of it, since the kernel wiped all of it at its start.
  const auto resident = [this] {
    const std::string pages = host::ReadFile(StrCat("/proc/", qemu_->pid(), "/statm")).value_or("");
    const size_t second = pages.find(' ');
    return 4096 * static_cast<uint64_t>(host::FirstNumber(std::string_view(pages).substr(second + 1)).value_or(0));
  };
  const uint64_t resident_before = resident();

  int seconds = 0;
  const auto gave = [&] {
    EXPECT_TRUE(Squeeze().accepted());
    clock_.Advance(absl::Seconds(2));
    actuator_->Tick(Lookup());
    ++seconds;
    return look().actual_bytes < works_with + kMemory / 8;
  };
  EXPECT_TRUE(eventually(gave)) << look().actual_bytes << " with " << works_with << " needed";
  const host::BalloonState squeezed = look();
  EXPECT_GT(squeezed.actual_bytes, works_with) << "the guest keeps what it works with";
  const uint64_t resident_after = resident();
  EXPECT_LT(resident_after, resident_before - (kMemory - squeezed.actual_bytes) / 2) << "and the host has the rest";
  for (const v1::Event& event : actuator_->TakeEvents()) EXPECT_EQ(event.kind(), "action_applied") << event.message();
  ASSERT_TRUE(actuator_->Apply(Set({}), Lookup()).accepted());
  EXPECT_TRUE(eventually([&] { return look().actual_bytes == kMemory; })) << look().actual_bytes;
  std::printf("the guest gave %d MiB in %d s, the host got %d MiB of it, and the guest has all of it again\n",
              static_cast<int>((before.actual_bytes - squeezed.actual_bytes) / kMiB), seconds,
              static_cast<int>(static_cast<int64_t>(resident_before - resident_after) / static_cast<int64_t>(kMiB)));
}

}  // namespace
}  // namespace truce::agent
