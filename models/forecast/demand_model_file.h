// The demand model as bytes: "TRUCEDM1", the SHA-256 of the rest, and a v1.DemandModelFile. Pure: reading and writing
// files is the caller's.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "models/forecast/demand_model.h"
#include "models/weights/model_bytes.h"

namespace truce {

struct DemandModelContent {
  // Names this model among others: "2026-11-22.1". 1 to kMostDemandName bytes.
  std::string version;
  // What it learned from, for people.
  std::string trained_on;
  DemandModel model;
};
inline constexpr size_t kMostDemandName = 128;

// The file's bytes, with a self-test.
std::string SerializeDemandModel(const DemandModelContent& content);

// A model that passed its self-test. DataLoss when the bytes are damaged or no model; FailedPrecondition when this
// build does not understand it (another format, other inputs, horizons or quantiles); Internal when the self-test gives
// another result. Every message names `name` and the remedy.
absl::StatusOr<DemandModelContent> ParseDemandModel(std::string_view bytes, std::string_view name);

}  // namespace truce
