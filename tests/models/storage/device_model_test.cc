#include "models/storage/device_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/models/storage/queue.h"

namespace truce {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kInterval = absl::Seconds(5);

DeviceModel MeasuredModel(const QueueingDisk& disk) {
  std::mt19937_64 random(1);
  return DeviceModel({"vdb", 1 << 30}, *FitDevice(MeasureGrid(disk, random)), {}, absl::FromUnixSeconds(1'000'000));
}

// A day's ups and downs, from almost nothing to almost all.
double Busy(int interval, double most) {
  return most * (0.05 + 0.95 * (interval % 37) / 36.0);
}

TEST(DeviceModel, ADiskThatNobodyMeasuredIsUnknownUntilItHasShownWhatItCanDo) {
  std::mt19937_64 random(11);
  const QueueingDisk disk;
  DeviceModel model({"vdb", 1 << 30});
  const DeviceLoad load = LoadAt(disk, 0.7, 16384, 0.3);
  EXPECT_FALSE(model.Headroom(load).has_value());
  EXPECT_EQ(model.KnowledgeAt(model.Headroom(load)), v1::DEVICE_KNOWLEDGE_UNKNOWN);
  // An hour of hardly anything tells what it takes, not what it can do.
  for (int i = 0; i < 720; ++i) model.Observe(Watch(disk, LoadAt(disk, 0.7, 16384, 0.02), random), kInterval);
  EXPECT_NEAR(model.Expect(LoadAt(disk, 0.7, 16384, 0.02)).mean_seconds[kDiskRead], disk.Service(kDiskRead, 16384),
              0.1 * disk.Service(kDiskRead, 16384));
  EXPECT_FALSE(model.Headroom(load).has_value());
  for (int i = 0; i < 720; ++i) {
    model.Observe(Watch(disk, LoadAt(disk, 0.7, 16384, Busy(i, 0.93)), random), kInterval);
  }
  const auto headroom = model.Headroom(load);
  ASSERT_TRUE(headroom.has_value());
  EXPECT_EQ(model.KnowledgeAt(headroom), v1::DEVICE_KNOWLEDGE_OBSERVED);
  // Its tail doubles at about 0.85 of what it can do.
  EXPECT_GT(headroom->until_doubled_unloaded, 1.5);
  EXPECT_LT(headroom->until_doubled_unloaded, 3.4);
}

TEST(DeviceModel, AFewBadIntervalsDontMatterAndALastingChangeIsLearned) {
  std::mt19937_64 random(13);
  const QueueingDisk disk;
  DeviceModel model = MeasuredModel(disk);
  const DeviceLoad load = LoadAt(disk, 0.5, 16384, 0.4);
  const double before = model.Expect(load).mean_seconds[kDiskRead];
  const double factor_before = model.Headroom(load)->until_doubled_unloaded;
  for (int i = 0; i < 10; ++i) {
    DeviceObservation bad = Watch(disk, load, random);
    bad.mean_seconds = {10, 10};
    bad.in_flight_while_busy = 1e5;
    model.Observe(bad, kInterval);
  }
  EXPECT_NEAR(model.Expect(load).mean_seconds[kDiskRead] / before, 1, 0.15);
  EXPECT_NEAR(model.Headroom(load)->until_doubled_unloaded / factor_before, 1, 0.15);
  EXPECT_EQ(model.KnowledgeAt(model.Headroom(load)), v1::DEVICE_KNOWLEDGE_MEASURED);
  // Its host gave it another one that is eight times as slow.
  QueueingDisk slower;
  for (double& seconds : slower.seconds) seconds *= 8;
  slower.seconds_per_byte *= 8;
  for (int i = 0; i < 180; ++i) {
    model.Observe(Watch(slower, LoadAt(slower, 0.5, 16384, Busy(i, 0.6)), random), kInterval);
  }
  const DeviceLoad light = LoadAt(slower, 0.5, 16384, 0.05);
  EXPECT_NEAR(model.Expect(light).mean_seconds[kDiskRead] / slower.Service(kDiskRead, 16384), 1, 0.35);
  EXPECT_NE(model.KnowledgeAt(model.Headroom(load)), v1::DEVICE_KNOWLEDGE_MEASURED);
}

TEST(DeviceModel, DaysOfLightLoadDontMakeItForgetWhatItCanDo) {
  std::mt19937_64 random(17);
  const QueueingDisk disk;
  DeviceModel model = MeasuredModel(disk);
  const DeviceLoad heavy = LoadAt(disk, 0.5, 16384, 0.6);
  const double before = model.Headroom(heavy)->until_doubled_unloaded;
  const DeviceObservation light = Watch(disk, LoadAt(disk, 0.5, 16384, 0.02), random);
  for (int i = 0; i < 100'000; ++i) model.Observe(light, kInterval);
  ASSERT_TRUE(model.Headroom(heavy).has_value());
  EXPECT_NEAR(model.Headroom(heavy)->until_doubled_unloaded / before, 1, 0.15);
}

TEST(DeviceModel, NonsenseIsLeftOut) {
  const QueueingDisk disk;
  DeviceModel model = MeasuredModel(disk);
  const std::string before = model.ToWire().SerializeAsString();
  std::mt19937_64 random(1);
  const DeviceObservation sound = Watch(disk, LoadAt(disk, 0.5, 16384, 0.5), random);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0}) {
    DeviceObservation seen = sound;
    seen.mean_seconds[kDiskRead] = bad;
    EXPECT_FALSE(model.Observe(seen, kInterval));
    seen = sound;
    seen.load.of[kDiskWrite].operations_per_second = bad;
    EXPECT_FALSE(model.Observe(seen, kInterval));
    seen = sound;
    seen.operations[kDiskWrite] = bad;
    EXPECT_FALSE(model.Observe(seen, kInterval));
    seen = sound;
    seen.in_flight_while_busy = bad;
    EXPECT_FALSE(model.Observe(seen, kInterval));
  }
  EXPECT_FALSE(model.Observe(sound, absl::ZeroDuration()));
  EXPECT_FALSE(model.Observe(sound, -kInterval));
  EXPECT_FALSE(model.Observe(DeviceObservation(), kInterval));
  EXPECT_EQ(model.ToWire().SerializeAsString(), before);
  // The largest and smallest that there are leave a sound model.
  for (const double extreme : {1e-300, 1e300}) {
    DeviceObservation seen = sound;
    for (const size_t one : kDiskDirections) {
      seen.mean_seconds[one] = extreme;
      seen.load.of[one] = {extreme, extreme};
    }
    for (int i = 0; i < 100; ++i) model.Observe(seen, kInterval);
  }
  EXPECT_TRUE(model.belief().IsSound());
}

