// Runs of small fleets: everybody is on one host, the same seed gives the same, and nobody who places sees the truth.
#include "lab/fleet/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "lab/fleet/experiment.h"
#include "lab/fleet/policies/baselines.h"

namespace truce::lab::fleet {
namespace {

World SmallWorld(uint64_t seed = 1) {
  WorldOptions options;
  options.hosts = 24;
  options.workloads_per_host = 12;
  options.hours = 3;
  options.seed = seed;
  auto world = MakeWorld(options);
  EXPECT_TRUE(world.ok()) << world.status();
  return *std::move(world);
}

// Passes everything on, and keeps what was answered.
class Recorder : public Placer {
 public:
  explicit Recorder(std::unique_ptr<Placer> placer) : placer_(std::move(placer)) {}
  std::string_view name() const override { return placer_->name(); }
  void OnHosts(const std::vector<HostFacts>& hosts) override { placer_->OnHosts(hosts); }
  void OnArrival(const Request& request, size_t host) override {
    EXPECT_TRUE(where_.emplace(request.workload, host).second) << "it runs already";
    placer_->OnArrival(request, host);
  }
  void OnMoved(const Move& move) override {
    EXPECT_EQ(where_.at(move.workload), move.from);
    where_[move.workload] = move.to;
    ++moves_;
    placer_->OnMoved(move);
  }
  void OnDeparture(int64_t workload) override {
    EXPECT_EQ(where_.erase(workload), 1U);
    placer_->OnDeparture(workload);
  }
  void OnReport(const HostReport& report) override {
    for (const WorkloadReport& workload : report.workloads) EXPECT_EQ(where_.at(workload.workload), report.host);
    reported_ += report.workloads.size();
    placer_->OnReport(report);
  }
  absl::StatusOr<std::optional<size_t>> Place(const Request& request) override {
    auto host = placer_->Place(request);
    if (host.ok()) answers_.push_back(host->has_value() ? static_cast<int64_t>(**host) : -1);
    return host;
  }
  absl::StatusOr<std::vector<Move>> Rebalance(const MoveBudget& budget) override {
    auto moves = placer_->Rebalance(budget);
    if (moves.ok()) {
      for (const Move& move : *moves) answers_.push_back(move.workload * 1'000 + static_cast<int64_t>(move.to));
    }
    return moves;
  }

  const std::vector<int64_t>& answers() const { return answers_; }
  const std::map<int64_t, size_t>& where() const { return where_; }
  size_t moves() const { return moves_; }
  size_t reported() const { return reported_; }

 private:
  const std::unique_ptr<Placer> placer_;
  std::map<int64_t, size_t> where_;
  std::vector<int64_t> answers_;
  size_t moves_ = 0;
  size_t reported_ = 0;
};

SimulationOptions Hosts(size_t hosts) {
  return {.hosts = hosts, .move_ratio = 0.05};
}

TEST(SimulationTest, EverybodyIsOnOneHostAndAgentsReportEachOnce) {
  const World world = SmallWorld();
  for (const std::string& policy : PolicyNames()) {
    SCOPED_TRACE(policy);
    Recorder recorder(*MakePolicy(policy, {.workloads = 400}));
    Simulation simulation(world, world.real, Hosts(24), recorder);
    const auto outcome = simulation.Run();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    std::map<int64_t, size_t> there;
    for (size_t host = 0; host < simulation.on().size(); ++host) {
      for (const int64_t life : simulation.on()[host]) EXPECT_TRUE(there.emplace(life, host).second);
    }
    EXPECT_EQ(there, recorder.where());
    // Those that should run at the end do, with hosts enough for all.
    size_t expected = 0;
    for (const Life& life : world.lives) expected += life.ends >= world.steps ? 1 : 0;
    EXPECT_EQ(there.size(), expected);
    EXPECT_EQ(outcome->waiting, 0);
    EXPECT_EQ(outcome->group_broken, 0);
    EXPECT_GE(recorder.reported(), static_cast<size_t>(outcome->running));
    EXPECT_LE(outcome->migrations, static_cast<int64_t>(recorder.moves()));
  }
}

TEST(SimulationTest, TheSameSeedGivesTheSameAndAnotherDoesNot) {
  const World first = SmallWorld();
  const World again = SmallWorld();
  const World other = SmallWorld(2);
  std::vector<double> means;
  std::vector<std::vector<int64_t>> answers;
  for (const World* world : {&first, &again, &other}) {
    Recorder recorder(*MakePolicy("truce", {.workloads = 400}));
    const auto outcome = Simulation(*world, world->real, Hosts(24), recorder).Run();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    means.push_back(outcome->critical().Mean());
    answers.push_back(recorder.answers());
  }
  EXPECT_EQ(means[0], means[1]);
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_NE(means[0], means[2]);
}

TEST(SimulationTest, NobodyWhoPlacesSeesTheTruth) {
  const World world = SmallWorld();
  World worse = world;
  // Other biases of pairs and stronger feelings: what agents say and see stays as it was.
  std::mt19937_64 random(99);
  std::shuffle(worse.truth.bias.begin(), worse.truth.bias.end(), random);
  for (Effects& sensitivity : worse.truth.sensitivity) {
    for (double& one : sensitivity) one *= 3;
  }
  for (const std::string& policy : PolicyNames()) {
    SCOPED_TRACE(policy);
    // What it is advised depends on how long that took.
    if (policy == "truce-grpc") continue;
    Recorder before(*MakePolicy(policy, {.workloads = 400}));
    Recorder after(*MakePolicy(policy, {.workloads = 400}));
    const auto light = Simulation(world, world.real, Hosts(24), before).Run();
    const auto heavy = Simulation(worse, world.real, Hosts(24), after).Run();
    ASSERT_TRUE(light.ok() && heavy.ok());
    EXPECT_EQ(before.answers(), after.answers());
    EXPECT_GT(heavy->critical().Mean(), 1.5 * light->critical().Mean());
  }
}

TEST(SimulationTest, WhatAgentsSayMovesOursAlone) {
  const World world = SmallWorld();
  for (const std::string& policy : PolicyNames()) {
    SCOPED_TRACE(policy);
    // Knows the average of what is said.
    if (policy == "truce-no-signatures") continue;
    // Differs from run to run anyway.
    if (policy == "truce-grpc") continue;
    Recorder real(*MakePolicy(policy, {.workloads = 400}));
    Recorder perfect(*MakePolicy(policy, {.workloads = 400}));
    ASSERT_TRUE(Simulation(world, world.real, Hosts(24), real).Run().ok());
    ASSERT_TRUE(Simulation(world, world.perfect, Hosts(24), perfect).Run().ok());
    EXPECT_EQ(real.answers() != perfect.answers(), UsesSignatures(policy));
  }
}

TEST(SimulationTest, TooFewHostsMakeWorkloadsWait) {
  const World world = SmallWorld();
  const auto placer = MakeLeastAllocated(1);
  const auto outcome = Simulation(world, world.real, Hosts(6), *placer).Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_GT(outcome->WaitingRatio(), 0.2);
  EXPECT_LT(outcome->WaitingRatio(), 0.9);
}

TEST(SimulationTest, AnEndedOneSaysSo) {
  const World world = SmallWorld();
  const std::atomic<bool> stop = true;
  const auto placer = MakeFirstFit(2);
  const auto outcome = Simulation(world, world.real, {.hosts = 24, .move_ratio = 0, .stop = &stop}, *placer).Run();
  EXPECT_TRUE(absl::IsCancelled(outcome.status()));
}

// Answers what it was told to.
class Wrong final : public Placer {
 public:
  Wrong(std::optional<size_t> host, std::vector<Move> moves) : host_(host), moves_(std::move(moves)) {}
  std::string_view name() const override { return "wrong"; }
  void OnHosts(const std::vector<HostFacts>&) override {}
  void OnArrival(const Request&, size_t) override {}
  void OnMoved(const Move&) override {}
  void OnDeparture(int64_t) override {}
  void OnReport(const HostReport&) override {}
  absl::StatusOr<std::optional<size_t>> Place(const Request&) override { return host_; }
  absl::StatusOr<std::vector<Move>> Rebalance(const MoveBudget&) override { return moves_; }

