// Packs requests of NUMA VMs by every policy and shows what came of each, side by side.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "lab/pack/ruin_recreate.h"
#include "src/base/figures.h"

namespace truce::lab {

struct HuaweiFiles {
  std::string servers;
  std::string requests;
  // Where the plan of `policy` (ours, ours-online, first-fit or best-fit) goes.
  std::string output;
  std::string policy = "ours";
};

// Reads, packs by all policies, checks each plan from its text and from scratch, and writes one; figures for
// ShowFigures. InvalidArgument for files that are no such problem; Internal, naming the rule, when the plan that would
// be written breaks one, and nothing is written then.
absl::StatusOr<FigureTable> PackHuawei(const HuaweiFiles& files, const RuinOptions& options);

// The batch: affinity groups first, then by price, then what is left by size, then servers are emptied.
Ruined PackBatch(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits, const RuinOptions& options);

}  // namespace truce::lab
