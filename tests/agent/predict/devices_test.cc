// Disks from a made-up /proc and /sys, whose counters are those of a queue.
#include "agent/predict/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "src/base/text.h"
#include "tests/models/storage/queue.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kDiskBytes = uint64_t{1} << 30;

class DevicesTest : public testing::Test {
 protected:
  DevicesTest()
      : root_(StrCat(testing::TempDir(), "devices-", testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_ + "/proc");
    std::filesystem::create_directories(root_ + "/models");
    AddDisk("vda", "254:0");
    totals_ = {.name = "vda", .device = "254:0"};
  }
  ~DevicesTest() override { std::filesystem::remove_all(root_); }

  void AddDisk(const std::string& name, const std::string& device) {
    const std::string directory = StrCat(root_, "/sys/block/", name);
    std::filesystem::create_directories(directory + "/queue");
    std::ofstream(directory + "/size") << kDiskBytes / 512 << "\n";
    std::ofstream(directory + "/dev") << device << "\n";
    std::ofstream(directory + "/queue/rotational") << "0\n";
  }
  Devices Make() { return Devices({root_ + "/proc", root_ + "/sys", root_ + "/models"}); }
  void WriteStats() {
    const auto& [operations, bytes, ms] = std::tie(totals_.operations, totals_.bytes, totals_.milliseconds);
    std::ofstream(root_ + "/proc/diskstats")
        << "   7 0 loop0 9 0 9 9 9 0 9 9 0 9 9\n"
        << "   254 1 vda1 1 0 8 1 0 0 0 0 0 1 1\n"
        << "   254 0 vda " << operations[0] << " 0 " << bytes[0] / 512 << " " << ms[0] << " " << operations[1] << " 0 "
        << bytes[1] / 512 << " " << ms[1] << " 2 " << totals_.busy_milliseconds << " " << totals_.queue_milliseconds
        << "\n";
  }
  // One interval of that load, and a tick.
  void Pass(Devices& devices, const DeviceLoad& load) {
    now_ += absl::Seconds(5);
    if (load.operations_per_second() > 0) {
      const DeviceObservation seen = Watch(disk_, load, random_);
      uint64_t queued = 0;
      for (const size_t one : kDiskDirections) {
        const double operations = 5 * load.of[one].operations_per_second;
        totals_.operations[one] += static_cast<uint64_t>(operations);
        totals_.bytes[one] += static_cast<uint64_t>(operations * load.of[one].mean_bytes());
        totals_.milliseconds[one] += static_cast<uint64_t>(operations * seen.mean_seconds[one] * 1e3);
        queued += static_cast<uint64_t>(operations * seen.mean_seconds[one] * 1e3);
      }
      totals_.queue_milliseconds += queued;
      totals_.busy_milliseconds += static_cast<uint64_t>(static_cast<double>(queued) / seen.in_flight_while_busy);
    }
    WriteStats();
    devices.Tick(now_);
  }
  void WriteModel(const std::string& file, const std::string& name, uint64_t bytes) {
    const auto fit = FitDevice(MeasureGrid(disk_, random_));
    std::ofstream(StrCat(root_, "/models/", file))
        << FormatStorageModel(DeviceModel({name, bytes}, *fit, {}, absl::FromUnixSeconds(1'700'000'000)).ToWire());
  }

  const std::string root_;
  const QueueingDisk disk_;
  std::mt19937_64 random_{23};
  host::DiskStats totals_;
  absl::Duration now_ = absl::Seconds(100);
};

TEST_F(DevicesTest, AWholeDiskIsThereFromTheSecondLookAndUnknownAtFirst) {
  Devices devices = Make();
  Pass(devices, {});
  EXPECT_THAT(devices.headrooms(), IsEmpty());
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.4));
  ASSERT_EQ(devices.headrooms().size(), 1u);
  const v1::DeviceHeadroom& disk = devices.headrooms()[0];
  EXPECT_EQ(disk.name(), "vda");
  EXPECT_EQ(disk.device(), "254:0");
  EXPECT_EQ(disk.knowledge(), v1::DEVICE_KNOWLEDGE_UNKNOWN);
  EXPECT_EQ(disk.in_flight(), 2u);
  EXPECT_NEAR(disk.read().operations_per_second(), LoadAt(disk_, 0.5, 16384, 0.4).of[0].operations_per_second, 1);
  EXPECT_TRUE(disk.read().has_mean_seconds());
  EXPECT_FALSE(disk.read().has_expected_p99_seconds());
  EXPECT_FALSE(disk.has_utilisation_ratio());
  EXPECT_FALSE(disk.has_until_doubled_unloaded());
}

TEST_F(DevicesTest, AMeasuredOneSaysItsHeadroomAtOnce) {
  WriteModel("any-name.storage", "vda", kDiskBytes);
  Devices devices = Make();
  Pass(devices, {});
  ASSERT_THAT(devices.TakeNews(), ElementsAre(testing::Field(&DeviceNews::message, HasSubstr("any-name.storage"))));
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.3));
  ASSERT_EQ(devices.headrooms().size(), 1u);
  const v1::DeviceHeadroom light = devices.headrooms()[0];
  EXPECT_EQ(light.knowledge(), v1::DEVICE_KNOWLEDGE_MEASURED);
  EXPECT_NEAR(light.utilisation_ratio(), 0.3, 0.05);
  EXPECT_LT(light.until_doubled_unloaded().low_factor(), light.until_doubled_unloaded().factor());
  EXPECT_GT(light.until_doubled_unloaded().high_factor(), light.until_doubled_unloaded().factor());
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.6));
  const v1::DeviceHeadroom heavy = devices.headrooms()[0];
  EXPECT_NEAR(light.until_doubled_unloaded().factor() / heavy.until_doubled_unloaded().factor(), 2, 0.1);
  // Idle: nothing to multiply, and known all the same.
  Pass(devices, {});
  EXPECT_EQ(devices.headrooms()[0].knowledge(), v1::DEVICE_KNOWLEDGE_MEASURED);
  EXPECT_FALSE(devices.headrooms()[0].has_until_doubled_unloaded());
}

