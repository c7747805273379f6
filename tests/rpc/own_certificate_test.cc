// Who signed a certificate and whose it is, over the shapes that files of certificates have.
#include "src/rpc/own_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "src/rpc/certificates.h"
#include "tests/rpc/temporary_directory.h"

namespace truce::rpc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class OwnCertificateTest : public testing::Test {
 protected:
  OwnCertificateTest() {
    for (const TemporaryDirectory* pki : {&ours_, &theirs_}) {
      EXPECT_TRUE(CreateAuthority(pki->path()).ok());
      EXPECT_TRUE(IssueCertificate(pki->path(), {.role = "agent", .name = "a"}).ok());
    }
  }
  static std::string Text(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }
  std::string ErrorOf(const std::string& ca_file, const std::string& certificate_file) const {
    const Security security{.ca_file = ca_file, .certificate_file = certificate_file};
    return std::string(CheckOwnCertificate(security, {Role::kAgent, "a"}, "controller.").message());
  }

  const TemporaryDirectory ours_;
  const TemporaryDirectory theirs_;
};

TEST_F(OwnCertificateTest, WhileAuthoritiesChangeAFileHoldsBoth) {
  const std::string both = ours_.File("both.crt");
  std::ofstream(both) << Text(theirs_.File("ca.crt")) << Text(ours_.File("ca.crt"));
  EXPECT_EQ(ErrorOf(both, ours_.File("agent-a.crt")), "");
  EXPECT_EQ(ErrorOf(both, theirs_.File("agent-a.crt")), "");
  EXPECT_THAT(ErrorOf(theirs_.File("ca.crt"), ours_.File("agent-a.crt")), HasSubstr("does not stand for"));
  // Nobody can vouch for himself.
  const std::string chain = ours_.File("chain.crt");
  std::ofstream(chain) << Text(ours_.File("agent-a.crt")) << Text(ours_.File("ca.crt"));
  EXPECT_THAT(ErrorOf(theirs_.File("ca.crt"), chain), HasSubstr("does not stand for"));
  EXPECT_EQ(ErrorOf(ours_.File("ca.crt"), chain), "");
}

TEST_F(OwnCertificateTest, WhatIsNoCertificateIsNamedWithItsSetting) {
  const std::string empty = ours_.File("empty.crt");
  std::ofstream(empty) << "";
  EXPECT_THAT(ErrorOf(empty, ours_.File("agent-a.crt")), StartsWith("controller.ca_file: " + empty));
  EXPECT_THAT(ErrorOf(ours_.File("ca.crt"), empty), StartsWith("controller.certificate_file: " + empty));
  EXPECT_THAT(ErrorOf(ours_.File("ca.crt"), ours_.path()), StartsWith("controller.certificate_file: "));
  EXPECT_THAT(ErrorOf(ours_.File("ca.crt"), ours_.File("ca.crt")), HasSubstr("names nobody; this is agent a"));
}

}  // namespace
}  // namespace truce::rpc
