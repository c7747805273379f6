#include "src/rpc/own_certificate.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/certificate_info.h"
#include "src/rpc/openssl.h"

namespace truce::rpc {
namespace {

using StorePtr = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;
// Does not own what is in it.
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

absl::Status Wrong(std::string_view section, std::string_view setting, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat(section, setting, ": ", problem));
}

std::string Named(const Identity& identity) {
  return identity.name.empty() ? std::string(RoleName(identity.role))
                               : StrCat(RoleName(identity.role), " ", identity.name);
}

// What the certificate says of its holder that keeps `own` from showing it, or nullopt.
std::optional<std::string> Foreign(const CertificateInfo& certificate, const Identity& own) {
  std::optional<Identity> holder;
  for (const std::string& uri : certificate.uris) {
    if (!holder) holder = ParseIdentity(uri);
  }
  if (!holder && own.role != Role::kController) return StrCat("names nobody; this is ", Named(own));
  if (!holder) return std::nullopt;
  if (holder->role != own.role || (!own.name.empty() && holder->name != own.name)) {
    return StrCat("is for ", Named(*holder), "; this is ", Named(own));
  }
  return std::nullopt;
}

// Why no CA of `authorities` stands for the first of `chain`, or nullopt when one does.
std::optional<std::string> NotSigned(const std::vector<CertificatePtr>& chain,
                                     const std::vector<CertificatePtr>& authorities, Role role) {
  const StorePtr store(X509_STORE_new());
  for (const CertificatePtr& authority : authorities) X509_STORE_add_cert(store.get(), authority.get());
  const std::unique_ptr<STACK_OF(X509), FreeStack> between(sk_X509_new_null());
  for (const CertificatePtr& certificate : chain) sk_X509_push(between.get(), certificate.get());
  const StoreContextPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().get(), between.get());
  X509_STORE_CTX_set_purpose(context.get(),
                             role == Role::kController ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context.get()),
                              X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  const bool is_signed = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (is_signed) return std::nullopt;
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

}  // namespace

absl::Status CheckOwnCertificate(const Security& security, const Identity& own, std::string_view section) {
  const auto certificate = ReadCertificate(security.certificate_file);
  const auto chain = ReadCertificates(security.certificate_file, "the certificate");
  const auto authorities = ReadCertificates(security.ca_file, "the CA certificate");
  for (const absl::Status& status : {certificate.status(), chain.status(), authorities.status()}) {
    if (absl::IsPermissionDenied(status)) return absl::OkStatus();
  }
  if (!certificate.ok()) return Wrong(section, "certificate_file", StdView(certificate.status().message()));
  if (!chain.ok()) return Wrong(section, "certificate_file", StdView(chain.status().message()));
  if (!authorities.ok()) return Wrong(section, "ca_file", StdView(authorities.status().message()));
  if (const auto foreign = Foreign(*certificate, own)) {
    return Wrong(section, "certificate_file",
                 StrCat(security.certificate_file, " ", *foreign, "; issue one with trucectl certs issue DIR ",
                        RoleName(own.role), " ", own.name.empty() ? "NAME" : own.name));
  }
  if (const auto reason = NotSigned(*chain, *authorities, own.role)) {
    return absl::FailedPreconditionError(StrCat(section, "certificate_file: ", "the CA in ", section, "ca_file, ",
                                                security.ca_file, ", does not stand for ", security.certificate_file,
                                                " (", *reason, ")"));
  }
  return absl::OkStatus();
}

}  // namespace truce::rpc
