// The command of truce-lab that simulates a fleet.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace truce::lab {

// Adds `fleet` to `app`; when it is given on the command line, it puts what is to be done, which returns the exit code,
// into `chosen`. Both outlive the parsing.
void AddFleetCommand(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
