// Real TLS over loopback between an in-process gRPC server and client: who gets in, and as whom.
#include "src/rpc/security.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "src/rpc/certificates.h"
#include "tests/rpc/temporary_directory.h"
#include "truce/v1/operator.grpc.pb.h"

namespace truce::rpc {
namespace {

using testing::HasSubstr;

// Answers ListHosts with OK and keeps what it learnt of the caller.
class Witness final : public v1::OperatorService::Service {
 public:
  grpc::Status ListHosts(grpc::ServerContext* context, const v1::ListHostsRequest* /*request*/,
                         v1::ListHostsResponse* /*response*/) override {
    const absl::MutexLock lock(&mutex);
    identity = CallerIdentity(*context);
    operator_only = RequireRole(*context, {Role::kOperator});
    agent_or_scheduler = RequireRole(*context, {Role::kAgent, Role::kScheduler});
    return grpc::Status::OK;
  }
  // Held by each call; a test that holds it for a moment sees what the calls before it learnt.
  absl::Mutex mutex;
  absl::StatusOr<Identity> identity = absl::UnknownError("not called");
  absl::Status operator_only;
  absl::Status agent_or_scheduler;
};

class SecurityTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    pki_ = new TemporaryDirectory;
    ASSERT_TRUE(CreateAuthority(pki_->path()).ok());
    Issue({.role = "controller", .name = "c", .addresses = {"127.0.0.1"}});
    Issue({.role = "controller", .name = "elsewhere", .addresses = {"elsewhere.example.org"}});
    Issue({.role = "agent", .name = "web-17", .addresses = {"127.0.0.1"}});
    Issue({.role = "operator", .name = "alice"});
  }
  static void TearDownTestSuite() { delete pki_; }
  static void Issue(const CertificateRequest& request) {
    const absl::Status status = IssueCertificate(pki_->path(), request);
    ASSERT_TRUE(status.ok()) << status;
  }
  static Security As(const std::string& stem) {
    return {.ca_file = pki_->File("ca.crt"),
            .certificate_file = pki_->File(stem + ".crt"),
            .key_file = pki_->File(stem + ".key")};
  }

  void Serve(const Security& security) {
    const auto credentials = ServerCredentials(security, "127.0.0.1:0");
    ASSERT_TRUE(credentials.ok()) << credentials.status();
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&witness_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    target_ = absl::StrCat("127.0.0.1:", port);
  }

  grpc::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    const auto stub = v1::OperatorService::NewStub(grpc::CreateChannel(target_, credentials));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    v1::ListHostsResponse response;
    const grpc::Status status = stub->ListHosts(&context, {}, &response);
    const absl::MutexLock lock(&witness_.mutex);
    return status;
  }
  grpc::Status CallAs(const Security& security) {
    const auto credentials = ClientCredentials(security, target_);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    return Call(*credentials);
  }

  static inline TemporaryDirectory* pki_ = nullptr;
  Witness witness_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
};

TEST_F(SecurityTest, AgentIsKnownByItsCertificate) {
  Serve(As("controller-c"));
  const grpc::Status status = CallAs(As("agent-web-17"));
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_TRUE(witness_.identity.ok()) << witness_.identity.status();
  EXPECT_EQ(witness_.identity->role, Role::kAgent);
  EXPECT_EQ(witness_.identity->name, "web-17");
  EXPECT_TRUE(witness_.agent_or_scheduler.ok());
  EXPECT_EQ(witness_.operator_only.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(witness_.operator_only.message()), HasSubstr("agent web-17"));
  EXPECT_THAT(std::string(witness_.operator_only.message()), HasSubstr("needs operator"));
}

