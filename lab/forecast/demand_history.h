// The history that a demand model is trained on: made up, or read from files that are dealt out to the processes of a
// training.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/training/demand_trainer.h"
#include "models/training/gradient_exchange.h"

namespace truce::lab {

// Series with values of their own. Those that other processes have are there, without values.
class DemandHistory {
 public:
  static DemandHistory MakeUp(size_t count, size_t length, uint64_t seed, const GradientExchange& exchange);
  // Each file as truce-lab forecast reads it. The process of rank r reads the r-th file and then every so-manieth;
  // others need not be where it runs. InvalidArgument when there are fewer files than processes, and for what is no
  // file of series; NotFound; whatever Sum has.
  static absl::StatusOr<DemandHistory> Read(const std::vector<std::string>& files, GradientExchange& exchange);

  // Of all, in the same order in each process. As long as this lives.
  std::vector<DemandSeries> All() const;
  size_t own_values() const;

 private:
  struct One {
    std::vector<double> values;
    size_t season_steps = 0;
  };
  std::vector<One> all_;
};

}  // namespace truce::lab
