// Energy, lack and migrations of a simulated day, by hand.
#include "lab/consolidate/cloud.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(CloudTest, BothPoliciesEmptyHostsThatAreNotNeeded) {
  const DataCentre centre = Centre(std::vector<double>(12, 0.1));
  Fixed stays;
  ThrMmt threshold;
  Foresight foresight({});
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
}

}  // namespace
}  // namespace truce::lab
