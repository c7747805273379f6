// Every key is in the shipped example at its default, and broken keys are refused with file and line.
#include "controller/settings.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "src/base/text.h"
#include "src/rpc/certificates.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::string kExample = std::string(TRUCE_SOURCE_DIR) + "/deploy/truce-controller.yaml";

TEST(SettingsTest, TheExampleHasEveryKeyAtItsDefault) {
  auto source = LoadConfigSource(kExample, "TRUCE_TEST_NOTHING_", {});
  ASSERT_TRUE(source.ok()) << source.status();
  Settings read;
  std::set<std::string> known;
  ASSERT_TRUE(ReadSettings(*source, &read, &known).ok());
  const Settings defaults;
  EXPECT_EQ(read.listen, defaults.listen);
  EXPECT_EQ(read.http_listen, defaults.http_listen);
  EXPECT_EQ(read.extender_listen, defaults.extender_listen);
  EXPECT_EQ(read.plaintext, defaults.plaintext);
  EXPECT_EQ(read.ca_file, defaults.ca_file);
  EXPECT_EQ(read.certificate_file, defaults.certificate_file);
  EXPECT_EQ(read.key_file, defaults.key_file);
  EXPECT_EQ(read.store.file, defaults.store.file);
  EXPECT_EQ(read.store.queue_capacity, defaults.store.queue_capacity);
  EXPECT_EQ(read.store.retention_age, defaults.store.retention_age);
  EXPECT_EQ(read.store.retention_rows, defaults.store.retention_rows);
  EXPECT_EQ(read.store.maximum_bytes, defaults.store.maximum_bytes);
  EXPECT_EQ(read.history, defaults.history);
  EXPECT_EQ(read.model_directory, defaults.model_directory);
  EXPECT_EQ(read.rollout.canary_ratio, defaults.rollout.canary_ratio);
  EXPECT_EQ(read.rollout.canary_time, defaults.rollout.canary_time);
  EXPECT_EQ(read.rollout.least_forecasts, defaults.rollout.least_forecasts);
  EXPECT_EQ(read.rollout.significance, defaults.rollout.significance);
  EXPECT_EQ(read.rollout.watch_time, defaults.rollout.watch_time);
  EXPECT_EQ(read.report_interval, defaults.report_interval);
  EXPECT_EQ(read.missed_report_limit, defaults.missed_report_limit);
  EXPECT_EQ(read.workloads_per_host, defaults.workloads_per_host);
  EXPECT_EQ(read.message_mib, defaults.message_mib);
  EXPECT_EQ(read.log_level, defaults.log_level);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read.policy, defaults.policy));
  // A key's last word must be in the text: with unknown keys refused, that makes the example complete.
  for (const auto& key : known) {
    EXPECT_THAT(source->text,
                HasSubstr(key.substr(key.rfind('.') == std::string::npos ? 0 : key.rfind('.') + 1) + ":"));
  }
}

