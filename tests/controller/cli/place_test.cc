// trucectl place, release, explain placement, simulate and get advice.
#include <gmock/gmock.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PlaceCliTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    v1::HostScore& chosen = *controller_.scheduler.place.mutable_chosen();
    chosen.set_host("web-17");
    chosen.set_fits(true);
    chosen.set_score(62.5);
    chosen.set_price(0.375);
    chosen.set_free_cpu_cores(5.25);
    chosen.set_free_memory_bytes(uint64_t{6} << 30);
    chosen.set_slowdown_ratio(0.031);
    chosen.set_neighbours_slowdown_ratio(0.01);
    chosen.set_reason("with it 62 % of the CPUs stay free");
    v1::HostScore& other = *controller_.scheduler.place.add_alternatives();
    other.set_host("web-18");
    other.set_fits(true);
    other.set_score(50);
    other.set_price(0.5);
    controller_.scheduler.place.set_reservation_id("908bd109-r7");
  }
};

TEST_F(PlaceCliTest, FlagsBecomeTheQuestionAndTheAnswerAHost) {
  const Result result = RunWith({"place",
                                 "--application",
                                 "shop",
                                 "--class",
                                 "critical",
                                 "--priority",
                                 "-3",
                                 "--cpu",
                                 "2.5",
                                 "--memory",
                                 "4GiB",
                                 "--on",
                                 "web-17,web-18",
                                 "--most-per-host",
                                 "1",
                                 "--most-per-domain",
                                 "2",
                                 "--apart-from",
                                 "a,b",
                                 "--beside",
                                 "c",
                                 "--one-numa-node",
                                 "--name",
                                 "shop-1",
                                 "--request-id",
                                 "r",
                                 "--reserve-seconds",
                                 "90"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Best is web-17: with it 62 % of the CPUs stay free."),
                                HasSubstr("Reserved there as 908bd109-r7"), HasSubstr("web-18")));
  const v1::PlaceRequest& asked = controller_.scheduler.place_request;
  EXPECT_EQ(asked.workload().application(), "shop");
  EXPECT_EQ(asked.workload().workload_class(), v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_EQ(asked.workload().priority(), -3);
  EXPECT_DOUBLE_EQ(asked.workload().cpu_cores(), 2.5);
  EXPECT_EQ(asked.workload().memory_bytes(), uint64_t{4} << 30);
  EXPECT_EQ(asked.workload().name(), "shop-1");
  EXPECT_EQ(asked.hosts_size(), 2);
  const v1::PlacementRules& rules = asked.workload().rules();
  EXPECT_EQ(rules.most_per_host(), 1u);
  EXPECT_EQ(rules.most_per_fault_domain(), 2u);
  EXPECT_EQ(rules.apart_from_size(), 2);
  EXPECT_EQ(rules.beside(0), "c");
  EXPECT_TRUE(rules.one_numa_node());
  EXPECT_EQ(asked.request_id(), "r");
  EXPECT_EQ(asked.time_to_live().seconds(), 90);
  EXPECT_FALSE(asked.validate_only());
}

TEST_F(PlaceCliTest, ScriptsGetTheHostAlone) {
  const Result result = RunWith({"place", "--cpu", "1", "-o", "name"});
  EXPECT_EQ(result.out, "web-17\n") << result.err;
  EXPECT_FALSE(controller_.scheduler.place_request.workload().has_rules());
  EXPECT_THAT(RunWith({"place", "--cpu", "1", "-o", "json"}).out, HasSubstr("\"reservation_id\": \"908bd109-r7\""));
  RunWith({"place", "--cpu", "1", "--dry-run"});
  EXPECT_TRUE(controller_.scheduler.place_request.validate_only());
}

TEST_F(PlaceCliTest, NothingAndNonsenseAreUsageErrors) {
  const Result nothing = RunWith({"place"});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("give at least one of --application, --cpu and --memory"));
  EXPECT_EQ(RunWith({"place", "--cpu", "nan"}).code, 2);
  EXPECT_EQ(RunWith({"place", "--cpu", "-1"}).code, 2);
  EXPECT_EQ(RunWith({"place", "--memory", "lots"}).code, 2);
  EXPECT_EQ(RunWith({"place", "--cpu", "1", "--class", "vip"}).code, 2);
  EXPECT_EQ(RunWith({"simulate"}).code, 2);
  EXPECT_EQ(RunWith({"simulate", "--add", "2"}).code, 2);
  EXPECT_EQ(RunWith({"release"}).code, 2);
}

