#include "src/rpc/security.h"

#include <arpa/inet.h>
#include <grpc/grpc_security_constants.h>
#include <openssl/err.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/openssl.h"

namespace truce::rpc {
namespace {

constexpr std::string_view kUriScheme = "truce://";
constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles = {{{Role::kAgent, "agent"},
                                                                      {Role::kController, "controller"},
                                                                      {Role::kOperator, "operator"},
                                                                      {Role::kScheduler, "scheduler"}}};

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// What "host:port", "[host]:port" or a bare host names. Empty means every interface.
std::string_view HostOf(std::string_view target) {
  if (ConsumePrefix(&target, "[")) return target.substr(0, target.find(']'));
  const size_t first_colon = target.find(':');
  // More than one colon and no brackets: an IPv6 address without a port.
  if (first_colon == std::string_view::npos || target.find(':', first_colon + 1) != std::string_view::npos)
    return target;
  return target.substr(0, first_colon);
}

struct Pems {
  std::string ca;
  std::string certificate;
  std::string key;
};

// Reads the three files and finds what would otherwise be an unexplained failed handshake: a key of another
// certificate, a certificate whose time is over.
absl::StatusOr<Pems> LoadPems(const Security& security) {
  Pems pems;
  TRUCE_ASSIGN_OR_RETURN(pems.ca, ReadPem(security.ca_file, "the CA certificate"));
  TRUCE_ASSIGN_OR_RETURN(pems.certificate, ReadPem(security.certificate_file, "the certificate"));
  TRUCE_ASSIGN_OR_RETURN(pems.key, ReadPem(security.key_file, "the private key"));
  TRUCE_ASSIGN_OR_RETURN(const CertificatePtr ca, ParseCertificate(pems.ca, security.ca_file));
  TRUCE_ASSIGN_OR_RETURN(const CertificatePtr certificate,
                         ParseCertificate(pems.certificate, security.certificate_file));
  TRUCE_ASSIGN_OR_RETURN(const KeyPtr key, ParseKey(pems.key, security.key_file));
  const bool matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!matches) {
    return absl::InvalidArgumentError(
        StrCat(security.key_file, ": not the key of the certificate ", security.certificate_file));
  }
  for (const auto& [parsed, file] :
       {std::pair(ca.get(), &security.ca_file), std::pair(certificate.get(), &security.certificate_file)}) {
    if (X509_cmp_current_time(X509_get0_notAfter(parsed)) < 0) {
      return absl::FailedPreconditionError(
          StrCat(*file, ": the certificate's time is over; issue a new one (trucectl certs issue --replace)"));
    }
  }
  return pems;
}

absl::Status PlaintextRefused(std::string_view direction, const std::string& address) {
  return absl::FailedPreconditionError(StrCat("plain text ", direction, " ", address,
                                              " is refused: it works on loopback only; use 127.0.0.1, or give a "
                                              "CA certificate, a certificate and a key for TLS"));
}

// Whether the call came over TLS. Servers made by ServerCredentials ask every TLS client for its certificate.
bool IsTls(const grpc::AuthContext& auth) {
  for (const grpc::string_ref& type : auth.FindPropertyValues(GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME)) {
    if (type == GRPC_SSL_TRANSPORT_SECURITY_TYPE) return true;
  }
  return false;
}

}  // namespace

std::string_view RoleName(Role role) {
  for (const auto& [known, word] : kRoles) {
    if (known == role) return word;
  }
  return "unknown";
}

std::optional<Identity> ParseIdentity(std::string_view uri) {
  if (!ConsumePrefix(&uri, kUriScheme)) return std::nullopt;
  const size_t slash = uri.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view name = uri.substr(slash + 1);
  if (!IsValidName(name)) return std::nullopt;
  for (const auto& [role, word] : kRoles) {
    if (word == uri.substr(0, slash)) return Identity{role, std::string(name)};
  }
  return std::nullopt;
}

absl::Status RequireFiles(const std::vector<std::pair<std::string, std::string>>& settings_and_files,
                          std::string_view remedy) {
  for (const auto& [setting, file] : settings_and_files) {
    struct stat status {};
    if (stat(file.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR)) continue;
    return absl::InvalidArgumentError(
        StrCat(setting, ": ", file.empty() ? "(empty)" : file, " does not exist; ", remedy));
  }
  return absl::OkStatus();
}

bool IsLoopback(const std::string& target) {
  std::string_view rest = target;
  if (rest.starts_with("unix:") || rest.starts_with("unix-abstract:")) return true;
  for (const std::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (ConsumePrefix(&rest, scheme)) break;
  }
  // Several addresses in one target: each has to be looked at, so none is trusted.
  if (rest.find(',') != std::string_view::npos) return false;
  const std::string host(HostOf(rest));
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(const Security& security,
                                                                            const std::string& target) {
  if (security.plaintext) {
    if (!IsLoopback(target)) return PlaintextRefused("to", target);
    return grpc::InsecureChannelCredentials();
  }
  TRUCE_ASSIGN_OR_RETURN(Pems pems, LoadPems(security));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = std::move(pems.ca);
  options.pem_private_key = std::move(pems.key);
  options.pem_cert_chain = std::move(pems.certificate);
  return grpc::SslCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const Security& security,
                                                                           const std::string& listen) {
  if (security.plaintext) {
    if (!IsLoopback(listen)) return PlaintextRefused("on", listen);
    return grpc::InsecureServerCredentials();
  }
  TRUCE_ASSIGN_OR_RETURN(Pems pems, LoadPems(security));
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = std::move(pems.ca);
  options.pem_key_cert_pairs.push_back({std::move(pems.key), std::move(pems.certificate)});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<Identity> CallerIdentity(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !IsTls(*auth)) return Identity{Role::kOperator, "local"};
  std::optional<Identity> found;
  for (const grpc::string_ref& uri : auth->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    std::optional<Identity> identity = ParseIdentity({uri.data(), uri.size()});
    if (!identity.has_value()) continue;
    // Two names would let the holder choose who to be.
    if (found.has_value()) {
      return absl::UnauthenticatedError("the caller's certificate names more than one truce:// identity");
    }
    found = std::move(identity);
  }
  if (!found.has_value()) {
    return absl::UnauthenticatedError(
        "the caller's certificate names no truce://<role>/<name>; issue one with trucectl certs issue");
  }
  return *std::move(found);
}

absl::Status RequireRole(const grpc::ServerContextBase& context, std::initializer_list<Role> roles) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  // On loopback in plain text nobody can prove a role; whoever may connect may do everything.
  if (auth == nullptr || !IsTls(*auth)) return absl::OkStatus();
  TRUCE_ASSIGN_OR_RETURN(const Identity identity, CallerIdentity(context));
  std::vector<std::string> needed;
  for (const Role role : roles) {
    if (role == identity.role) return absl::OkStatus();
    needed.emplace_back(RoleName(role));
  }
  return absl::PermissionDeniedError(StrCat("the caller is ", RoleName(identity.role), " ", identity.name,
                                            "; this call needs ", absl::StrJoin(needed, " or ")));
}

}  // namespace truce::rpc
