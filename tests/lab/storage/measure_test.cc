#include "lab/storage/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "src/base/text.h"

namespace truce::lab {
namespace {

MeasuredPoint Point(Pacing pacing, double rate, double mean) {
  MeasuredPoint point{.pacing = pacing};
  point.load.of[kDiskRead] = {rate, rate * 4096};
  point.mean_seconds[kDiskRead] = mean;
  return point;
}

TEST(MedianPoint, IsThatOfThoseAlike) {
  EXPECT_FALSE(MedianPoint({}).has_value());
  const auto median =
      MedianPoint({Point(Pacing::kOpen, 100, 1), Point(Pacing::kOpen, 110, 50), Point(Pacing::kOpen, 120, 2)});
  ASSERT_TRUE(median.has_value());
  EXPECT_EQ(median->pacing, Pacing::kOpen);
  EXPECT_DOUBLE_EQ(median->load.of[kDiskRead].operations_per_second, 110);
  EXPECT_DOUBLE_EQ(median->load.of[kDiskRead].mean_bytes(), 4096);
  EXPECT_DOUBLE_EQ(*median->mean_seconds[kDiskRead], 2);
  EXPECT_FALSE(median->p99_seconds[kDiskRead].has_value());
  EXPECT_EQ(MedianPoint({Point(Pacing::kSaturated, 1, 1), Point(Pacing::kOpen, 1, 1)})->pacing, Pacing::kSaturated);
}

TEST(StorageLimits, TheTighterOneCounts) {
  StorageLimits limits;
  EXPECT_FALSE(limits.MostRate(4096).has_value());
  limits.operations_per_second = 100;
  limits.bytes_per_second = 819200;
  EXPECT_DOUBLE_EQ(*limits.MostRate(4096), 100);
  EXPECT_DOUBLE_EQ(*limits.MostRate(65536), 12.5);
}

TEST(Plan, NothingThatIsCheckedWasFitted) {
  for (const Ladder& ladder : HeldOutLadders()) {
    for (const auto& loads : {LoadsAlone(), LoadsSaturated(), LoadsOpen()}) {
      for (const PlannedLoad& load : loads) {
        EXPECT_NE(load.operation_bytes, ladder.operation_bytes);
        EXPECT_NE(load.read_share, ladder.read_share);
      }
    }
  }
  const std::vector<double> steps = LadderSteps();
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  EXPECT_GT(steps.size(), kNowStep);
}

TEST(MeasureStorage, LimitsThatLeaveTooLittleAreRefused) {
  ShutdownSignals signals;
  StorageOptions options{.file = StrCat(TRUCE_BIN_DIR, "/storage-test")};
  options.limits.time = absl::Seconds(5);
  EXPECT_TRUE(absl::IsInvalidArgument(MeasureStorage(options, signals).status()));
  options.limits.time = absl::Minutes(5);
  options.limits.written_bytes = options.file_bytes;
  const absl::Status status = MeasureStorage(options, signals).status();
  if (absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) GTEST_SKIP() << status;
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("--most-written"));
}

}  // namespace
}  // namespace truce::lab
