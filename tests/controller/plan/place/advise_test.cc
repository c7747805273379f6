// What would become of a fleet: what-if, and advice on what to move.
#include "controller/plan/place/advise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "controller/plan/place/simulate.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kGibibyte = 1 << 30;

PlacesSnapshot::Host Host(const std::string& name, const std::string& domain = "") {
  PlacesSnapshot::Host host;
  host.name = name;
  host.picture.capacity[kPlaceCpuCores] = 4;
  host.picture.capacity[kPlaceMemoryBytes] = 8 * kGibibyte;
  host.picture.fault_domain = domain.empty() ? name : domain;
  return host;
}

struct Spec {
  std::string name;
  double cores = 1;
  double hurts = 0;
  double suffers = 0;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  bool movable = true;
  std::string application = "";
};

// Through the last-level cache alone.
void Add(const Spec& spec, PlacesSnapshot::Host* host) {
  Resident resident{.workload = spec.name,
                    .application = spec.application,
                    .workload_class = spec.workload_class,
                    .movable = spec.movable};
  resident.demand[kPlaceCpuCores] = spec.cores;
  resident.demand[kPlaceMemoryBytes] = kGibibyte;
  ApplicationEffects effects;
  effects.hurts[EffectOf(v1::RESOURCE_LLC)] = spec.hurts;
  effects.suffers[EffectOf(v1::RESOURCE_LLC)] = spec.suffers;
  host->picture.residents.push_back(resident);
  host->effects.push_back(effects);
}

AdviseOptions Quick() {
  AdviseOptions options;
  options.time = absl::InfiniteDuration();
  options.iterations = 20'000;
  return options;
}

std::vector<std::string> Moves(const v1::Advice& advice) {
  std::vector<std::string> moves;
  for (const auto& move : advice.moves()) {
    moves.push_back(StrCat(move.workload(), ": ", move.source_host(), " -> ", move.target_host()));
  }
  return moves;
}

TEST(SimulateTest, WhoeverLosesMostGetsTheFirstChoiceWhenAHostFails) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "small", .cores = 1, .workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT}, &snapshot.hosts[0]);
  Add({.name = "large", .cores = 2, .workload_class = v1::WORKLOAD_CLASS_CRITICAL}, &snapshot.hosts[0]);
  Add({.name = "there", .cores = 1.5}, &snapshot.hosts[1]);
  v1::SimulateRequest request;
  request.add_fail_hosts("a");
  const auto response = Simulate(snapshot, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->placements(), SizeIs(2));
  EXPECT_EQ(response->placements(0).workload(), "large");
  EXPECT_EQ(response->placements(0).target_host(), "b");
  EXPECT_EQ(response->placements(1).workload(), "small");
  EXPECT_EQ(response->placements(1).target_host(), "") << "half a core is left";
  EXPECT_EQ(response->homeless_count(), 1u);
  EXPECT_EQ(response->before().hosts_in_use(), 2u);
  EXPECT_EQ(response->after().hosts_in_use(), 1u);
  EXPECT_THAT(response->after().mean_fullness_ratio(), DoubleNear(3.5 / 4, 1e-9));
}

TEST(SimulateTest, WhereNoHostIsLeftItSaysSo) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "web"}, &snapshot.hosts[0]);
  snapshot.hosts[1].picture.closed = "its agent is not connected";
  v1::SimulateRequest request;
  request.add_fail_hosts("a");
  const auto response = Simulate(snapshot, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->placements(), SizeIs(1));
  EXPECT_THAT(response->placements(0).reason(), HasSubstr("no host is left that takes workloads"));
}

TEST(SimulateTest, ADrainedHostKeepsWhatNobodyMayMove) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "stuck", .movable = false}, &snapshot.hosts[0]);
  Add({.name = "free"}, &snapshot.hosts[0]);
  v1::SimulateRequest request;
  request.add_drain_hosts("a");
  const auto response = Simulate(snapshot, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->placements(), SizeIs(2));
  EXPECT_EQ(response->placements(0).workload(), "stuck");
  EXPECT_EQ(response->placements(0).target_host(), "a");
  EXPECT_THAT(response->placements(0).reason(), HasSubstr("nobody may move it"));
  EXPECT_EQ(response->placements(1).target_host(), "b");
  EXPECT_EQ(response->after().hosts_in_use(), 2u);
}

