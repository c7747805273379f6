// The agent as a process, without a fleet's story: how it refuses to start, what it says when the controller refuses
// it, and what its /metrics page is made of. tests/fixtures/agent_metrics_names.txt is written anew when TRUCE_BLESS=1
// is set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "agent/act/journal.h"
#include "src/host/writer_host.h"
#include "tests/e2e/fixture_host.h"
#include "tests/e2e/fleet.h"
#include "tests/fixtures/fake_machine.h"
#include "truce/v1/operator.pb.h"

namespace truce::e2e {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kGolden[] = TRUCE_SOURCE_DIR "/tests/fixtures/agent_metrics_names.txt";

class AgentProcessTest : public testing::Test {
 protected:
  FixtureHost host_{Layout::kV2};
  Fleet fleet_;
};

TEST_F(AgentProcessTest, ASecondOneOnTheSameHostExitsWithASentence) {
  fleet_.ConfigureAgent(host_.root());
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent());
  const Outcome second = fleet_.RunToEnd(fleet_.AgentCommand({"--set", "state_directory=" + fleet_.Path("other")}));
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.output, HasSubstr("another truce-agent already runs on this host"));
  EXPECT_THAT(second.output, HasSubstr("stop it first"));
  EXPECT_TRUE(fleet_.agent().Running());
}

TEST_F(AgentProcessTest, ABadConfigurationIsNamedByFileAndLine) {
  fleet_.ConfigureAgent(host_.root());
  std::ofstream(fleet_.Path("agent.yaml")) << "host: a\nsample:\n  interval: soon\nnonsense: 1\n";
  const Outcome outcome = fleet_.RunToEnd(fleet_.AgentCommand());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr(fleet_.Path("agent.yaml") + ":3"));
  EXPECT_THAT(outcome.output, HasSubstr(fleet_.Path("agent.yaml") + ":4"));
  EXPECT_THAT(outcome.output, HasSubstr("nonsense"));
}

// A typing mistake in a path must not become an agent that watches alone and logs it.
TEST_F(AgentProcessTest, ItDoesNotStartWithoutItsCertificatesOrInPlainTextOffLoopback) {
  fleet_.ConfigureAgent(host_.root());
  const std::string none = fleet_.Path("pki/none.key");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--check-config"}}) {
    std::vector<std::string> arguments = {"--set", "controller.key_file=" + none};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Outcome outcome = fleet_.RunToEnd(fleet_.AgentCommand(arguments));
    EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("controller.key_file: " + none + " does not exist"));
    arguments = {"--set", "controller.plaintext=true", "--set", "controller.address=192.0.2.1:7443"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    outcome = fleet_.RunToEnd(fleet_.AgentCommand(arguments));
    EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("controller.plaintext: works on loopback only"));
  }
  EXPECT_EQ(fleet_.RunToEnd(fleet_.AgentCommand({"--check-config"})).exit_code, 0);
  // What a crashed agent left is put back all the same.
  std::filesystem::create_directory(fleet_.Path("state"));
  const Outcome restore = fleet_.RunToEnd(fleet_.AgentCommand({"restore", "--set", "controller.key_file=" + none}));
  EXPECT_EQ(restore.exit_code, 0) << restore.output;
}

TEST_F(AgentProcessTest, RestoringWithoutAJournalSaysWhereItLooked) {
  fleet_.ConfigureAgent(host_.root());
  const std::string nowhere = fleet_.Path("nowhere");
  const std::vector<std::string> command = fleet_.AgentCommand({"restore", "--set", "state_directory=" + nowhere});
  Outcome restore = fleet_.RunToEnd(command);
  EXPECT_EQ(restore.exit_code, 1) << "a mistyped directory is no success: " << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("the state_directory '" + nowhere + "' can't be found"));
  std::filesystem::create_directory(nowhere);
  restore = fleet_.RunToEnd(command);
  EXPECT_EQ(restore.exit_code, 0) << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("0 control files restored: there is no journal in " + nowhere));
  restore = fleet_.RunToEnd(fleet_.AgentCommand({"restore", "--set", "state_directory=state"}));
  EXPECT_EQ(restore.exit_code, 1) << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("'state' is no absolute path"));
}

TEST_F(AgentProcessTest, AMistakeInTheConfigurationKeepsNoHostFromBeingRestored) {
  host_.StartTime();
  ASSERT_NO_FATAL_FAILURE(fleet_.StartController());
  fleet_.ConfigureAgent(host_.root());
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent());
  ASSERT_TRUE(Eventually([this] { return fleet_.Metric("truce_agent_ticks_total") >= 40; })) << fleet_.Metrics();
  ASSERT_EQ(fleet_.Ctl({"set", "mode", "enforce", "--class", "best_effort"}).exit_code, 0);
  host_.LetAggressorRun(true);
  ASSERT_TRUE(Eventually([this] { return host_.AggressorIsReduced(); })) << fleet_.Ctl({"get", "decisions"}).output;
  fleet_.agent().Kill();
  ASSERT_FALSE(host_.ChangedFiles().empty()) << "it was killed before it could restore anything";

  std::ofstream(fleet_.Path("agent.yaml"), std::ios::app) << "nonsense: 1\n";
  EXPECT_EQ(fleet_.RunToEnd(fleet_.AgentCommand()).exit_code, 2) << "no agent runs with this";
  const Outcome restore = fleet_.RunToEnd(fleet_.AgentCommand({"restore"}));
  EXPECT_EQ(restore.exit_code, 0) << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("nonsense"));
  EXPECT_THAT(restore.output, HasSubstr("restoring all the same"));
  EXPECT_THAT(restore.output, Not(HasSubstr("there is no journal")));
  EXPECT_THAT(host_.ChangedFiles(), IsEmpty());
}

