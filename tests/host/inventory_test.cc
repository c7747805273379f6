// What a host says of itself, from a small /proc and /sys, and that whatever is missing is named with a remedy.
#include "src/host/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using test::Tree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two sockets, each a NUMA node with an LLC of its own and two cores of two threads: CPU n and n+4 are siblings.
void PutTwoSockets(const Tree& tree) {
  tree.Put("sys/devices/system/cpu/online", "0-7\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const int node = cpu % 4 / 2;
    const std::string directory = StrCat("sys/devices/system/cpu/cpu", cpu);
    tree.Put(directory + "/topology/thread_siblings_list", StrCat(cpu % 4, ",", cpu % 4 + 4, "\n"));
    tree.Put(directory + "/topology/physical_package_id", StrCat(node, "\n"));
    tree.Put(directory + StrCat("/node", node, "/cpulist"), "");
    const std::string own = StrCat(cpu % 4, ",", cpu % 4 + 4, "\n");
    const std::string shared = node == 0 ? "0-1,4-5\n" : "2-3,6-7\n";
    const struct {
      const char* level;
      const char* type;
      const std::string& cpus;
    } kCaches[] = {{"1", "Data", own}, {"1", "Instruction", own}, {"2", "Unified", own}, {"3", "Unified", shared}};
    for (int i = 0; i < 4; ++i) {
      const std::string cache = StrCat(directory, "/cache/index", i);
      tree.Put(cache + "/level", StrCat(kCaches[i].level, "\n"));
      tree.Put(cache + "/type", StrCat(kCaches[i].type, "\n"));
      tree.Put(cache + "/shared_cpu_list", kCaches[i].cpus);
    }
  }
}

