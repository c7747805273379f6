// When a victim counts as protected, and what a bout's turns add up to.
#include "lab/protect/windows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_format.h"

namespace truce::lab {
namespace {

absl::Time At(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(1'000'000) + absl::Seconds(seconds);
}

// Reports operations that take `pace` each from `begin` to `end`.
void Work(Meter& meter, double begin, double end, double pace) {
  for (int i = 0; begin + (i + 1) * pace <= end + 1e-9; ++i) {
    const double from = absl::ToDoubleSeconds(At(begin + i * pace) - absl::UnixEpoch());
    meter.Take(absl::StrFormat("%.6f %.6f\n", from, from + pace), At(begin + (i + 1) * pace));
  }
}

// One window per second from 0 on; alone, an operation takes 0.1 s.
std::vector<BoutWindow> EachSecond(int count) {
  std::vector<BoutWindow> windows;
  for (int i = 0; i < count; ++i) windows.push_back({At(i), At(i + 1), 0.1});
  return windows;
}

TEST(SecondsToProtectTest, IsTheFirstWindowFromWhichOnTheVictimStaysWell) {
  Meter meter("");
  Work(meter, 0, 6, 0.25);
  Work(meter, 6, 12, 0.1);
  EXPECT_DOUBLE_EQ(SecondsToProtect(meter, At(0), EachSecond(12)), 6);
  EXPECT_DOUBLE_EQ(SecondsToProtect(meter, At(2), EachSecond(12)), 4) << "counted from the onset";
}

TEST(SecondsToProtectTest, AVictimThatWasNeverHurtIsProtectedFromTheStart) {
  Meter meter("");
  Work(meter, 0, 8, 0.125);
  EXPECT_DOUBLE_EQ(SecondsToProtect(meter, At(0.5), EachSecond(8)), 0) << "not negative";
}

TEST(SecondsToProtectTest, OneBadWindowInFiveIsForgivenAndTwoAreNot) {
  Meter once("");
  Work(once, 0, 2, 0.1);
  Work(once, 2, 3, 0.25);
  Work(once, 3, 5, 0.1);
  EXPECT_DOUBLE_EQ(SecondsToProtect(once, At(0), EachSecond(5)), 0);
  Meter twice("");
  Work(twice, 0, 2, 0.1);
  Work(twice, 2, 4, 0.25);
  Work(twice, 4, 5, 0.1);
  EXPECT_LT(SecondsToProtect(twice, At(0), EachSecond(5)), 0);
}

TEST(SecondsToProtectTest, AGoodEndThatIsTooShortToTellIsNone) {
  Meter meter("");
  Work(meter, 0, 5, 0.25);
  Work(meter, 5, 8, 0.1);
  EXPECT_LT(SecondsToProtect(meter, At(0), EachSecond(8)), 0);
}

TEST(SecondsToProtectTest, AVictimThatStandsStillIsNotWell) {
  Meter meter("");
  Work(meter, 0, 1, 0.1);
  EXPECT_LT(SecondsToProtect(meter, At(0), EachSecond(6)), 0);
}

TEST(BoutWindowsTest, AddUpOverWindowsThatLieApart) {
  Meter meter("");
  Work(meter, 0, 1, 0.1);
  Work(meter, 1, 3, 0.5);
  Work(meter, 3, 4, 0.1);
  const std::vector<BoutWindow> windows = {{At(0), At(1)}, {At(3), At(4)}};
  const Performance sum = Over(meter, windows, &Meter::Done);
  EXPECT_NEAR(sum.operations, 20, 0.01);
  EXPECT_NEAR(*sum.SecondsPerOperation(), 0.1, 1e-3);
  EXPECT_DOUBLE_EQ(Seconds(windows), 2);
  EXPECT_NEAR(Pace(meter, At(1), At(3)), 0.5, 1e-3);
  EXPECT_TRUE(std::isnan(Pace(meter, At(5), At(6))));
}

}  // namespace
}  // namespace truce::lab
