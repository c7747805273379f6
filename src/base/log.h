// Logging for the daemons: one line a message on stderr, where journald or the terminal takes it.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace truce {

// Sets the process-wide level ("trace", "debug", "info", "warn", "error", "off") and the line format: with a time stamp
// on a terminal, without one and with journald's <priority> prefix under systemd. InvalidArgument for another word.
absl::Status InitializeLogging(const std::string& level);

}  // namespace truce