TEST(SimulateTest, AddsSoManyAndFailsWholeDomains) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a", "rack-1"), Host("b", "rack-1"), Host("c", "rack-2")};
  v1::SimulateRequest request;
  request.mutable_add()->set_application("shop");
  request.mutable_add()->set_cpu_cores(1.5);
  request.set_add_count(5);
  auto response = Simulate(snapshot, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->homeless_count(), 0u);
  EXPECT_EQ(response->placements(4).workload(), "shop-5");
  request.add_fail_domains("rack-1");
  response = Simulate(snapshot, request);
  EXPECT_EQ(response->homeless_count(), 3u) << "two fit on c";
  request.set_fail_domains(0, "rack-9");
  EXPECT_TRUE(absl::IsNotFound(Simulate(snapshot, request).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(snapshot, {}).status())) << "nothing is asked";
  request.clear_fail_domains();
  request.add_fail_hosts("nowhere");
  EXPECT_TRUE(absl::IsNotFound(Simulate(snapshot, request).status()));
  request.clear_fail_hosts();
  request.set_add_count(1'000'000);
  EXPECT_TRUE(absl::IsInvalidArgument(Simulate(snapshot, request).status()));
}

TEST(SimulateTest, FiguresAddUpWhatPairsLose) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a")};
  Add({.name = "x", .hurts = 0.5, .suffers = 0.2, .workload_class = v1::WORKLOAD_CLASS_CRITICAL}, &snapshot.hosts[0]);
  Add({.name = "y", .hurts = 0.1, .suffers = 0.4}, &snapshot.hosts[0]);
  Add({.name = "z", .hurts = 0.3, .suffers = 0}, &snapshot.hosts[0]);
  v1::SimulateRequest request;
  request.mutable_add()->set_cpu_cores(0);
  const auto response = Simulate(snapshot, request);
  ASSERT_TRUE(response.ok()) << response.status();
  // x of y and z, weighing 1; y of x and z, weighing a half; nobody of itself.
  EXPECT_THAT(response->before().slowdown_ratio_sum(), DoubleNear(0.2 * (0.1 + 0.3) + 0.5 * 0.4 * (0.5 + 0.3), 1e-9));
}

TEST(AdviseTest, WhoHurtsGoesToWhereNobodyMinds) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "tender", .suffers = 1, .workload_class = v1::WORKLOAD_CLASS_CRITICAL, .movable = false},
      &snapshot.hosts[0]);
  Add({.name = "loud", .hurts = 0.5}, &snapshot.hosts[0]);
  Add({.name = "deaf"}, &snapshot.hosts[1]);
  const auto advice = Advise(snapshot, Quick());
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(Moves(*advice), ElementsAre("loud: a -> b"));
  EXPECT_THAT(advice->before().slowdown_ratio_sum(), DoubleNear(0.5, 1e-9));
  EXPECT_THAT(advice->after().slowdown_ratio_sum(), DoubleNear(0, 1e-9));
  EXPECT_EQ(advice->incomplete(), "");
}

TEST(AdviseTest, WhatWinsLessThanAMoveCostsStays) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "tender", .suffers = 1, .workload_class = v1::WORKLOAD_CLASS_CRITICAL, .movable = false},
      &snapshot.hosts[0]);
  Add({.name = "loud", .hurts = 0.9 * MovePenalty(kGibibyte)}, &snapshot.hosts[0]);
  EXPECT_THAT(Moves(*Advise(snapshot, Quick())), IsEmpty());
  snapshot.hosts[0].effects[1].hurts[EffectOf(v1::RESOURCE_LLC)] = 1.1 * MovePenalty(kGibibyte);
  EXPECT_THAT(Moves(*Advise(snapshot, Quick())), SizeIs(1));
  snapshot.hosts[0].picture.residents[1].movable = false;
  EXPECT_THAT(Moves(*Advise(snapshot, Quick())), IsEmpty());
  snapshot.hosts[0].picture.residents[1].movable = true;
  snapshot.hosts[1].picture.closed = "its agent is not connected";
  const auto advice = Advise(snapshot, Quick());
  EXPECT_THAT(Moves(*advice), IsEmpty()) << "nobody goes where nothing is known";
  EXPECT_THAT(advice->incomplete(), HasSubstr("1 of 2 hosts"));
}

