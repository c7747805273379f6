// The commands of truce-lab that learn from data sets: evaluate, train.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace truce::lab {

// Adds them to `app`; the one that is given on the command line puts what is to be done, which returns the exit code,
// into `chosen`. Both outlive the parsing.
void AddLearningCommands(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
