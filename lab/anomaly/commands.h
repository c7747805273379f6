// The commands of truce-lab about anomalies: anomalies, and evaluate anomalies.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace truce::lab {

// Adds them to `app`, which has the command evaluate already; the one that is given on the command line puts what is to
// be done, which returns the exit code, into `chosen`. Both outlive the parsing.
void AddAnomalyCommands(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
