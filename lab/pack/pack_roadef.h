// Packs a ROADEF/EURO 2012 problem and shows what came of it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/plan/pack/anneal.h"
#include "src/base/figures.h"

namespace truce::lab {

struct RoadefFiles {
  std::string model;
  std::string initial;
  // Where the new assignment goes.
  std::string output;
};

// Reads, improves, checks what came from scratch and writes it; figures for ShowFigures. InvalidArgument for files that
// are no such problem, Cancelled when `options.stop` was set before there was anything better; what is better is
// written all the same.
absl::StatusOr<FigureTable> PackRoadef(const RoadefFiles& files, const controller::pack::AnnealOptions& options);

}  // namespace truce::lab
