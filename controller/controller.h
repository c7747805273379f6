// Builds the controller out of its rooms and runs it until it is told to stop. Called by main.cc.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "controller/settings.h"
#include "src/base/clock.h"
#include "src/base/shutdown.h"

namespace truce::controller {

// Runs until a signal comes, then stops within 5 s. `address_file`, when not empty, gets "grpc=host:port" and
// "http=host:port" (empty when off), one a line, once both are bound. Errors are those of starting: a port that can't
// be had, a certificate or store that can't be opened.
absl::Status RunController(const Settings& settings, const std::string& address_file, const Clock& clock,
                           ShutdownSignals& signals);

}  // namespace truce::controller
