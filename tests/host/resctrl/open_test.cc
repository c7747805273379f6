// What a host's resctrl can do, on machines of several kinds, and why there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "src/host/resctrl.h"
#include "tests/fixtures/fake_resctrl.h"

namespace truce::host {
namespace {

using test::FakeResctrl;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Described(const v1::CacheControl& control) {
  return StrCat(control.classes(), " classes, ", control.least_cache_ways(), "-", control.cache_ways(), " ways, ",
                v1::BandwidthUnit_Name(control.bandwidth_unit()), " from ", control.least_bandwidth_ratio());
}

TEST(ResctrlOpen, SaysWhatTheHostCanBound) {
  const std::pair<test::ResctrlMachine, const char*> kMachines[] = {
      {test::Xeon(), "8 classes, 1-11 ways, BANDWIDTH_UNIT_PERCENT from 0.1"},
      {test::XeonWithCdp(), "8 classes, 1-11 ways, BANDWIDTH_UNIT_PERCENT from 0.1"},
      {test::Epyc(), "16 classes, 1-16 ways, BANDWIDTH_UNIT_ABSOLUTE from 0"},
      {test::Mpam(), "32 classes, 1-12 ways, BANDWIDTH_UNIT_PERCENT from 0.02"}};
  for (const auto& [machine, expected] : kMachines) {
    const test::Tree tree;
    FakeResctrl kernel(tree, machine);
    const auto resctrl = Resctrl::Open(kernel.Options());
    ASSERT_TRUE(resctrl.ok()) << resctrl.status();
    EXPECT_TRUE((*resctrl)->control().available());
    EXPECT_EQ(Described((*resctrl)->control()), expected);
  }
}

TEST(ResctrlOpen, SaysWhichHalfIsThere) {
  test::ResctrlMachine only_bandwidth = test::Xeon();
  std::erase_if(only_bandwidth.info, [](const auto& file) { return file.first.starts_with("L3/"); });
  only_bandwidth.info["L3/num_rmids"] = "144\n";
  only_bandwidth.all.erase("L3");
  const test::Tree tree;
  FakeResctrl kernel(tree, only_bandwidth);
  EXPECT_EQ(Described((*Resctrl::Open(kernel.Options()))->control()),
            "8 classes, 0-0 ways, BANDWIDTH_UNIT_PERCENT from 0.1");
  test::ResctrlMachine only_caches = test::Xeon();
  std::erase_if(only_caches.info, [](const auto& file) { return file.first.starts_with("MB/"); });
  only_caches.all.erase("MB");
  const test::Tree other_tree;
  FakeResctrl other_kernel(other_tree, only_caches);
  EXPECT_EQ(Described((*Resctrl::Open(other_kernel.Options()))->control()),
            "16 classes, 1-11 ways, BANDWIDTH_UNIT_UNSPECIFIED from 0");
}

// mount -o mba_MBps: the kernel's own controller keeps to MiB per second. To write percents there would be a disaster.
TEST(ResctrlOpen, AXeonMayCountInMebibytes) {
  test::ResctrlMachine machine = test::Xeon();
  machine.all["MB"] = {{0, 4294967295}, {1, 4294967295}};
  const test::Tree tree;
  FakeResctrl kernel(tree, machine);
  EXPECT_EQ((*Resctrl::Open(kernel.Options()))->control().bandwidth_unit(), v1::BANDWIDTH_UNIT_ABSOLUTE);
  // As bounded by an administrator so far that it looks like percents.
  kernel.Set("", "MB", {{0, 90}, {1, 90}});
  EXPECT_EQ((*Resctrl::Open(kernel.Options()))->control().bandwidth_unit(), v1::BANDWIDTH_UNIT_PERCENT);
  tree.Put("mounts", "proc /proc proc rw 0 0\nresctrl /sys/fs/resctrl resctrl rw,relatime,mba_MBps 0 0\n");
  EXPECT_EQ((*Resctrl::Open(kernel.Options()))->control().bandwidth_unit(), v1::BANDWIDTH_UNIT_ABSOLUTE);
}

// Why it can't be opened on a host of these files.
std::string Reason(std::initializer_list<std::pair<const char*, const char*>> files) {
  const test::Tree tree(files);
  const auto resctrl = Resctrl::Open({.sysfs = tree.root(), .procfs = tree.root(), .user = 0});
  EXPECT_TRUE(absl::IsFailedPrecondition(resctrl.status())) << resctrl.status();
  return std::string(resctrl.status().message());
}

TEST(ResctrlOpen, SaysWhyThereIsNone) {
  EXPECT_THAT(Reason({{"cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu sse\n"}}),
              HasSubstr("this CPU or this kernel has no classes"));
  EXPECT_THAT(Reason({}), HasSubstr("this CPU or this kernel has no classes"));
  EXPECT_THAT(Reason({{"cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu hypervisor\n"}}),
              HasSubstr("this is a virtual machine"));
  EXPECT_THAT(Reason({{"cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor cat_l3\n"}}),
              HasSubstr("CONFIG_X86_CPU_RESCTRL"));
  EXPECT_THAT(Reason({{"cpuinfo", "vendor_id\t: GenuineIntel\n"}, {"fs/resctrl/.keep", ""}}),
              HasSubstr("resctrl is not mounted; mount -t resctrl resctrl "));
}

TEST(ResctrlOpen, SaysWhatIsMountedAndNotKnown) {
  test::ResctrlMachine machine = test::Xeon();
  machine.cpuinfo = "processor\t: 0\nhart\t: 0\nisa\t: rv64imafdc\n";
  const test::Tree tree;
  FakeResctrl kernel(tree, machine);
  EXPECT_THAT(std::string(Resctrl::Open(kernel.Options()).status().message()),
              HasSubstr("names neither Intel nor AMD nor Arm"));
  // It only counts.
  machine = test::Xeon();
  machine.info = {{"L3_MON/num_rmids", "144\n"}};
  machine.all.clear();
  const test::Tree other_tree;
  FakeResctrl other_kernel(other_tree, machine);
  EXPECT_THAT(std::string(Resctrl::Open(other_kernel.Options()).status().message()),
              HasSubstr("neither last-level caches (L3) nor memory bandwidth (MB)"));
}

TEST(ResctrlOpen, AFileWithoutANumberIsNamed) {
  test::ResctrlMachine machine = test::Xeon();
  machine.info["L3/cbm_mask"] = "lots\n";
  const test::Tree tree;
  FakeResctrl kernel(tree, machine);
  EXPECT_THAT(std::string(Resctrl::Open(kernel.Options()).status().message()),
              HasSubstr("info/L3/cbm_mask says 'lots'"));
}

// No capability counts there.
TEST(ResctrlOpen, OnlyRootMayMoveThreadsOfOthers) {
  const test::Tree tree;
  FakeResctrl kernel(tree, test::Xeon());
  const auto resctrl = Resctrl::Open(kernel.Options(/*user=*/998));
  EXPECT_TRUE(absl::IsFailedPrecondition(resctrl.status()));
  EXPECT_THAT(std::string(resctrl.status().message()), HasSubstr("User=root"));
}

TEST(ResctrlOpen, WhatAnEarlierRunLeftIsRemovedAndNothingElse) {
  const test::Tree tree;
  FakeResctrl kernel(tree, test::Xeon());
  for (const char* group : {"truce-L3-f0-MB-50", "truce-L3-1-MB-100", "batch"}) kernel.AddGroup(group);
  kernel.Place(11, "truce-L3-f0-MB-50");
  kernel.Place(12, "batch");
  // Also for a user who may do nothing new: a group is removed by whoever may write the directory.
  EXPECT_FALSE(Resctrl::Open(kernel.Options(/*user=*/998)).ok());
  EXPECT_THAT(kernel.Groups(), testing::ElementsAre("batch"));
  EXPECT_THAT(kernel.Tasks(""), testing::ElementsAre(11));
  EXPECT_THAT(kernel.Tasks("batch"), testing::ElementsAre(12));
}

// It must not be taken for a host where there is nothing to restore.
TEST(ResctrlOpen, WhatCantBeRemovedIsNoLackOfResctrl) {
  const test::Tree tree;
  FakeResctrl kernel(tree, test::Xeon());
  kernel.AddGroup("truce-L3-f0-MB-50");
  kernel.FailAll(EPERM);
  const auto resctrl = Resctrl::Open(kernel.Options(/*user=*/998));
  EXPECT_TRUE(absl::IsPermissionDenied(resctrl.status())) << resctrl.status();
  EXPECT_THAT(std::string(resctrl.status().message()), HasSubstr("an earlier run left a class"));
}

}  // namespace
}  // namespace truce::host
