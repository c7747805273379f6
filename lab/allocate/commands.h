// truce-lab allocate.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace truce::lab {

void AddAllocateCommand(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
