#include "lab/forecast/demand_models.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "models/forecast/demand_model_file.h"
#include "models/training/made_up_demand.h"
#include "src/base/atomic_file.h"
#include "src/base/shipped.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr char kShipped[] = "models/demand.truce";
constexpr int kTuningEpochs = 4;
constexpr double kTuningRate = 1e-3;

bool Tell(const DemandEpoch& epoch) {
  std::fprintf(stderr, "training the LSTM: %d of %d passes, loss %.4f\n", epoch.epoch, epoch.epochs, epoch.loss);
  return true;
}

}  // namespace

absl::Status TrainDemandModel(const TrainDemandOptions& options) {
  const std::vector<MadeUpDemand> made = MakeUpDemand(options.series, options.length, options.seed);
  std::vector<DemandSeries> series;
  for (const MadeUpDemand& one : made) series.push_back({one.values, one.season_steps});
  DemandTrainingOptions training;
  training.seed = options.seed;
  training.epochs = options.epochs;
  training.most_values = options.series * options.length;
  TRUCE_ASSIGN_OR_RETURN(DemandModel model, TrainDemand(series, training, Tell));
  const std::string today = absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone());
  const DemandModelContent content{options.version.empty() ? StrCat(today, ".", options.seed) : options.version,
                                   StrCat(options.series, " made-up series of ", options.length, " values, seed ",
                                          options.seed, ", ", options.epochs, " passes"),
                                   std::move(model)};
  return WriteFileAtomically(options.output, SerializeDemandModel(content), 0644, IfExists::kReplace);
}

absl::StatusOr<SharedDemandModel> ShippedDemandModel() {
  const std::string path = ShippedPath(kShipped);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(StrCat("there is no ", path, ", the demand model that comes with Truce; install it, or ",
                                      "make it with truce-lab train forecast --output ", path));
  }
  std::ostringstream bytes;
  bytes << file.rdbuf();
  TRUCE_ASSIGN_OR_RETURN(DemandModelContent content, ParseDemandModel(bytes.str(), path));
  return std::make_shared<const DemandModel>(std::move(content.model));
}

absl::StatusOr<SharedDemandModel> Tuned(const SharedDemandModel& model, absl::Span<const DemandSeries> series) {
  size_t values = 0;
  for (const DemandSeries& one : series) {
    for (const double value : one.values) values += std::isfinite(value) ? 1 : 0;
  }
  if (values < kLeastTuningValues) {
    std::fprintf(stderr, "the LSTM is used as it comes: to tune it, %zu values are too few (%zu)\n", values,
                 kLeastTuningValues);
    return model;
  }
  DemandTrainingOptions tuning;
  tuning.epochs = kTuningEpochs;
  tuning.learning_rate = kTuningRate;
  TRUCE_ASSIGN_OR_RETURN(DemandModel tuned, TrainDemand(series, tuning, Tell, model.get()));
  return std::make_shared<const DemandModel>(std::move(tuned));
}

}  // namespace truce::lab
