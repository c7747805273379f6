// The lab's programs as a model knows them, for signatures (models/interference/signature.h).
#pragma once

#include <vector>

#include "lab/dataset.h"
#include "models/interference/model_file.h"

namespace truce::lab {

// One per program that was measured alone under high load: its mean fingerprint, by name.
std::vector<ModelReference> MakeReferences(const DatasetContent& content, InterferenceModel& model);

}  // namespace truce::lab