TEST_F(DevicesTest, AnotherDisksModelAndDamagedOnesAreRefusedWithTheFile) {
  WriteModel("large.storage", "vda", 2 * kDiskBytes);
  std::ofstream(root_ + "/models/broken.storage") << "device: 5\n";
  std::ofstream(root_ + "/models/notes.txt") << "not ours\n";
  Devices devices = Make();
  Pass(devices, {});
  const std::vector<DeviceNews> news = devices.TakeNews();
  ASSERT_EQ(news.size(), 2u);
  EXPECT_STREQ(news[0].kind, "storage_model_refused");
  EXPECT_THAT(news[0].message, HasSubstr("broken.storage:1"));
  EXPECT_THAT(news[1].message, HasSubstr("large.storage"));
  EXPECT_THAT(news[1].message, HasSubstr("another disk"));
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.3));
  EXPECT_EQ(devices.headrooms()[0].knowledge(), v1::DEVICE_KNOWLEDGE_UNKNOWN);
}

// The agent starts all the same: a pipe is not waited for, and what is too large to be a model is not read.
TEST_F(DevicesTest, PipesAndFilesTooLargeForAModelAreRefusedAtOnce) {
  ASSERT_EQ(mkfifo((root_ + "/models/a-pipe.storage").c_str(), 0600), 0);
  std::ofstream(root_ + "/models/large.storage") << "";
  std::filesystem::resize_file(root_ + "/models/large.storage", (1 << 20) + 1);
  WriteModel("vda.storage", "vda", kDiskBytes);
  Devices devices = Make();
  const std::vector<DeviceNews> news = devices.TakeNews();
  ASSERT_EQ(news.size(), 2u);
  EXPECT_THAT(news[0].message, HasSubstr("a-pipe.storage is no file"));
  EXPECT_THAT(news[1].message, HasSubstr("large.storage has 1048577 bytes, more than any model"));
  Pass(devices, {});
  EXPECT_THAT(devices.TakeNews(), ElementsAre(testing::Field(&DeviceNews::message, HasSubstr("vda.storage"))));
}

TEST_F(DevicesTest, CountersThatGoBackLoseOneIntervalOnly) {
  WriteModel("vda.storage", "vda", kDiskBytes);
  Devices devices = Make();
  Pass(devices, {});
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.3));
  totals_.milliseconds = {};
  totals_.queue_milliseconds = 0;
  Pass(devices, {});
  EXPECT_THAT(devices.headrooms(), IsEmpty());
  Pass(devices, LoadAt(disk_, 0.5, 16384, 0.3));
  ASSERT_EQ(devices.headrooms().size(), 1u);
  EXPECT_NEAR(devices.headrooms()[0].utilisation_ratio(), 0.3, 0.05);
}

TEST_F(DevicesTest, AChangedDiskIsToldOnce) {
  WriteModel("vda.storage", "vda", kDiskBytes);
  Devices devices = Make();
  Pass(devices, {});
  devices.TakeNews();
  int told = 0;
  for (int i = 0; i < 60; ++i) {
    Pass(devices, LoadAt(disk_, 0.5, 16384, 0.3));
    // Twenty times as slow as it is.
    totals_.milliseconds[kDiskRead] += 5 * 19 * 1000;
    totals_.milliseconds[kDiskWrite] += 5 * 19 * 1000;
    totals_.queue_milliseconds += 2 * 5 * 19 * 1000;
    for (const DeviceNews& one : devices.TakeNews()) told += std::string_view(one.kind) == "disk_changed" ? 1 : 0;
  }
  EXPECT_EQ(told, 1);
}

TEST_F(DevicesTest, DisksComeAndGoAndAMissingFileIsToldOnce) {
  Devices devices = Make();
  Pass(devices, {});
  Pass(devices, {});
  EXPECT_EQ(devices.headrooms().size(), 1u);
  std::ofstream(root_ + "/proc/diskstats") << "";
  devices.Tick(now_ += absl::Seconds(5));
  EXPECT_THAT(devices.headrooms(), IsEmpty());
  std::filesystem::remove(root_ + "/proc/diskstats");
  devices.Tick(now_ += absl::Seconds(5));
  devices.Tick(now_ += absl::Seconds(5));
  const auto news = devices.TakeNews();
  ASSERT_EQ(news.size(), 1u);
  EXPECT_STREQ(news[0].kind, "disks_unreadable");
  // It came back as another one.
  totals_.device = "254:16";
  Pass(devices, {});
  EXPECT_THAT(devices.headrooms(), IsEmpty());
}

}  // namespace
}  // namespace truce::agent