// A virtual machine that a crashed agent squeezed has all of its memory still, and is on its way to less.
TEST_F(AgentProcessTest, RestoringAsksTheMachineThatWasSqueezed) {
  fleet_.ConfigureAgent(host_.root());
  test::FakeMachine machine(host_.Path("monitor"));
  const auto put = [this](const std::string& file, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(host_.Path(file)).parent_path());
    std::ofstream(host_.Path(file)) << content;
  };
  put("cgroup/vm/cgroup.procs", StrCat(getpid(), "\n"));
  std::string line;
  for (const std::string& word : machine.arguments()) line += word + '\0';
  put(StrCat("proc/", getpid(), "/cmdline"), line);
  {
    struct stat directory {};
    ASSERT_EQ(stat(host_.Path("cgroup/vm").c_str(), &directory), 0);
    const auto journal = agent::Journal::Open(fleet_.Path("state"), agent::ReadBootId(), agent::SystemDisk());
    ASSERT_TRUE(journal.ok()) << journal.status();
    const absl::Status recorded = (*journal)->Record("memory_squeeze vm", "",
                                                     {{.owner = "memory_squeeze vm",
                                                       .controller = host::Controller::kMemory,
                                                       .path = "vm",
                                                       .file = std::string(host::kBalloon),
                                                       .inode = directory.st_ino,
                                                       .original = StrCat(test::FakeMachine::kMaximum, "\n")}});
    ASSERT_TRUE(recorded.ok()) << recorded;
  }
  const Outcome restore = fleet_.RunToEnd(fleet_.AgentCommand({"restore"}));
  EXPECT_EQ(restore.exit_code, 0) << restore.output;
  EXPECT_THAT(restore.output, HasSubstr("1 control file restored"));
  EXPECT_EQ(machine.asked(), test::FakeMachine::kMaximum);
}

TEST_F(AgentProcessTest, WithAnotherHostsCertificateItIsRefusedSaysWhyAndGoesOn) {
  ASSERT_NO_FATAL_FAILURE(fleet_.StartController());
  fleet_.Issue("agent", "somebody-else");
  fleet_.ConfigureAgent(host_.root(), "somebody-else");
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent());
  EXPECT_TRUE(Eventually(
      [this] { return fleet_.AgentLog().find("the certificate is for host \"somebody-else\"") != std::string::npos; }));
  EXPECT_THAT(fleet_.AgentLog(), HasSubstr(StrCat("trucectl certs issue DIR agent ", kHostName)));
  const double ticks = fleet_.Metric("truce_agent_ticks_total");
  EXPECT_TRUE(Eventually([&] { return fleet_.Metric("truce_agent_ticks_total") >= ticks + 5; }));
  const Outcome hosts = fleet_.Ctl({"get", "hosts", "-o", "json"});
  ASSERT_EQ(hosts.exit_code, 0) << hosts.output;
  EXPECT_EQ(fleet_.Get<v1::ListHostsResponse>({"get", "hosts"}).hosts_size(), 0) << hosts.output;
  EXPECT_TRUE(fleet_.agent().Running());
  const Outcome check = fleet_.RunToEnd(fleet_.AgentCommand({"--check-config"}));
  EXPECT_EQ(check.exit_code, 2) << "whoever asks is told before";
  EXPECT_THAT(check.output, HasSubstr("controller.certificate_file: "));
}

// And gRPC, which has a line for each try, leaves it at that.
TEST_F(AgentProcessTest, WhatKeepsItFromTheControllerIsSaidOnceInASentence) {
  ASSERT_NO_FATAL_FAILURE(fleet_.StartController());
  fleet_.ConfigureAgent(host_.root());
  const std::string other = fleet_.Path("other");
  ASSERT_TRUE(rpc::CreateAuthority(other).ok());
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent({"--set", "controller.ca_file=" + other + "/ca.crt"}));
  const std::string sentence = "its certificate is not of the CA in controller.ca_file, " + other + "/ca.crt";
  EXPECT_TRUE(Eventually([&] { return fleet_.AgentLog().find(sentence) != std::string::npos; }));
  EXPECT_THAT(fleet_.AgentLog(), Not(HasSubstr("ssl_transport_security")));
  EXPECT_THAT(ReadText(fleet_.Path("controller.log")), Not(HasSubstr("ssl_transport_security")));
}

// The page with its values and its version masked: what a dashboard relies on.
std::string Names(const std::string& page) {
  std::string names;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#")) line = line.substr(0, line.rfind(' ')) + " <value>";
    names += std::regex_replace(line, std::regex("version=\"[^\"]*\""), "version=\"<version>\"") + "\n";
  }
  return names;
}

TEST_F(AgentProcessTest, MetricsHaveTheNamesLabelsAndHelpThatDashboardsKnow) {
  fleet_.ConfigureAgent(host_.root());
  ASSERT_NO_FATAL_FAILURE(fleet_.StartAgent());
  // Reports wait for a controller, so the link has tried to connect and everything that there is has been measured.
  ASSERT_TRUE(Eventually([this] { return fleet_.Metric("truce_agent_ticks_total") >= 10; })) << fleet_.Metrics();
  const std::string names = Names(fleet_.Metrics());
  if (std::getenv("TRUCE_BLESS") != nullptr) std::ofstream(kGolden) << names;
  EXPECT_EQ(names, ReadText(kGolden)) << "if this is meant: run again with TRUCE_BLESS=1, and tell docs/metrics";
}

}  // namespace
}  // namespace truce::e2e
