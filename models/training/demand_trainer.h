// Trains the demand LSTM over many series. Deterministic for a seed on one machine. Any thread; libtorch and its BLAS
// are left with one thread each in the whole process.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/demand_model.h"

namespace truce {

// One series to learn from: oldest first, NaN where nothing is known.
struct DemandSeries {
  absl::Span<const double> values;
  // As DemandFeatures has it.
  size_t season_steps = 0;
  // Series of one host begin at the same moment and may lead each other (models/forecast/leaders.h). 0: it is not
  // known, and the series is on its own.
  uint64_t host = 0;
};

struct DemandTrainingOptions {
  uint64_t seed = 1;
  int epochs = 8;
  int batch = 64;
  double learning_rate = 2e-3;
  double weight_decay = 1e-4;
  // Sizes of the network (models/forecast/demand_model.h).
  int projected = 32;
  int hidden = 48;
  int width = 64;
  // Series are cut into pieces of so many values; of more than most_values in all, pieces are drawn. A value needs some
  // 200 bytes while it is learned from.
  size_t piece = 288;
  size_t most_values = 1'500'000;
  // The quantile loss is taken where the network works, of asinh values, in which a spike is one value like any other;
  // and, by so much, of the values themselves, in which a spike is what capacity is needed for.
  double spike_weight = 1.0;
};

struct DemandEpoch {
  int epoch = 0;
  int epochs = 0;
  // Mean quantile loss of a target, in the series' own units of change.
  double loss = 0;
};

// InvalidArgument when the series have not even kLeastDemandValues values to learn from. Begins with the weights of
// `from`, whose sizes then count instead of those of `options`, or, without it, with random ones. `report` is called
// after each epoch; false ends the training with the weights so far.
inline constexpr size_t kLeastDemandValues = 2'000;
absl::StatusOr<DemandModel> TrainDemand(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                        const std::function<bool(const DemandEpoch&)>& report,
                                        const DemandModel* from = nullptr);

}  // namespace truce
