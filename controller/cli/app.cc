#include "controller/cli/app.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "controller/cli/command.h"
#include "controller/cli/format.h"
#include "controller/cli/parse.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr char kUsagePayload[] = "truce/usage";

// gRPC would try a port that is none, and tell that nothing listens there. What has a scheme ("unix:...") is gRPC's.
absl::Status CheckServer(const std::string& server) {
  const size_t colon = server.rfind(':');
  const std::string host = server.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : server.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  for (const char* scheme : {"unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::StartsWith(server, scheme)) return absl::OkStatus();
  }
  int number = 0;
  const bool digits = !port.empty() && port.find_first_not_of("0123456789") == std::string::npos;
  if (digits && absl::SimpleAtoi(port, &number) && number >= 1 && number <= 65535 && !host.empty() &&
      (bracketed || host.find(':') == std::string::npos)) {
    return absl::OkStatus();
  }
  return UsageError(StrCat("--server (or TRUCE_SERVER): '", server,
                           "' is not HOST:PORT with a port of 1 to 65535; write an IPv6 address as [ADDRESS]:PORT"));
}

}  // namespace

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

absl::StatusOr<OperatorClient*> Session::Controller() {
  if (client_ == nullptr) {
    TRUCE_RETURN_IF_ERROR(CheckServer(options_.connection.server));
    TRUCE_ASSIGN_OR_RETURN(client_, OperatorClient::Connect(options_.connection));
  }
  return client_.get();
}

int Run(const std::vector<std::string>& arguments, Console& console) {
  Options options;
  const Parsed parsed = Parse(arguments, console.environment, &options);
  if (!parsed.help.empty()) {
    console.out << parsed.help << std::flush;
    return kExitDone;
  }
  if (!parsed.error.empty()) {
    console.err << "trucectl: " << PrintableLines(parsed.error) << std::endl;
    return kExitUsage;
  }
  Session session(options, console);
  const absl::Status status = parsed.command(session);
  console.out.flush();
  if (!status.ok()) {
    console.err << "trucectl: " << PrintableLines(StdView(status.message())) << std::endl;
    return IsUsageError(status) ? kExitUsage : kExitFailed;
  }
  if (!console.out.good()) {
    console.err << "trucectl: writing the output failed; is the disk full?" << std::endl;
    return kExitFailed;
  }
  return kExitDone;
}

}  // namespace truce::cli
