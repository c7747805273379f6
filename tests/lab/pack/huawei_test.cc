// Requests of NUMA VMs are read, packed and judged: what is wrong in a file is named with its line, every rule is
// looked after by policies and found by the checker when it is broken, and small fleets are packed as by hand.
#include "lab/pack/huawei.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "lab/pack/affinity.h"
#include "lab/pack/online.h"
#include "lab/pack/pack_huawei.h"
#include "lab/pack/plan_check.h"
#include "lab/pack/server_bound.h"
#include "src/host/file.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

constexpr char kServers[] = "CPU1,RAM1,CPU2,RAM2\n";
constexpr char kRequests[] = "flavor_vcpus,flavor_ram,numa,strategy,group,domain\n";

class HuaweiTest : public testing::Test {
 protected:
  absl::StatusOr<NumaProblem> Read(const std::string& servers, const std::string& requests) {
    tree_.Put("servers.csv", kServers + servers);
    tree_.Put("requests.csv", kRequests + requests);
    return ReadHuaweiProblem(tree_.Path("servers.csv"), tree_.Path("requests.csv"));
  }
  std::string Wrong(const std::string& servers, const std::string& requests) {
    return Read(servers, requests).status().ToString();
  }
  NumaProblem Problem(const std::string& servers, const std::string& requests) {
    auto problem = Read(servers, requests);
    EXPECT_TRUE(problem.ok()) << problem.status();
    return problem.ok() ? *std::move(problem) : NumaProblem{};
  }
  Plan InOrder(Rule rule, const NumaProblem& problem) {
    const std::vector<int32_t> limits = AffinityLimits(problem);
    Placement placement(problem, limits);
    PlaceInOrder(rule, AsListed(problem), limits, &placement);
    return placement.plan();
  }
  Plan Batch(const NumaProblem& problem, uint64_t seed = 1) {
    RuinOptions options;
    options.time = absl::InfiniteDuration();
    options.iterations = 500;
    options.seed = seed;
    return PackBatch(problem, AffinityLimits(problem), options).plan;
  }
  static size_t Used(const Plan& plan) {
    std::map<int32_t, int> servers;
    for (const Place& place : plan) {
      if (place.server != kNone) ++servers[place.server];
    }
    return servers.size();
  }
  test::Tree tree_;
};

