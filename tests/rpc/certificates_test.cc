// Certificates on disk: what is written, under which mode, and what is never overwritten.
#include "src/rpc/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "absl/time/clock.h"
#include "src/rpc/certificate_info.h"
#include "tests/rpc/temporary_directory.h"

namespace truce::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Content(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

mode_t Mode(const std::string& file) {
  struct stat found {};
  EXPECT_EQ(stat(file.c_str(), &found), 0) << file;
  return found.st_mode & 07777;
}

size_t FileCount(const std::string& directory) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

TEST(CertificatesTest, AuthorityHasPrivateKeyAndDirectoryWhateverTheUmask) {
  const TemporaryDirectory directory;
  const std::string pki = directory.File("a/b/pki");
  const mode_t before = umask(0);
  const absl::Status status = CreateAuthority(pki);
  umask(before);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Mode(pki), 0700u);
  EXPECT_EQ(Mode(pki + "/ca.key"), 0600u);
  EXPECT_EQ(Mode(pki + "/ca.crt"), 0644u);
  EXPECT_EQ(FileCount(pki), 2u) << "a temporary file was left behind";
  const auto info = ReadCertificate(pki + "/ca.crt");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_TRUE(info->authority);
  EXPECT_EQ(info->subject, info->issuer);
}

TEST(CertificatesTest, AuthorityIsNeverOverwritten) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  const std::string key = Content(directory.File("ca.key"));
  absl::Status status = CreateAuthority(directory.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory.File("ca.crt")));
  EXPECT_EQ(Content(directory.File("ca.key")), key);

  // Half of a CA counts too: its key may be the one that signed a fleet.
  std::filesystem::remove(directory.File("ca.crt"));
  status = CreateAuthority(directory.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_EQ(Content(directory.File("ca.key")), key);
}

TEST(CertificatesTest, ControllerCertificateSaysWhoAndWhere) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  const absl::Status status = IssueCertificate(directory.path(), {.role = "controller",
                                                                  .name = "c1",
                                                                  .addresses = {"truce.example.org", "10.1.2.3", "::1"},
                                                                  .lifetime = absl::Hours(48)});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Mode(directory.File("controller-c1.key")), 0600u);
  EXPECT_EQ(Mode(directory.File("controller-c1.crt")), 0644u);
  const auto info = ReadCertificate(directory.File("controller-c1.crt"));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->uris, ElementsAre("truce://controller/c1"));
  EXPECT_THAT(info->addresses, ElementsAre("truce.example.org", "10.1.2.3", "::1"));
  EXPECT_TRUE(info->server);
  EXPECT_TRUE(info->client);
  EXPECT_FALSE(info->authority);
  EXPECT_EQ(info->issuer, ReadCertificate(directory.File("ca.crt"))->subject);
  EXPECT_LT(absl::AbsDuration(info->not_after - (absl::Now() + absl::Hours(48))), absl::Minutes(1));
  EXPECT_LT(info->not_before, absl::Now() - absl::Minutes(1)) << "a host whose clock is behind would refuse it";
}

TEST(CertificatesTest, OnlyControllersMayServe) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  for (const std::string role : {"agent", "operator", "scheduler"}) {
    ASSERT_TRUE(IssueCertificate(directory.path(), {.role = role, .name = "n", .addresses = {"localhost"}}).ok());
    const auto info = ReadCertificate(directory.File(role + "-n.crt"));
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_FALSE(info->server) << role;
    EXPECT_TRUE(info->client) << role;
  }
}

TEST(CertificatesTest, IssuingAgainReplacesBothFiles) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  ASSERT_TRUE(IssueCertificate(directory.path(), {.role = "agent", .name = "web-17"}).ok());
  const std::string key = Content(directory.File("agent-web-17.key"));
  const std::string serial = ReadCertificate(directory.File("agent-web-17.crt"))->serial;
  ASSERT_TRUE(IssueCertificate(directory.path(), {.role = "agent", .name = "web-17"}).ok());
  EXPECT_NE(Content(directory.File("agent-web-17.key")), key);
  EXPECT_NE(ReadCertificate(directory.File("agent-web-17.crt"))->serial, serial);
  EXPECT_EQ(FileCount(directory.path()), 4u);
}

TEST(CertificatesTest, RefusesRequestsThatMakeNoSense) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  const auto refused = [&](const CertificateRequest& request) {
    const absl::Status status = IssueCertificate(directory.path(), request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused({.role = "root", .name = "x"}), HasSubstr("'root'"));
  EXPECT_THAT(refused({.role = "agent", .name = ""}), HasSubstr("name"));
  EXPECT_THAT(refused({.role = "agent", .name = "../ca"}), HasSubstr("'../ca'"));
  EXPECT_THAT(refused({.role = "agent", .name = "a,URI:truce://operator/b"}), HasSubstr("name"));
  EXPECT_THAT(refused({.role = "controller", .name = "c"}), HasSubstr("DNS name or IP"));
  EXPECT_THAT(refused({.role = "controller", .name = "c", .addresses = {"truce:7443"}}), HasSubstr("without a port"));
  EXPECT_THAT(refused({.role = "agent", .name = "a", .lifetime = absl::ZeroDuration()}), HasSubstr("lifetime"));
  EXPECT_EQ(FileCount(directory.path()), 2u) << "a refused request must leave nothing behind";
}

TEST(CertificatesTest, NothingOutlivesItsAuthority) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(CreateAuthority(directory.path(), absl::Hours(24)).ok());
  const absl::Status status =
      IssueCertificate(directory.path(), {.role = "agent", .name = "a", .lifetime = absl::Hours(48)});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
}

TEST(CertificatesTest, MissingAuthorityIsNamedWithTheRemedy) {
  const TemporaryDirectory directory;
  const absl::Status status = IssueCertificate(directory.path(), {.role = "agent", .name = "a"});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory.File("ca.crt")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("trucectl certs init"));
}

TEST(CertificatesTest, ForeignKeyBesideTheAuthorityIsRefused) {
  const TemporaryDirectory directory;
  const TemporaryDirectory other;
  ASSERT_TRUE(CreateAuthority(directory.path()).ok());
  ASSERT_TRUE(CreateAuthority(other.path()).ok());
  std::filesystem::copy_file(other.File("ca.key"), directory.File("ca.key"),
                             std::filesystem::copy_options::overwrite_existing);
  const absl::Status status = IssueCertificate(directory.path(), {.role = "agent", .name = "a"});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("ca.key"));
}

TEST(CertificateInfoTest, SaysWhatIsWrongWithAFile) {
  const TemporaryDirectory directory;
  EXPECT_EQ(ReadCertificate(directory.File("none.crt")).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(directory.File("text.crt")) << "hello\n";
  const absl::Status status = ReadCertificate(directory.File("text.crt")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory.File("text.crt")));
  EXPECT_FALSE(ReadCertificate(directory.path()).ok()) << "a directory is no certificate";
}

}  // namespace
}  // namespace truce::rpc
