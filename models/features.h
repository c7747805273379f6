// What the models see of one sample: readings turned into numbers that mean the same on every machine (shares, per
// second of CPU used, logarithms of sizes), each with a bit that says whether it is there.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "src/base/reading.h"

namespace truce {

// Features, without their validity.
inline constexpr size_t kFeatureCount = 30;
// What goes into a network: the features (0 where missing), then one 1 or 0 per feature for "is there".
inline constexpr size_t kModelInputs = 2 * kFeatureCount;
using ModelInput = std::array<float, kModelInputs>;

// Groups of features that come and go together: a host without that source lacks all of them.
enum class FeatureGroup : unsigned char { kUsage, kPressure, kRunQueue, kCounters, kMemory, kDisk, kNetwork, kHost };
inline constexpr size_t kFeatureGroupCount = 8;

// "counters".
std::string_view FeatureGroupName(FeatureGroup group);
std::string_view FeatureName(size_t feature);
// The feature of that name; kFeatureCount when there is none.
size_t FeatureNamed(std::string_view name);
FeatureGroup FeatureGroupOf(size_t feature);

// Every value is finite and within -1 and 8 whatever the sample holds; missing readings give 0 and validity 0.
ModelInput MakeModelInput(const Sample& sample);
// Share of the CPUs that it may run on which a workload asks for, 0-1: what it used of them, and how much of the time
// it waited for one (where there is PSI), since who is held up by others uses less than it asks for. nullopt where its
// use is missing.
std::optional<float> CpuDemand(std::span<const float, kModelInputs> input);
// Makes the features of one group missing, as on a host without their source.
void Hide(FeatureGroup group, ModelInput* input);

}  // namespace truce