TEST_F(SecurityTest, OperatorIsKnownByItsCertificate) {
  Serve(As("controller-c"));
  ASSERT_TRUE(CallAs(As("operator-alice")).ok());
  ASSERT_TRUE(witness_.identity.ok()) << witness_.identity.status();
  EXPECT_EQ(witness_.identity->role, Role::kOperator);
  EXPECT_TRUE(witness_.operator_only.ok());
  EXPECT_EQ(witness_.agent_or_scheduler.code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(SecurityTest, CertificateOfAnotherAuthorityIsRefused) {
  Serve(As("controller-c"));
  const TemporaryDirectory other;
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  ASSERT_TRUE(IssueCertificate(other.path(), {.role = "operator", .name = "mallory"}).ok());
  // Trusts the server's CA, but was signed by another.
  const grpc::Status status = CallAs({.ca_file = pki_->File("ca.crt"),
                                      .certificate_file = other.File("operator-mallory.crt"),
                                      .key_file = other.File("operator-mallory.key")});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(witness_.identity.status().message(), "not called");
}

TEST_F(SecurityTest, ServerOfAnotherAuthorityIsRefused) {
  const TemporaryDirectory other;
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  ASSERT_TRUE(IssueCertificate(other.path(), {.role = "controller", .name = "c", .addresses = {"127.0.0.1"}}).ok());
  Serve({.ca_file = pki_->File("ca.crt"),
         .certificate_file = other.File("controller-c.crt"),
         .key_file = other.File("controller-c.key")});
  EXPECT_EQ(CallAs(As("operator-alice")).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(witness_.identity.status().message(), "not called");
}

TEST_F(SecurityTest, ServerUnderAnotherNameIsRefused) {
  Serve(As("controller-elsewhere"));
  EXPECT_EQ(CallAs(As("operator-alice")).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(witness_.identity.status().message(), "not called");
}

TEST_F(SecurityTest, AgentCannotPoseAsController) {
  Serve(As("agent-web-17"));
  EXPECT_EQ(CallAs(As("operator-alice")).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(witness_.identity.status().message(), "not called");
}

TEST_F(SecurityTest, ClientWithoutCertificateIsRefused) {
  Serve(As("controller-c"));
  std::ifstream stream(pki_->File("ca.crt"));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(stream), {});
  EXPECT_EQ(Call(grpc::SslCredentials(options)).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(grpc::InsecureChannelCredentials()).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(witness_.identity.status().message(), "not called");
}

TEST_F(SecurityTest, PlaintextOnLoopbackMakesEverybodyAnOperatorOfEveryRole) {
  Serve({.plaintext = true});
  ASSERT_TRUE(CallAs({.plaintext = true}).ok());
  ASSERT_TRUE(witness_.identity.ok()) << witness_.identity.status();
  EXPECT_EQ(witness_.identity->role, Role::kOperator);
  EXPECT_TRUE(witness_.operator_only.ok());
  EXPECT_TRUE(witness_.agent_or_scheduler.ok());
}

TEST_F(SecurityTest, PlaintextOffLoopbackIsRefused) {
  for (const std::string address : {"0.0.0.0:7443", "10.0.0.1:7443", "[::]:7443", ":7443", "truce.example.org:7443",
                                    "127.0.0.1.example.org:1", "ipv4:127.0.0.1:1,10.0.0.1:1"}) {
    const absl::Status server = ServerCredentials({.plaintext = true}, address).status();
    EXPECT_EQ(server.code(), absl::StatusCode::kFailedPrecondition) << address;
    EXPECT_THAT(std::string(server.message()), HasSubstr(address));
    EXPECT_EQ(ClientCredentials({.plaintext = true}, address).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  for (const std::string address : {"127.0.0.1:7443", "127.8.9.1:1", "localhost:7443", "[::1]:7443", "::1",
                                    "[::ffff:127.0.0.1]:1", "dns:///localhost:7443", "unix:/run/truce.sock"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
    EXPECT_TRUE(ServerCredentials({.plaintext = true}, address).ok()) << address;
  }
}

TEST_F(SecurityTest, MissingFileIsNamed) {
  for (std::string Security::*file : {&Security::ca_file, &Security::certificate_file, &Security::key_file}) {
    Security security = As("operator-alice");
    security.*file = pki_->File("none.pem");
    const absl::Status client = ClientCredentials(security, "127.0.0.1:1").status();
    EXPECT_EQ(client.code(), absl::StatusCode::kNotFound) << client;
    EXPECT_THAT(std::string(client.message()), HasSubstr(pki_->File("none.pem")));
    EXPECT_EQ(ServerCredentials(security, "127.0.0.1:1").status().code(), absl::StatusCode::kNotFound);
  }
}

TEST_F(SecurityTest, KeyOfAnotherCertificateIsFoundBeforeTheHandshake) {
  Security security = As("operator-alice");
  security.key_file = pki_->File("controller-c.key");
  const absl::Status status = ClientCredentials(security, "127.0.0.1:1").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("controller-c.key"));
}

TEST(StatusTest, CodesAndMessagesSurviveTheWire) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "the message");
    EXPECT_EQ(static_cast<int>(ToGrpc(status).error_code()), code);
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
}

}  // namespace
}  // namespace truce::rpc
