#include "controller/plan/cpu_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

std::vector<v1::Cpu> Cpus(int count, int threads, int llc_cpus) {
  v1::HostInventory inventory;
  AddCpus(count, threads, llc_cpus, &inventory);
  return {inventory.cpus().begin(), inventory.cpus().end()};
}

std::string Givers(int count, int threads, int llc_cpus, int need) {
  const auto cpus = CpusForGivers(Cpus(count, threads, llc_cpus), need);
  return cpus.has_value() ? CpuList(*cpus) : "none";
}

TEST(CpuSplitTest, LeavesWhatTheVictimsNeedAndAtLeastOneToEachSide) {
  EXPECT_EQ(Givers(4, 1, 4, 1), "1-3");
  EXPECT_EQ(Givers(4, 1, 4, 3), "3");
  EXPECT_EQ(Givers(4, 1, 4, 100), "3");
  EXPECT_EQ(Givers(4, 1, 4, 0), "1-3");
  EXPECT_EQ(Givers(1, 1, 1, 1), "none");
}

TEST(CpuSplitTest, KeepsCoresWholeUnlessThereIsOnlyOne) {
  EXPECT_EQ(Givers(8, 2, 8, 1), "2-7");  // a whole core for the victims
  EXPECT_EQ(Givers(8, 2, 8, 3), "4-7");
  EXPECT_EQ(Givers(2, 2, 2, 1), "1");  // two threads of one core
}

TEST(CpuSplitTest, GivesWholeCacheDomainsOrNothing) {
  EXPECT_EQ(CpuList(*LlcDomainsForGivers(Cpus(12, 1, 4), 3)), "4-11");
  EXPECT_EQ(CpuList(*LlcDomainsForGivers(Cpus(12, 1, 4), 5)), "8-11");
  EXPECT_FALSE(LlcDomainsForGivers(Cpus(12, 1, 4), 9).has_value());
  EXPECT_FALSE(LlcDomainsForGivers(Cpus(4, 1, 4), 1).has_value());
}

// Cores and caches of two nodes may be numbered in turns.
TEST(CpuSplitTest, TakesOneNumaNodeBeforeTheNext) {
  std::vector<v1::Cpu> cpus = Cpus(8, 1, 2);
  for (v1::Cpu& cpu : cpus) cpu.set_numa_node(cpu.llc() % 2);
  EXPECT_EQ(CpuList(*CpusForGivers(cpus, 4)), "2-3,6-7");
  EXPECT_EQ(CpuList(*LlcDomainsForGivers(cpus, 3)), "2-3,6-7");
  EXPECT_EQ(CpuList(*CpusForGivers(cpus, 2)), "2-7");
}

TEST(CpuSplitTest, WritesListsAsTheKernelDoes) {
  EXPECT_EQ(CpuList({8, 0, 1, 2, 3}), "0-3,8");
  EXPECT_EQ(CpuList({}), "");
}

}  // namespace
}  // namespace truce::controller
