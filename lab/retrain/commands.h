// The command of truce-lab that retrains: retrain.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace truce::lab {

// As AddForecastCommands.
void AddRetrainCommand(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
