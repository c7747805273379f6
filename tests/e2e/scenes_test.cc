// The whole of Truce on a small host of files, on every layout of cgroups: the real agent, controller and trucectl see
// a contention, act on it, and leave the host as they found it, whoever of them dies on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/fixture_host.h"
#include "tests/e2e/fleet.h"
#include "truce/v1/operator.pb.h"

namespace truce::e2e {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class SceneTest : public testing::TestWithParam<Layout> {
 protected:
  SceneTest() : host_(GetParam()) {}

  // Controller, agent and a quiet host that is known well enough to tell what is not usual.
  void SetUp() override {
    host_.StartTime();
    fleet_.StartController();
    fleet_.ConfigureAgent(host_.root());
    fleet_.StartAgent();
    ASSERT_TRUE(Eventually([this] { return fleet_.Metric("truce_agent_ticks_total") >= 40; })) << fleet_.Metrics();
  }
  v1::ListActionsResponse Actions() { return fleet_.Get<v1::ListActionsResponse>({"get", "actions"}); }
  v1::ListReceiptsResponse Receipts() { return fleet_.Get<v1::ListReceiptsResponse>({"get", "receipts"}); }
  bool ActionApplied() {
    const auto actions = Actions();
    return std::any_of(actions.actions().begin(), actions.actions().end(), [](const v1::ActionStatus& action) {
      return action.state() == v1::ACTION_STATE_APPLIED && action.action().workload() == kAggressor;
    });
  }
  bool HasReceipt(v1::ReceiptOutcome outcome) {
    const auto receipts = Receipts();
    return std::any_of(receipts.receipts().begin(), receipts.receipts().end(),
                       [outcome](const v1::ReceiptRecord& record) { return record.receipt().outcome() == outcome; });
  }
  bool Connected() {
    const auto hosts = fleet_.Get<v1::ListHostsResponse>({"get", "hosts"});
    return hosts.hosts_size() == 1 && hosts.hosts(0).connected();
  }
  bool Restored() { return host_.ChangedFiles().empty(); }
  // What an operator would look at, for the message of a failure.
  std::string State() {
    std::string state;
    for (const char* noun : {"pairs", "decisions", "receipts"}) state += fleet_.Ctl({"get", noun}).output;
    return state;
  }
  // Only the batch job may ever be changed.
  void ExpectOnlyTheAggressorChanged() {
    for (const std::string& file : host_.ChangedFiles()) EXPECT_THAT(file, HasSubstr(kAggressor));
  }
  void Enforce() {
    const Outcome outcome = fleet_.Ctl({"set", "mode", "enforce", "--class", "best_effort"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  }
  // Contention, and an action against it.
  void ComeUnderAction() {
    ASSERT_NO_FATAL_FAILURE(Enforce());
    host_.LetAggressorRun(true);
    ASSERT_TRUE(Eventually([this] { return host_.AggressorIsReduced() && ActionApplied(); })) << State();
    ExpectOnlyTheAggressorChanged();
  }

  FixtureHost host_;
  Fleet fleet_;
};

TEST_P(SceneTest, ContentionIsSeenActedUponExplainedAndTakenBack) {
  ASSERT_NO_FATAL_FAILURE(ComeUnderAction());
  const auto pinned = host_.ChangedFiles();
  EXPECT_FALSE(pinned.empty());

  // What an operator sees of it.
  const auto actions = Actions();
  ASSERT_GE(actions.actions_size(), 1);
  EXPECT_EQ(actions.actions(0).action().victim(), kVictim);
  EXPECT_EQ(actions.actions(0).action().mode(), v1::MODE_ENFORCE);
  EXPECT_EQ(fleet_.Get<v1::ListWorkloadsResponse>({"get", "workloads"}).workloads_size(), 3);
  const auto hosts = fleet_.Get<v1::ListHostsResponse>({"get", "hosts"});
  ASSERT_EQ(hosts.hosts_size(), 1);
  EXPECT_EQ(hosts.hosts(0).inventory().host(), kHostName);
  EXPECT_GE(hosts.hosts(0).action_count(), 1u);
  const auto decisions = fleet_.Get<v1::ListDecisionsResponse>({"get", "decisions"});
  ASSERT_GE(decisions.decisions_size(), 1);
  EXPECT_TRUE(std::any_of(decisions.decisions().begin(), decisions.decisions().end(), [](const v1::Decision& decision) {
    return decision.verdict() == "apply" && decision.workload() == kAggressor && decision.score().victim() == kVictim &&
           decision.score().score() >= 60;
  })) << decisions.DebugString();
  const auto pairs = fleet_.Ctl({"get", "pairs"});
  EXPECT_EQ(pairs.exit_code, 0) << pairs.output;
  for (const std::vector<std::string>& question : {std::vector<std::string>{"get", "actions"},
                                                   {"get", "workloads"},
                                                   {"explain", kVictim},
                                                   {"describe", "workload", kAggressor}}) {
    const Outcome answer = fleet_.Ctl(question);
    EXPECT_EQ(answer.exit_code, 0) << answer.output;
    EXPECT_THAT(answer.output, AllOf(HasSubstr(kAggressor), HasSubstr(kVictim))) << question[0];
  }
  EXPECT_THAT(fleet_.Ctl({"describe", "host", kHostName}).output, HasSubstr(kHostName));

  // The batch job ends its work: the reason for the action is gone, and so is the action.
  host_.LetAggressorRun(false);
  EXPECT_TRUE(Eventually([this] { return Restored(); })) << testing::PrintToString(host_.ChangedFiles()) << State();
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_RELEASED) && Actions().actions_size() == 0; }))
      << State();
  const auto receipts = Receipts();
  EXPECT_GT(receipts.receipts_size(), 0);
  for (const v1::ReceiptRecord& record : receipts.receipts()) {
    EXPECT_GT(record.receipt().changes_size(), 0);
    EXPECT_TRUE(record.receipt().has_victim_slowdown_before()) << record.ShortDebugString();
    for (const v1::ControlChange& change : record.receipt().changes()) {
      EXPECT_EQ(change.original(), change.restored()) << change.file();
      EXPECT_NE(change.original(), change.written()) << change.file();
      EXPECT_THAT(pinned, Contains(change.file()));
    }
  }
  EXPECT_EQ(fleet_.agent().Stop(), 0) << fleet_.AgentLog();
  EXPECT_EQ(fleet_.controller().Stop(), 0);
}

