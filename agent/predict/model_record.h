// The small files of agent/predict: which model was sent and is in use, and models themselves. Without state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/weights/model_bytes.h"

namespace truce::agent {

// What a host remembers of the models of one kind that were sent to it, by their SHA-256.
struct ModelRecord {
  // Empty: the agent's own is in use.
  std::string in_use;
  // The one that was in use before; empty for none.
  std::string before;
};

// NotFound when there is none, DataLoss when it can't be understood.
absl::StatusOr<ModelRecord> ReadModelRecord(const std::string& path);
// On disk when it returns OK; all or nothing.
absl::Status WriteModelRecord(const std::string& path, const ModelRecord& record);

// The bytes of a model's file. FailedPrecondition when it is no plain file (a pipe would be waited for) or has more
// than `most_bytes`, which no model has; every message names the file.
absl::StatusOr<std::string> ReadModelFile(const std::string& path, size_t most_bytes = kMostModelBytes);

// "3f2a9c01b7de": enough of a SHA-256 for people; "the agent's own" for an empty one.
std::string ShortModelName(std::string_view sha256);

}  // namespace truce::agent
