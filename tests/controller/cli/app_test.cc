// The command line itself: usage errors, help, connection failures, completion, version.
#include "controller/cli/app.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

using AppTest = CliTest;

TEST_F(AppTest, UsageErrorsExitWithTwoAndNameTheNearestWord) {
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const Result result = RunAlone(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "") << testing::PrintToString(arguments);
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    return result.err;
  };
  EXPECT_THAT(refused({"get", "hots"}), AllOf(HasSubstr("did you mean hosts?"), HasSubstr("trucectl get")));
  EXPECT_THAT(refused({"gte", "hosts"}), HasSubstr("did you mean get?"));
  EXPECT_THAT(refused({"--server", "h:1", "explian", "redis"}), HasSubstr("did you mean explain?"));
  EXPECT_THAT(refused({}), HasSubstr("needs one more word"));
  EXPECT_THAT(refused({"get"}), HasSubstr("hosts, workloads"));
  EXPECT_THAT(refused({"get", "hosts", "--wacth"}), HasSubstr("did you mean --watch?"));
  EXPECT_THAT(refused({"--controller", "h:1", "get", "hosts"}), HasSubstr("'--controller' is no flag of 'trucectl'"));
  EXPECT_THAT(refused({"get", "--controller", "h:1"}), HasSubstr("'--controller' is no flag of 'trucectl get'"));
  EXPECT_THAT(refused({"get", "hosts", "-o", "xml"}), HasSubstr("xml"));
  EXPECT_THAT(refused({"get", "hosts", "a", "b"}), HasSubstr("b"));
  EXPECT_THAT(refused({"set", "mode", "enforced"}), HasSubstr("enforced"));
  EXPECT_THAT(refused({"set", "mode"}), HasSubstr("MODE"));
  EXPECT_THAT(refused({"set", "mode", "observe", "--class", "gold"}), HasSubstr("gold"));
  EXPECT_THAT(refused({"get", "pairs", "--min-score", "101"}), HasSubstr("101"));
  EXPECT_THAT(refused({"get", "pairs", "--min-score", "nan"}), HasSubstr("'nan' is not a number"));
  EXPECT_THAT(refused({"get", "events", "--limit", "-1"}), HasSubstr("--limit"));
  EXPECT_THAT(refused({"explain"}), HasSubstr("VICTIM"));
  EXPECT_THAT(refused({"apply"}), HasSubstr("--file"));
  EXPECT_THAT(refused({"hold", "--watch"}), HasSubstr("--watch"));
  EXPECT_THAT(refused({"evil\x1b[2J"}), Not(HasSubstr("\x1b")));
}

