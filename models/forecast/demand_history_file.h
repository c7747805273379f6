// What workloads used, as bytes: "TRUCEDH1" and a v1.DemandHistoryFile. The controller writes it, truce-lab retrain
// reads it. Pure: reading and writing files is the caller's.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "truce/v1/history.pb.h"

namespace truce {

std::string SerializeDemandHistory(const v1::DemandHistoryFile& history);

// Whether the bytes begin like such a file.
bool IsDemandHistory(std::string_view bytes);

// DataLoss that names `name` when the bytes are none, or were cut off; when the step is not above zero, a workload has
// lists of different lengths or does not begin on a step.
absl::StatusOr<v1::DemandHistoryFile> ParseDemandHistory(std::string_view bytes, std::string_view name);

}  // namespace truce