TEST_P(SceneTest, AHoldRestoresAtOnceAndNothingIsDoneUntilResumed) {
  ASSERT_NO_FATAL_FAILURE(ComeUnderAction());
  const Outcome hold = fleet_.Ctl({"hold", "--reason", "the scene wants it"});
  ASSERT_EQ(hold.exit_code, 0) << hold.output;
  EXPECT_TRUE(Eventually([this] { return Restored(); }, absl::Seconds(5))) << State();
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_HELD); })) << State();
  // The contention is back and is scored again, many times over; and still nothing is done.
  const auto held = host_.Snapshot();
  const double ticks = fleet_.Metric("truce_agent_ticks_total");
  ASSERT_TRUE(Eventually([&] { return fleet_.Metric("truce_agent_ticks_total") >= ticks + 30; }));
  EXPECT_TRUE(Eventually([this] {
    const auto pairs = fleet_.Get<v1::ListPairsResponse>({"get", "pairs"});
    return pairs.pairs_size() > 0 && pairs.pairs(0).score().score() >= 60;
  })) << fleet_.Ctl({"get", "pairs"}).output;
  EXPECT_EQ(host_.Snapshot(), held);
  EXPECT_EQ(Actions().actions_size(), 0);

  ASSERT_EQ(fleet_.Ctl({"resume"}).exit_code, 0);
  EXPECT_TRUE(Eventually([this] { return host_.AggressorIsReduced() && ActionApplied(); })) << State();
  // An agent that is told to stop takes everything back.
  EXPECT_EQ(fleet_.agent().Stop(), 0) << fleet_.AgentLog();
  EXPECT_THAT(host_.ChangedFiles(), IsEmpty());
}

TEST_P(SceneTest, AKilledAgentsChangesAreTakenBackByRestoreAndByTheNextAgent) {
  ASSERT_NO_FATAL_FAILURE(ComeUnderAction());
  fleet_.agent().Kill();
  ASSERT_FALSE(Restored()) << "it was killed before it could restore anything";
  const Outcome restore = fleet_.RunToEnd(fleet_.AgentCommand({"restore"}));
  EXPECT_EQ(restore.exit_code, 0) << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("restored"));
  EXPECT_THAT(host_.ChangedFiles(), IsEmpty());

  // The controller still wants it; the next agent takes it up, and dies of it too.
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent());
  ASSERT_TRUE(Eventually([this] { return host_.AggressorIsReduced(); })) << State();
  fleet_.agent().Kill();
  ASSERT_FALSE(Restored());
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent({"--set", "controller.enabled=false"}));
  EXPECT_THAT(host_.ChangedFiles(), IsEmpty()) << "an agent restores before it does anything else";
  EXPECT_TRUE(fleet_.agent().Running());
}

TEST_P(SceneTest, WithoutAControllerLeasesRunOutAndTheAgentGoesOn) {
  ASSERT_NO_FATAL_FAILURE(ComeUnderAction());
  fleet_.controller().Kill();
  EXPECT_FALSE(Restored()) << "a lease outlives its controller for a while";
  EXPECT_TRUE(Eventually([this] { return Restored(); }, absl::Seconds(15)))
      << testing::PrintToString(host_.ChangedFiles());
  const double ticks = fleet_.Metric("truce_agent_ticks_total");
  EXPECT_TRUE(Eventually([&] { return fleet_.Metric("truce_agent_ticks_total") >= ticks + 10; })) << fleet_.AgentLog();

  // A new controller with the old one's store: it knows the mode and hears of what it missed.
  ASSERT_NO_FATAL_FAILURE(fleet_.StartController());
  EXPECT_TRUE(Eventually([this] { return Connected(); })) << fleet_.AgentLog();
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_EXPIRED); })) << State();
  EXPECT_TRUE(Eventually([this] {
    const auto aggressors = fleet_.Get<v1::ListWorkloadsResponse>({"get", "workloads", kAggressor});
    return aggressors.workloads_size() == 1 && aggressors.workloads(0).report().workload().mode() == v1::MODE_ENFORCE;
  })) << fleet_.Ctl({"get", "workloads"}).output;
  // The contention is still there, and so is acted upon again.
  EXPECT_TRUE(Eventually([this] { return host_.AggressorIsReduced() && ActionApplied(); })) << State();
  ExpectOnlyTheAggressorChanged();
}