TEST_F(HuaweiTest, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_THAT(Wrong("8,16,8\n", "2,4,1,,,\n"), HasSubstr("servers.csv, line 2: there is no RAM2"));
  EXPECT_THAT(Wrong("8,16,8,-1\n", "2,4,1,,,\n"), HasSubstr("line 2: RAM2 '-1' is not a whole number from 0 to"));
  EXPECT_THAT(Wrong("", "2,4,1,,,\n"), HasSubstr("servers.csv: there is no server in it"));
  const std::string fleet = "8,16,8,16\n";
  EXPECT_THAT(Wrong(fleet, "2,4,1,,,\n0,4,1,,,\n"),
              HasSubstr("requests.csv, line 3: flavor_vcpus '0' is not a whole number from 1 to"));
  EXPECT_THAT(Wrong(fleet, "2,4,3,,,\n"), HasSubstr("line 2: numa '3' is not a whole number from 1 to 2"));
  EXPECT_THAT(Wrong(fleet, "3,4,2,,,\n"), HasSubstr("line 2: 3 vCPUs and 4 of memory are to be on two nodes (numa 2)"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,near,0,\n"), HasSubstr("line 2: strategy 'near' is none of affinity"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,affinity,,\n"), HasSubstr("line 2: there is a strategy and no group"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,,7,\n"), HasSubstr("line 2: there is a group and no strategy"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,fault_domain,0,\n"),
              HasSubstr("line 2: a request with the strategy fault_domain has no"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,affinity,0,1\n"), HasSubstr("line 2: only a request with the strategy fault_domain"));
  EXPECT_THAT(Wrong(fleet, "2,4,1,fault_domain,0,1\n"), HasSubstr("line 2: domain 1 asks for more domains than"));
  tree_.Put("servers.csv", "");
  EXPECT_THAT(ReadHuaweiProblem(tree_.Path("servers.csv"), tree_.Path("requests.csv")).status().ToString(),
              HasSubstr("servers.csv: there is no server in it"));
  tree_.Put("servers.csv", "CPU1,RAM1,CPU2\n");
  EXPECT_THAT(ReadHuaweiProblem(tree_.Path("servers.csv"), tree_.Path("requests.csv")).status().ToString(),
              HasSubstr("servers.csv, line 1: the header has no column 'RAM2'"));
}

TEST_F(HuaweiTest, GroupsAreOfTheirStrategyAndDomainsAreRunsOfServers) {
  const NumaProblem problem =
      Problem("8,16,8,16\n8,16,8,16\n8,16,8,16\n8,16,8,16\n",
              "2,4,1,affinity,0,\n2,4,1,anti-affinity,0,\n4,8,2,fault_domain,0,1\n2,4,1,affinity,0,\n");
  ASSERT_EQ(problem.groups.size(), 3U);
  EXPECT_THAT(problem.groups[0].members, testing::ElementsAre(0, 3));
  EXPECT_EQ(problem.domains, 2);
  EXPECT_EQ(problem.servers[1].domain, 0);
  EXPECT_EQ(problem.servers[2].domain, 1);
  EXPECT_EQ(problem.requests[2].per_node, (Room{2, 4}));
}

TEST_F(HuaweiTest, APlanIsReadBackAsItWasWritten) {
  const NumaProblem problem = Problem("8,16,8,16\n8,16,8,16\n", "2,4,1,,,\n4,8,2,,,\n2,4,1,,,\n");
  const Plan plan = {{1, kNode2}, {0, kBothNodes}, {}};
  const std::string text = HuaweiPlanText(plan);
  EXPECT_EQ(text, "request,server,nodes\n0,1,2\n1,0,1+2\n2,,\n");
  const auto back = ParseHuaweiPlan("plan.csv", text, problem);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, plan);
  const auto wrong = [&](const std::string& lines) {
    return ParseHuaweiPlan("plan.csv", "request,server,nodes\n" + lines, problem).status().ToString();
  };
  EXPECT_THAT(wrong("0,2,1\n"), HasSubstr("plan.csv, line 2: server '2' is not a whole number from 0 to 1"));
  EXPECT_THAT(wrong("0,1,3\n"), HasSubstr("plan.csv, line 2: nodes '3' is none of 1, 2 and 1+2"));
  EXPECT_THAT(wrong("1,1,1\n"), HasSubstr("plan.csv, line 2: request '1' is not a whole number from 0 to 0"));
  EXPECT_THAT(wrong("0,1,1\n"), HasSubstr("there are 1 lines for 3 requests"));
}

TEST_F(HuaweiTest, TheCheckerFindsEachRuleThatIsBroken) {
  const NumaProblem problem = Problem("8,16,8,16\n8,16,8,16\n",
                                      "6,8,1,,,\n6,8,1,,,\n8,16,2,,,\n2,4,1,anti-affinity,3,\n2,4,1,anti-affinity,3,\n"
                                      "2,4,1,affinity,5,\n2,4,1,affinity,5,\n2,4,1,fault_domain,0,1\n");
  Plan plan(8);
  plan[0] = {0, kNode1};
  EXPECT_EQ(CheckPlan(problem, plan).Sum(), 0);
  plan[1] = {0, kNode1};  // 12 of 8 CPUs, though the server has 16.
  EXPECT_EQ(CheckPlan(problem, plan).room, 1);
  EXPECT_EQ(CheckPlan(problem, plan).example, "node 1 of server 0 lacks 4 CPUs and 0 of memory");
  plan[1] = {};
  plan[2] = {1, kNode1};
  EXPECT_EQ(CheckPlan(problem, plan).nodes, 1);
  plan[2] = {};
  plan[3] = {1, kNode1};
  plan[4] = {1, kNode2};
  EXPECT_EQ(CheckPlan(problem, plan).anti_affinity, 1);
  plan[4] = {0, kNode2};
  EXPECT_EQ(CheckPlan(problem, plan).Sum(), 0);
  plan[5] = {0, kNode2};
  plan[6] = {1, kNode2};
  EXPECT_EQ(CheckPlan(problem, plan).affinity, 1);
  EXPECT_EQ(CheckPlan(problem, plan).example, "affinity group 5 is on 2 servers; 1 hold it");
  plan[6] = {0, kNode2};
  plan[7] = {0, kNode2};
  EXPECT_EQ(CheckPlan(problem, plan).domain, 1);
}

// Whatever the policy: the first server always has the room, and only the rule says no.
TEST_F(HuaweiTest, PoliciesKeepEveryRule) {
  const NumaProblem problem = Problem("32,64,32,64\n32,64,32,64\n32,64,32,64\n32,64,32,64\n",
                                      "2,4,1,anti-affinity,0,\n2,4,1,anti-affinity,0,\n2,4,1,fault_domain,0,1\n"
                                      "40,80,2,affinity,1,\n2,4,1,,,\n20,40,2,affinity,1,\n40,80,2,affinity,1,\n");
  for (const Rule rule : {Rule::kFirstFit, Rule::kBestFit, Rule::kOurs}) {
    const Plan plan = InOrder(rule, problem);
    EXPECT_EQ(WhyUnplaced(problem, plan).Sum(), 0);
    EXPECT_EQ(CheckPlan(problem, plan).Sum(), 0) << CheckPlan(problem, plan).example;
  }
  const Plan plan = Batch(problem);
  EXPECT_EQ(WhyUnplaced(problem, plan).Sum(), 0);
  EXPECT_EQ(CheckPlan(problem, plan).Sum(), 0) << CheckPlan(problem, plan).example;
}

TEST_F(HuaweiTest, AnAffinityGroupGetsAsFewServersAsItCanBeOn) {
  // Three of 16 on both nodes of 8 a server: 2, 1 and 1 of them fit.
  const NumaProblem problem = Problem("16,99,16,99\n8,99,16,99\n15,99,15,99\n",
                                      "16,16,2,affinity,0,\n16,16,2,affinity,0,\n16,16,2,affinity,0,\n2,4,1,,,\n");
  EXPECT_THAT(AffinityLimits(problem), testing::ElementsAre(2));
  EXPECT_THAT(AffinityLowerBounds(problem), testing::ElementsAre(2));
}

TEST_F(HuaweiTest, WhatCanNeverBePlacedIsToldFromWhatFoundNoRoom) {
  const NumaProblem problem = Problem(
      "8,16,8,16\n8,16,8,16\n",
      "16,16,1,,,\n2,4,1,anti-affinity,0,\n2,4,1,anti-affinity,0,\n2,4,1,anti-affinity,0,\n8,16,1,,,\n8,16,1,,,\n"
      "8,16,1,,,\n");
  EXPECT_EQ(CanNeverBePlaced(problem), 2);
  const Unplaced why = WhyUnplaced(problem, InOrder(Rule::kFirstFit, problem));
  EXPECT_EQ(why.fit_nowhere, 1);
  EXPECT_EQ(why.beyond_servers, 1);
  EXPECT_EQ(why.no_room, 1);
}

// Four requests of a whole small server's size each, in a list that begins with small servers: they go onto two large.
TEST_F(HuaweiTest, TheBatchUsesTheFewestServersWhereFirstFitDoesNot) {
  const NumaProblem problem =
      Problem("8,16,0,0\n8,16,0,0\n8,16,0,0\n16,32,0,0\n16,32,0,0\n", "8,16,1,,,\n8,16,1,,,\n8,16,1,,,\n8,16,1,,,\n");
  EXPECT_EQ(Used(InOrder(Rule::kFirstFit, problem)), 4U);
  EXPECT_EQ(Used(InOrder(Rule::kOurs, problem)), 2U);
  EXPECT_EQ(Used(Batch(problem)), 2U);
  EXPECT_EQ(BoundBySums(problem), 2);
  EXPECT_EQ(BoundByLoads(problem, 2, 200), 2);
}

// By sums one server holds both; half of each on every node it takes two.
TEST_F(HuaweiTest, TheBoundByLoadsKnowsNodes) {
  const NumaProblem problem = Problem("24,48,8,16\n24,48,8,16\n24,48,8,16\n", "16,32,2,,,\n16,32,2,,,\n");
  EXPECT_EQ(BoundBySums(problem), 1);
  EXPECT_EQ(BoundByLoads(problem, 2, 200), 2);
  EXPECT_EQ(Used(Batch(problem)), 2U);
}

TEST_F(HuaweiTest, ASeedGivesTheSamePlan) {
  std::string servers;
  std::string requests;
  for (int i = 0; i < 20; ++i) servers += i % 2 == 0 ? "16,64,12,48\n" : "20,40,20,40\n";
  for (int i = 0; i < 60; ++i) requests += i % 3 == 0 ? "8,16,2,,,\n" : i % 3 == 1 ? "2,8,1,,,\n" : "4,8,1,,,\n";
  const NumaProblem problem = Problem(servers, requests);
  EXPECT_EQ(Batch(problem, 7), Batch(problem, 7));
}

TEST_F(HuaweiTest, AllPoliciesAreShownAndOneIsWritten) {
  tree_.Put("servers.csv", std::string(kServers) + "8,16,0,0\n8,16,0,0\n16,32,0,0\n");
  tree_.Put("requests.csv", std::string(kRequests) + "8,16,1,,,\n8,16,1,,,\n");
  RuinOptions options;
  options.time = absl::InfiniteDuration();
  options.iterations = 100;
  const auto figures =
      PackHuawei({tree_.Path("servers.csv"), tree_.Path("requests.csv"), tree_.Path("plan.csv"), "first-fit"}, options);
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(*host::ReadFile(tree_.Path("plan.csv")), "request,server,nodes\n0,0,1\n1,1,1\n");
  std::map<std::string, double> values;
  for (const Figure& figure : figures->figures()) values[figure.name] = figure.value;
  EXPECT_EQ(values.at("first-fit: servers used"), 2);
  EXPECT_EQ(values.at("ours: servers used"), 1);
  EXPECT_EQ(values.at("ours: placed"), 2);
  EXPECT_EQ(values.at("servers that all requests need, at least by loads"), 1);
  EXPECT_TRUE(figures->AllMet());
}

}  // namespace
}  // namespace truce::lab
