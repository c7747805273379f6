// trucectl version
#include "controller/cli/command.h"

namespace truce::cli {

absl::Status Version(Session& session) {
  session.console().out << "trucectl " << TRUCE_VERSION << '\n';
  return absl::OkStatus();
}

}  // namespace truce::cli
