#include "src/rpc/certificate_info.h"

#include <arpa/inet.h>

#include <array>
#include <ctime>

#include "absl/strings/str_format.h"
#include "src/base/status.h"
#include "src/rpc/openssl.h"

namespace truce::rpc {
namespace {

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);  // NOLINT(google-runtime-int): OpenSSL's type
  return std::string(data, static_cast<size_t>(size));
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return absl::InfinitePast();
  return absl::FromTM(fields, absl::UTCTimeZone());
}

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) absl::StrAppendFormat(&text, "%s%02x", i == 0 ? "" : ":", bytes[i]);
  return text;
}

std::string TextOf(const ASN1_STRING* text) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

void ReadAlternativeNames(X509* certificate, CertificateInfo* info) {
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) info->uris.push_back(TextOf(name->d.uniformResourceIdentifier));
    if (name->type == GEN_DNS) info->addresses.push_back(TextOf(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      if (inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text.data(), text.size()) != nullptr) {
        info->addresses.emplace_back(text.data());
      }
    }
  }
}

}  // namespace

absl::StatusOr<CertificateInfo> ReadCertificate(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(const std::string pem, ReadPem(file, "the certificate"));
  TRUCE_ASSIGN_OR_RETURN(const CertificatePtr certificate, ParseCertificate(pem, file));
  CertificateInfo info;
  info.subject = NameText(X509_get_subject_name(certificate.get()));
  info.issuer = NameText(X509_get_issuer_name(certificate.get()));
  info.not_before = TimeOf(X509_get0_notBefore(certificate.get()));
  info.not_after = TimeOf(X509_get0_notAfter(certificate.get()));
  ReadAlternativeNames(certificate.get(), &info);
  info.authority = X509_check_ca(certificate.get()) == 1;
  info.server = X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_SERVER, 0) == 1;
  info.client = X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_CLIENT, 0) == 1;
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate.get());
  info.serial = Hex(ASN1_STRING_get0_data(serial), static_cast<size_t>(ASN1_STRING_length(serial)));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) {
    return OpenSslError("computing the certificate's fingerprint");
  }
  info.sha256_fingerprint = Hex(digest.data(), size);
  return info;
}

}  // namespace truce::rpc
