// Which models the agent takes and where their files are.
#pragma once

#include "agent/predict/model_store.h"
#include "agent/settings.h"

namespace truce::agent {

ModelStoreOptions ModelStoreOptionsOf(const AgentSettings& settings);

}  // namespace truce::agent
