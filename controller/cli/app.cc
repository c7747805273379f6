#include "controller/cli/app.h"

#include <string>

#include "controller/cli/command.h"
#include "controller/cli/format.h"
#include "controller/cli/parse.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr char kUsagePayload[] = "truce/usage";

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
