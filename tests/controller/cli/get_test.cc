// The reading commands: which request they send, and what they make of the answer in each form.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <yaml-cpp/yaml.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GetTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    v1::HostStatus* host = controller_.hosts.add_hosts();
    host->mutable_inventory()->set_host("web-17");
    host->mutable_inventory()->set_kernel_release("6.1.0-18");
    host->mutable_inventory()->set_memory_bytes(uint64_t{16} << 30);
    host->set_connected(true);
    host->set_mode(v1::MODE_ADVISE);
    host->set_workload_count(12);
    host->set_worst_score(87.4);
    host->set_cpu_busy_ratio(0.426);
    *host->mutable_first_seen() = Ago(absl::Hours(50));
    *host->mutable_last_report() = Ago(absl::Seconds(3));
    host = controller_.hosts.add_hosts();
    host->mutable_inventory()->set_host("db");
    host->set_held(true);

    for (const auto& [name, cores] : {std::pair("system.slice/redis.service", 0.5), std::pair("stress.service", 3.0)}) {
      v1::WorkloadStatus* workload = controller_.workloads.add_workloads();
      workload->set_host("web-17");
      workload->mutable_report()->mutable_workload()->set_name(name);
      workload->mutable_report()->mutable_workload()->set_workload_class(v1::WORKLOAD_CLASS_CRITICAL);
      *workload->mutable_report()->mutable_workload()->mutable_first_seen() = Ago(absl::Minutes(3));
      workload->mutable_report()->mutable_readings()->set_cpu_usage_cores(cores);
      workload->mutable_report()->set_diagnosis(v1::DIAGNOSIS_NEIGHBOUR);
    }

    v1::PairStatus* pair = controller_.pairs.add_pairs();
    pair->set_host("web-17");
    pair->set_response("cpu_pin on 1");
    pair->mutable_score()->set_victim("redis.service");
    pair->mutable_score()->set_aggressor("stress.service");
    pair->mutable_score()->set_score(91.6);
    pair->mutable_score()->set_severity(0.42);
    pair->mutable_score()->set_confidence(0.8);
    pair->mutable_score()->set_resource(v1::RESOURCE_CPU);
    pair->mutable_score()->set_source(v1::SCORE_SOURCE_EVIDENCE);
    pair->mutable_score()->mutable_evidence()->set_signal("run_queue_wait_ratio");
    pair->mutable_score()->mutable_evidence()->set_observed(0.5);
    pair->mutable_score()->mutable_evidence()->set_baseline_mean(0.1);
    pair->mutable_score()->mutable_evidence()->set_baseline_stddev(0.1);
    pair->mutable_score()->mutable_evidence()->set_correlation(0.77);
    *pair->mutable_score()->mutable_scored_at() = Ago(absl::Seconds(4));
  }
};

