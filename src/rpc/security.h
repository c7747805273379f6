// Who may talk to whom: credentials for gRPC channels and servers, and the identity behind a call. mTLS is the default;
// plain text works on loopback only and only when asked for. Includes gRPC headers: include it from few files.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::rpc {

// How a daemon or tool secures its connections.
struct Security {
  // No TLS. Refused off loopback.
  bool plaintext = false;
  // PEM files: the CA that signs everybody, own certificate, own key.
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

// What a certificate says its holder is: the URI subject alternative name "truce://agent/web-17".
enum class Role { kAgent, kController, kOperator, kScheduler };
std::string_view RoleName(Role role);
struct Identity {
  Role role = Role::kAgent;
  // Host name for an agent; a user's or system's name for the others.
  std::string name;
};
// What such a name says; nullopt for any other.
std::optional<Identity> ParseIdentity(std::string_view uri);

// Credentials for a channel to `target` ("host:port"). NotFound names a missing file; FailedPrecondition for plain text
// to an address that is not loopback.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(const Security& security,
                                                                            const std::string& target);
// Credentials for a server on `listen` ("host:port"); clients must show a certificate of the same CA.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentials(const Security& security,
                                                                           const std::string& listen);
// OK when all files are there (readable or not: that shows when they are read). InvalidArgument names the setting of
// the first that is not, and the remedy.
absl::Status RequireFiles(const std::vector<std::pair<std::string, std::string>>& settings_and_files,
                          std::string_view remedy);
// Whether `target` ("host:port", "[::1]:port", "unix:...") stays on this host.
bool IsLoopback(const std::string& target);

// The caller's identity: from its certificate, or nullopt when its certificate names none. On a plain-text server,
// where only this host can call, everybody is an operator.
absl::StatusOr<Identity> CallerIdentity(const grpc::ServerContextBase& context);
// OK when the caller has one of `roles`; PermissionDenied names the role it has and those it needs.
absl::Status RequireRole(const grpc::ServerContextBase& context, std::initializer_list<Role> roles);

// Between the two kinds of status; codes are the same, messages are kept.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace truce::rpc