TEST_F(AppTest, WhatCanBeNoNameIsRefusedWithTheReason) {
  const Result garbage = RunWith({"get", "workloads", "--host", "web\xff"});
  EXPECT_EQ(garbage.code, 2);
  EXPECT_THAT(garbage.err, HasSubstr("'web\\xff' is not UTF-8"));
  const Result longest = RunWith({"explain", std::string(100'000, 'a')});
  EXPECT_EQ(longest.code, 2);
  EXPECT_THAT(longest.err, HasSubstr("an argument of 100000 bytes begins with 'aaaa"));
  EXPECT_LT(longest.err.size(), 500u);
}

TEST_F(AppTest, HelpOpensWithExamples) {
  Result result = RunAlone({"get", "pairs", "--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_LT(result.out.find("Examples:"), result.out.find("--min-score"));
  EXPECT_THAT(result.out, HasSubstr("trucectl get pairs --watch"));
  result = RunAlone({"--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("TRUCE_SERVER"), HasSubstr("127.0.0.1:7443"), HasSubstr("explain")));
}

TEST_F(AppTest, AWordThatIsNoneHasNoHelp) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"bogus", "--help"}, {"get", "bogus", "--help"}, {"bogus", "--version"}}) {
    const Result result = RunAlone(arguments);
    EXPECT_EQ(result.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("'bogus' is no word after 'trucectl"));
  }
  EXPECT_EQ(RunAlone({"get", "--help"}).code, 0);
  EXPECT_EQ(RunAlone({"--server", "h:1", "get", "pairs", "redis", "--help"}).code, 0);
}

TEST_F(AppTest, AServerThatIsNoHostAndPortIsAUsageError) {
  for (const char* server : {"127.0.0.1:99999", "127.0.0.1:abc", "127.0.0.1:0", "127.0.0.1:", ":7443", "::1:7443"}) {
    const Result result = RunAlone({"get", "hosts", "--plaintext", "--server", server});
    EXPECT_EQ(result.code, 2) << server;
    EXPECT_THAT(result.err, HasSubstr(StrCat("'", server, "' is not HOST:PORT")));
  }
  environment_["TRUCE_SERVER"] = "127.0.0.1:abc";
  EXPECT_THAT(RunAlone({"get", "hosts", "--plaintext"}).err, HasSubstr("TRUCE_SERVER"));
  EXPECT_EQ(RunAlone({"version"}).code, 0) << "nobody is asked";
}

TEST_F(AppTest, DeadServerIsOneSentenceWithTheAddress) {
  controller_.Stop();
  const Result result = RunWith({"get", "hosts"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err,
              AllOf(HasSubstr(controller_.address()), HasSubstr("truce-controller"), HasSubstr("--server")));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST_F(AppTest, SilentServerIsGivenUpWithinFiveSeconds) {
  // Accepts connections (the backlog does) and never says a word.
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(silent, 8), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string target = StrCat("127.0.0.1:", ntohs(address.sin_port));
  const auto before = std::chrono::steady_clock::now();
  const Result result = RunAlone({"get", "hosts", "--server", target, "--plaintext"});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  close(silent);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr(target));
}

TEST_F(AppTest, TlsToAPlainTextServerSaysWhatToDo) {
  const std::string pki = testing::TempDir() + "/truce-cli-tls-" + std::to_string(getpid());
  ASSERT_EQ(RunAlone({"certs", "init", pki}).code, 0);
  const Result result = RunAlone({"get", "hosts", "--server", controller_.address(), "--ca", pki + "/ca.crt", "--cert",
                                  pki + "/operator.crt", "--key", pki + "/operator.key"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr(controller_.address()), HasSubstr("--plaintext")));
  std::filesystem::remove_all(pki);
}

TEST_F(AppTest, MissingCertificateIsNamedWithTheRemedy) {
  environment_["TRUCE_CA"] = "/nonexistent/ca.crt";
  const Result result = RunAlone({"get", "hosts"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("/nonexistent/ca.crt"), HasSubstr("--ca"), HasSubstr("certs init")));
}

TEST_F(AppTest, PlaintextOffLoopbackIsRefused) {
  const Result result = RunAlone({"get", "hosts", "--server", "192.0.2.1:7443", "--plaintext"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("loopback"));
}

TEST_F(AppTest, EnvironmentNamesTheServerAndFlagsWin) {
  environment_["TRUCE_SERVER"] = controller_.address();
  EXPECT_EQ(RunAlone({"get", "hosts", "--plaintext"}).code, 0);
  environment_["TRUCE_SERVER"] = "127.0.0.1:1";
  EXPECT_EQ(RunAlone({"get", "hosts", "--plaintext", "--server", controller_.address()}).code, 0);
  EXPECT_THAT(RunAlone({"get", "hosts", "--plaintext", "--server", "192.0.2.1"}).err, HasSubstr("192.0.2.1:7443"));
}

TEST_F(AppTest, FullDiskIsAFailure) {
  std::istringstream in;
  std::ofstream full("/dev/full");
  std::ostringstream err;
  Console console{.in = in, .out = full, .err = err, .clock = clock_, .pacer = pacer_};
  EXPECT_EQ(cli::Run({"version"}, console), 1);
  EXPECT_THAT(err.str(), HasSubstr("disk full"));
}

TEST_F(AppTest, VersionIsANumber) {
  for (const char* word : {"version", "--version"}) {
    const Result result = RunAlone({word});
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.out, MatchesRegex("trucectl [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  }
}

class CompletionTest : public CliTest {
 protected:
  void SetUp() override {
    file_ = testing::TempDir() + "/truce-completion-" + std::to_string(getpid()) + ".bash";
    const Result result = RunAlone({"completion", "bash"});
    ASSERT_EQ(result.code, 0) << result.err;
    std::ofstream(file_) << result.out;
  }
  void TearDown() override { std::remove(file_.c_str()); }
  // What bash would offer for these words, the last of which is being typed.
  std::string Offers(const std::string& words) {
    const std::string script = "trucectl() { echo live; }; source " + file_ + "; COMP_WORDS=(" + words +
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _trucectl; echo \"${COMPREPLY[*]}\"";
    std::string output;
    FILE* pipe = popen(("bash -c '" + script + "' 2>&1").c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) output += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0);
    return output;
  }
  std::string file_;
};

TEST_F(CompletionTest, BashAcceptsTheScript) {
  EXPECT_EQ(std::system(("bash -n " + file_).c_str()), 0);
}

TEST_F(CompletionTest, OffersWordsFlagsAndLiveNames) {
  EXPECT_EQ(Offers("trucectl exp"), "explain\n");
  EXPECT_EQ(Offers("trucectl get wor"), "workloads\n");
  EXPECT_EQ(Offers("trucectl --server h:1 get ho"), "hosts\n");
  EXPECT_EQ(Offers("trucectl get pairs --min"), "--min-score\n");
  EXPECT_EQ(Offers("trucectl set mode e"), "enforce\n");
  EXPECT_EQ(Offers("trucectl get hosts -o j"), "json\n");
  EXPECT_EQ(Offers("trucectl describe host l"), "live\n");
  EXPECT_EQ(Offers("trucectl describe app"), "application\n");
  EXPECT_EQ(Offers("trucectl describe application l"), "live\n");
  EXPECT_EQ(Offers("trucectl get applications l"), "live\n");
}

}  // namespace
}  // namespace truce::cli
