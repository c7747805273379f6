// Trains the demand LSTM over many series, in one process or several. Deterministic for a seed on one machine. Any
// thread; libtorch and its BLAS are left with one thread each in the whole process.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/forecast/demand_model.h"
#include "models/training/gradient_exchange.h"

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
  // This part of the series (whole hosts, where they are known) is not learned from; the loss on them says how well new
  // ones are told, and the weights with the least are kept.
  double held_out_ratio = 0;
  // Ends when the loss on those has not fallen for so many epochs. 0: does not.
  int patience = 0;
};

struct DemandEpoch {
  int epoch = 0;
  int epochs = 0;
  // Mean quantile loss of a target, in the series' own units of change.
  double loss = 0;
  // The same of the series that were held out; NaN without any.
  double held_out_loss = 0;
  // Values that this process learned from.
  size_t own_values = 0;
};

// InvalidArgument when the series have not even kLeastDemandValues values to learn from, and when none of them came to
// be held out though some were to be (each is drawn, with the seed). Begins with the weights of `from`, whose sizes
// then count instead of those of `options`, or, without it, with random ones. `report` is called after each epoch;
// false ends the training with the weights so far.
//
// With an `exchange` its processes train one model together: each gives all series, in the same order, but values of
// those of its share only; those of one host belong into one share. Whatever the shares, it is the model that one
// process makes of all series, but for the order in which gradients are added up: every batch is drawn from the pieces
// of all, each process takes its own of them, and what was learned is weighted by how many values there were. All
// return the same, or an error. Options and series that differ are FailedPrecondition or InvalidArgument; that
// another process ended is Unavailable, with its rank.
inline constexpr size_t kLeastDemandValues = 2'000;
absl::StatusOr<DemandModel> TrainDemand(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                        const std::function<bool(const DemandEpoch&)>& report,
                                        const DemandModel* from = nullptr, GradientExchange* exchange = nullptr);

}  // namespace truce
