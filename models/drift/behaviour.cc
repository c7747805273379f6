#include "models/drift/behaviour.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// Below this a rate per second of CPU says nothing.
constexpr double kLeastCores = 0.02;
// Nothing that is measured is larger.
constexpr double kMostValue = 1e15;

struct TraitKind {
  std::string_view name;
  Reading reading;
  double unit;
  bool per_cpu_second;
};

constexpr std::array<TraitKind, kTraitCount> kTraits = {{
    {"cycles_per_instruction", Reading::kCyclesPerInstruction, 0.05, false},
    {"llc_misses_per_kilo_instruction", Reading::kLlcMissesPerKiloInstruction, 0.1, false},
    {"llc_references_per_kilo_instruction", Reading::kLlcReferencesPerKiloInstruction, 1, false},
    {"dram_fill_bytes_per_cpu_second", Reading::kDramFillBytesPerSecond, 1e7, true},
    {"context_switches_per_cpu_second", Reading::kContextSwitchesPerSecond, 100, true},
    {"page_faults_per_cpu_second", Reading::kPageFaultsPerSecond, 100, true},
    {"cpu_system_ratio", Reading::kCpuSystemRatio, 0.02, false},
    {"psi_memory_some_ratio", Reading::kPsiMemorySomeRatio, 0.05, false},
    {"psi_io_some_ratio", Reading::kPsiIoSomeRatio, 0.05, false},
    {"disk_read_bytes_per_cpu_second", Reading::kDiskReadBytesPerSecond, 1e6, true},
    {"disk_write_bytes_per_cpu_second", Reading::kDiskWriteBytesPerSecond, 1e6, true},
    {"network_receive_bytes_per_cpu_second", Reading::kNetworkReceiveBytesPerSecond, 1e5, true},
    {"network_transmit_bytes_per_cpu_second", Reading::kNetworkTransmitBytesPerSecond, 1e5, true},
}};

struct DemandKind {
  std::string_view name;
  double least;
};
constexpr std::array<DemandKind, kDemandCount> kDemands = {{
    {"cpu_cores", 0.02},
    {"memory_bytes", 1 << 20},
    {"disk_bytes_per_second", 1e5},
    {"network_bytes_per_second", 1e5},
}};

std::optional<double> Finite(std::optional<double> value) {
  if (!value.has_value() || !std::isfinite(*value)) return std::nullopt;
  return std::clamp(*value, 0.0, kMostValue);
}

std::optional<double> Sum(const Sample& sample, Reading one, Reading other) {
  const auto a = Finite(sample.get(one));
  const auto b = Finite(sample.get(other));
  if (!a && !b) return std::nullopt;
  return a.value_or(0) + b.value_or(0);
}

}  // namespace

std::string_view TraitName(size_t trait) {
  return kTraits[trait].name;
}

double TraitValue(size_t trait, double number) {
  return std::max(0.0, std::exp(number) - kTraits[trait].unit);
}

double TraitNumber(size_t trait, double value) {
  return std::log(value + kTraits[trait].unit);
}

bool Behaviour::empty() const {
  return std::none_of(there.begin(), there.end(), [](bool one) { return one; });
}

Behaviour MakeBehaviour(const Sample& sample) {
  Behaviour behaviour;
  const double cores = Finite(sample.get(Reading::kCpuUsageCores)).value_or(0);
  // Who hardly runs has no ways: what an idle program's few milliseconds are made of is chance.
  if (cores < kLeastCores) return behaviour;
  for (size_t i = 0; i < kTraitCount; ++i) {
    const auto value = Finite(sample.get(kTraits[i].reading));
    if (!value) continue;
    behaviour.numbers[i] = TraitNumber(i, kTraits[i].per_cpu_second ? *value / cores : *value);
    behaviour.there[i] = true;
  }
  return behaviour;
}

std::string_view DemandName(size_t demand) {
  return kDemands[demand].name;
}

double LeastDemand(size_t demand) {
  return kDemands[demand].least;
}

Demands MakeDemands(const Sample& sample) {
  const auto working_set = Finite(sample.get(Reading::kMemoryWorkingSetBytes));
  return {
      Finite(sample.get(Reading::kCpuUsageCores)),
      working_set ? working_set : Finite(sample.get(Reading::kMemoryUsageBytes)),
      Sum(sample, Reading::kDiskReadBytesPerSecond, Reading::kDiskWriteBytesPerSecond),
      Sum(sample, Reading::kNetworkReceiveBytesPerSecond, Reading::kNetworkTransmitBytesPerSecond),
  };
}

}  // namespace truce
