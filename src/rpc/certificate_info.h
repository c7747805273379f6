// What a certificate file says, for `trucectl certs show` and for tests.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace truce::rpc {

// The readable parts of one X.509 certificate.
struct CertificateInfo {
  std::string subject;
  std::string issuer;
  // Every URI subject alternative name ("truce://agent/web-17").
  std::vector<std::string> uris;
  // DNS names and IP addresses that it answers under.
  std::vector<std::string> addresses;
  absl::Time not_before;
  absl::Time not_after;
  // Whether it may sign others.
  bool authority = false;
  // Whether it may be shown by a server, by a client.
  bool server = false;
  bool client = false;
  // Colon-separated hexadecimal.
  std::string serial;
  std::string sha256_fingerprint;
};

// Reads the first certificate in a PEM file. NotFound and InvalidArgument name the file.
absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& file);

}  // namespace truce::rpc