TEST(AdviseTest, AHostIsEmptiedWhereThatIsWorthIt) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a"), Host("b")};
  Add({.name = "x"}, &snapshot.hosts[0]);
  Add({.name = "y"}, &snapshot.hosts[1]);
  AdviseOptions options = Quick();
  EXPECT_THAT(Moves(*Advise(snapshot, options)), IsEmpty());
  options.host_cost = 0.5;
  const auto advice = Advise(snapshot, options);
  EXPECT_THAT(Moves(*advice), SizeIs(1));
  EXPECT_EQ(advice->after().hosts_in_use(), 1u);
}

TEST(AdviseTest, WhatIsApartStaysApart) {
  PlacesSnapshot snapshot;
  snapshot.hosts = {Host("a", "rack-1"), Host("b", "rack-2"), Host("c", "rack-2")};
  Add({.name = "db-1", .cores = 0.5, .application = "db"}, &snapshot.hosts[0]);
  Add({.name = "db-2", .cores = 0.5, .application = "db"}, &snapshot.hosts[1]);
  AdviseOptions options = Quick();
  options.host_cost = 5;
  EXPECT_THAT(Moves(*Advise(snapshot, options)), IsEmpty()) << "both on one host would be cheaper";
}

// A random fleet: every step of every advice leaves every host with room, moves only what may be moved, at most so
// many, and nobody's figures get worse.
TEST(AdviseTest, EveryStepHasRoom) {
  std::mt19937_64 random(3);
  const auto draw = [&random](double most) { return std::uniform_real_distribution<double>(0, most)(random); };
  int moves = 0;
  for (int round = 0; round < 60; ++round) {
    PlacesSnapshot snapshot;
    snapshot.reserve_ratio = round % 3 == 0 ? 0.1 : 0;
    for (int h = 0; h < 6; ++h) {
      snapshot.hosts.push_back(Host(StrCat("host-", h), StrCat("rack-", h / 2)));
      const int count = static_cast<int>(random() % 5);
      for (int i = 0; i < count; ++i) {
        Add({.name = StrCat("w-", h, "-", i),
             .cores = draw(0.85),
             .hurts = draw(0.5),
             .suffers = draw(0.5),
             .workload_class = static_cast<v1::WorkloadClass>(1 + random() % 3),
             .movable = random() % 4 != 0,
             .application = random() % 2 == 0 ? StrCat("app-", random() % 4) : ""},
            &snapshot.hosts.back());
      }
    }
    AdviseOptions options = Quick();
    options.seed = static_cast<uint64_t>(round);
    options.most_moves = 4;
    options.host_cost = round % 2 == 0 ? 0 : 0.3;
    const auto advice = Advise(snapshot, options);
    ASSERT_TRUE(advice.ok()) << advice.status();
    std::map<std::string, std::pair<std::string, const Resident*>> where;
    for (const auto& host : snapshot.hosts) {
      for (const Resident& one : host.picture.residents) where[one.workload] = {host.name, &one};
    }
    std::set<std::string> moved;
    for (const auto& move : advice->moves()) {
      ++moves;
      auto& [at, resident] = where.at(move.workload());
      ASSERT_EQ(at, move.source_host());
      ASSERT_TRUE(resident->movable);
      at = move.target_host();
      moved.insert(move.workload());
      std::map<std::string, double> used;
      for (const auto& [_, one] : where) used[one.first] += one.second->demand[kPlaceCpuCores];
      for (const auto& [host, cores] : used) ASSERT_LE(cores, 4 * (1 - snapshot.reserve_ratio) + 1e-9) << host;
    }
    EXPECT_LE(moved.size(), 4u);
    const double spared = options.host_cost * (static_cast<double>(advice->before().hosts_in_use()) -
                                               static_cast<double>(advice->after().hosts_in_use()));
    EXPECT_LE(advice->after().slowdown_ratio_sum(), advice->before().slowdown_ratio_sum() + spared + 1e-3);
  }
  EXPECT_GT(moves, 60);
}

}  // namespace
}  // namespace truce::controller
