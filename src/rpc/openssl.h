// Owners for the OpenSSL objects that this room uses, and its error queue as a sentence. For src/rpc's .cc files only.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::rpc {

template <auto Free>
struct OpenSslDeleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslDeleter<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslDeleter<X509_EXTENSION_free>>;
using BioPtr = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslDeleter<GENERAL_NAMES_free>>;

// Internal, with `what` and the newest entry of this thread's OpenSSL error queue, which is emptied.
absl::Status OpenSslError(std::string_view what);

// The first certificate or the private key in `pem`, which was read from `file`. InvalidArgument names the file.
absl::StatusOr<CertificatePtr> ParseCertificate(std::string_view pem, const std::string& file);
absl::StatusOr<KeyPtr> ParseKey(std::string_view pem, const std::string& file);

// Content of `file`, at most 1 MiB. NotFound and PermissionDenied name it, with `purpose` ("the CA certificate").
absl::StatusOr<std::string> ReadPem(const std::string& file, std::string_view purpose);

// All certificates in `file`, at least one; errors as of ReadPem and ParseCertificate.
absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(const std::string& file, std::string_view purpose);

// Whether `name` may stand in a certificate and a file name: 1 to 253 letters, digits, '.', '-', '_', and not first a
// '.'.
bool IsValidName(std::string_view name);

}  // namespace truce::rpc
