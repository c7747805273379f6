#include "lab/forecast/train_demand.h"

#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "lab/forecast/demand_history.h"
#include "models/forecast/demand_model_file.h"
#include "models/training/demand_trainer.h"
#include "src/base/atomic_file.h"
#include "src/base/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Those that make the same training of another process.
std::vector<std::string> ArgumentsOf(const TrainDemandOptions& options) {
  std::vector<std::string> arguments = {"train", "forecast", "--output", options.output};
  const auto add = [&arguments](const char* option, const std::string& value) {
    arguments.emplace_back(option);
    arguments.push_back(value);
  };
  if (!options.version.empty()) add("--name", options.version);
  for (const std::string& input : options.inputs) add("--input", input);
  if (options.inputs.empty()) {
    add("--series", StrCat(options.series));
    add("--length", StrCat(options.length));
  }
  add("--most-values", StrCat(options.most_values));
  add("--seed", StrCat(options.seed));
  add("--epochs", StrCat(options.epochs));
  add("--batch", StrCat(options.batch));
  add("--held-out", absl::StrFormat("%.17g", options.held_out_ratio));
  add("--patience", StrCat(options.patience));
  return arguments;
}

absl::StatusOr<DemandHistory> History(const TrainDemandOptions& options, GradientExchange& exchange) {
  if (!options.inputs.empty()) return DemandHistory::Read(options.inputs, exchange);
  return DemandHistory::MakeUp(options.series, options.length, options.seed, exchange);
}

DemandTrainingOptions TrainingOf(const TrainDemandOptions& options, int processes) {
  DemandTrainingOptions training;
  training.seed = options.seed;
  training.epochs = options.epochs;
  training.batch = options.batch;
  training.most_values =
      options.inputs.empty() ? options.series * options.length : options.most_values * static_cast<size_t>(processes);
  training.held_out_ratio = options.held_out_ratio;
  training.patience = options.patience;
  return training;
}

// Says how a training goes.
class Teller {
 public:
  explicit Teller(const GradientExchange& exchange) : exchange_(exchange) {}

  bool Tell(const DemandEpoch& epoch) {
    values_ += epoch.own_values;
    if (exchange_.rank() > 0) return true;
    const std::string held_out =
        std::isnan(epoch.held_out_loss) ? "" : absl::StrFormat(", %.6f on series held out", epoch.held_out_loss);
    std::fprintf(stderr, "training the LSTM: %d of %d passes, loss %.4f%s\n", epoch.epoch, epoch.epochs, epoch.loss,
                 held_out.c_str());
    return true;
  }
  void TellSpeed() const {
    const double seconds = absl::ToDoubleSeconds(SystemClock().Monotonic() - begin_);
    std::fprintf(stderr, "process %d of %d learned from %.0f values a second\n", exchange_.rank(),
                 exchange_.processes(), static_cast<double>(values_) / seconds);
  }

 private:
  const GradientExchange& exchange_;
  const absl::Duration begin_ = SystemClock().Monotonic();
  size_t values_ = 0;
};

std::string TrainedOn(const TrainDemandOptions& options, size_t series) {
  const std::string how = StrCat("seed ", options.seed, ", ", options.epochs, " passes");
  if (options.inputs.empty()) {
    return StrCat(options.series, " made-up series of ", options.length, " values, ", how);
  }
  return StrCat(series, " series of ", options.inputs.size(), " files, ", how);
}

absl::Status Write(const TrainDemandOptions& options, size_t series, DemandModel model) {
  const std::string today = absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone());
  const DemandModelContent content{options.version.empty() ? StrCat(today, ".", options.seed) : options.version,
                                   TrainedOn(options, series), std::move(model)};
  return WriteFileAtomically(options.output, SerializeDemandModel(content), 0644, IfExists::kReplace);
}

absl::Status TrainPart(const TrainDemandOptions& options, GradientExchange& exchange) {
  TRUCE_ASSIGN_OR_RETURN(const DemandHistory history, History(options, exchange));
  const std::vector<DemandSeries> series = history.All();
  Teller teller(exchange);
  TRUCE_ASSIGN_OR_RETURN(DemandModel model,
                         TrainDemand(
                             series, TrainingOf(options, exchange.processes()),
                             [&](const DemandEpoch& epoch) { return teller.Tell(epoch); }, nullptr, &exchange));
  teller.TellSpeed();
  return exchange.rank() == 0 ? Write(options, series.size(), std::move(model)) : absl::OkStatus();
}

}  // namespace

absl::Status TrainDemandModel(const TrainDemandOptions& options) {
  if (options.patience > 0 && options.held_out_ratio <= 0) {
    return absl::InvalidArgumentError(
        "--patience counts passes that made nothing better on series held out; give --held-out, too");
  }
  return WorkTogether(options.processes, ArgumentsOf(options),
                      [&options](GradientExchange& exchange) { return TrainPart(options, exchange); });
}

}  // namespace truce::lab
