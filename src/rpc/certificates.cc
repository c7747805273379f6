#include "src/rpc/certificates.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/certificate_check.h"
#include "src/rpc/openssl.h"

namespace truce::rpc {
namespace {

constexpr std::array<const char*, 4> kRoles = {"agent", "controller", "operator", "scheduler"};
// Hosts whose clocks run a little behind must accept a certificate that was just made.
constexpr absl::Duration kClockSkew = absl::Minutes(5);
constexpr absl::Duration kLongestLifetime = absl::Hours(24 * 365 * 100);

std::string AuthorityCertificate(const std::string& directory) {
  return directory + "/ca.crt";
}
std::string AuthorityKey(const std::string& directory) {
  return directory + "/ca.key";
}

absl::StatusOr<KeyPtr> NewKey() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslError("generating a P-256 key");
  return key;
}

absl::StatusOr<std::string> TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int): OpenSSL's type
  if (size <= 0) return OpenSslError("writing PEM");
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<std::string> KeyPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return OpenSslError("writing a private key as PEM");
  }
  return TakeText(bio.get());
}

absl::StatusOr<std::string> CertificatePem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return OpenSslError("writing a certificate as PEM");
  return TakeText(bio.get());
}

// A positive number of 127 random bits (RFC 5280, 4.1.2.2: at most 20 octets, unique per CA).
absl::Status SetSerial(X509* certificate) {
  const BignumPtr number(BN_new());
  if (BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
    return OpenSslError("choosing a serial number");
  }
  return absl::OkStatus();
}

absl::Status SetTimes(X509* certificate, absl::Time not_before, absl::Time not_after) {
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(not_after)) == nullptr) {
    return OpenSslError("setting the validity");
  }
  return absl::OkStatus();
}

absl::Status SetSubject(X509* certificate, std::string_view common_name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  // A common name holds at most 64 characters (RFC 5280, ub-common-name); the identity is the URI, which holds more.
  const std::string cut(common_name.substr(0, 64));
  for (const auto& [field, value] : {std::pair("O", std::string("Truce")), std::pair("CN", cut)}) {
    if (X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.c_str()),
                                   -1, -1, 0) != 1) {
      return OpenSslError("setting the subject");
    }
  }
  return absl::OkStatus();
}

using Extensions = std::vector<std::pair<int, std::string>>;

absl::Status AddExtensions(X509* certificate, X509* issuer, const Extensions& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const auto& [nid, value] : extensions) {
    const ExtensionPtr extension(X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) {
      return OpenSslError(StrCat("adding the extension ", OBJ_nid2sn(nid), " = ", value));
    }
  }
  return absl::OkStatus();
}

// A certificate for `key`, signed by `issuer_key`. A null issuer means the certificate signs itself.
absl::StatusOr<CertificatePtr> Sign(EVP_PKEY* key, std::string_view common_name, absl::Time not_after,
                                    const Extensions& extensions, X509* issuer, EVP_PKEY* issuer_key) {
  CertificatePtr certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1) {
    return OpenSslError("making a certificate");
  }
  TRUCE_RETURN_IF_ERROR(SetSerial(certificate.get()));
  TRUCE_RETURN_IF_ERROR(SetTimes(certificate.get(), absl::Now() - kClockSkew, not_after));
  TRUCE_RETURN_IF_ERROR(SetSubject(certificate.get(), common_name));
  X509* const signer = issuer == nullptr ? certificate.get() : issuer;
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) != 1) {
    return OpenSslError("setting the issuer");
  }
  TRUCE_RETURN_IF_ERROR(AddExtensions(certificate.get(), signer, extensions));
  if (X509_sign(certificate.get(), issuer_key, EVP_sha256()) == 0) return OpenSslError("signing a certificate");
  return certificate;
}

