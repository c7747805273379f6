// The interference model as bytes: "TRUCEIM1", the SHA-256 of the rest, and a v1.InterferenceModelFile. Pure: reading
// and writing files is the caller's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/interference/model.h"
#include "models/weights/model_bytes.h"

namespace truce {

// A program that the model learned from.
struct ModelReference {
  std::string name;
  // "server".
  std::string kind;
  // At work, [fingerprint].
  Row fingerprint;
};

struct ModelFile {
  // Names this model among others: "2026-11-22.1".
  std::string version;
  // Machine that its training data was measured on.
  std::string machine;
  // How good it is, by missing readings; the first has them all.
  std::vector<Skill> skills;
  InterferenceModel model;
  std::vector<ModelReference> references = {};
};

// The file's bytes, with a self-test made from `example` (which has at least one aggressor).
std::string SerializeModel(const ModelFile& file, const InterferenceExample& example);

// A model that passed its self-test. DataLoss when the bytes are damaged or no model; FailedPrecondition when this
// build does not understand it (another format, other features); Internal when the self-test gives another result.
// Every message names `name` and the remedy.
absl::StatusOr<ModelFile> ParseModel(std::string_view bytes, std::string_view name);

// How often the model is right on a host where exactly the `missing` groups are missing from all samples: that of the
// nearest case that was measured, which lacks at least as much.
double AccuracyWithout(const std::vector<Skill>& skills, const std::vector<FeatureGroup>& missing);

}  // namespace truce