 private:
  const std::optional<size_t> host_;
  const std::vector<Move> moves_;
};

TEST(SimulationTest, WrongAnswersEndIt) {
  const World world = SmallWorld();
  Wrong nowhere(24, {});
  EXPECT_THAT(Simulation(world, world.real, Hosts(24), nowhere).Run().status().ToString(),
              testing::HasSubstr("wrong places on host 24; there are 24"));
  Wrong elsewhere(0, {{.workload = 0, .from = 3, .to = 4}});
  EXPECT_THAT(Simulation(world, world.real, Hosts(24), elsewhere).Run().status().ToString(),
              testing::HasSubstr("wrong moves workload 0 from host 3 to 4, which can't be"));
}

TEST(SimulationTest, BrokenRulesAreCounted) {
  const World world = SmallWorld();
  // All on one host: too much of everything, and groups on top of each other.
  Wrong heap(0, {});
  const auto outcome = Simulation(world, world.real, Hosts(24), heap).Run();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->over_capacity, outcome->running);
  EXPECT_GT(outcome->group_broken, 0.1 * outcome->running);
  EXPECT_EQ(outcome->mean_hosts_used, 1);
}

TEST(OutcomeTest, SlowdownsAreCountedByTime) {
  Slowdowns slowdowns;
  for (int i = 0; i < 98; ++i) slowdowns.Add(0.01);
  slowdowns.Add(0.2);
  slowdowns.Add(0.5);
  EXPECT_NEAR(slowdowns.Mean(), (0.98 + 0.7) / 100, 1e-12);
  EXPECT_NEAR(slowdowns.Quantile(0.5), 0.01, Slowdowns::kBin);
  EXPECT_NEAR(slowdowns.Quantile(0.99), 0.2, Slowdowns::kBin);
  EXPECT_NEAR(slowdowns.Quantile(1), 0.5, Slowdowns::kBin);
  EXPECT_DOUBLE_EQ(slowdowns.NoticedRatio(), 0.02);
}

}  // namespace
}  // namespace truce::lab::fleet
