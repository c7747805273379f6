// truce-lab-load: a closed-loop client of any server with requests and answers on TCP, for the programs that the lab
// runs (program.h). One thread, several connections, each with one request under way. Prints ten times a second what
// was answered since: "BEGIN END COUNT BUSY", as program.h says.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace truce::lab {

struct LoadOptions {
  int port = 0;
  int connections = 1;
  // Sent once on the first connection before the load begins; its answer must end with "\n". May be empty.
  std::string prepare;
  // The request, and what its answer ends with.
  std::string send;
  std::string until;
  // Time to rest after each answer, in units of the time that it took.
  double rest = 0;
  // How long the server may take to begin to listen.
  absl::Duration patience = absl::Seconds(10);
};

// "\r\n" and the like as typed on a command line: \r, \n, \t, \\ and \0. InvalidArgument for other escapes.
absl::StatusOr<std::string> Unescape(std::string_view text);

// Loads 127.0.0.1:port until the server closes a connection (Unavailable) or `out` fails. Never OK.
absl::Status RunLoad(const LoadOptions& options, std::ostream& out);

}  // namespace truce::lab
