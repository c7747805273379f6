#include "src/host/disk_stats.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace truce::host {
namespace {

TEST(DiskStats, ReadsWhatKernelsOfAllAgesWrite) {
  // Linux 4.17 and older, 4.18 (discards), 5.5 (flushes).
  const auto all = ParseDiskStats(
      "   8       0 sda 100 5 2048 300 50 1 4096 700 3 900 1000\n"
      "   8       1 sda1 1 0 8 1 0 0 0 0 0 1 1\n"
      " 259       0 nvme0n1 18446744073709551615 0 16 4 2 0 32 8 0 10 4294967295 1 2 3 4\n"
      " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].name, "sda");
  EXPECT_EQ(all[0].device, "8:0");
  EXPECT_EQ(all[0].operations, (std::array<uint64_t, 2>{100, 50}));
  EXPECT_EQ(all[0].bytes, (std::array<uint64_t, 2>{2048 * 512, 4096 * 512}));
  EXPECT_EQ(all[0].milliseconds, (std::array<uint64_t, 2>{300, 700}));
  EXPECT_EQ(all[0].in_flight, 3u);
  EXPECT_EQ(all[0].busy_milliseconds, 900u);
  EXPECT_EQ(all[0].queue_milliseconds, 1000u);
  EXPECT_EQ(all[2].operations[0], UINT64_MAX);
  EXPECT_EQ(all[3].queue_milliseconds, 11u);
}

TEST(DiskStats, LinesThatAreNoneAreLeftOut) {
  EXPECT_TRUE(ParseDiskStats("").empty());
  EXPECT_TRUE(
      ParseDiskStats("8 0 sda 1 2 3\n\n8 0 sda 1 2 3 4 5 6 7 x 9 10 11\n8 0 sda -1 2 3 4 5 6 7 8 9 10 11\n").empty());
  EXPECT_EQ(ParseDiskStats("nonsense\n8 0 sda 1 2 3 4 5 6 7 8 9 10 11").size(), 1u);
}

TEST(DiskStats, AMissingFileIsSaid) {
  ReadBuffer buffer;
  EXPECT_TRUE(absl::IsNotFound(ReadDiskStats("/nonexistent", buffer).status()));
}

}  // namespace
}  // namespace truce::host