absl::Status CheckLifetime(absl::Duration lifetime) {
  if (lifetime > absl::ZeroDuration() && lifetime <= kLongestLifetime) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("a lifetime of ", absl::FormatDuration(lifetime),
                                           " is out of range; expected more than 0 and at most 100 years"));
}

// "IP:10.0.0.1" or "DNS:truce.example.org", as OpenSSL's configuration syntax has it. IsValidName keeps that syntax's
// own characters (',', ':') out.
absl::StatusOr<std::string> AlternativeName(const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  if (inet_pton(AF_INET, address.c_str(), ignored.data()) == 1 ||
      inet_pton(AF_INET6, address.c_str(), ignored.data()) == 1) {
    return StrCat("IP:", address);
  }
  if (IsValidName(address)) return StrCat("DNS:", address);
  return absl::InvalidArgumentError(
      StrCat("address '", address, "' is neither a DNS name nor an IP address; give it without a port"));
}

absl::StatusOr<std::string> AlternativeNames(const CertificateRequest& request) {
  std::vector<std::string> names = {StrCat("URI:truce://", request.role, "/", request.name)};
  for (const std::string& address : request.addresses) {
    TRUCE_ASSIGN_OR_RETURN(std::string name, AlternativeName(address));
    names.push_back(std::move(name));
  }
  return absl::StrJoin(names, ",");
}

// Only a controller's certificate is good for a server, so that a stolen agent key can't pose as the controller.
Extensions LeafExtensions(const CertificateRequest& request, const std::string& names) {
  const bool serves = request.role == "controller";
  return {{NID_basic_constraints, "critical,CA:FALSE"},
          {NID_key_usage, "critical,digitalSignature"},
          {NID_ext_key_usage, serves ? "serverAuth,clientAuth" : "clientAuth"},
          {NID_subject_key_identifier, "hash"},
          {NID_authority_key_identifier, "keyid:always"},
          {NID_subject_alt_name, names}};
}

struct Authority {
  CertificatePtr certificate;
  KeyPtr key;
};

absl::StatusOr<Authority> LoadAuthority(const std::string& directory) {
  const std::string certificate_file = AuthorityCertificate(directory);
  const std::string key_file = AuthorityKey(directory);
  const auto with_remedy = [&](const absl::Status& status) {
    if (!absl::IsNotFound(status)) return status;
    return absl::NotFoundError(StrCat(status.message(), "; make a CA first: trucectl certs init ", directory));
  };
  const absl::StatusOr<std::string> certificate_pem = ReadPem(certificate_file, "the CA certificate");
  if (!certificate_pem.ok()) return with_remedy(certificate_pem.status());
  const absl::StatusOr<std::string> key_pem = ReadPem(key_file, "the CA key");
  if (!key_pem.ok()) return with_remedy(key_pem.status());
  Authority authority;
  TRUCE_ASSIGN_OR_RETURN(authority.certificate, ParseCertificate(*certificate_pem, certificate_file));
  TRUCE_ASSIGN_OR_RETURN(authority.key, ParseKey(*key_pem, key_file));
  const bool matches = X509_check_private_key(authority.certificate.get(), authority.key.get()) == 1;
  ERR_clear_error();
  if (!matches) {
    return absl::FailedPreconditionError(StrCat(key_file, ": not the key of ", certificate_file));
  }
  return authority;
}

absl::Status CheckOutlives(X509* authority, absl::Time not_after, const std::string& directory) {
  time_t end = absl::ToTimeT(not_after);
  if (X509_cmp_time(X509_get0_notAfter(authority), &end) > 0) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(AuthorityCertificate(directory), ": the CA's time is over before ",
                                              absl::FormatTime(not_after),
                                              "; ask for a shorter lifetime or make a new CA in another directory"));
}

}  // namespace

