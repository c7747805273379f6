#include "models/features.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace truce {
namespace {

using Value = std::optional<double>;
using Make = Value (*)(const Sample&);

// Below this a rate per second of CPU says nothing.
constexpr double kLeastCores = 0.02;

Value Plain(const Sample& sample, Reading reading) {
  return sample.get(reading);
}

// log(1 + value / unit) / scale: a size in `unit`, brought near the range of the other features.
Value Log(const Sample& sample, Reading reading, double unit, double scale) {
  const Value value = sample.get(reading);
  if (!value) return std::nullopt;
  return std::log1p(std::max(0.0, *value) / unit) / scale;
}

// The same per second of CPU used: what the program is like, whatever share of a CPU it gets.
Value LogPerCore(const Sample& sample, Reading reading, double unit, double scale) {
  const Value value = sample.get(reading);
  const Value cores = sample.get(Reading::kCpuUsageCores);
  if (!value || !cores || *cores < kLeastCores) return std::nullopt;
  return std::log1p(std::max(0.0, *value) / *cores / unit) / scale;
}

struct Feature {
  std::string_view name;
  FeatureGroup group;
  Make make;
};

constexpr std::array<Feature, kFeatureCount> kFeatures = {{
    {"cpu_cores_log", FeatureGroup::kUsage, [](const Sample& s) { return Log(s, Reading::kCpuUsageCores, 1, 1); }},
    {"cpu_of_allowed", FeatureGroup::kUsage,
     [](const Sample& s) -> Value {
       const Value cores = s.get(Reading::kCpuUsageCores);
       const Value allowed = s.get(Reading::kCpuAllowedCount);
       if (!cores || !allowed || *allowed < 1) return std::nullopt;
       return *cores / *allowed;
     }},
    {"cpu_allowed_log", FeatureGroup::kUsage, [](const Sample& s) { return Log(s, Reading::kCpuAllowedCount, 1, 3); }},
    {"cpu_system", FeatureGroup::kUsage, [](const Sample& s) { return Plain(s, Reading::kCpuSystemRatio); }},
    {"cpu_throttled", FeatureGroup::kUsage, [](const Sample& s) { return Plain(s, Reading::kCpuThrottledRatio); }},
    {"tasks_log", FeatureGroup::kUsage, [](const Sample& s) { return Log(s, Reading::kTaskCount, 1, 4); }},
    {"psi_cpu_some", FeatureGroup::kPressure, [](const Sample& s) { return Plain(s, Reading::kPsiCpuSomeRatio); }},
    {"psi_memory_some", FeatureGroup::kPressure,
     [](const Sample& s) { return Plain(s, Reading::kPsiMemorySomeRatio); }},
    {"psi_memory_full", FeatureGroup::kPressure,
     [](const Sample& s) { return Plain(s, Reading::kPsiMemoryFullRatio); }},
    {"psi_io_some", FeatureGroup::kPressure, [](const Sample& s) { return Plain(s, Reading::kPsiIoSomeRatio); }},
    {"psi_io_full", FeatureGroup::kPressure, [](const Sample& s) { return Plain(s, Reading::kPsiIoFullRatio); }},
    {"run_queue_wait_log", FeatureGroup::kRunQueue,
     [](const Sample& s) { return Log(s, Reading::kRunQueueWaitRatio, 1, 2); }},
    {"switches_per_core_log", FeatureGroup::kRunQueue,
     [](const Sample& s) { return LogPerCore(s, Reading::kContextSwitchesPerSecond, 10, 6); }},
    {"cycles_per_instruction", FeatureGroup::kCounters,
     [](const Sample& s) { return Log(s, Reading::kCyclesPerInstruction, 1, 1); }},
    {"llc_misses_per_kilo_instruction", FeatureGroup::kCounters,
     [](const Sample& s) { return Log(s, Reading::kLlcMissesPerKiloInstruction, 1, 3); }},
    {"llc_references_per_kilo_instruction", FeatureGroup::kCounters,
     [](const Sample& s) { return Log(s, Reading::kLlcReferencesPerKiloInstruction, 1, 4); }},
    {"dram_bytes_per_core_log", FeatureGroup::kCounters,
     [](const Sample& s) { return LogPerCore(s, Reading::kDramFillBytesPerSecond, 1e7, 5); }},
    {"page_faults_per_core_log", FeatureGroup::kMemory,
     [](const Sample& s) { return LogPerCore(s, Reading::kPageFaultsPerSecond, 10, 8); }},
    {"major_faults_log", FeatureGroup::kMemory,
     [](const Sample& s) { return Log(s, Reading::kMajorFaultsPerSecond, 1, 5); }},
    {"working_set_log", FeatureGroup::kMemory,
     [](const Sample& s) { return Log(s, Reading::kMemoryWorkingSetBytes, 1 << 20, 6); }},
    {"memory_of_limit", FeatureGroup::kMemory,
     [](const Sample& s) -> Value {
       const Value used = s.get(Reading::kMemoryUsageBytes);
       const Value limit = s.get(Reading::kMemoryLimitBytes);
       if (!used || !limit || *limit <= 0) return std::nullopt;
       return *used / *limit;
     }},
    {"disk_read_log", FeatureGroup::kDisk,
     [](const Sample& s) { return Log(s, Reading::kDiskReadBytesPerSecond, 1e4, 8); }},
    {"disk_write_log", FeatureGroup::kDisk,
     [](const Sample& s) { return Log(s, Reading::kDiskWriteBytesPerSecond, 1e4, 8); }},
    {"disk_reads_log", FeatureGroup::kDisk,
     [](const Sample& s) { return Log(s, Reading::kDiskReadOperationsPerSecond, 1, 8); }},
    {"disk_writes_log", FeatureGroup::kDisk,
     [](const Sample& s) { return Log(s, Reading::kDiskWriteOperationsPerSecond, 1, 8); }},
    {"disk_latency_log", FeatureGroup::kDisk,
     [](const Sample& s) { return Log(s, Reading::kDiskLatencySeconds, 1e-4, 5); }},
    {"network_receive_log", FeatureGroup::kNetwork,
     [](const Sample& s) { return Log(s, Reading::kNetworkReceiveBytesPerSecond, 1e4, 8); }},
    {"network_transmit_log", FeatureGroup::kNetwork,
     [](const Sample& s) { return Log(s, Reading::kNetworkTransmitBytesPerSecond, 1e4, 8); }},
    {"host_steal", FeatureGroup::kHost, [](const Sample& s) { return Plain(s, Reading::kHostStealRatio); }},
    {"host_cpu_busy", FeatureGroup::kHost, [](const Sample& s) { return Plain(s, Reading::kHostCpuBusyRatio); }},
}};

}  // namespace

