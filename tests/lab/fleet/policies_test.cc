// Each policy's rule on a few hosts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/fleet/policies/baselines.h"
#include "lab/fleet/policies/ledger.h"

namespace truce::lab::fleet {
namespace {

Request Asks(int64_t workload, double cpus, double memory_gib, int32_t application = 0) {
  return {.workload = workload, .application = application, .cpus = cpus, .memory_gib = memory_gib};
}

// Three hosts of 10 CPUs and 100 GiB in domains of their own, with 6, 8 and 1 CPUs and 20, 70 and 10 GiB asked for.
void Prepare(Placer& placer) {
  placer.OnHosts({{10, 100, 0}, {10, 100, 1}, {10, 100, 2}});
  placer.OnArrival(Asks(1, 6, 20), 0);
  placer.OnArrival(Asks(2, 8, 70), 1);
  placer.OnArrival(Asks(3, 1, 10), 2);
}

std::optional<size_t> Where(Placer& placer, const Request& request) {
  const auto host = placer.Place(request);
  EXPECT_TRUE(host.ok()) << host.status();
  return host.ok() ? *host : std::nullopt;
}

TEST(BaselinesTest, FirstFitTakesTheFirstWithRoom) {
  const auto placer = MakeFirstFit(1);
  Prepare(*placer);
  EXPECT_EQ(Where(*placer, Asks(9, 2, 10)), 0U);
  EXPECT_EQ(Where(*placer, Asks(9, 5, 10)), 2U);
  EXPECT_EQ(Where(*placer, Asks(9, 10, 10)), std::nullopt);
}

TEST(BaselinesTest, BestFitTakesTheOneWithTheLeastLeft) {
  const auto placer = MakeBestFit(1);
  Prepare(*placer);
  EXPECT_EQ(Where(*placer, Asks(9, 2, 10)), 1U);
  EXPECT_EQ(Where(*placer, Asks(9, 3, 10)), 0U);
}

TEST(BaselinesTest, DotProductTakesTheOneThatIsFreeOfWhatIsAskedFor) {
  const auto placer = MakeDotProduct(1);
  placer->OnHosts({{10, 100, 0}, {10, 100, 1}});
  placer->OnArrival(Asks(1, 8, 10), 0);
  placer->OnArrival(Asks(2, 1, 80), 1);
  // 0.01 x 0.2 + 0.1 x 0.9 against 0.01 x 0.9 + 0.1 x 0.2, and the other way round.
  EXPECT_EQ(Where(*placer, Asks(9, 0.1, 10)), 0U);
  EXPECT_EQ(Where(*placer, Asks(9, 1, 1)), 1U);
}

TEST(BaselinesTest, LeastAllocatedTakesTheEmptiest) {
  const auto placer = MakeLeastAllocated(1);
  Prepare(*placer);
  EXPECT_EQ(Where(*placer, Asks(9, 1, 1)), 2U);
  placer->OnArrival(Asks(4, 9, 90), 2);
  EXPECT_EQ(Where(*placer, Asks(9, 1, 1)), 0U);
  placer->OnDeparture(4);
  EXPECT_EQ(Where(*placer, Asks(9, 1, 1)), 2U);
}

TEST(BaselinesTest, RandomSpreadTakesAllOfThemAndTheSameForASeed) {
  std::vector<size_t> chosen;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto placer = MakeRandomSpread(1, 5);
    Prepare(*placer);
    std::vector<size_t> now;
    for (int i = 0; i < 60; ++i) now.push_back(*Where(*placer, Asks(9, 1, 1)));
    EXPECT_THAT(now, testing::AllOf(testing::Contains(0U), testing::Contains(1U), testing::Contains(2U)));
    if (repeat == 1) {
      EXPECT_EQ(now, chosen);
    }
    chosen = now;
  }
}

TEST(BaselinesTest, RiskBalancingGoesByUseAndItsSwings) {
  const auto placer = MakeRiskBalancing(2);
  Prepare(*placer);
  // All are asked for something and use as much, but the first swings less.
  placer->OnReport({.host = 0, .cpu_mean_cores = 3, .cpu_stddev_cores = 0.5, .memory_gib = 10});
  placer->OnReport({.host = 1, .cpu_mean_cores = 3, .cpu_stddev_cores = 2, .memory_gib = 10});
  placer->OnReport({.host = 2, .cpu_mean_cores = 3, .cpu_stddev_cores = 2, .memory_gib = 10});
  EXPECT_EQ(Where(*placer, Asks(9, 1, 1)), 0U);
  // Memory is what it would lack: (0.1 + 0.8) / 2 against (0.4 + 0.2) / 2.
  placer->OnReport({.host = 0, .cpu_mean_cores = 3, .cpu_stddev_cores = 0.5, .memory_gib = 70});
  EXPECT_EQ(Where(*placer, Asks(9, 1, 10)), 1U);
  // What was placed since the last report counts.
  placer->OnArrival(Asks(10, 3, 1), 1);
  EXPECT_EQ(Where(*placer, Asks(9, 1, 10)), 2U);
}

TEST(LedgerTest, GroupsStayApartAndComeToEnoughDomains) {
  Ledger ledger(1);
  ledger.SetHosts({{10, 100, 0}, {10, 100, 0}, {10, 100, 1}, {10, 100, 1}});
  Request one = Asks(1, 1, 1);
  one.group = 7;
  one.spread = 2;
  Request two = one;
  two.workload = 2;
  Request three = one;
  three.workload = 3;
  ledger.Add(one, 0);
  EXPECT_FALSE(ledger.Fits(two, 0)) << "two of it on a host";
  EXPECT_FALSE(ledger.Fits(two, 1)) << "still in one domain";
  EXPECT_TRUE(ledger.Fits(two, 2));
  ledger.Add(two, 2);
  EXPECT_TRUE(ledger.Fits(three, 1)) << "two domains are enough";
  EXPECT_TRUE(ledger.MayMove(1, 1));
  EXPECT_FALSE(ledger.MayMove(1, 3)) << "both would be in one domain";
  EXPECT_FALSE(ledger.MayMove(1, 2));
  ledger.Remove(2);
  EXPECT_TRUE(ledger.MayMove(1, 3));
}

TEST(LedgerTest, CpusMayBeAskedForMoreThanThereAreAndMemoryNot) {
  Ledger ledger(1.5);
  ledger.SetHosts({{10, 100, 0}});
  EXPECT_TRUE(ledger.Fits(Asks(1, 15, 100), 0));
  EXPECT_FALSE(ledger.Fits(Asks(1, 15.1, 100), 0));
  EXPECT_FALSE(ledger.Fits(Asks(1, 15, 100.1), 0));
}

}  // namespace
}  // namespace truce::lab::fleet
