#include "controller/learn/drift_words.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "controller/fleet/moment.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using google::protobuf::FieldDescriptor;

// Shifts that are told in words.
constexpr size_t kTold = 3;

// The wire's field of each reading, found by name once.
const std::array<const FieldDescriptor*, kReadingCount>& ReadingFields() {
  static const auto fields = [] {
    std::array<const FieldDescriptor*, kReadingCount> found{};
    for (size_t i = 0; i < kReadingCount; ++i) {
      found[i] = v1::Readings::descriptor()->FindFieldByName(std::string(ReadingName(static_cast<Reading>(i))));
    }
    return found;
  }();
  return fields;
}

// How busy the resource is, 0-1; nullopt where the host does not say.
std::optional<double> Utilisation(const HostState& host, size_t demand) {
  if (demand == static_cast<size_t>(Demand::kCpu)) return host.summary.cpu_busy_ratio;
  if (demand == static_cast<size_t>(Demand::kMemory) && host.inventory.memory_bytes() > 0) {
    return host.summary.memory_used_bytes / static_cast<double>(host.inventory.memory_bytes());
  }
  return std::nullopt;
}

}  // namespace

Sample SampleOf(const v1::Readings& readings) {
  Sample sample;
  const auto* reflection = readings.GetReflection();
  for (size_t i = 0; i < kReadingCount; ++i) {
    const FieldDescriptor* field = ReadingFields()[i];
    if (reflection->HasField(readings, field)) {
      sample.set(static_cast<Reading>(i), reflection->GetDouble(readings, field));
    }
  }
  return sample;
}

v1::TraitShift ShiftOnWire(const DriftWatch::Shift& shift) {
  v1::TraitShift wire;
  wire.set_trait(std::string(TraitName(shift.trait)));
  wire.set_usual(shift.usual);
  wire.set_now(shift.now);
  wire.set_deviation(shift.deviation);
  wire.set_shift(TraitNumber(shift.trait, shift.now) - TraitNumber(shift.trait, shift.usual));
  return wire;
}

std::string SayShifts(const std::vector<DriftWatch::Shift>& shifts) {
  std::vector<std::string> said;
  for (size_t i = 0; i < std::min(kTold, shifts.size()); ++i) {
    const DriftWatch::Shift& shift = shifts[i];
    said.push_back(absl::StrFormat("%s %.3g -> %.3g",
                                   absl::StrReplaceAll(AbslView(TraitName(shift.trait)), {{"_", " "}}), shift.usual,
                                   shift.now));
  }
  return absl::StrJoin(said, ", ");
}

v1::PredictedIncrease PredictionOnWire(const HostState& host, const Episodes::Prediction& prediction) {
  v1::PredictedIncrease wire;
  wire.set_demand(std::string(DemandName(prediction.demand)));
  SetDuration(absl::Seconds(prediction.after_seconds), wire.mutable_after());
  wire.set_increase_factor(prediction.increase);
  if (const auto busy = Utilisation(host, prediction.demand)) {
    wire.set_damped_increase_factor(DampedIncrease(prediction.increase, *busy));
  }
  return wire;
}

}  // namespace truce::controller
