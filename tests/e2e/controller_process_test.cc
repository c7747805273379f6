// The controller as a process: how it refuses to start, and that it leaves nothing behind when it does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet.h"

namespace truce::e2e {
namespace {

using testing::HasSubstr;

class ControllerProcessTest : public testing::Test {
 protected:
  // Runs it with settings that work but for `more`, to its end.
  Outcome Start(const std::vector<std::string>& more) {
    std::vector<std::string> command = {Program("truce-controller"), "--set", "listen=127.0.0.1:0", "--set",
                                        "http.listen=127.0.0.1:0"};
    for (const auto& [key, value] :
         {std::pair("store.file", fleet_.Path("store/controller.db")),
          std::pair("tls.ca_file", fleet_.Path("pki/ca.crt")),
          std::pair("tls.certificate_file", fleet_.Path("pki/controller-test-controller.crt")),
          std::pair("tls.key_file", fleet_.Path("pki/controller-test-controller.key"))}) {
      command.insert(command.end(), {"--set", StrCat(key, "=", value)});
    }
    command.insert(command.end(), more.begin(), more.end());
    return fleet_.RunToEnd(command);
  }

  Fleet fleet_;
};

TEST_F(ControllerProcessTest, AWrongAddressOrCertificateIsTheConfigurationsFaultAndNoStoreIsMade) {
  EXPECT_EQ(Start({"--check-config"}).exit_code, 0);
  const std::string none = fleet_.Path("pki/none.crt");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--listen", "nonsense"}, "listen: 'nonsense' is not host:port"},
      {{"--listen", "192.0.2.1:7443", "--plaintext"}, "tls.plaintext: works on loopback only"},
      {{"--set", "tls.certificate_file=" + none}, "tls.certificate_file: " + none + " does not exist"},
      {{"--set", "tls.key_file=" + fleet_.Path("pki/operator-tester.key")}, "not the key of the certificate"},
      {{"--set", "tls.certificate_file=" + fleet_.Path("pki/operator-tester.crt"), "--set",
        "tls.key_file=" + fleet_.Path("pki/operator-tester.key")},
       "tls.certificate_file: " + fleet_.Path("pki/operator-tester.crt") + " is for operator tester"},
      {{"--listen", "127.0.0.1:7443", "--http-listen", "127.0.0.1:7443"},
       "http.listen: 127.0.0.1:7443 is where listen"},
      {{"--set", "store.file=" + fleet_.Path("pki")}, "store.file: " + fleet_.Path("pki") + " is a directory"},
      {{"--set", "store.file="}, "store.file: must not be empty"}};
  for (const auto& [arguments, problem] : cases) {
    for (const bool check : {false, true}) {
      std::vector<std::string> all = arguments;
      if (check) all.emplace_back("--check-config");
      const Outcome outcome = Start(all);
      EXPECT_EQ(outcome.exit_code, 2) << problem << "\n" << outcome.output;
      EXPECT_THAT(outcome.output, HasSubstr(problem));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(fleet_.Path("store")));
}

}  // namespace
}  // namespace truce::e2e
