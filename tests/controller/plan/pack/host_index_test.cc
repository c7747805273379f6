// The index finds what pricing every host finds, whatever was changed since it was arranged.
#include "controller/plan/pack/host_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace truce::controller::pack {
namespace {

class HostIndexTest : public testing::Test {
 protected:
  double Draw(double least, double most) { return std::uniform_real_distribution<double>(least, most)(random_); }
  PlaceHost DrawHost() {
    PlaceHost host;
    for (size_t r = 0; r < 3; ++r) {
      host.capacity[r] = r == 1 ? 64e9 : 16;
      // Some are asked for too much.
      host.free[r] = host.capacity[r] * Draw(-0.1, 1);
    }
    for (size_t k = 0; k < 3; ++k) {
      host.suffers[k] = Draw(0, 3);
      host.hurts[k] = Draw(0, 2);
    }
    host.use_cost = Draw(0, 1) < 0.1 ? Draw(0, 5) : 0;
    host.closed = Draw(0, 1) < 0.05;
    return host;
  }
  PlaceDemand DrawDemand() {
    PlaceDemand demand;
    demand.demand = {Draw(0, 8), Draw(0, 32e9), Draw(0, 1) < 0.5 ? 0 : Draw(0, 8)};
    for (size_t k = 0; k < 3; ++k) {
      demand.suffers[k] = Draw(0, 1);
      demand.hurts[k] = Draw(0, 1);
    }
    return demand;
  }
  static std::vector<PlacePrice> ByPricingAll(const HostIndex& index, int32_t hosts, const PlaceDemand& demand,
                                              size_t most, const std::function<bool(int32_t)>& allows) {
    std::vector<PlacePrice> all;
    for (int32_t host = 0; host < hosts; ++host) {
      PlacePrice price{host, 0, 0};
      price.price = index.Price(*index.Find(host), demand, &price.slowdown);
      if (price.price < std::numeric_limits<double>::infinity() && allows(host)) all.push_back(price);
    }
    std::sort(all.begin(), all.end(), [](const PlacePrice& a, const PlacePrice& b) {
      return a.price != b.price ? a.price < b.price : a.host < b.host;
    });
    if (all.size() > most) all.resize(most);
    return all;
  }
  static std::vector<int32_t> HostsOf(const std::vector<PlacePrice>& prices) {
    std::vector<int32_t> hosts;
    for (const PlacePrice& price : prices) hosts.push_back(price.host);
    return hosts;
  }

  std::mt19937_64 random_{1};
};

TEST_F(HostIndexTest, FindsWhatPricingAllOfThemFinds) {
  for (const double fullness : {0.0, 3.0, -3.0}) {
    HostIndex index({fullness});
    constexpr int32_t kHosts = 700;
    for (int32_t host = 0; host < kHosts; ++host) index.Put(host, DrawHost());
    for (int i = 0; i < 600; ++i) {
      if (i % 200 == 100) index.Arrange();
      index.Put(static_cast<int32_t>(random_() % kHosts), DrawHost());
      const PlaceDemand demand = DrawDemand();
      const auto allows = [i](int32_t host) { return i % 3 != 0 || host % 7 == i % 7; };
      const auto found = index.Best(demand, 4, allows);
      ASSERT_EQ(HostsOf(found), HostsOf(ByPricingAll(index, kHosts, demand, 4, allows)));
      ASSERT_EQ(found.empty() ? -1 : found[0].price,
                found.empty() ? -1 : index.Price(*index.Find(found[0].host), demand, nullptr));
    }
  }
}

// Hosts of a fleet do the same as many others, more or less.
TEST_F(HostIndexTest, LooksAtFewHosts) {
  HostIndex index;
  constexpr int32_t kHosts = 10'000;
  std::vector<PlaceHost> kinds(60);
  for (PlaceHost& kind : kinds) kind = DrawHost();
  for (int32_t host = 0; host < kHosts; ++host) {
    PlaceHost state = kinds[random_() % kinds.size()];
    for (double& one : state.free) one *= Draw(0.9, 1.1);
    for (double& one : state.suffers) one *= Draw(0.9, 1.1);
    for (double& one : state.hurts) one *= Draw(0.9, 1.1);
    index.Put(host, state);
  }
  index.Arrange();
  size_t all = 0;
  for (int i = 0; i < 100; ++i) {
    size_t looked_at = 0;
    ASSERT_EQ(index.Best(DrawDemand(), 4, {}, &looked_at).size(), 4u);
    all += looked_at;
  }
  EXPECT_LT(all / 100, static_cast<size_t>(kHosts) / 20);
}

TEST_F(HostIndexTest, NothingFitsNowhere) {
  HostIndex index;
  EXPECT_TRUE(index.Best(DrawDemand(), 4).empty());
  EXPECT_EQ(index.Find(0), nullptr);
  PlaceHost host = DrawHost();
  host.closed = true;
  index.Put(3, host);
  EXPECT_EQ(index.Find(0), nullptr);
  EXPECT_NE(index.Find(3), nullptr);
  index.Arrange();
  EXPECT_TRUE(index.Best({}, 4).empty());
  host.closed = false;
  index.Put(3, host);
  EXPECT_EQ(index.Best({}, 4).size(), 1u);
  EXPECT_TRUE(index.Best({}, 0).empty());
  PlaceDemand too_much;
  too_much.demand[0] = host.free[0] + 1;
  EXPECT_TRUE(index.Best(too_much, 4).empty());
}

TEST_F(HostIndexTest, HostsThatAreAllAlikeComeByTheirNumbers) {
  HostIndex index;
  for (int32_t host = 0; host < 1'000; ++host) index.Put(host, {});
  index.Arrange();
  size_t looked_at = 0;
  EXPECT_EQ(HostsOf(index.Best({}, 2, {}, &looked_at)), (std::vector<int32_t>{0, 1}));
  EXPECT_LE(looked_at, HostIndex::kCell) << "they are not all looked at because they cost the same";
}

}  // namespace
}  // namespace truce::controller::pack