TEST(SettingsTest, BrokenKeysAreNamedWithTheirLine) {
  ConfigSource source;
  source.file = "controller.yaml";
  source.text = "listen: 127.0.0.1:0\nstore:\n  fiel: x\npolicy:\n  trigger_score: 10\n";
  Settings settings;
  const absl::Status status = ReadSettings(source, &settings);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("controller.yaml:3"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("store.fiel"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("20 is not below the trigger score 10"));
}

std::string ErrorOf(const std::string& text) {
  ConfigSource source;
  source.file = "controller.yaml";
  source.text = text;
  Settings settings;
  return std::string(ReadSettings(source, &settings).message());
}

TEST(SettingsTest, AddressesAreHostAndPort) {
  for (const char* address : {"nonsense", "127.0.0.1:", ":7443", "127.0.0.1:https", "127.0.0.1:70000"}) {
    EXPECT_THAT(ErrorOf(StrCat("listen: '", address, "'\n")),
                HasSubstr(StrCat("controller.yaml:1: listen: '", address, "' is not host:port")));
    EXPECT_THAT(ErrorOf(StrCat("http:\n  listen: '", address, "'\n")),
                HasSubstr(StrCat("controller.yaml:2: http.listen: '", address, "' is not host:port")));
  }
  EXPECT_THAT(ErrorOf("listen: ''\n"), HasSubstr("listen: '' is not host:port"));
  EXPECT_EQ(ErrorOf("listen: '[::1]:0'\nhttp: {listen: ''}\n"), "");
}

TEST(SettingsTest, WhoListensHasAnAddressOfItsOwn) {
  EXPECT_THAT(ErrorOf("listen: 127.0.0.1:7480\n"), HasSubstr("http.listen: 127.0.0.1:7480 is where listen is too"));
  EXPECT_THAT(ErrorOf("listen: 127.0.0.1:7443\nextender:\n  listen: 127.0.0.1:7443\n"),
              HasSubstr("controller.yaml:3: extender.listen: 127.0.0.1:7443 is where listen is too"));
  EXPECT_THAT(ErrorOf("extender:\n  listen: 127.0.0.1:7480\n"),
              HasSubstr("controller.yaml:2: extender.listen: 127.0.0.1:7480 is where http.listen is too"));
  EXPECT_EQ(ErrorOf("listen: 127.0.0.1:0\nhttp: {listen: '127.0.0.1:0'}\nextender: {listen: '127.0.0.1:0'}\n"), "");
  EXPECT_EQ(ErrorOf("http: {listen: ''}\nextender: {listen: ''}\n"), "");
}

// SQLite would run on a temporary database without a word.
TEST(SettingsTest, TheStoreIsSomewhere) {
  EXPECT_THAT(ErrorOf("store:\n  file: ''\n"), HasSubstr("controller.yaml:2: store.file: must not be empty"));
}

TEST(SettingsTest, ZeroActionsAMinuteMeansNone) {
  EXPECT_EQ(ErrorOf("policy: {host_actions_per_minute: 0, fleet_actions_per_minute: 0}\n"), "");
  EXPECT_THAT(ErrorOf("policy: {host_actions_per_minute: -1}\n"), HasSubstr("out of range"));
}

TEST(SettingsTest, MigrationsAreOneOfThreeModes) {
  EXPECT_EQ(ErrorOf("policy: {migration_mode: enforce, host_migrations_per_hour: 0}\n"), "");
  EXPECT_THAT(ErrorOf("policy: {migration_mode: always}\n"),
              testing::AllOf(HasSubstr("policy.migration_mode"), HasSubstr("observe, advise, enforce")));
}

TEST(SettingsTest, PathsThatCanNeverWorkAreErrorsAndWhatMayComeIsAWarning) {
  test::Tree tree;
  tree.Put("file", "");
  tree.Put("truce-lab", "");
  Settings settings;
  settings.store.file = tree.Path("state/controller.db");
  settings.retraining.retrainer.program = tree.Path("none");
  const auto missing = CheckPaths(settings);
  ASSERT_TRUE(missing.ok()) << missing.status();
  EXPECT_THAT(*missing,
              testing::ElementsAre(StartsWith(StrCat("retraining.program: ", tree.Path("none"), " is not there"))));
  settings.retraining.retrainer.program = tree.Path("truce-lab");
  EXPECT_THAT(*CheckPaths(settings), testing::ElementsAre(HasSubstr("can't be executed")));
  std::filesystem::permissions(tree.Path("truce-lab"), std::filesystem::perms::owner_all);
  EXPECT_THAT(*CheckPaths(settings), testing::IsEmpty());

  settings.model_directory = tree.Path("file");
  settings.retraining.retrainer.directory = tree.Path("file/retraining");
  settings.retraining.retrainer.program = tree.Path("");
  EXPECT_THAT(std::string(CheckPaths(settings).status().message()),
              testing::AllOf(HasSubstr(StrCat("models.directory: ", tree.Path("file"), " is no directory")),
                             HasSubstr(StrCat("retraining.directory: ", tree.Path("file"), " is no directory")),
                             HasSubstr("is no program")));
  settings.model_directory.clear();
  settings.retrain = false;
  EXPECT_TRUE(CheckPaths(settings).ok()) << "what is switched off is not looked at";

  settings.model_directory = tree.Path("models");
  settings.store.file = tree.Path("");
  EXPECT_THAT(std::string(CheckPaths(settings).status().message()),
              testing::AllOf(StartsWith("store.file: "), HasSubstr(" is a directory; name a file in it")));
  settings.store.file = tree.Path("file/controller.db");
  EXPECT_THAT(std::string(CheckPaths(settings).status().message()),
              StartsWith(StrCat("store.file: ", tree.Path("file"), " is no directory")));
  settings.store.file = ":memory:";
  EXPECT_TRUE(CheckPaths(settings).ok()) << CheckPaths(settings).status();
}

class SecurityTest : public testing::Test {
 protected:
  SecurityTest() {
    EXPECT_TRUE(rpc::CreateAuthority(pki_).ok());
    EXPECT_TRUE(rpc::IssueCertificate(pki_, {"controller", "a", {"127.0.0.1"}}).ok());
    EXPECT_TRUE(rpc::IssueCertificate(pki_, {"controller", "b", {"127.0.0.1"}}).ok());
    settings_.ca_file = pki_ + "/ca.crt";
    settings_.certificate_file = pki_ + "/controller-a.crt";
    settings_.key_file = pki_ + "/controller-a.key";
  }
  std::string Error() const { return std::string(CheckSecurity(settings_).message()); }

  test::Tree directory_;
  const std::string pki_ = directory_.Path("pki");
  Settings settings_;
};

TEST_F(SecurityTest, AFileThatIsMissingIsNamedWithItsKey) {
  EXPECT_EQ(Error(), "");
  const Settings whole = settings_;
  const std::string none = pki_ + "/none";
  for (const auto& [key, file] :
       {std::pair("tls.ca_file", &Settings::ca_file), std::pair("tls.certificate_file", &Settings::certificate_file),
        std::pair("tls.key_file", &Settings::key_file)}) {
    settings_ = whole;
    settings_.*file = none;
    EXPECT_THAT(Error(), StartsWith(StrCat(key, ": ", none, " does not exist")));
    settings_.*file = "";
    EXPECT_THAT(Error(), StartsWith(StrCat(key, ": (empty) does not exist")));
  }
  settings_ = whole;
  settings_.key_file = pki_ + "/controller-b.key";
  EXPECT_THAT(Error(), HasSubstr("controller-b.key: not the key of the certificate"));
}

TEST_F(SecurityTest, TheCertificateIsAControllersOfTheFleetsAuthority) {
  ASSERT_TRUE(rpc::IssueCertificate(pki_, {"agent", "web-17", {"127.0.0.1"}}).ok());
  const std::string other = directory_.Path("other");
  ASSERT_TRUE(rpc::CreateAuthority(other).ok());
  settings_.certificate_file = pki_ + "/agent-web-17.crt";
  settings_.key_file = pki_ + "/agent-web-17.key";
  EXPECT_THAT(Error(), StartsWith(StrCat("tls.certificate_file: ", pki_,
                                         "/agent-web-17.crt is for agent web-17; this is controller; issue one with")));
  settings_.certificate_file = pki_ + "/controller-b.crt";
  settings_.key_file = pki_ + "/controller-b.key";
  EXPECT_EQ(Error(), "") << "its name is only for people";
  settings_.ca_file = other + "/ca.crt";
  EXPECT_THAT(Error(), StartsWith(StrCat("tls.certificate_file: the CA in tls.ca_file, ", other,
                                         "/ca.crt, does not stand for ", pki_, "/controller-b.crt")));
}

TEST_F(SecurityTest, PlainTextStaysOnLoopback) {
  settings_.plaintext = true;
  settings_.ca_file = "";
  settings_.listen = "0.0.0.0:7443";
  EXPECT_THAT(Error(), StartsWith("tls.plaintext: works on loopback only, and listen is 0.0.0.0:7443"));
  settings_.listen = "127.0.0.1:0";
  EXPECT_EQ(Error(), "");
}

}  // namespace
}  // namespace truce::controller