TEST_F(PlaceCliTest, SizesAreNumbersWithUnitsOf1024) {
  for (const auto& [text, bytes] : {std::pair<const char*, double>{"1.5GiB", 1.5 * (1 << 30)},
                                    {"512MiB", 512.0 * (1 << 20)},
                                    {"4GB", 4.0 * (1 << 30)},
                                    {"2 g", 2.0 * (1 << 30)},
                                    {"3k", 3072},
                                    {"1TiB", 0x1p40},
                                    {"1000", 1000},
                                    {"7B", 7}}) {
    EXPECT_EQ(RunWith({"place", "--memory", text}).code, 0) << text;
    EXPECT_EQ(static_cast<double>(controller_.scheduler.place_request.workload().memory_bytes()), bytes) << text;
  }
  for (const char* text :
       {"-1", "-4GiB", "lots", "GiB", "1.5.5GiB", "4GiBs", "inf", "nan", "0x10", "1e3", "9999999TiB"}) {
    const Result result = RunWith({"place", "--memory", text});
    EXPECT_EQ(result.code, 2) << text;
    EXPECT_THAT(result.err,
                HasSubstr(StrCat("--memory: '", text, "' is no size: give a number with a unit such as 512MiB")));
  }
  EXPECT_EQ(RunWith({"simulate", "--add", "1", "--memory", "-1"}).code, 2);
  EXPECT_THAT(RunWith({"place", "--help"}).out, HasSubstr("are of 1024"));
}

