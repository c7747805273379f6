// trucectl certs: from nothing to a controller that knows the operator, with the printed paths alone.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "src/rpc/certificate_info.h"
#include "src/rpc/security.h"
#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class CertsTest : public CliTest {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/truce-certs-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    pki_ = directory_ + "/pki";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
  std::string pki_;
};

TEST_F(CertsTest, InitMakesEverythingThatTlsNeeds) {
  const Result init = RunAlone(
      {"certs", "init", pki_, "--controller-address", "127.0.0.1", "--controller-address", "truce.example.org"});
  ASSERT_EQ(init.code, 0) << init.err;
  EXPECT_THAT(init.err,
              AllOf(HasSubstr("127.0.0.1, truce.example.org"), HasSubstr("certs issue " + pki_ + " agent HOST")));
  const auto credentials = rpc::ServerCredentials(
      {.ca_file = pki_ + "/ca.crt", .certificate_file = pki_ + "/controller.crt", .key_file = pki_ + "/controller.key"},
      "127.0.0.1:0");
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  controller_.Start(*credentials);
  controller_.hosts.add_hosts()->mutable_inventory()->set_host("web-17");
  environment_ = {{"TRUCE_SERVER", controller_.address()},
                  {"TRUCE_CA", pki_ + "/ca.crt"},
                  {"TRUCE_CERT", pki_ + "/operator.crt"},
                  {"TRUCE_KEY", pki_ + "/operator.key"}};
  const Result get = RunAlone({"get", "hosts", "-o", "name"});
  EXPECT_EQ(get.code, 0) << get.err;
  EXPECT_EQ(get.out, "web-17\n");

  // Another fleet's operator is told what is wrong.
  const std::string other = directory_ + "/other";
  ASSERT_EQ(RunAlone({"certs", "init", other}).code, 0);
  environment_["TRUCE_CA"] = other + "/ca.crt";
  Result stranger = RunAlone({"get", "hosts"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.err, AllOf(HasSubstr(other + "/ca.crt"), HasSubstr("trust")));
  environment_["TRUCE_CA"] = pki_ + "/ca.crt";
  environment_["TRUCE_CERT"] = other + "/operator.crt";
  environment_["TRUCE_KEY"] = other + "/operator.key";
  stranger = RunAlone({"get", "hosts"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.err, AllOf(HasSubstr("--cert"), HasSubstr(other + "/operator.crt")));
}

TEST_F(CertsTest, InitNamesThisMachineByDefault) {
  ASSERT_EQ(RunAlone({"certs", "init", pki_}).code, 0);
  const auto info = rpc::ReadCertificate(pki_ + "/controller-web-17.crt");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->addresses, ElementsAre("web-17", "localhost", "127.0.0.1", "::1"));
}

TEST_F(CertsTest, InitNeverOverwritesAndLeavesNothingBehindWhenRefused) {
  Result result = RunAlone({"certs", "init", pki_, "--controller-address", "host:7443"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("without a port"));
  EXPECT_FALSE(std::filesystem::exists(pki_));
  result = RunAlone({"certs", "init", pki_, "--dry-run"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr(pki_ + "/ca.crt"));
  EXPECT_FALSE(std::filesystem::exists(pki_));
  ASSERT_EQ(RunAlone({"certs", "init", pki_}).code, 0);
  result = RunAlone({"certs", "init", pki_});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("never overwritten"));
}

TEST_F(CertsTest, IssueAndShow) {
  ASSERT_EQ(RunAlone({"certs", "init", pki_}).code, 0);
  Result result = RunAlone({"certs", "issue", pki_, "agent", "db-3", "--days", "10"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, pki_ + "/agent-db-3.crt\n" + pki_ + "/agent-db-3.key\n");
  EXPECT_THAT(result.err, HasSubstr("db-3:/etc/truce/pki/agent.crt"));
  result = RunAlone({"certs", "show", pki_ + "/agent-db-3.crt"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("truce://agent/db-3"), HasSubstr("For a server:   no"),
                                HasSubstr("For a client:   yes")));
  EXPECT_EQ(RunAlone({"certs", "show", pki_ + "/none.crt"}).code, 1);
  EXPECT_EQ(RunAlone({"certs", "issue", pki_, "root", "x"}).code, 2);
  EXPECT_EQ(RunAlone({"certs", "issue", pki_, "agent", "../x"}).code, 2);
  EXPECT_EQ(RunAlone({"certs", "issue", directory_ + "/nowhere", "agent", "x"}).code, 1);
}

TEST_F(CertsTest, InitListsEachFileThatItMakes) {
  const Result init = RunAlone({"certs", "init", pki_});
  ASSERT_EQ(init.code, 0) << init.err;
  std::set<std::string> listed;
  std::istringstream lines(init.out);
  for (std::string line; std::getline(lines, line);) listed.insert(line);
  std::set<std::string> made;
  for (const auto& entry : std::filesystem::directory_iterator(pki_)) made.insert(entry.path().string());
  EXPECT_EQ(listed, made);
}

TEST_F(CertsTest, IssueReplacesNothingUnlessTold) {
  ASSERT_EQ(RunAlone({"certs", "init", pki_}).code, 0);
  ASSERT_EQ(RunAlone({"certs", "issue", pki_, "agent", "db-3"}).code, 0);
  const std::string file = pki_ + "/agent-db-3.crt";
  const std::string first = rpc::ReadCertificate(file)->serial;
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--dry-run"}}) {
    std::vector<std::string> arguments = {"certs", "issue", pki_, "agent", "db-3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result again = RunAlone(arguments);
    EXPECT_EQ(again.code, 1);
    EXPECT_EQ(again.out, "");
    EXPECT_THAT(again.err, AllOf(HasSubstr(file + " is there already"), HasSubstr("--replace")));
  }
  EXPECT_EQ(rpc::ReadCertificate(file)->serial, first);
  std::filesystem::remove(file);
  EXPECT_EQ(RunAlone({"certs", "issue", pki_, "agent", "db-3"}).code, 1) << "its key is there still";
  EXPECT_EQ(RunAlone({"certs", "issue", pki_, "agent", "db-3", "--replace"}).code, 0);
  EXPECT_NE(rpc::ReadCertificate(file)->serial, first);
}

TEST_F(CertsTest, ShowWarnsOfTheEnd) {
  ASSERT_EQ(RunAlone({"certs", "init", pki_, "--days", "10"}).code, 0);
  clock_.JumpWallTime(absl::Now() - clock_.Now());
  EXPECT_THAT(RunAlone({"certs", "show", pki_ + "/operator.crt"}).err, HasSubstr("ends in 9d"));
  clock_.JumpWallTime(absl::Hours(24 * 11));
  EXPECT_THAT(RunAlone({"certs", "show", pki_ + "/operator.crt"}).err, HasSubstr("is over"));
}

}  // namespace
}  // namespace truce::cli