TEST_P(SceneTest, TheShippedModeSeesContentionAndWritesNothing) {
  host_.LetAggressorRun(true);
  EXPECT_TRUE(Eventually([this] {
    const auto pairs = fleet_.Get<v1::ListPairsResponse>({"get", "pairs"});
    return pairs.pairs_size() > 0 && pairs.pairs(0).score().victim() == kVictim &&
           pairs.pairs(0).score().aggressor() == kAggressor && pairs.pairs(0).score().score() >= 60;
  })) << fleet_.Ctl({"get", "pairs"}).output;
  EXPECT_TRUE(Eventually([this] {
    return fleet_.Ctl({"get", "decisions"}).output.find("observe") != std::string::npos;
  })) << State();
  EXPECT_EQ(Actions().actions_size(), 0);
  EXPECT_EQ(fleet_.agent().Stop(), 0) << fleet_.AgentLog();
  EXPECT_TRUE(host_.NeverWritten());
}

TEST_P(SceneTest, AWorkloadThatVanishesUnderAnActionEndsIt) {
  ASSERT_NO_FATAL_FAILURE(ComeUnderAction());
  host_.RemoveCgroup(kAggressor);
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_WORKLOAD_GONE); })) << State();
  EXPECT_TRUE(Eventually([this] { return Actions().actions_size() == 0; })) << State();
  EXPECT_TRUE(fleet_.agent().Running());
  EXPECT_EQ(fleet_.agent().Stop(), 0) << fleet_.AgentLog();
  EXPECT_THAT(host_.ChangedFiles(), IsEmpty());
}

// A rule of the policy lets a workload's quota follow what it needs; what that will be is shown.
TEST_P(SceneTest, AQuotaFollowsWhatIsNeededAndForetold) {
  const Outcome enforce = fleet_.Ctl({"set", "mode", "enforce", "--workload", kBystander});
  ASSERT_EQ(enforce.exit_code, 0) << enforce.output;
  const auto apply = [this](const std::string& allocations) {
    const std::string file = fleet_.Path("policy.yaml");
    std::ofstream(file) << "allocations: " << allocations << "\n";
    return fleet_.Ctl({"apply", "-f", file});
  };
  const Outcome applied = apply(StrCat("[{workload: ", kBystander, ", least_cores: 0.1, most_cores: 0.6}]"));
  ASSERT_EQ(applied.exit_code, 0) << applied.output;
  EXPECT_THAT(applied.output, HasSubstr("allocation of shop/cache: 0.1 to 0.6 cores, 20 % headroom: new"));

  // It uses 0.3 cores, so its quota comes down to 0.36, within the deadband.
  const std::string quota =
      host_.layout() == Layout::kV2
          ? StrCat(kBystander, "/cpu.max")
          : StrCat(host_.layout() == Layout::kV1 ? "cpu,cpuacct/" : "cpu/", kBystander, "/cpu.cfs_quota_us");
  double cores = 0;
  const auto comes_to = [&](double least, double most) {
    // 0: caught between a plain file's truncation and its write.
    cores = std::atof(host_.Snapshot().at(quota).content.c_str()) / 1e5;
    return cores >= least && cores <= most;
  };
  EXPECT_TRUE(Eventually([&] { return comes_to(0.59, 0.61); })) << cores << State();
  EXPECT_TRUE(Eventually([&] { return comes_to(0.33, 0.45); }, 2 * kPatience)) << cores << State();
  EXPECT_THAT(host_.ChangedFiles(), testing::ElementsAre(quota));
  EXPECT_THAT(fleet_.Ctl({"get", "actions"}).output, HasSubstr("0.10-0.60 cores, as needed"));
  const std::string described = fleet_.Ctl({"describe", "workload", kBystander}).output;
  EXPECT_THAT(described, AllOf(HasSubstr("Forecast of cpu"), HasSubstr("set aside: "), HasSubstr("PEAK P95")));
  EXPECT_EQ(fleet_.Ctl({"get", "anomalies"}).exit_code, 0);

  const Outcome ended = apply("[]");
  ASSERT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_TRUE(Eventually([this] { return Restored(); })) << testing::PrintToString(host_.ChangedFiles());
  EXPECT_TRUE(Eventually([this] { return HasReceipt(v1::RECEIPT_OUTCOME_RELEASED); })) << State();
}

INSTANTIATE_TEST_SUITE_P(Layouts, SceneTest, testing::Values(Layout::kV1, Layout::kHybrid, Layout::kV2),
                         [](const auto& scene) { return LayoutName(scene.param); });

}  // namespace
}  // namespace truce::e2e
