// The files of the ROADEF/EURO challenge 2012 (machine reassignment): a model, and an assignment of its processes. Both
// are whole numbers between white space.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "controller/plan/pack/problem.h"

namespace truce::lab {

// InvalidArgument names the file, the line and what was expected there.
absl::StatusOr<controller::pack::Problem> ReadRoadefModel(const std::string& file);
absl::StatusOr<controller::pack::Assignment> ReadRoadefAssignment(const std::string& file,
                                                                  const controller::pack::Problem& problem);
absl::Status WriteRoadefAssignment(const controller::pack::Assignment& assignment, const std::string& file);

}  // namespace truce::lab