TEST(DeviceModel, IsTheSameAfterATripThroughText) {
  std::mt19937_64 random(1);
  const QueueingDisk disk;
  DeviceModel model = MeasuredModel(disk);
  for (int i = 0; i < 5; ++i) model.Observe(Watch(disk, LoadAt(disk, 0.5, 4096, 0.5), random), kInterval);
  const std::string text = FormatStorageModel(model.ToWire());
  EXPECT_THAT(text, HasSubstr("device: \"vdb\""));
  const auto again = ParseStorageModel(text, "vdb.storage");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->observed(), 5u);
  EXPECT_LT((again->belief().mean - model.belief().mean).cwiseAbs().maxCoeff(), 1e-12);
  const DeviceLoad load = LoadAt(disk, 0.2, 8192, 0.5);
  EXPECT_DOUBLE_EQ(again->Expect(load).p99_seconds[kDiskWrite], model.Expect(load).p99_seconds[kDiskWrite]);
  EXPECT_NEAR(again->Headroom(load)->spread_unloaded, model.Headroom(load)->spread_unloaded, 1e-9);
  EXPECT_EQ(again->KnowledgeAt(again->Headroom(load)), v1::DEVICE_KNOWLEDGE_MEASURED);
}

TEST(DeviceModel, DamagedOnesAreRefusedByName) {
  const v1::StorageModel sound = MeasuredModel(QueueingDisk()).ToWire();
  const auto refused = [](const v1::StorageModel& wire) {
    return std::string(ParseStorageModel(FormatStorageModel(wire), "disks/vdb.storage").status().message());
  };
  EXPECT_EQ(refused(sound), "");
  v1::StorageModel bad = sound;
  bad.mutable_read()->set_service_seconds(-1);
  EXPECT_THAT(refused(bad), HasSubstr("disks/vdb.storage: the model of disk 'vdb' is damaged"));
  bad = sound;
  bad.mutable_write()->set_wait_factor(std::numeric_limits<double>::infinity());
  EXPECT_THAT(refused(bad), HasSubstr("numbers that no disk has"));
  bad = sound;
  bad.mutable_covariances()->RemoveLast();
  EXPECT_THAT(refused(bad), HasSubstr("covariances are missing"));
  bad = sound;
  bad.set_covariances(1, 1e3);
  EXPECT_THAT(refused(bad), HasSubstr("numbers that no disk has"));
  bad = sound;
  bad.clear_device();
  EXPECT_THAT(refused(bad), HasSubstr("does not say of which disk"));
  EXPECT_THAT(std::string(ParseStorageModel("device: \"a\"\nnonsense: 3\n", "x").status().message()),
              HasSubstr("x:2: "));
}

}  // namespace
}  // namespace truce