void PutRest(const Tree& tree) {
  tree.Put("sys/block/nvme0n1/size", "2048\n");
  tree.Put("sys/block/nvme0n1/dev", "259:0\n");
  tree.Put("sys/block/nvme0n1/queue/rotational", "0\n");
  tree.Put("sys/block/sda/size", "4096\n");
  tree.Put("sys/block/sda/dev", "8:0\n");
  tree.Put("sys/block/sda/queue/rotational", "1\n");
  tree.Put("sys/block/sr0/size", "0\n");
  tree.Put("sys/block/loop0/size", "100\n");
  tree.Put("sys/class/net/lo/speed", "0\n");
  tree.Put("sys/class/net/eth0/speed", "10000\n");
  tree.Put("sys/class/net/eth0/device/vendor", "0x1af4\n");
  tree.Put("sys/class/net/veth1/speed", "-1\n");
  tree.Put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:        8192 kB\nNode 0 MemFree: 1 kB\n");
  tree.Put("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:        4096 kB\n");
  tree.Put("sys/devices/system/node/possible", "0-1\n");
  tree.Put("sys/class/net/bonding_masters", "");
  tree.Put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU 9000\nprocessor\t: 1\nmodel name\t: Other\n");
  tree.Put("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
  tree.Put("proc/sys/kernel/osrelease", "6.1.0-test\n");
  tree.Put("proc/sys/kernel/random/boot_id", "0f0e\n");
  tree.Put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  tree.Put("proc/self/schedstat", "1 2 3\n");
  tree.Put("cgroup/cgroup.controllers", "cpuset cpu io memory\n");
}

CounterStatus GoodCounters() {
  CounterStatus counters;
  counters.pmu_available = true;
  counters.pmu_model = "amd64_fam19h_zen3";
  counters.events = {"CYCLES", "INSTRUCTIONS"};
  counters.switch_cost = absl::Microseconds(5);
  return counters;
}

absl::StatusOr<v1::HostInventory> Take(const Tree& tree, const CounterStatus& counters) {
  const auto layout = CgroupLayout::Detect(tree.Path("cgroup"));
  if (!layout.ok()) return layout.status();
  return TakeInventory({tree.Path("proc"), tree.Path("sys"), "web-1", "1.2.3", "rack-7"}, *layout, counters);
}

TEST(InventoryTest, TopologySaysWhoSharesACoreANodeAndACache) {
  Tree tree;
  PutTwoSockets(tree);
  PutRest(tree);
  const auto inventory = Take(tree, GoodCounters());
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  ASSERT_EQ(inventory->cpus_size(), 8);
  for (int a = 0; a < 8; ++a) {
    EXPECT_EQ(inventory->cpus(a).id(), static_cast<uint32_t>(a));
    EXPECT_EQ(inventory->cpus(a).numa_node(), static_cast<uint32_t>(a % 4 / 2));
    for (int b = 0; b < 8; ++b) {
      EXPECT_EQ(inventory->cpus(a).core() == inventory->cpus(b).core(), a % 4 == b % 4) << a << " and " << b;
      EXPECT_EQ(inventory->cpus(a).llc() == inventory->cpus(b).llc(), a % 4 / 2 == b % 4 / 2) << a << " and " << b;
    }
  }
}

TEST(InventoryTest, OneFullHostIsDescribedAndNothingIsMissing) {
  Tree tree;
  PutTwoSockets(tree);
  PutRest(tree);
  const auto inventory = Take(tree, GoodCounters());
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  EXPECT_EQ(inventory->host(), "web-1");
  EXPECT_EQ(inventory->agent_version(), "1.2.3");
  EXPECT_EQ(inventory->fault_domain(), "rack-7");
  ASSERT_EQ(inventory->numa_nodes_size(), 2);
  EXPECT_EQ(inventory->numa_nodes(1).id(), 1u);
  EXPECT_EQ(inventory->numa_nodes(1).memory_bytes(), 4096u * 1024);
  EXPECT_EQ(inventory->cpu_model(), "Test CPU 9000");
  EXPECT_EQ(inventory->memory_bytes(), 16384u * 1024);
  EXPECT_EQ(inventory->kernel_release(), "6.1.0-test");
  EXPECT_EQ(inventory->boot_id(), "0f0e");
  EXPECT_EQ(inventory->cgroup_layout(), v1::CGROUP_LAYOUT_V2);
  ASSERT_EQ(inventory->disks_size(), 2) << "no loop device and no empty drive";
  EXPECT_EQ(inventory->disks(0).name(), "nvme0n1");
  EXPECT_EQ(inventory->disks(0).device(), "259:0");
  EXPECT_EQ(inventory->disks(0).size_bytes(), 2048u * 512);
  EXPECT_FALSE(inventory->disks(0).rotational());
  EXPECT_TRUE(inventory->disks(1).rotational());
  ASSERT_EQ(inventory->network_interfaces_size(), 2);
  EXPECT_EQ(inventory->network_interfaces(0).name(), "eth0");
  EXPECT_EQ(inventory->network_interfaces(0).speed_bits_per_second(), 10'000'000'000u);
  EXPECT_TRUE(inventory->network_interfaces(0).physical());
  EXPECT_FALSE(inventory->network_interfaces(1).physical());
  EXPECT_FALSE(inventory->network_interfaces(1).has_speed_bits_per_second()) << "-1 is 'not known'";
  EXPECT_TRUE(inventory->pmu().available());
  EXPECT_EQ(inventory->pmu().switch_cost().nanos(), 5000);
  EXPECT_THAT(inventory->missing(), IsEmpty());
}

TEST(InventoryTest, WhatIsMissingIsNamedWithAReasonAndARemedy) {
  Tree tree;
  tree.Put("sys/devices/system/cpu/online", "0-1\n");
  tree.Put("cgroup/cpu/cpu.shares", "1024\n");
  CounterStatus counters;
  counters.missing_reason = "no PMU";
  counters.missing_remedy = "expose one to the guest";
  const auto inventory = Take(tree, counters);
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  std::vector<std::string> names;
  for (const auto& missing : inventory->missing()) {
    names.push_back(missing.name());
    EXPECT_FALSE(missing.reason().empty()) << missing.name();
    EXPECT_FALSE(missing.remedy().empty()) << missing.name();
  }
  EXPECT_THAT(names, ElementsAre("pmu", "psi", "cpuset", "memory", "io", "schedstat"));
  EXPECT_EQ(inventory->missing(0).reason(), "no PMU");
  // Without topology each CPU is a core of its own and all share what the package is.
  ASSERT_EQ(inventory->cpus_size(), 2);
  EXPECT_NE(inventory->cpus(0).core(), inventory->cpus(1).core());
  EXPECT_EQ(inventory->cpus(0).llc(), inventory->cpus(1).llc());
}

TEST(InventoryTest, AKernelWithoutPsiIsToldApartFromAHostWithoutAUnifiedTree) {
  Tree tree;
  PutTwoSockets(tree);
  PutRest(tree);
  tree.Remove("proc/pressure");
  const auto inventory = Take(tree, GoodCounters());
  ASSERT_TRUE(inventory.ok()) << inventory.status();
  ASSERT_EQ(inventory->missing_size(), 1);
  EXPECT_EQ(inventory->missing(0).name(), "psi");
  EXPECT_THAT(inventory->missing(0).remedy(), HasSubstr("psi=1"));
}

TEST(InventoryTest, WithoutAListOfCpusItCannotBeTaken) {
  Tree tree;
  PutRest(tree);
  const auto missing = Take(tree, GoodCounters());
  EXPECT_TRUE(absl::IsFailedPrecondition(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("--path.sysfs"));
  for (const char* text : {"\n", "zero to three\n"}) {
    tree.Put("sys/devices/system/cpu/online", text);
    const auto broken = Take(tree, GoodCounters());
    ASSERT_FALSE(broken.ok()) << text;
    EXPECT_THAT(std::string(broken.status().message()), HasSubstr("devices/system/cpu/online")) << text;
  }
}

}  // namespace
}  // namespace truce::host
