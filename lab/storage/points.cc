#include "lab/storage/points.h"

#include <ostream>

#include "absl/strings/str_format.h"

namespace truce::lab {
namespace {

constexpr const char* kDirectionNames[] = {"read", "write"};

const char* PacingName(Pacing pacing) {
  return pacing == Pacing::kAlone ? "alone" : pacing == Pacing::kOpen ? "paced" : "saturated";
}

void WritePoint(const MeasuredPoint& point, const DeviceCurve& curve, const char* use, std::ostream& out) {
  const DeviceLatency expected = curve.At(point.load);
  for (const size_t direction : kDiskDirections) {
    if (!point.mean_seconds[direction].has_value()) continue;
    const DirectionLoad& load = point.load.of[direction];
    const bool is_alone = point.pacing == Pacing::kAlone;
    out << absl::StrFormat("%s,%s,%s,%.0f,%.1f,%.3f,%.9f,%.9f,%.9f,%.9f\n", use, PacingName(point.pacing),
                           kDirectionNames[direction], load.mean_bytes(), load.operations_per_second,
                           expected.utilisation_ratio, *point.mean_seconds[direction],
                           is_alone ? curve.Service(direction, load.mean_bytes()) : expected.mean_seconds[direction],
                           point.p99_seconds[direction].value_or(0),
                           is_alone ? curve.ServiceP99(direction, load.mean_bytes()) : expected.p99_seconds[direction]);
  }
}

}  // namespace

void WritePoints(const StorageOutcome& outcome, std::ostream& out) {
  out << "use,pacing,direction,operation_bytes,operations_per_second,utilisation_ratio,mean_seconds,"
         "expected_mean_seconds,p99_seconds,expected_p99_seconds\n";
  const DeviceCurve curve = outcome.model.belief().curve();
  for (const MeasuredPoint& point : outcome.fitted) WritePoint(point, curve, "fitted", out);
  for (const CheckedLoad& load : outcome.loads) WritePoint(load.measured, curve, "checked", out);
}

}  // namespace truce::lab
