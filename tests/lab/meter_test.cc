// How fast a program goes, from lines that come in pieces and operations that overlap the window.
#include "lab/meter.h"

#include <gtest/gtest.h>

#include "src/base/text.h"

namespace truce::lab {
namespace {

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

TEST(MeterTest, CountsOperationsByTheirShareInTheWindow) {
  Meter meter("");
  meter.Take("10.0 11.0\n11.0 13.0\n", At(13));
  const Performance whole = meter.Between(At(10), At(13));
  EXPECT_DOUBLE_EQ(whole.operations, 2);
  EXPECT_DOUBLE_EQ(whole.busy_seconds, 3);
  EXPECT_DOUBLE_EQ(*whole.SecondsPerOperation(), 1.5);
  // Half of the second one.
  const Performance half = meter.Between(At(12), At(20));
  EXPECT_DOUBLE_EQ(half.operations, 0.5);
  EXPECT_DOUBLE_EQ(*half.SecondsPerOperation(), 2);
  EXPECT_FALSE(meter.Between(At(13), At(20)).SecondsPerOperation().has_value());
}

TEST(MeterTest, RestsDoNotCountAsTimeOfAnOperation) {
  Meter meter("");
  meter.Take("10.0 10.2\n10.6 10.8\n", At(11));
  EXPECT_NEAR(*meter.Between(At(10), At(11)).SecondsPerOperation(), 0.2, 1e-6);
}

TEST(MeterTest, ALineMayCarryManyOperations) {
  Meter meter("");
  meter.Take("10.0 10.1 200 0.4\n", At(11));
  EXPECT_NEAR(*meter.Between(At(10), At(11)).SecondsPerOperation(), 0.002, 1e-6);
}

TEST(MeterTest, LinesMayComeInPiecesAndOthersAreSkipped) {
  Meter meter("");
  meter.Take("starting ...\n10.0 1", At(10));
  EXPECT_FALSE(meter.first_end().has_value());
  meter.Take("1.0\nnan nan\n12.0 11.0\n11.0 12.0 -1\n11.0\n", At(12));
  EXPECT_EQ(meter.first_end(), At(11));
  EXPECT_DOUBLE_EQ(meter.Between(At(0), At(100)).operations, 1);
}

TEST(MeterTest, ARateHoldsForTheSecondBeforeItWasPrinted) {
  Meter meter("eps: ([0-9.]+)");
  meter.Take("[ 1s ] thds: 1 eps: 50.00 lat\n", At(11));
  EXPECT_NEAR(*meter.Between(At(10), At(11)).SecondsPerOperation(), 0.02, 1e-9);
  // A program that stands still has a rate of nothing, and no time per operation.
  meter.Take("eps: 0.00\neps: inf\n", At(12));
  EXPECT_FALSE(meter.Between(At(11), At(12)).SecondsPerOperation().has_value());
}

TEST(MeterTest, ALineWithoutAnEndIsNotKeptForEver) {
  Meter meter("");
  meter.Take(std::string(1 << 20, '1'), At(10));
  meter.Take("\n10.0 11.0\n", At(11));
  EXPECT_DOUBLE_EQ(meter.Between(At(0), At(100)).operations, 1);
}

TEST(MeterTest, TimeInWhichTheProgramWasStoppedDoesNotCount) {
  Meter meter("");
  const auto at = [](double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); };
  // A second of work, stopped for two in its middle.
  meter.Take("10 13\n13 14\n", at(14));
  meter.AddPause(at(10.5), at(12.5));
  EXPECT_NEAR(*meter.Between(at(10), at(14)).SecondsPerOperation(), 1, 1e-9);
  EXPECT_NEAR(meter.Between(at(10), at(14)).operations, 2, 1e-9);
  EXPECT_NEAR(meter.Between(at(10), at(10.5)).operations, 0.5, 1e-9);
  EXPECT_EQ(meter.Between(at(10.5), at(12.5)).operations, 0);
  EXPECT_NEAR(meter.Between(at(12.5), at(13)).operations, 0.5, 1e-9);
}

TEST(MeterTest, WithinCountsWholeOperationsOnly) {
  Meter meter("");
  const auto at = [](double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); };
  meter.Take("9.5 10.5\n10.5 10.9\n10.9 12\n", at(12));
  EXPECT_NEAR(*meter.Within(at(10), at(11)).SecondsPerOperation(), 0.4, 1e-9);
  EXPECT_NEAR(meter.Within(at(10), at(11)).operations, 1, 1e-9);
}

// A rate that is printed once a second tells of one time only when all of that second lies in it.
TEST(MeterTest, APartOfAReportIsNotTakenForTheWhole) {
  Meter meter("rate ([0-9]+)");
  const absl::Time begin = absl::FromUnixSeconds(1000);
  for (int second = 1; second <= 6; ++second) {
    meter.Take(StrCat("rate ", second <= 3 ? 100 : 50, "\n"), begin + absl::Seconds(second) + absl::Seconds(0.5));
  }
  EXPECT_EQ(meter.longest_report(), absl::Seconds(1));
  EXPECT_EQ(meter.Done(begin + absl::Seconds(3), begin + absl::Seconds(4)).operations, 0);
  EXPECT_NEAR(*meter.Done(begin, begin + absl::Seconds(3)).SecondsPerOperation(), 0.01, 1e-9);
  EXPECT_NEAR(*meter.Done(begin + absl::Seconds(3.5), begin + absl::Seconds(6)).SecondsPerOperation(), 0.02, 1e-9);
}

TEST(MeterTest, ReportsThatReachIntoAPauseOrFollowItSayNothing) {
  Meter meter("");
  const auto at = [](double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); };
  meter.Take("10 10.1 50 0.1\n10.1 12.2 50 8.5\n12.2 12.3 50 4.1\n12.5 12.6 50 0.1\n", at(13));
  meter.AddPause(at(10.15), at(12.15));
  EXPECT_NEAR(*meter.Between(at(10), at(13)).SecondsPerOperation(), 0.002, 1e-9);
  EXPECT_NEAR(meter.Between(at(10), at(13)).operations, 100, 1e-9);
}

}  // namespace
}  // namespace truce::lab
