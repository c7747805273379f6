// Units of systemd behind the names of their control files: what systemd is asked for, and that a unit whose controller
// is not switched on reads as what it would say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "src/host/unit_control.h"
#include "src/host/writer_host.h"
#include "tests/fixtures/fake_systemd.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kInfinity = ~uint64_t{0};
constexpr char kUnit[] = "system.slice/redis.service";

class UnitTest : public testing::Test {
 protected:
  UnitTest() {
    tree_.Put("cgroup.controllers", "cpuset cpu io memory\n");
    tree_.MakeDirectory(kUnit);
    tree_.MakeDirectory("plain");
    run_.MakeDirectory("systemd/system");
    layout_.emplace(*CgroupLayout::Detect(tree_.root()));
    unit_ = *Cgroup::Open(*layout_, kUnit);
  }
  HostControlWriter Writer(UnitManager* units) {
    return HostControlWriter({.units = units, .run_directory = run_.root(), .unit_patience = absl::Milliseconds(50)});
  }
  ControlFile Control(Controller controller, const std::string& file) { return {unit_.get(), controller, file}; }
  static std::vector<UnitProperty> Asked(const std::string& file, const std::string& value,
                                         const std::string& period = "") {
    const auto properties = UnitPropertiesFor(file, value, period);
    EXPECT_TRUE(properties.ok()) << properties.status();
    return properties.ok() ? *properties : std::vector<UnitProperty>();
  }

  test::Tree tree_;
  test::Tree run_;
  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> unit_;
};

TEST_F(UnitTest, UnitsAreKnownByTheirNames) {
  EXPECT_EQ(UnitOf(kUnit), "redis.service");
  EXPECT_EQ(UnitOf("machine.slice/vm-1.scope"), "vm-1.scope");
  EXPECT_EQ(UnitOf("user.slice"), "user.slice");
  EXPECT_EQ(UnitOf("system.slice/_cpu.service"), "cpu.service") << "escaped, since it looks like a file";
  for (const char* none : {"", "docker/3f", "system.slice/redis.service/worker",
                           "user.slice/user-1.slice/user@1.service/app.slice/dbus.service"}) {
    EXPECT_EQ(UnitOf(none), std::nullopt) << none;
  }
}

