// What a measurement of a disk amounts to, as figures.
#include <cmath>

#include "lab/storage/measure.h"

namespace truce::lab {
namespace {

// Relative errors of what was said of the loads that were held out.
std::vector<double> ErrorsOf(const std::vector<CheckedLoad>& loads, DeviceLatency CheckedLoad::*said, bool p99) {
  std::vector<double> errors;
  for (const CheckedLoad& load : loads) {
    for (const size_t direction : kDiskDirections) {
      const auto& measured = p99 ? load.measured.p99_seconds[direction] : load.measured.mean_seconds[direction];
      const DeviceLatency& latency = load.*said;
      const double expected = p99 ? latency.p99_seconds[direction] : latency.mean_seconds[direction];
      if (measured.has_value()) errors.push_back(std::abs(expected / *measured - 1));
    }
  }
  return errors;
}

std::vector<double> DoublingErrors(const std::vector<CheckedLadder>& ladders, CheckedDoubling CheckedLadder::*which) {
  std::vector<double> errors;
  for (const CheckedLadder& ladder : ladders) {
    const CheckedDoubling& doubling = ladder.*which;
    if (doubling.measured_rate > 0) errors.push_back(std::abs(doubling.expected_rate / doubling.measured_rate - 1));
  }
  return errors;
}

}  // namespace

FigureTable StorageFigures(const StorageOutcome& outcome) {
  FigureTable table;
  table.Add({"storage_read_operations_most", outcome.most_operations_per_second[kDiskRead], "1/s", {}, {}});
  table.Add({"storage_write_operations_most", outcome.most_operations_per_second[kDiskWrite], "1/s", {}, {}});
  table.Add({"storage_read_bytes_most", outcome.most_bytes_per_second[kDiskRead], "bytes/s", {}, {}});
  table.Add({"storage_write_bytes_most", outcome.most_bytes_per_second[kDiskWrite], "bytes/s", {}, {}});
  table.AddSamples("storage_mean_error", ErrorsOf(outcome.loads, &CheckedLoad::expected, false), "ratio", AtMost(0.25));
  table.AddSamples("storage_p99_error", ErrorsOf(outcome.loads, &CheckedLoad::expected, true), "ratio", AtMost(0.4));
  table.AddSamples("storage_mean_error_without_queue", ErrorsOf(outcome.loads, &CheckedLoad::unloaded, false), "ratio");
  table.AddSamples("storage_p99_error_without_queue", ErrorsOf(outcome.loads, &CheckedLoad::unloaded, true), "ratio");
  table.AddSamples("storage_headroom_error_unloaded", DoublingErrors(outcome.ladders, &CheckedLadder::from_unloaded),
                   "ratio", AtMost(0.25));
  table.AddSamples("storage_headroom_error_now", DoublingErrors(outcome.ladders, &CheckedLadder::from_now), "ratio",
                   AtMost(0.25));
  return table;
}

}  // namespace truce::lab
