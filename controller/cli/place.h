// What the commands about placing share.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "controller/cli/command.h"
#include "controller/cli/format.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::cli {

// As the flags say. A usage error when they say nothing.
absl::StatusOr<v1::WorkloadDescription> DescribedWorkload(const Options& options);
// Rows of what is now, and then.
Table FiguresTable(const v1::FleetFigures& before, const v1::FleetFigures& after);
Table HostScoreTable(const std::vector<const v1::HostScore*>& scores);

}  // namespace truce::cli