TEST_F(GetTest, HostsTableHasNameFirstAndAgeLast) {
  const Result result = RunWith({"get", "hosts"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME    STATUS  MODE    WORKLOADS  ACTIONS  WORST  CPU  REPORT  AGE\n"
            "web-17  ready   advise         12        0     87  43%      3s   2d\n"
            "db      gone    -               0        0      0    -       -    -\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(GetTest, HostsByNameAndWide) {
  const Result result = RunWith({"get", "host", "web-17", "-o", "wide"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.hosts_request.host(), "web-17");
  EXPECT_THAT(result.out, AllOf(HasSubstr("6.1.0-18"), HasSubstr("16.0G")));
  EXPECT_THAT(result.out.substr(0, result.out.find('\n')), testing::EndsWith("AGE"));
}

TEST_F(GetTest, JsonIsTheAnswerItself) {
  const Result result = RunWith({"get", "hosts", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  v1::ListHostsResponse parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(result.out, &parsed).ok()) << result.out;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(parsed, controller_.hosts));
  EXPECT_THAT(result.out, HasSubstr("\"worst_score\"")) << "proto field names are kept";
  EXPECT_THAT(result.out, HasSubstr("\"action_count\": 0")) << "zero is printed";
}

TEST_F(GetTest, YamlParsesAndKeepsNamesAndValues) {
  const Result result = RunWith({"get", "pairs", "-o", "yaml"});
  EXPECT_EQ(result.code, 0) << result.err;
  const YAML::Node root = YAML::Load(result.out);
  EXPECT_EQ(root["pairs"][0]["host"].as<std::string>(), "web-17");
  EXPECT_EQ(root["pairs"][0]["score"]["score"].as<double>(), 91.6);
  EXPECT_EQ(root["pairs"][0]["score"]["resource"].as<std::string>(), "cpu");
  EXPECT_THAT(root["pairs"][0]["score"]["scored_at"].as<std::string>(), StartsWith("2023-11-14T22:13:16"));
}

TEST_F(GetTest, NamesAreTheNamesAlone) {
  EXPECT_EQ(RunWith({"get", "hosts", "-o", "name"}).out, "web-17\ndb\n");
  EXPECT_EQ(RunWith({"get", "workloads", "-o", "name"}).out, "system.slice/redis.service\nstress.service\n");
  EXPECT_EQ(RunWith({"get", "pairs", "-oname"}).out, "redis.service <- stress.service\n");
}

TEST_F(GetTest, WorkloadsSendFilters) {
  const Result result = RunWith({"get", "workloads", "redis.service", "--host", "web-17"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.workloads_request.workload(), "redis.service");
  EXPECT_EQ(controller_.workloads_request.host(), "web-17");
  EXPECT_THAT(result.out, AllOf(HasSubstr("critical"), HasSubstr("neighbour"), HasSubstr("0.50")));
  EXPECT_THAT(result.out, HasSubstr("3m\n"));
}

TEST_F(GetTest, PairsSendFilters) {
  const Result result = RunWith({"get", "pairs", "redis.service", "--min-score", "50.5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.pairs_request.workload(), "redis.service");
  EXPECT_EQ(controller_.pairs_request.minimum_score(), 50.5);
  EXPECT_EQ(
      result.out,
      "NAME                             HOST    SCORE  SEVERITY  CONFIDENCE  RESOURCE  SOURCE    RESPONSE      AGE\n"
      "redis.service <- stress.service  web-17     92       42%        0.80  cpu       evidence  cpu_pin on 1   4s\n");
}

TEST_F(GetTest, ActionsShowWhatTheyDo) {
  v1::ActionStatus* status = controller_.actions.add_actions();
  status->set_host("web-17");
  status->set_state(v1::ACTION_STATE_REFUSED);
  status->set_reason("the workload is critical");
  status->mutable_action()->set_lease_id("L1");
  status->mutable_action()->set_workload("stress.service");
  status->mutable_action()->set_lever(v1::LEVER_CPU_QUOTA);
  status->mutable_action()->set_quota_cores(0.5);
  const Result result = RunWith({"get", "actions", "--host", "web-17"});
  EXPECT_EQ(controller_.actions_request.host(), "web-17");
  EXPECT_THAT(result.out, AllOf(HasSubstr("L1"), HasSubstr("0.50 cores"), HasSubstr("refused")));
  EXPECT_THAT(RunWith({"get", "actions", "-o", "wide"}).out, HasSubstr("the workload is critical"));
  v1::LeasedAction& action = *status->mutable_action();
  action.set_lever(v1::LEVER_CACHE_CLASS);
  action.set_cache_ratio(0.5);
  EXPECT_THAT(RunWith({"get", "actions"}).out, HasSubstr("cache_class  50% cache  "));
  action.set_memory_bandwidth_ratio(0.3);
  EXPECT_THAT(RunWith({"get", "actions"}).out, HasSubstr("50% cache, 30% bandwidth"));
  action.clear_cache_ratio();
  action.clear_memory_bandwidth_ratio();
  action.set_memory_bandwidth_bytes_per_second(12'500'000'000);
  EXPECT_THAT(RunWith({"get", "actions"}).out, HasSubstr("12.5 GB/s"));
}

TEST_F(GetTest, EventsReceiptsAndDecisions) {
  v1::Event* event = controller_.events.add_events();
  event->set_sequence(41);
  event->set_kind("host_connected");
  event->set_message("agent 0.1.0 connected");
  Result result = RunWith({"get", "events", "--after", "40", "--limit", "7", "--host", "h"});
  EXPECT_EQ(controller_.events_request.after_sequence(), 40u);
  EXPECT_EQ(controller_.events_request.limit(), 7u);
  EXPECT_EQ(controller_.events_request.host(), "h");
  EXPECT_THAT(result.out, AllOf(HasSubstr("41"), HasSubstr("host_connected"), HasSubstr("agent 0.1.0 connected")));

  v1::Receipt* receipt = controller_.receipts.add_receipts()->mutable_receipt();
  receipt->mutable_action()->set_lease_id("L1");
  receipt->set_outcome(v1::RECEIPT_OUTCOME_RELEASED);
  receipt->set_victim_slowdown_before(0.5);
  receipt->set_cost_core_seconds(12.34);
  result = RunWith({"get", "receipts", "redis"});
  EXPECT_EQ(controller_.receipts_request.workload(), "redis");
  EXPECT_THAT(result.out, AllOf(HasSubstr("released"), HasSubstr("50%"), HasSubstr("12.3 core-s")));
  receipt->mutable_action()->set_expected_recovery(0.3);
  receipt->set_workload_loss_ratio(0.45);
  receipt->set_cost_byte_seconds(3.0 * (1 << 30));
  result = RunWith({"get", "receipts", "-o", "wide"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("EXPECTED"), HasSubstr("20%"), HasSubstr("45%"), HasSubstr("3.0GB-s")));
  receipt->clear_cost_byte_seconds();
  receipt->set_cost_bytes(5.0 * (1 << 20));
  EXPECT_THAT(RunWith({"get", "receipts"}).out, HasSubstr("5.0MB"));

  v1::Decision* decision = controller_.decisions.add_decisions();
  decision->set_id(9);
  decision->set_verdict("apply");
  decision->set_reason("score 91 over 60 for 15 s");
  result = RunWith({"get", "decisions", "--limit", "3"});
  EXPECT_EQ(controller_.decisions_request.limit(), 3u);
  EXPECT_THAT(result.out, AllOf(HasSubstr("apply"), HasSubstr("score 91 over 60")));
}

TEST_F(GetTest, NothingIsSaidOnTheErrorStream) {
  controller_.pairs.Clear();
  const Result result = RunWith({"get", "pairs"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("no pairs"));
}

// Others may well slow others than those that the filter leaves.
TEST_F(GetTest, NothingThatMatchesIsNotNothing) {
  controller_.pairs.Clear();
  EXPECT_EQ(RunWith({"get", "pairs", "--min-score", "99"}).err, "no pair scores at least 99\n");
  EXPECT_EQ(RunWith({"get", "pairs", "redis.service", "--host", "db", "--min-score", "50.5"}).err,
            "no pair of redis.service on db scores at least 50.5\n");
  EXPECT_EQ(RunWith({"get", "pairs", "redis.service"}).err, "no pair of redis.service has a score\n");
}

TEST_F(GetTest, ColourOnATerminalOnlyAndNeverWithNoColor) {
  EXPECT_THAT(RunWith({"get", "hosts"}).out, Not(HasSubstr("\x1b[")));
  terminal_ = true;
  EXPECT_THAT(RunWith({"get", "hosts"}).out, HasSubstr("\x1b[31mgone"));
  environment_["NO_COLOR"] = "1";
  EXPECT_THAT(RunWith({"get", "hosts"}).out, Not(HasSubstr("\x1b[")));
}

TEST_F(GetTest, TopSortsByCpu) {
  const Result result = RunWith({"top"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_LT(result.out.find("stress.service"), result.out.find("redis.service")) << result.out;
  EXPECT_THAT(RunWith({"top", "hosts"}).out, HasSubstr("web-17"));
}

TEST_F(GetTest, DescribeHostAndWorkload) {
  v1::MissingCapability* missing = controller_.hosts.mutable_hosts(0)->mutable_inventory()->add_missing();
  missing->set_name("pmu");
  missing->set_reason("no hardware events");
  missing->set_remedy("pass the PMU through to the VM");
  Result result = RunWith({"describe", "host", "web-17"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.hosts_request.host(), "web-17");
  EXPECT_THAT(result.out, AllOf(HasSubstr("Kernel:         6.1.0-18"),
                                HasSubstr("pmu: no hardware events; pass the PMU through to the VM")));
  result = RunWith({"describe", "workload", "redis.service"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Class:          critical"), HasSubstr("cpu_usage_cores")));
  controller_.workloads.Clear();
  result = RunWith({"describe", "workload", "nobody"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("no workload named nobody"));
}

TEST_F(GetTest, ExplainSpeaksFirstAndThenShowsNumbers) {
  controller_.explanation.add_sentences("redis.service is 42 % slower than its baseline because of stress.service.");
  *controller_.explanation.add_pairs() = controller_.pairs.pairs(0);
  const Result result = RunWith({"explain", "redis.service", "stress.service", "--host", "web-17"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.explanation_request.victim(), "redis.service");
  EXPECT_EQ(controller_.explanation_request.aggressor(), "stress.service");
  EXPECT_EQ(controller_.explanation_request.host(), "web-17");
  EXPECT_THAT(result.out, StartsWith("redis.service is 42 % slower"));
  EXPECT_THAT(result.out, AllOf(HasSubstr("run_queue_wait_ratio"), HasSubstr("50%"), HasSubstr("10%"),
                                HasSubstr("+4.0"), HasSubstr("0.77"), HasSubstr("cpu_pin on 1")));
}

TEST_F(GetTest, AWorkloadIsNotExplainedAgainstItself) {
  const Result result = RunWith({"explain", "redis.service", "redis.service"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("VICTIM and AGGRESSOR are both 'redis.service'"));
  EXPECT_EQ(controller_.calls, 0);
}

TEST_F(GetTest, ExplainWideShowsBetweenWhatTheSeverityLies) {
  v1::PairStatus* pair = controller_.explanation.add_pairs();
  *pair = controller_.pairs.pairs(0);
  EXPECT_THAT(RunWith({"explain", "redis.service"}).out, Not(HasSubstr("LOW")));
  EXPECT_THAT(RunWith({"explain", "redis.service", "-o", "wide"}).out, HasSubstr("SEVERITY  LOW  HIGH  CONFIDENCE"))
      << "evidence alone knows no bounds";
  pair->mutable_score()->set_severity_low(0.17);
  pair->mutable_score()->set_severity_high(0.93);
  const Result result = RunWith({"explain", "redis.service", "-o", "wide"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("SEVERITY  LOW  HIGH  CONFIDENCE"), HasSubstr("42%  17%   93%")));
}

TEST_F(GetTest, WatchRepeatsBlocksInAPipeAndRedrawsOnATerminal) {
  pacer_.blocks = 3;
  Result result = RunWith({"get", "hosts", "-o", "name", "--watch"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(pacer_.begun);
  EXPECT_EQ(result.out, "web-17\ndb\n\nweb-17\ndb\n\nweb-17\ndb\n");
  terminal_ = true;
  pacer_.blocks = 2;
  result = RunWith({"get", "hosts", "-o", "name", "-w"});
  EXPECT_EQ(result.out, "\x1b[H\x1b[2J\x1b[3Jweb-17\ndb\n\x1b[H\x1b[2J\x1b[3Jweb-17\ndb\n");
}

TEST_F(GetTest, WatchOutlivesAFailedCallButNotAFailedFirstOne) {
  pacer_.blocks = 4;
  int waits = 0;
  pacer_.between = [&] {
    ++waits;
    const absl::MutexLock lock(&controller_.mutex);
    controller_.failure =
        waits == 2 ? grpc::Status(grpc::StatusCode::INTERNAL, "database is locked") : grpc::Status::OK;
  };
  Result result = RunWith({"get", "hosts", "-o", "name", "--watch"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "web-17\ndb\n\nweb-17\ndb\n\nweb-17\ndb\n");
  EXPECT_THAT(result.err, HasSubstr("database is locked; trying again"));
  controller_.failure = grpc::Status(grpc::StatusCode::INTERNAL, "database is locked");
  result = RunWith({"get", "hosts", "--watch"});
  EXPECT_EQ(result.code, 1);
}

}  // namespace
}  // namespace truce::cli
