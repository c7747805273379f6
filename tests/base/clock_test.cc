// Clocks: leases and rates hang on the monotonic one, which a change of the wall clock must not touch.
#include "src/base/clock.h"

#include <gtest/gtest.h>

namespace truce {
namespace {

TEST(FakeClockTest, AdvanceMovesBothAndAJumpMovesWallTimeAlone) {
  FakeClock clock(absl::FromUnixSeconds(100));
  const absl::Duration begin = clock.Monotonic();
  EXPECT_GT(begin, absl::ZeroDuration()) << "zero means 'never' in many places";
  clock.Advance(absl::Milliseconds(1500));
  EXPECT_EQ(clock.Now(), absl::FromUnixMillis(101'500));
  EXPECT_EQ(clock.Monotonic() - begin, absl::Milliseconds(1500));
  clock.JumpWallTime(-absl::Hours(1));
  EXPECT_EQ(clock.Now(), absl::FromUnixMillis(101'500) - absl::Hours(1));
  EXPECT_EQ(clock.Monotonic() - begin, absl::Milliseconds(1500));
}

TEST(SystemClockTest, WallTimeIsTheSystemsAndMonotonicNeverGoesBack) {
  const absl::Time before = absl::Now();
  const absl::Time now = SystemClock().Now();
  EXPECT_GE(now, before);
  EXPECT_LE(now, absl::Now());
  absl::Duration last = SystemClock().Monotonic();
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration next = SystemClock().Monotonic();
    ASSERT_GE(next, last);
    last = next;
  }
  // Goes on in suspend: that is CLOCK_BOOTTIME, which is never behind CLOCK_MONOTONIC.
  timespec monotonic{};
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  EXPECT_GE(SystemClock().Monotonic(), absl::DurationFromTimespec(monotonic));
}

}  // namespace
}  // namespace truce
