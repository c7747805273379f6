// Measures a disk by a plan, within limits; fits its model; and checks it on loads that it was not fitted to.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/storage/plan.h"
#include "models/storage/device_model.h"
#include "src/base/figures.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct StorageOptions {
  // The file that is made, and gone at the end.
  std::string file;
  uint64_t file_bytes = uint64_t{1} << 30;
  StorageLimits limits;
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
};

// A load that the model did not see before, and what it had said.
struct CheckedLoad {
  MeasuredPoint measured;
  DeviceLatency expected;
  // What it takes the unloaded disk: what one would say who knows nothing of queues.
  DeviceLatency unloaded;
};
// Rates at which the 99th percentile doubled; 0: it did not, as far as it was pushed.
struct CheckedDoubling {
  double measured_rate = 0;
  double expected_rate = 0;
};
struct CheckedLadder {
  Ladder ladder;
  CheckedDoubling from_unloaded;
  CheckedDoubling from_now;
};

struct StorageOutcome {
  DeviceModel model;
  // What it was fitted to.
  std::vector<MeasuredPoint> fitted;
  std::vector<CheckedLoad> loads;
  std::vector<CheckedLadder> ladders;
  // Operations a second of 4 KiB and bytes a second of 256 KiB that it can do, by direction.
  std::array<double, 2> most_operations_per_second{};
  std::array<double, 2> most_bytes_per_second{};
  uint64_t written_bytes = 0;
  // Runs that don't count because others used the disk, or because the limits left them too little.
  int disturbed = 0;
  int too_short = 0;
};

// InvalidArgument for limits that leave too little; Cancelled when a signal came, and whatever WorkFile and RunFio say.
// Says on stderr what it does.
absl::StatusOr<StorageOutcome> MeasureStorage(const StorageOptions& options, ShutdownSignals& signals);

FigureTable StorageFigures(const StorageOutcome& outcome);

}  // namespace truce::lab