TEST_F(PlaceCliTest, FlagsThatWouldHaveNoEffectOrContradictAreRefusedByName) {
  const auto refused = [this](const std::vector<std::string>& arguments) {
    const Result result = RunWith(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(refused({"place", "--cpu", "1", "--most-per-host", "0"}), HasSubstr("--most-per-host"));
  EXPECT_THAT(refused({"place", "--cpu", "1", "--most-per-domain", "0"}), HasSubstr("--most-per-domain"));
  EXPECT_THAT(refused({"place", "--cpu", "1", "--apart-from", "a,b", "--beside", "b"}),
              HasSubstr("'b' is given to both --apart-from and --beside"));
  EXPECT_THAT(refused({"simulate", "--fail", "h1", "--application", "web"}), HasSubstr("--application requires --add"));
  EXPECT_THAT(refused({"simulate", "--fail", "h1", "--memory", "1GiB"}), HasSubstr("--memory requires --add"));
  EXPECT_THAT(refused({"simulate", "--drain", "h1", "--fail", "h2", "--fail", "h1"}),
              HasSubstr("'h1' is given to both --drain and --fail"));
}

TEST_F(PlaceCliTest, AReservationIsGivenBack) {
  controller_.scheduler.release.set_released(true);
  EXPECT_THAT(RunWith({"release", "908bd109-r7"}).out, HasSubstr("reservation 908bd109-r7 has ended"));
  EXPECT_EQ(controller_.scheduler.release_request.reservation_id(), "908bd109-r7");
  controller_.scheduler.release.set_released(false);
  EXPECT_THAT(RunWith({"release", "908bd109-r7"}).out, HasSubstr("there is no reservation 908bd109-r7 any more"));
}

TEST_F(PlaceCliTest, APlacementIsExplainedBesideTheNextBest) {
  v1::ExplainPlacementResponse& answer = controller_.scheduler.explanation;
  *answer.mutable_current() = controller_.scheduler.place.chosen();
  *answer.add_alternatives() = controller_.scheduler.place.alternatives(0);
  answer.mutable_workload()->set_name("truce/redis");
  answer.mutable_workload()->set_cpu_cores(1.5);
  v1::NeighbourInterference& neighbour = *answer.mutable_interference()->add_neighbours();
  neighbour.set_workload("truce/stress");
  neighbour.set_hurts_ratio(0.2);
  const Result result = RunWith({"explain", "placement", "redis", "--host", "web-17"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("truce/redis is on web-17"), HasSubstr("No other host would be better"),
                                HasSubstr("truce/stress"), HasSubstr("20%"), HasSubstr("1.50 cores")));
  EXPECT_EQ(controller_.scheduler.explanation_request.running().workload(), "redis");
  EXPECT_EQ(controller_.scheduler.explanation_request.running().host(), "web-17");
  answer.mutable_alternatives(0)->set_price(0.3);
  EXPECT_THAT(RunWith({"explain", "placement", "redis"}).out,
              HasSubstr("it would go to web-18; whether that is worth a move"));
}

TEST_F(PlaceCliTest, WhatIfSaysWhoFindsNoHost) {
  v1::SimulateResponse& answer = controller_.scheduler.simulation;
  v1::SimulatedPlacement& placement = *answer.add_placements();
  placement.set_workload("truce/redis");
  placement.set_source_host("web-17");
  placement.set_reason("no host has room for it");
  answer.set_homeless_count(1);
  answer.mutable_before()->set_hosts_in_use(3);
  answer.mutable_after()->set_hosts_in_use(2);
  const Result result = RunWith({"simulate", "--fail", "web-17", "--drain", "web-18", "--fail-domain", "rack-1",
                                 "--add", "4", "--application", "shop", "--cpu", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("1 of 1 workloads find no host"), HasSubstr("nowhere"), HasSubstr("hosts in use")));
  const v1::SimulateRequest& asked = controller_.scheduler.simulation_request;
  EXPECT_EQ(asked.fail_hosts(0), "web-17");
  EXPECT_EQ(asked.drain_hosts(0), "web-18");
  EXPECT_EQ(asked.fail_domains(0), "rack-1");
  EXPECT_EQ(asked.add_count(), 4u);
  EXPECT_EQ(asked.add().application(), "shop");
}

TEST_F(PlaceCliTest, AdviceIsShownOrThatThereIsNone) {
  EXPECT_THAT(RunWith({"get", "advice"}).err, HasSubstr("no advice yet"));
  v1::Advice& advice = *controller_.scheduler.advice.mutable_advice();
  advice.set_version(1);
  *advice.mutable_made_at() = Ago(absl::Minutes(2));
  EXPECT_THAT(RunWith({"get", "advice"}).out, HasSubstr("All is well where it is, as of 2m ago."));
  advice.set_failure("costs overflow");
  EXPECT_THAT(
      RunWith({"get", "advice"}).out,
      AllOf(HasSubstr("No advice could be thought out, 2m ago: costs overflow."), Not(HasSubstr("All is well"))));
  advice.clear_failure();
  v1::AdvisedMove& move = *advice.add_moves();
  move.set_workload("truce/stress");
  move.set_source_host("web-17");
  move.set_target_host("web-18");
  advice.set_incomplete("1 of 3 hosts are not connected");
  advice.mutable_before()->set_slowdown_ratio_sum(0.5);
  const Result result = RunWith({"get", "advice"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 move in this order"), HasSubstr("truce/stress"),
                                HasSubstr("Left out of account: 1 of 3 hosts"), HasSubstr("0.5")));
  EXPECT_FALSE(controller_.scheduler.advice_request.anew());
  EXPECT_EQ(RunWith({"get", "advice", "--anew", "-o", "name"}).out, "truce/stress\n");
  EXPECT_TRUE(controller_.scheduler.advice_request.anew());
}

}  // namespace
}  // namespace truce::cli
