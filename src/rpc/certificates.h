// Makes a certificate authority and the certificates that it signs, for `trucectl certs`. OpenSSL stops here.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace truce::rpc {

// What a certificate is for. Role and name become the URI subject alternative name "truce://<role>/<name>".
struct CertificateRequest {
  // "agent", "controller", "operator" or "scheduler".
  std::string role;
  // Host name for agents and controllers; a user's or system's name otherwise. Letters, digits, '.', '-', '_'.
  std::string name;
  // DNS names and IP addresses that a server answers under; a controller needs at least one.
  std::vector<std::string> addresses;
  absl::Duration lifetime = absl::Hours(24 * 365);
};

// Writes ca.crt (0644) and ca.key (0600) into `directory`, which is created with mode 0700 if need be. AlreadyExists
// when one is there: a CA is never overwritten.
absl::Status CreateAuthority(const std::string& directory, absl::Duration lifetime = absl::Hours(24 * 3650));
// Signs a new P-256 key with the CA in `directory` and writes <role>-<name>.crt and .key there (0600 for the key),
// replacing earlier ones atomically.
absl::Status IssueCertificate(const std::string& directory, const CertificateRequest& request);

}  // namespace truce::rpc
