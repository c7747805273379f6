// Energy, lack and migrations of a simulated day, by hand.
#include "lab/consolidate/cloud.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "lab/consolidate/dvfs.h"
#include "lab/consolidate/foresight.h"
#include "lab/consolidate/thr_mmt.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

// Puts VM i on host i, and makes the moves that it was given at the first step.
class Fixed final : public Consolidator {
 public:
  explicit Fixed(std::vector<VmMove> moves = {}) : moves_(std::move(moves)) {}
  std::optional<size_t> PlaceNew(const Cloud&, size_t vm) override { return vm; }
  std::vector<VmMove> Decide(Cloud&) override { return std::exchange(moves_, {}); }

 private:
  std::vector<VmMove> moves_;
};

DataCentre Centre(const std::vector<double>& used) {
  DataCentre centre;
  centre.hosts = PlanetLabHosts(used.size());
  for (const double one : used) centre.vms.push_back({"vm", {1'000, 1'000}, std::vector<double>(288, one)});
  return centre;
}

constexpr double kHours = (86'100.1 - 300.1) / 3'600;

TEST(CloudTest, AHostUsesWhatItsTypeUsesAtItsLoad) {
  const DataCentre centre = Centre({0.372});
  Fixed stays;
  const auto day = Cloud(centre, stays).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  // 372 of 3,720 MIPS: a tenth.
  EXPECT_NEAR(day->energy_kwh, 89.4 * kHours / 1'000, 1e-6);
  EXPECT_EQ(day->migrations, 0);
  EXPECT_EQ(day->slav(), 0);
  EXPECT_EQ(day->lacking, 0);
}

TEST(CloudTest, AMoveCostsTheVmATenthWhileItsMemoryIsCopied) {
  const DataCentre centre = Centre({0.5, 0.5});
  Fixed moves({{0, 1}});
  const auto day = Cloud(centre, moves).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  EXPECT_EQ(day->migrations, 1);
  // 1,000 MB at half of 1 Gbit/s are 16 s, in which a tenth of 500 MIPS is lacking, of 2 x 500 MIPS for the day.
  EXPECT_NEAR(day->pdm, 16 * 50 / (1'000 * kHours * 3'600), 1e-9);
  EXPECT_GT(day->slatah, 0) << "the target has a tenth of what it is asked for meanwhile";
  EXPECT_LT(day->slatah, 0.001);
}

TEST(CloudTest, AnOverfullHostGrantsAllTheSamePart) {
  DataCentre centre = Centre({1, 1, 1, 1, 1});
  Fixed moves({{1, 0}, {2, 0}, {3, 0}, {4, 0}});
  const auto day = Cloud(centre, moves).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  // 5,000 MIPS are asked for and 3,720 there: each gets 744.
  EXPECT_NEAR(day->lacking, 1 - 0.744, 0.001);
  EXPECT_GT(day->slatah, 0.99);
}

TEST(CloudTest, AVmThatAsksForNothingLeavesForGood) {
  DataCentre centre = Centre({0.372});
  centre.vms[0].used[100] = centre.vms[0].used[101] = 0;
  Fixed stays;
  const auto day = Cloud(centre, stays).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  // Looked at every 300 s from 300.1 s on. At 29,700.1 s it is 0.1 s into the way from 372 MIPS down to none; at
  // 30,000.1 s it asks for nothing, which a G4 host that is in use pays with 86 W, and what it asks for later is gone.
  const double falling = 86 + 3.4 * (1 - 0.1 / 300);
  const double joules = 300 * (97 * 89.4 + (89.4 + falling) / 2 + (falling + 86) / 2);
  EXPECT_NEAR(day->energy_kwh, joules / 3.6e6, 1e-9);
}

TEST(CloudTest, AVmThatAsksForNothingForAMomentStays) {
  DataCentre centre = Centre({0.372});
  // 0.1 s later it asks for a little again.
  centre.vms[0].used[100] = 0;
  Fixed stays;
  const auto day = Cloud(centre, stays).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  EXPECT_NEAR(day->energy_kwh, 89.4 * kHours / 1'000, 0.001);
}

TEST(CloudTest, AVmThatHasMovedLeavesItsNewHost) {
  DataCentre centre = Centre({0.5, 0.5});
  centre.vms[0].used[2] = centre.vms[0].used[3] = 0;
  Fixed moves({{0, 1}});
  const auto day = Cloud(centre, moves).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  // From 600.1 s on VM 1 and its 500 of 5,320 MIPS are alone. What was there before, the G4 host for 16 s and VM 0
  // until it asks for nothing, is less than 0.002 kWh; were VM 0 still there, nearly 0.09 kWh more would be used.
  const double alone = 93.7 + 3.3 * 500 / 532;
  EXPECT_EQ(day->migrations, 1);
  EXPECT_NEAR(day->energy_kwh, alone * kHours / 1'000, 0.002);
}

TEST(CloudTest, DvfsPutsVmsOnTheFirstHostThatHasRoomForAllOfThem) {
  DataCentre centre = Centre({0.1, 0.1, 0.1, 0.1});
  Dvfs stays;
  const auto day = Cloud(centre, stays).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  // Of 1,000 MIPS each three fit on the G4 host with its 3,720, which serves 300; the fourth is on a G5 host.
  const double watts = 86 + 3.4 * 300 / 372 + 93.7 + 3.3 * 100 / 532;
  EXPECT_NEAR(day->energy_kwh, watts * kHours / 1'000, 1e-6);
  EXPECT_EQ(day->migrations, 0);
}

// Three VMs of 1,500 MIPS on a G4 and a G5 host ask for half of it at first. The cheapest hosts for all of it are the
// G5 for VMs 0 and 2 and the G4 for VM 1, which is emptied at the first look. From 3,000.1 s on all ask for everything,
// 85 % of the G5 host: what is copied soonest, VM 2, goes to the G4, and as 85 % is too much, it stays there.
TEST(ThrMmtTest, AHostInUseBeyondTheThresholdGivesAwayWhatIsCopiedSoonest) {
  DataCentre centre;
  centre.hosts = PlanetLabHosts(2);
  for (const double memory_mb : {870., 1'740., 613.}) {
    VmTrace& vm = centre.vms.emplace_back(VmTrace{"vm", {1'500, memory_mb}, std::vector<double>(288, 1)});
    std::fill_n(vm.used.begin(), 10, 0.5);
  }
  ThrMmt threshold(0.8);
  const auto day = Cloud(centre, threshold).Run();
  ASSERT_TRUE(day.ok()) << day.status();
  EXPECT_EQ(day->migrations, 2);
  // A tenth of 750 MIPS for 27.84 s and of 1,500 MIPS for 9.808 s; at 2,700.1 s VMs ask for 750.25 MIPS.
  const double requested = 3 * (750 * 2'400 + 750.25 * 300 + 1'500 * 83'100);
  EXPECT_NEAR(day->pdm, (27.84 * 75 + 9.808 * 150) / requested, 1e-9);
}

TEST(CloudTest, BothPoliciesEmptyHostsThatAreNotNeeded) {
  const DataCentre centre = Centre(std::vector<double>(12, 0.1));
  Fixed stays;
  ThrMmt threshold;
  ForesightPolicy foresight({});
  const auto before = Cloud(centre, stays).Run();
  for (Consolidator* policy : {static_cast<Consolidator*>(&threshold), static_cast<Consolidator*>(&foresight)}) {
    const auto day = Cloud(centre, *policy).Run();
    ASSERT_TRUE(day.ok()) << day.status();
    EXPECT_LT(day->energy_kwh, before->energy_kwh / 3);
    EXPECT_LT(day->mean_hosts, 2);
    EXPECT_EQ(day->pdm > 0, day->migrations > 0);
  }
}

TEST(CloudTest, VmsThatFindNoHostAreSaid) {
  DataCentre centre = Centre({0.1});
  centre.vms[0].type.mips = 2'500;
  ThrMmt threshold;
  EXPECT_THAT(Cloud(centre, threshold).Run().status().ToString(), testing::HasSubstr("no host has room for VM 0"));
}

TEST(CloudTest, ADayThatIsNoneIsRefused) {
  test::Tree tree;
  tree.Put("day.csv", "vm,t0,t1\na,1,2\n");
  EXPECT_THAT(ReadPlanetLabCentre(tree.Path("day.csv"), 2).status().ToString(),
              testing::HasSubstr("it must have 288 values from 0 to 100"));
  tree.Put("day.csv", "vm,t0\na,1\nb,1\na,2\n");
  EXPECT_THAT(ReadPlanetLabCentre(tree.Path("day.csv"), 2).status().ToString(),
              testing::HasSubstr("line 4: VM 'a' is on line 2 already"));
}

}  // namespace
}  // namespace truce::lab
