// Whether a daemon's own certificate is one that its peers will take, found before they refuse it. For --check-config.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "src/rpc/security.h"

namespace truce::rpc {

// OK when `security.certificate_file` may be shown by `own` and was signed by a CA in `security.ca_file`, "the CA that
// signs everybody". An empty name is not compared; a controller's certificate need not name its holder, for its peers
// go by the address. Times are not looked at: a clock may be wrong while a host starts. Files that may not be read are
// passed over: whoever checks is not always who runs. Errors name the setting: `section` ("tls.") and "certificate_file"
// or "ca_file". FailedPrecondition for one that no CA there signed, InvalidArgument for the rest.
absl::Status CheckOwnCertificate(const Security& security, const Identity& own, std::string_view section);

}  // namespace truce::rpc