TEST_F(UnitTest, TranslatesContentsIntoProperties) {
  const auto one = [](const std::string& name, const auto& value) { return ElementsAre(UnitProperty{name, value}); };
  EXPECT_THAT(Asked("cpu.max", "60000 100000\n"), one("CPUQuotaPerSecUSec", uint64_t{600'000}));
  EXPECT_THAT(Asked("cpu.max", "max 100000"), one("CPUQuotaPerSecUSec", kInfinity));
  EXPECT_THAT(Asked("cpu.max", "10000 20000"), ElementsAre(UnitProperty{"CPUQuotaPeriodUSec", uint64_t{20'000}},
                                                           UnitProperty{"CPUQuotaPerSecUSec", uint64_t{500'000}}));
  EXPECT_THAT(Asked("cpu.weight", "50"), one("CPUWeight", uint64_t{50}));
  EXPECT_THAT(Asked("cpu.weight", "100"), one("CPUWeight", kInfinity)) << "the kernel's own";
  EXPECT_THAT(Asked("cpu.idle", "1"), one("CPUWeight", uint64_t{0}));
  EXPECT_THAT(Asked("cpu.idle", "0"), one("CPUWeight", kInfinity));
  EXPECT_THAT(Asked("cpuset.cpus", "0-1,9"), one("AllowedCPUs", std::vector<uint8_t>{3, 2}));
  EXPECT_THAT(Asked("cpuset.cpus", "\n"), one("AllowedCPUs", std::vector<uint8_t>{}));
  EXPECT_THAT(Asked("memory.high", "1048576"), one("MemoryHigh", uint64_t{1 << 20}));
  EXPECT_THAT(Asked("memory.high", "max"), one("MemoryHigh", kInfinity));
  EXPECT_THAT(Asked("cpu.max", "7777 30000"), testing::Contains(UnitProperty{"CPUQuotaPerSecUSec", uint64_t{259'234}}))
      << "rounded up, since systemd rounds down: 259234 x 30000 / 1000000 = 7777";
  EXPECT_THAT(Asked("cpu.shares", "205"), one("CPUShares", uint64_t{205}));
  EXPECT_THAT(Asked("cpu.shares", "1024"), one("CPUShares", kInfinity));
  EXPECT_THAT(Asked("cpu.cfs_quota_us", "50000", "100000\n"), one("CPUQuotaPerSecUSec", uint64_t{500'000}));
  EXPECT_THAT(Asked("cpu.cfs_quota_us", "-1", "100000\n"), one("CPUQuotaPerSecUSec", kInfinity));
}

TEST_F(UnitTest, NonsenseIsRefused) {
  for (const auto& [file, value] : {std::pair{"cpu.max", "x 100000"},
                                    {"cpu.max", "5 0"},
                                    {"cpu.max", "18446744073709551614 100000"},
                                    {"cpu.weight", "0"},
                                    {"cpu.weight", "heavy"},
                                    {"cpuset.cpus", "one"},
                                    {"memory.high", "lots"},
                                    {"io.max", "8:0 rbps=1"}}) {
    const auto refused = UnitPropertiesFor(file, value, "");
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << file << " " << value;
    EXPECT_THAT(std::string(StdView(refused.status().message())), HasSubstr(file)) << value;
  }
}

TEST_F(UnitTest, AUnitWithoutTheControllerReadsAsUnbound) {
  test::FakeSystemd systemd(tree_, run_);
  HostControlWriter writer = Writer(&systemd);
  EXPECT_EQ(*writer.Read(Control(Controller::kCpu, "cpu.max")), "max 100000\n");
  EXPECT_EQ(*writer.Read(Control(Controller::kCpuset, "cpuset.cpus")), "\n");
  tree_.Put(StrCat(kUnit, "/cgroup.controllers"), "cpu memory\n");
  EXPECT_TRUE(absl::IsNotFound(writer.Read(Control(Controller::kCpu, "cpu.idle")).status()))
      << "the controller is on, so this kernel has no such file";
  EXPECT_EQ(*writer.Read(Control(Controller::kCpuset, "cpuset.cpus")), "\n") << "and that one is off";
  tree_.Remove(StrCat(kUnit, "/cgroup.controllers"));
  EXPECT_TRUE(absl::IsNotFound(writer.Read(Control(Controller::kCpu, "cpu.max.burst")).status()))
      << "systemd has no property for it";
  const auto plain = *Cgroup::Open(*layout_, "plain");
  EXPECT_TRUE(absl::IsNotFound(writer.Read({plain.get(), Controller::kCpu, "cpu.max"}).status()));
}

TEST_F(UnitTest, WritesThroughSystemdAndTakesItBack) {
  test::FakeSystemd systemd(tree_, run_);
  systemd.Add(kUnit);
  HostControlWriter writer = Writer(&systemd);
  const ControlFile pin = Control(Controller::kCpuset, "cpuset.cpus");
  ASSERT_TRUE(writer.Write(pin, "1\n").ok());
  EXPECT_EQ(*writer.Read(pin), "1\n");
  EXPECT_TRUE(writer.Outlives(pin));
  ASSERT_TRUE(writer.Write(pin, "\n").ok());
  EXPECT_EQ(*writer.Read(pin), "\n");
  tree_.Put(StrCat(kUnit, "/io.max"), "");
  const absl::Status disk = writer.Write(Control(Controller::kIo, "io.max[8:0]"), "8:0 rbps=1000");
  EXPECT_TRUE(absl::IsFailedPrecondition(disk)) << disk;
  EXPECT_THAT(std::string(StdView(disk.message())), HasSubstr("Delegate=yes"));
  EXPECT_TRUE(writer.Write(Control(Controller::kIo, "io.max[8:0]"), "").ok()) << "as it is";
  EXPECT_THAT(systemd.SetOf(kUnit), IsEmpty());
}

TEST_F(UnitTest, WhatSystemdRefusesOrLeavesUndoneIsSaid) {
  test::FakeSystemd systemd(tree_, run_);
  HostControlWriter writer = Writer(&systemd);
  const ControlFile quota = Control(Controller::kCpu, "cpu.max");
  EXPECT_TRUE(absl::IsNotFound(writer.Write(quota, "50000 100000"))) << "no such unit";
  systemd.Add(kUnit);
  systemd.DoNothing();
  const absl::Status undone = writer.Write(quota, "50000 100000");
  EXPECT_TRUE(absl::IsUnavailable(undone));
  EXPECT_THAT(std::string(StdView(undone.message())), HasSubstr("cpu.max, which still says 'max 100000' after 50ms"));
  EXPECT_TRUE(absl::IsUnavailable(writer.Write(quota, "50000 100000")));
  (void)writer.Write(quota, "max 100000");
  EXPECT_THAT(systemd.SetOf(kUnit), IsEmpty()) << "asked for, although the file says so already: it may come yet";
  HostControlWriter alone = Writer(nullptr);
  EXPECT_TRUE(absl::IsFailedPrecondition(alone.Write(quota, "50000 100000")));
}

TEST_F(UnitTest, WhatOutlivesACgroupIsTakenBackByName) {
  test::FakeSystemd systemd(tree_, run_);
  systemd.Add(kUnit);
  HostControlWriter writer = Writer(&systemd);
  ASSERT_TRUE(writer.Write(Control(Controller::kCpuset, "cpuset.cpus"), "1\n").ok());
  tree_.Remove(kUnit);
  EXPECT_TRUE(*writer.Forget(kUnit, Controller::kCpuset, "cpuset.cpus", "\n"));
  EXPECT_THAT(systemd.SetOf(kUnit), IsEmpty());
  const int calls = systemd.calls();
  EXPECT_FALSE(*writer.Forget("docker/3f", Controller::kCpuset, "cpuset.cpus", "\n"));
  EXPECT_FALSE(*writer.Forget(kUnit, Controller::kIo, "io.max[8:0]", ""));
  EXPECT_EQ(systemd.calls(), calls) << "nothing of those is left anywhere";
  EXPECT_FALSE(*writer.Forget("system.slice/gone.scope", Controller::kCpuset, "cpuset.cpus", "\n"))
      << "a unit that is gone has no properties";
}

// Without a bus, as in a container: an answer at once, and what to do.
TEST(SystemBusTest, SaysWhatIsMissing) {
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/to/be/found", 1);
  const absl::Status status = SystemBus().SetProperties("truce-no-such-unit.service", {});
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  if (status.ok() || absl::IsNotFound(status)) GTEST_SKIP() << "root reaches systemd by its own socket here";
  EXPECT_THAT(std::string(StdView(status.message())), testing::AnyOf(HasSubstr("dbus"), HasSubstr("systemd")));
}

}  // namespace
}  // namespace truce::host
