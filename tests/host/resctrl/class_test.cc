// What bounds mean on each kind of machine, and what they can't.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/host/resctrl.h"
#include "tests/fixtures/fake_resctrl.h"

namespace truce::host {
namespace {

using test::FakeResctrl;
using testing::HasSubstr;

class ResctrlClass : public testing::Test {
 protected:
  // The class for the bounds, or why there is none.
  std::string Class(const CacheBounds& bounds) {
    const auto resctrl = Resctrl::Open(kernel->Options());
    if (!resctrl.ok()) return std::string(resctrl.status().message());
    const auto text = (*resctrl)->ClassFor(bounds);
    if (text.ok()) return *text;
    EXPECT_FALSE(absl::IsNotFound(text.status())) << "that would be the workload: " << text.status();
    return std::string(text.status().message());
  }
  void On(const test::ResctrlMachine& machine) { kernel = std::make_unique<FakeResctrl>(tree, machine); }

  test::Tree tree;
  std::unique_ptr<FakeResctrl> kernel;
};

TEST_F(ResctrlClass, OnAXeonPercentsAndWaysApartFromDevices) {
  On(test::Xeon());
  EXPECT_EQ(Class({.cache_ratio = 0.5}), "L3:0=1f8;1=1f8 MB:0=100;1=100");
  EXPECT_EQ(Class({.cache_ratio = 0.1}), "L3:0=180;1=180 MB:0=100;1=100");
  EXPECT_EQ(Class({.bandwidth_ratio = 0.5}), "L3:0=7ff;1=7ff MB:0=50;1=50");
  EXPECT_EQ(Class({.bandwidth_ratio = 0.31}), "L3:0=7ff;1=7ff MB:0=40;1=40") << "rounded up to what the kernel has";
  EXPECT_EQ(Class({.bandwidth_ratio = 0.02}), "L3:0=7ff;1=7ff MB:0=10;1=10") << "the least that it has";
  EXPECT_EQ(Class({.bandwidth_ratio = 0.3}), "L3:0=7ff;1=7ff MB:0=30;1=30") << "0.3 x 100 is a little more than 30";
  EXPECT_EQ(Class({.cache_ratio = 0.5, .bandwidth_ratio = 0.5}), "L3:0=1f8;1=1f8 MB:0=50;1=50");
  EXPECT_THAT(Class({.bandwidth_bytes_per_second = 5'000'000'000}), HasSubstr("by a share and not in bytes"));
}

TEST_F(ResctrlClass, WithCdpCodeAndDataAlike) {
  On(test::XeonWithCdp());
  EXPECT_EQ(Class({.cache_ratio = 0.5}), "L3CODE:0=1f8;1=1f8 L3DATA:0=1f8;1=1f8 MB:0=100;1=100");
}

TEST_F(ResctrlClass, OnAnEpycEighthsOfAGigabyteForEachCache) {
  On(test::Epyc());
  const std::string all_ways = "L3:0=ffff;1=ffff;2=ffff;3=ffff;4=ffff;5=ffff;6=ffff;7=ffff";
  EXPECT_EQ(Class({.bandwidth_bytes_per_second = 2'000'000'000}),
            all_ways + " MB:0=16;1=16;2=16;3=16;4=16;5=16;6=16;7=16");
  EXPECT_THAT(Class({.bandwidth_bytes_per_second = 2'000'000'001}), HasSubstr("MB:0=17;")) << "rounded up";
  EXPECT_THAT(Class({.bandwidth_bytes_per_second = 1}), HasSubstr("MB:0=1;")) << "0 would be none at all";
  EXPECT_THAT(Class({.cache_ratio = 0.25}), HasSubstr("L3:0=f000;"));
  EXPECT_THAT(Class({.bandwidth_ratio = 0.5}), HasSubstr("in bytes per second and not by a share"));
  EXPECT_THAT(Class({.bandwidth_bytes_per_second = 1'000'000'000'000}), HasSubstr("would bound nothing"));
}

TEST_F(ResctrlClass, OnArmFineSteps) {
  On(test::Mpam());
  EXPECT_EQ(Class({.cache_ratio = 0.5, .bandwidth_ratio = 0.33}), "L3:1=fc0;3=fc0 MB:1=34;3=34");
}

TEST_F(ResctrlClass, InMebibytesWhereTheKernelKeepsToThose) {
  test::ResctrlMachine machine = test::Xeon();
  machine.all["MB"] = {{0, 4294967295}, {1, 4294967295}};
  On(machine);
  EXPECT_EQ(Class({.bandwidth_bytes_per_second = uint64_t{3000} << 20}), "L3:0=7ff;1=7ff MB:0=3000;1=3000");
}

TEST_F(ResctrlClass, FewestWaysAndNothingAtAll) {
  test::ResctrlMachine machine = test::Xeon();
  machine.info["L3/min_cbm_bits"] = "2\n";
  On(machine);
  EXPECT_THAT(Class({.cache_ratio = 0.05}), HasSubstr("L3:0=180;"));
  EXPECT_THAT(Class({}), HasSubstr("would bound nothing"));
  EXPECT_THAT(Class({.cache_ratio = 1}), HasSubstr("would bound nothing"));
}

TEST_F(ResctrlClass, WhatTheHostCantBoundIsSaid) {
  test::ResctrlMachine only_bandwidth = test::Xeon();
  std::erase_if(only_bandwidth.info, [](const auto& file) { return file.first.starts_with("L3/"); });
  only_bandwidth.all.erase("L3");
  On(only_bandwidth);
  EXPECT_THAT(Class({.cache_ratio = 0.5}), HasSubstr("no CAT"));
  EXPECT_EQ(Class({.bandwidth_ratio = 0.5}), "MB:0=50;1=50");
  test::ResctrlMachine only_caches = test::Xeon();
  std::erase_if(only_caches.info, [](const auto& file) { return file.first.starts_with("MB/"); });
  only_caches.all.erase("MB");
  tree.Remove("fs");
  On(only_caches);
  EXPECT_THAT(Class({.bandwidth_ratio = 0.5}), HasSubstr("no info/MB"));
  EXPECT_THAT(Class({.bandwidth_bytes_per_second = 5'000'000'000}), HasSubstr("no info/MB"));
  EXPECT_EQ(Class({.cache_ratio = 0.5}), "L3:0=1f8;1=1f8");
}

// A class never has more than what everybody has.
TEST_F(ResctrlClass, StaysWithinTheDefaultClass) {
  On(test::Xeon());
  kernel->Set("", "L3", {{0, 0x01f}, {1, 0x7ff}});
  kernel->Set("", "MB", {{0, 30}, {1, 100}});
  EXPECT_EQ(Class({.cache_ratio = 0.3}), "L3:0=1e;1=1e0 MB:0=30;1=100");
  EXPECT_EQ(Class({.cache_ratio = 0.5}), "L3:0=1f;1=1f8 MB:0=30;1=100") << "it has fewer on the first as it is";
  EXPECT_EQ(Class({.bandwidth_ratio = 0.5}), "L3:0=1f;1=7ff MB:0=30;1=50");
}

TEST_F(ResctrlClass, StaysApartFromWaysThatSomebodyHasAlone) {
  On(test::Epyc());
  kernel->Set("", "L3", {{0, 0xff3f}});
  tree.Put("fs/resctrl/info/L3/bit_usage", "0=PPPPSSSSEESSSSSS\n");
  EXPECT_THAT(Class({.cache_ratio = 0.25}), HasSubstr("L3:0=f00;"));
  EXPECT_THAT(Class({.cache_ratio = 0.5}), HasSubstr("cache 0 has no 8 ways in a row"));
  EXPECT_THAT(Class({.cache_ratio = 0.5}), HasSubstr("groups of others hold f0c0 alone"));
}

TEST_F(ResctrlClass, WhereCpusHaveClassesSomebodyElseManagesThem) {
  On(test::Xeon());
  kernel->AddGroup("realtime");
  kernel->SetCpus("realtime", "4-7");
  EXPECT_THAT(Class({.cache_ratio = 0.5}), HasSubstr("the group realtime of resctrl has the CPUs 4-7"));
}

TEST_F(ResctrlClass, AnUnmountedOneIsNoMissingWorkload) {
  On(test::Xeon());
  const auto resctrl = Resctrl::Open(kernel->Options());
  kernel->Unmount();
  const auto text = (*resctrl)->ClassFor({.cache_ratio = 0.5});
  EXPECT_TRUE(absl::IsFailedPrecondition(text.status())) << text.status();
  EXPECT_THAT(std::string(text.status().message()), HasSubstr("no longer mounted"));
}

}  // namespace
}  // namespace truce::host
