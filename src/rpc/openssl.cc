#include "src/rpc/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::rpc {
namespace {

constexpr size_t kLargestPem = 1 << 20;

BioPtr MemoryBio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// An encrypted key must not stop a daemon at a prompt on its terminal.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return -1;
}

}  // namespace

absl::Status OpenSslError(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();  // NOLINT(google-runtime-int): OpenSSL's type
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return absl::InternalError(StrCat(what, ": ", reason == nullptr ? "OpenSSL gives no reason" : reason));
}

absl::StatusOr<CertificatePtr> ParseCertificate(std::string_view pem, const std::string& file) {
  CertificatePtr certificate(PEM_read_bio_X509(MemoryBio(pem).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(StrCat(file, ": no PEM certificate in it; expected -----BEGIN CERTIFICATE-----"));
  }
  return certificate;
}

absl::StatusOr<KeyPtr> ParseKey(std::string_view pem, const std::string& file) {
  KeyPtr key(PEM_read_bio_PrivateKey(MemoryBio(pem).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        StrCat(file, ": no readable PEM private key in it; expected an unencrypted -----BEGIN PRIVATE KEY-----"));
  }
  return key;
}

absl::StatusOr<std::string> ReadPem(const std::string& file, std::string_view purpose) {
  if (file.empty()) {
    return absl::InvalidArgumentError(
        StrCat("no file given for ", purpose, "; TLS needs a CA certificate, a certificate and its key"));
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return ErrnoStatus(errno == 0 ? EIO : errno, StrCat("reading ", purpose, " ", file));
  }
  std::string text(kLargestPem + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens and then fails to read.
  if (stream.bad()) return ErrnoStatus(errno == 0 ? EIO : errno, StrCat("reading ", purpose, " ", file));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > kLargestPem) {
    return absl::InvalidArgumentError(StrCat(file, ": larger than 1 MiB; that is not ", purpose));
  }
  return text;
}

absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(const std::string& file, std::string_view purpose) {
  TRUCE_ASSIGN_OR_RETURN(const std::string pem, ReadPem(file, purpose));
  std::vector<CertificatePtr> certificates(1);
  TRUCE_ASSIGN_OR_RETURN(certificates.front(), ParseCertificate(pem, file));
  const BioPtr bio = MemoryBio(pem);
  (void)CertificatePtr(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));  // the first
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) certificates.emplace_back(next);
  ERR_clear_error();
  return certificates;
}

bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > 253 || name.front() == '.') return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

}  // namespace truce::rpc
