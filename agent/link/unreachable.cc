#include "agent/link/unreachable.h"

#include <string>

#include "src/base/text.h"
#include "src/rpc/unreachable.h"

namespace truce::agent {

absl::Status Unreachable(const LinkOptions& options, const grpc::Status& status) {
  switch (rpc::HindranceOf(status)) {
    case rpc::Hindrance::kNothingListens:
      return absl::UnavailableError(
          "nothing listens there; check that truce-controller runs there, and controller.address");
    case rpc::Hindrance::kUnresolved:
      return absl::UnavailableError("its name does not resolve; check controller.address");
    case rpc::Hindrance::kNoTls:
      return absl::UnavailableError("it does not speak TLS; check controller.address, and its tls.plaintext");
    case rpc::Hindrance::kOtherAuthority:
      return absl::UnavailableError(StrCat("its certificate is not of the CA in controller.ca_file, ", options.ca_file,
                                           "; copy the CA's certificate that signed it here"));
    case rpc::Hindrance::kOtherName:
      return absl::UnavailableError(
          "its certificate does not name this address; set controller.address to a name that it has (trucectl certs "
          "show), or issue it again with --address");
    case rpc::Hindrance::kClosed:
      return absl::UnavailableError(
          options.plaintext ? "it closed the connection; if it speaks TLS, controller.plaintext must be false"
                            : StrCat("it closed the connection; check that its CA signed controller.certificate_file, ",
                                     options.certificate_file, ", and that this is still valid (trucectl certs show)"));
    case rpc::Hindrance::kNoAnswer:
      return absl::UnavailableError(
          "no answer from there; check that truce-controller runs there, that no firewall is between, and "
          "controller.address");
    case rpc::Hindrance::kUnknown:
      break;
  }
  const std::string detail = status.error_message();  // a copy: gRPC may return it by value
  return absl::UnavailableError(StrCat("cannot connect (", detail,
                                       "); check that truce-controller runs there and that the certificates are of one "
                                       "CA"));
}

}  // namespace truce::agent