absl::Status CheckCertificateRequest(const CertificateRequest& request) {
  if (std::find(kRoles.begin(), kRoles.end(), request.role) == kRoles.end()) {
    return absl::InvalidArgumentError(
        StrCat("role '", request.role, "' is not known; expected ", absl::StrJoin(kRoles, ", ")));
  }
  if (!IsValidName(request.name)) {
    return absl::InvalidArgumentError(
        StrCat("name '", request.name, "' is refused; expected letters, digits, '.', '-' and '_'"));
  }
  if (request.role == "controller" && request.addresses.empty()) {
    return absl::InvalidArgumentError(
        StrCat("controller ", request.name, " needs at least one DNS name or IP address that it answers under"));
  }
  TRUCE_RETURN_IF_ERROR(AlternativeNames(request).status());
  return CheckLifetime(request.lifetime);
}

absl::Status CreateAuthority(const std::string& directory, absl::Duration lifetime) {
  TRUCE_RETURN_IF_ERROR(CheckLifetime(lifetime));
  TRUCE_RETURN_IF_ERROR(MakeDirectory(directory, 0700));
  const std::string certificate_file = AuthorityCertificate(directory);
  const std::string key_file = AuthorityKey(directory);
  for (const std::string& file : {certificate_file, key_file}) {
    struct stat found {};
    if (lstat(file.c_str(), &found) == 0) {
      return absl::AlreadyExistsError(
          StrCat(file, " is there already and a CA is never overwritten; choose another directory"));
    }
  }
  // Two CAs get two names, so that "issued by" tells them apart.
  std::array<unsigned char, 4> tag{};
  if (RAND_bytes(tag.data(), static_cast<int>(tag.size())) != 1) return OpenSslError("naming the CA");
  const std::string name =
      StrCat("Truce CA ", absl::BytesToHexString({reinterpret_cast<const char*>(tag.data()), tag.size()}));
  TRUCE_ASSIGN_OR_RETURN(const KeyPtr key, NewKey());
  TRUCE_ASSIGN_OR_RETURN(const CertificatePtr certificate, Sign(key.get(), name, absl::Now() + lifetime,
                                                                {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                                 {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                                 {NID_subject_key_identifier, "hash"}},
                                                                nullptr, key.get()));
  TRUCE_ASSIGN_OR_RETURN(const std::string key_pem, KeyPem(key.get()));
  TRUCE_ASSIGN_OR_RETURN(const std::string certificate_pem, CertificatePem(certificate.get()));
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(key_file, key_pem, 0600, IfExists::kRefuse));
  const absl::Status status = WriteFileAtomically(certificate_file, certificate_pem, 0644, IfExists::kRefuse);
  // A key without its certificate would stop the next attempt.
  if (!status.ok()) unlink(key_file.c_str());
  return status;
}

absl::Status IssueCertificate(const std::string& directory, const CertificateRequest& request) {
  TRUCE_RETURN_IF_ERROR(CheckCertificateRequest(request));
  TRUCE_ASSIGN_OR_RETURN(const std::string names, AlternativeNames(request));
  TRUCE_ASSIGN_OR_RETURN(const Authority authority, LoadAuthority(directory));
  const absl::Time not_after = absl::Now() + request.lifetime;
  TRUCE_RETURN_IF_ERROR(CheckOutlives(authority.certificate.get(), not_after, directory));
  TRUCE_ASSIGN_OR_RETURN(const KeyPtr key, NewKey());
  TRUCE_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                         Sign(key.get(), request.name, not_after, LeafExtensions(request, names),
                              authority.certificate.get(), authority.key.get()));
  TRUCE_ASSIGN_OR_RETURN(const std::string key_pem, KeyPem(key.get()));
  TRUCE_ASSIGN_OR_RETURN(const std::string certificate_pem, CertificatePem(certificate.get()));
  const std::string stem = StrCat(directory, "/", request.role, "-", request.name);
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(stem + ".key", key_pem, 0600, IfExists::kReplace));
  return WriteFileAtomically(stem + ".crt", certificate_pem, 0644, IfExists::kReplace);
}

}  // namespace truce::rpc
