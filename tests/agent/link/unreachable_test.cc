// What the agent says when something is between it and the controller, over real sockets and real TLS: the words that
// gRPC has for each are those of the gRPC that is built with.
#include "agent/link/unreachable.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "agent/link/controller_link.h"
#include "src/base/text.h"
#include "src/rpc/certificates.h"
#include "src/rpc/security.h"
#include "tests/fixtures/tree.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

class UnreachableTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new test::Tree;
    for (const char* pki : {"ours", "theirs"}) {
      ASSERT_TRUE(rpc::CreateAuthority(Path(pki)).ok());
      ASSERT_TRUE(rpc::IssueCertificate(Path(pki), {"controller", "here", {"127.0.0.1"}}).ok());
      ASSERT_TRUE(rpc::IssueCertificate(Path(pki), {"controller", "elsewhere", {"elsewhere.example.org"}}).ok());
      ASSERT_TRUE(rpc::IssueCertificate(Path(pki), {"agent", "web-17", {}}).ok());
    }
  }
  static void TearDownTestSuite() { delete directory_; }
  static std::string Path(const std::string& name) { return directory_->Path(name); }
  static rpc::Security As(const std::string& pki, const std::string& holder) {
    return {false, Path(pki + "/ca.crt"), Path(StrCat(pki, "/", holder, ".crt")),
            Path(StrCat(pki, "/", holder, ".key"))};
  }

  // A server of nothing on a free port.
  void Serve(const rpc::Security& security) {
    const auto credentials = rpc::ServerCredentials(security, "127.0.0.1:0");
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = StrCat("127.0.0.1:", port);
  }
  // What an agent's link says there.
  std::string Reason(const rpc::Security& security) const {
    LinkOptions options;
    options.address = address_;
    options.plaintext = security.plaintext;
    options.ca_file = security.ca_file;
    options.certificate_file = security.certificate_file;
    options.key_file = security.key_file;
    options.connect_limit = absl::Milliseconds(500);
    options.first_backoff = options.longest_backoff = absl::Hours(1);
    const auto link = StartControllerLink(options, {});
    // The limit is for a broken build, not for a slow one.
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (link->status().last_error.empty() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
    return link->status().last_error;
  }

  static inline test::Tree* directory_ = nullptr;
  v1::AgentService::Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

TEST_F(UnreachableTest, NothingListens) {
  Serve({.plaintext = true});
  server_.reset();
  EXPECT_THAT(Reason({.plaintext = true}), HasSubstr("nothing listens there"));
  EXPECT_THAT(Reason(As("ours", "agent-web-17")), HasSubstr("nothing listens there"));
}

TEST_F(UnreachableTest, TheControllersCertificateIsOfAnotherAuthority) {
  rpc::Security server = As("theirs", "controller-here");
  server.ca_file = Path("ours/ca.crt");
  Serve(server);
  EXPECT_THAT(Reason(As("ours", "agent-web-17")),
              HasSubstr(StrCat("is not of the CA in controller.ca_file, ", Path("ours/ca.crt"))));
}

TEST_F(UnreachableTest, TheControllersCertificateIsForAnotherAddress) {
  Serve(As("ours", "controller-elsewhere"));
  EXPECT_THAT(Reason(As("ours", "agent-web-17")), HasSubstr("does not name this address; set controller.address"));
}

TEST_F(UnreachableTest, OurCertificateIsOfAnotherAuthority) {
  Serve(As("ours", "controller-here"));
  rpc::Security client = As("theirs", "agent-web-17");
  client.ca_file = Path("ours/ca.crt");
  EXPECT_THAT(Reason(client), HasSubstr("its CA signed controller.certificate_file, " + client.certificate_file));
}

TEST_F(UnreachableTest, OneSideSpeaksTls) {
  Serve({.plaintext = true});
  EXPECT_THAT(Reason(As("ours", "agent-web-17")), HasSubstr("does not speak TLS"));
  Serve(As("ours", "controller-here"));
  EXPECT_THAT(Reason({.plaintext = true}), HasSubstr("if it speaks TLS, controller.plaintext must be false"));
}

TEST(UnreachableWordsTest, WhatIsNotKnownIsPassedOn) {
  EXPECT_THAT(std::string(Unreachable({}, {grpc::StatusCode::UNAVAILABLE, "DNS resolution failed for x"}).message()),
              HasSubstr("its name does not resolve"));
  EXPECT_THAT(std::string(Unreachable({}, {grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"}).message()),
              HasSubstr("no answer from there"));
  EXPECT_THAT(std::string(Unreachable({}, {grpc::StatusCode::UNAVAILABLE, "No route to host"}).message()),
              HasSubstr("cannot connect (No route to host)"));
}

}  // namespace
}  // namespace truce::agent
