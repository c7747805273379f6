// Checks a certificate request without making anything, so that `trucectl certs` can refuse it before it makes a CA.
#pragma once

#include "absl/status/status.h"
#include "src/rpc/certificates.h"

namespace truce::rpc {

// OK, or the InvalidArgument that IssueCertificate would return for `request`.
absl::Status CheckCertificateRequest(const CertificateRequest& request);

}  // namespace truce::rpc