std::string_view FeatureGroupName(FeatureGroup group) {
  constexpr std::array<std::string_view, kFeatureGroupCount> kNames = {"usage",  "pressure", "run_queue", "counters",
                                                                       "memory", "disk",     "network",   "host"};
  return kNames[static_cast<size_t>(group)];
}

std::string_view FeatureName(size_t feature) {
  return kFeatures[feature].name;
}

size_t FeatureNamed(std::string_view name) {
  for (size_t i = 0; i < kFeatureCount; ++i) {
    if (kFeatures[i].name == name) return i;
  }
  return kFeatureCount;
}

FeatureGroup FeatureGroupOf(size_t feature) {
  return kFeatures[feature].group;
}

ModelInput MakeModelInput(const Sample& sample) {
  ModelInput input{};
  for (size_t i = 0; i < kFeatureCount; ++i) {
    const Value value = kFeatures[i].make(sample);
    if (!value || !std::isfinite(*value)) continue;
    input[i] = static_cast<float>(std::clamp(*value, -1.0, 8.0));
    input[kFeatureCount + i] = 1;
  }
  return input;
}

std::optional<float> CpuDemand(std::span<const float, kModelInputs> input) {
  static const size_t kUsed = FeatureNamed("cpu_of_allowed");
  static const size_t kWaited = FeatureNamed("psi_cpu_some");
  if (input[kFeatureCount + kUsed] <= 0) return std::nullopt;
  return std::clamp(input[kUsed] + input[kWaited], 0.0F, 1.0F);
}

void Hide(FeatureGroup group, ModelInput* input) {
  for (size_t i = 0; i < kFeatureCount; ++i) {
    if (kFeatures[i].group != group) continue;
    (*input)[i] = 0;
    (*input)[kFeatureCount + i] = 0;
  }
}

}  // namespace truce
