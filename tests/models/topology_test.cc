// What two workloads share, on hosts with and without SMT and with several caches and nodes.
#include "models/topology.h"

#include <gtest/gtest.h>

namespace truce {
namespace {

// Four cores of two threads; two cores a cache, all on one node but the last cache.
const char* const kHost = "0:0:0:0,1:0:0:0,2:1:0:0,3:1:0:0,4:2:1:1,5:2:1:1,6:3:1:1,7:3:1:1";

PairContext Share(const std::vector<int>& victim, const std::vector<int>& aggressor) {
  return ShareOf(*Topology::Parse(kHost), victim, aggressor);
}

TEST(TopologyTest, TextGoesBothWaysAndNonsenseIsRefused) {
  EXPECT_EQ(Topology::Parse(kHost)->Text(), kHost);
  EXPECT_TRUE(Topology::Parse("")->cpus.empty());
  EXPECT_FALSE(Topology::Parse("0:0:0").ok());
  EXPECT_FALSE(Topology::Parse("a:0:0:0").ok());
}

TEST(TopologyTest, TheSameCpus) {
  const PairContext same = Share({0, 1}, {0, 1});
  EXPECT_FLOAT_EQ(same.cpus_of_victim, 1);
  EXPECT_FLOAT_EQ(same.cpus_of_aggressor, 1);
  EXPECT_FLOAT_EQ(same.siblings_of_victim, 0) << "siblings count only where the CPU itself is not shared";
}

TEST(TopologyTest, SomeOfThem) {
  const PairContext some = Share({0, 1, 2, 3}, {3});
  EXPECT_FLOAT_EQ(some.cpus_of_victim, 0.25);
  EXPECT_FLOAT_EQ(some.cpus_of_aggressor, 1);
  EXPECT_FLOAT_EQ(some.siblings_of_victim, 0.25) << "CPU 2 is a sibling of 3";
  EXPECT_FLOAT_EQ(some.llc_of_victim, 1);
}

TEST(TopologyTest, SiblingsAndCachesOnly) {
  const PairContext siblings = Share({0}, {1});
  EXPECT_FLOAT_EQ(siblings.cpus_of_victim, 0);
  EXPECT_FLOAT_EQ(siblings.siblings_of_victim, 1);
  const PairContext cache = Share({0, 1}, {2});
  EXPECT_FLOAT_EQ(cache.siblings_of_victim, 0);
  EXPECT_FLOAT_EQ(cache.llc_of_victim, 1);
  const PairContext half = Share({0, 4}, {1, 2});
  EXPECT_FLOAT_EQ(half.llc_of_victim, 0.5);
  EXPECT_FLOAT_EQ(half.node_of_victim, 0.5);
}

TEST(TopologyTest, NothingAtAll) {
  const PairContext apart = Share({0, 1}, {6, 7});
  EXPECT_FLOAT_EQ(apart.cpus_of_victim, 0);
  EXPECT_FLOAT_EQ(apart.llc_of_victim, 0);
  EXPECT_FLOAT_EQ(apart.node_of_victim, 0);
  // CPUs that came after the inventory was taken.
  EXPECT_FLOAT_EQ(Share({40}, {41}).llc_of_victim, 0);
  EXPECT_FLOAT_EQ(Share({40}, {40}).cpus_of_victim, 1);
  EXPECT_FLOAT_EQ(Share({}, {0}).cpus_of_victim, 0);
}

}  // namespace
}  // namespace truce
