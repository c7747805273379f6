// Which models the agent takes and where their files are.
#pragma once

#include <string>
#include <vector>

#include "agent/predict/model_store.h"
#include "agent/settings.h"

namespace truce::agent {

ModelStoreOptions ModelStoreOptionsOf(const AgentSettings& settings);
// The one that scores pairs.
std::string InterferenceModelFile(const AgentSettings& settings);

// What is wrong with the files of models that these settings name, in sentences that say what is done without them. No
// reason not to start: files may come later, and the agent says the same while it runs. Reads the files.
std::vector<std::string> ModelWarnings(const AgentSettings& settings);

}  // namespace truce::agent
