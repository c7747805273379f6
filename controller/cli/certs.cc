// trucectl certs init|issue|show: the fleet's own certificate authority, in a directory. Needs no controller.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_join.h"
#include "controller/cli/command.h"
#include "controller/cli/format.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/certificate_check.h"
#include "src/rpc/certificate_info.h"
#include "src/rpc/certificates.h"

namespace truce::cli {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

std::string Stem(const Options& options, const std::string& role, const std::string& name) {
  return StrCat(options.directory, "/", role, "-", name);
}

// Makes `link` a symbolic link to `target`.
absl::Status Link(const std::string& target, const std::string& link) {
  if (symlink(target.c_str(), link.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, StrCat("linking ", link, " to ", target));
}

// The daemons' and trucectl's default paths name a role, not who holds it: controller.crt, operator.key.
absl::Status LinkRole(const Options& options, const std::string& role, const std::string& name) {
  for (const char* suffix : {".crt", ".key"}) {
    TRUCE_RETURN_IF_ERROR(Link(StrCat(role, "-", name, suffix), StrCat(options.directory, "/", role, suffix)));
  }
  return absl::OkStatus();
}

// What a controller answers under when nobody says: this machine's name and loopback.
std::vector<std::string> LocalAddresses(const std::string& host_name) {
  std::vector<std::string> addresses;
  if (!host_name.empty()) addresses.push_back(host_name);
  for (const char* address : {"localhost", "127.0.0.1", "::1"}) {
    if (host_name != address) addresses.emplace_back(address);
  }
  return addresses;
}

absl::Duration Lifetime(const Options& options) {
  return options.days > 0 ? options.days * kDay : rpc::CertificateRequest().lifetime;
}

// A request that makes no sense is the user's mistake.
absl::Status Checked(const rpc::CertificateRequest& request) {
  const absl::Status status = rpc::CheckCertificateRequest(request);
  return status.ok() ? status : UsageError(std::string(status.message()));
}

absl::Status DryRunDone(Console& console) {
  console.err << "dry run: nothing was written" << std::endl;
  return absl::OkStatus();
}

// A certificate that is in use somewhere must not be lost to a mistyped or forgotten name.
absl::Status NothingThere(const std::string& stem) {
  for (const char* suffix : {".crt", ".key"}) {
    struct stat status {};
    if (lstat((stem + suffix).c_str(), &status) != 0) continue;
    return absl::AlreadyExistsError(
        StrCat(stem, suffix, " is there already; --replace makes a new key and certificate"));
  }
  return absl::OkStatus();
}

std::string Yes(bool value) {
  return value ? "yes" : "no";
}

}  // namespace

absl::Status CertsInit(Session& session) {
  const Options& options = session.options();
  Console& console = session.console();
  const std::vector<std::string> addresses =
      options.addresses.empty() ? LocalAddresses(console.host_name) : options.addresses;
  const std::string local_name = console.host_name.empty() ? addresses.front() : console.host_name;
  const std::string controller_name = options.name.empty() ? local_name : options.name;
  const rpc::CertificateRequest controller{
      .role = "controller", .name = controller_name, .addresses = addresses, .lifetime = Lifetime(options)};
  const rpc::CertificateRequest user{.role = "operator", .name = options.operator_name, .lifetime = Lifetime(options)};
  // Before anything is made: a second attempt would be stopped by the CA of the first.
  TRUCE_RETURN_IF_ERROR(Checked(controller));
  TRUCE_RETURN_IF_ERROR(Checked(user));
  if (!options.dry_run) {
    TRUCE_RETURN_IF_ERROR(rpc::CreateAuthority(options.directory));
    TRUCE_RETURN_IF_ERROR(rpc::IssueCertificate(options.directory, controller));
    TRUCE_RETURN_IF_ERROR(rpc::IssueCertificate(options.directory, user));
    TRUCE_RETURN_IF_ERROR(LinkRole(options, "controller", controller_name));
    TRUCE_RETURN_IF_ERROR(LinkRole(options, "operator", options.operator_name));
  }
  // The last two are the links.
  for (const std::string& stem : {options.directory + "/ca", Stem(options, "controller", controller_name),
                                  Stem(options, "operator", options.operator_name), options.directory + "/controller",
                                  options.directory + "/operator"}) {
    console.out << stem << ".crt\n" << stem << ".key\n";
  }
  console.out.flush();
  if (options.dry_run) return DryRunDone(console);
  console.err << "The controller answers under " << absl::StrJoin(addresses, ", ") << ".\n"
              << "Keep " << options.directory << "/ca.key secret: who has it can be anybody in this fleet.\n"
              << "Next, a certificate for each host, under the name that its agent will use:\n"
              << "  trucectl certs issue " << options.directory << " agent HOST" << std::endl;
  return absl::OkStatus();
}

absl::Status CertsIssue(Session& session) {
  const Options& options = session.options();
  Console& console = session.console();
  const rpc::CertificateRequest request{
      .role = options.role, .name = options.name, .addresses = options.addresses, .lifetime = Lifetime(options)};
  TRUCE_RETURN_IF_ERROR(Checked(request));
  const std::string stem = Stem(options, options.role, options.name);
  if (!options.replace) TRUCE_RETURN_IF_ERROR(NothingThere(stem));
  if (!options.dry_run) TRUCE_RETURN_IF_ERROR(rpc::IssueCertificate(options.directory, request));
  console.out << stem << ".crt\n" << stem << ".key\n" << std::flush;
  if (options.dry_run) return DryRunDone(console);
  if (options.role == "agent") {
    console.err << "Next, copy them to the host together with the CA's certificate (never its key):\n"
                << "  scp " << options.directory << "/ca.crt " << options.name << ":/etc/truce/pki/ca.crt\n"
                << "  scp " << stem << ".crt " << options.name << ":/etc/truce/pki/agent.crt\n"
                << "  scp " << stem << ".key " << options.name << ":/etc/truce/pki/agent.key" << std::endl;
  }
  return absl::OkStatus();
}

absl::Status CertsShow(Session& session) {
  Console& console = session.console();
  TRUCE_ASSIGN_OR_RETURN(const rpc::CertificateInfo info, rpc::ReadCertificate(session.options().file));
  const auto moment = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
  };
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"Identity", info.uris.empty() ? "none" : absl::StrJoin(info.uris, ", ")},
      {"Subject", info.subject},
      {"Issuer", info.issuer},
      {"Answers under", info.addresses.empty() ? "nothing" : absl::StrJoin(info.addresses, ", ")},
      {"Signs others", Yes(info.authority)},
      {"For a server", Yes(info.server)},
      {"For a client", Yes(info.client)},
      {"Not before", moment(info.not_before)},
      {"Not after", moment(info.not_after)},
      {"Serial", info.serial},
      {"SHA-256", info.sha256_fingerprint}};
  for (const auto& [name, value] : facts) {
    console.out << name << ": " << std::string(14 - name.size(), ' ') << Printable(value) << '\n';
  }
  const absl::Duration left = info.not_after - session.Now();
  if (left < absl::ZeroDuration()) {
    console.err << "trucectl: this certificate's time is over; issue a new one (trucectl certs issue --replace)"
                << std::endl;
  } else if (left < 30 * kDay) {
    console.err << "trucectl: this certificate ends in " << FormatAge(left)
                << "; issue a new one (trucectl certs issue --replace)" << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace truce::cli
