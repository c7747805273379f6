#include "models/training/demand_trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "models/training/demand_network.h"
#include "models/training/demand_pieces.h"
#include "models/training/one_thread.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

// The learning rate ends at this part of its start (Loshchilov and Hutter, "SGDR", ICLR 2017: along a half cosine).
constexpr double kLastRate = 0.02;
constexpr int64_t kQuantiles = static_cast<int64_t>(kDemandQuantiles.size());

// A training in this process.
struct Course {
  const DemandTrainingOptions& options;
  DemandPieces& pieces;
  GradientExchange& exchange;
  DemandNetwork network;
  torch::optim::AdamW optimizer;
  DemandTensors data;
};

// Process 0's weights, in all. They begin the same, but machines that round differently would drift apart.
absl::Status AgreeOnWeights(Course& course) {
  torch::NoGradGuard no_gradient;
  std::vector<float> all;
  for (const torch::Tensor& weights : course.network->parameters()) {
    const torch::Tensor flat = weights.contiguous();
    all.insert(all.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  if (course.exchange.rank() != 0) std::fill(all.begin(), all.end(), 0.f);
  TRUCE_RETURN_IF_ERROR(course.exchange.Sum(absl::MakeSpan(all)));
  float* next = all.data();
  for (torch::Tensor& weights : course.network->parameters()) {
    weights.copy_(torch::from_blob(next, weights.sizes()));
    next += weights.numel();
  }
  return absl::OkStatus();
}

// Adds up what every process's pieces of a batch ask of the weights, and their losses.
absl::StatusOr<double> SumGradients(Course& course, const torch::Tensor& loss) {
  torch::NoGradGuard no_gradient;
  std::vector<float> all;
  for (const torch::Tensor& weights : course.network->parameters()) {
    // Whose first batch held none of its pieces has no gradient yet.
    const torch::Tensor gradient = weights.grad().defined() ? weights.grad().contiguous() : torch::zeros_like(weights);
    all.insert(all.end(), gradient.data_ptr<float>(), gradient.data_ptr<float>() + gradient.numel());
  }
  all.push_back(loss.item<float>());
  TRUCE_RETURN_IF_ERROR(course.exchange.Sum(absl::MakeSpan(all)));
  float* next = all.data();
  for (torch::Tensor& weights : course.network->parameters()) {
    weights.mutable_grad() = torch::from_blob(next, weights.sizes()).clone();
    next += weights.numel();
  }
  return all.back();
}

// Those of the pieces that this process has.
std::vector<int64_t> OwnRows(const DemandPieces& pieces, absl::Span<const int64_t> batch) {
  std::vector<int64_t> own;
  for (const int64_t piece : batch) {
    const int64_t row = pieces.rows[static_cast<size_t>(piece)];
    if (row != DemandPieces::kElsewhere) own.push_back(row);
  }
  return own;
}

double KnownTargets(const DemandPieces& pieces, absl::Span<const int64_t> batch) {
  double known = 0;
  for (const int64_t piece : batch) known += pieces.known_targets[static_cast<size_t>(piece)];
  return std::max(1.0, known);
}

// One step of all processes, with pieces of theirs or without; the mean loss of the batch.
absl::StatusOr<double> Step(Course& course, absl::Span<const int64_t> batch, size_t* own_values) {
  const std::vector<int64_t> own = OwnRows(course.pieces, batch);
  *own_values += own.size() * course.pieces.length;
  course.optimizer.zero_grad();
  torch::Tensor loss = torch::zeros({});
  if (!own.empty()) {
    loss = LossOf(course.network, course.data, own, course.options.spike_weight) / KnownTargets(course.pieces, batch);
    loss.backward();
  }
  TRUCE_ASSIGN_OR_RETURN(const double mean, SumGradients(course, loss));
  torch::nn::utils::clip_grad_norm_(course.network->parameters(), 1.0);
  course.optimizer.step();
  return mean;
}

// The mean loss of all pieces that were held out; NaN without any.
absl::StatusOr<double> HeldOutLoss(Course& course) {
  torch::NoGradGuard no_gradient;
  const std::vector<int64_t>& held_out = course.pieces.held_out;
  if (held_out.empty()) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<int64_t> own = OwnRows(course.pieces, held_out);
  constexpr size_t kAtOnce = 64;
  double sum = 0;
  for (size_t begin = 0; begin < own.size(); begin += kAtOnce) {
    const absl::Span<const int64_t> rows = absl::MakeConstSpan(own).subspan(begin, kAtOnce);
    sum += LossOf(course.network, course.data, rows, course.options.spike_weight).item<double>();
  }
  TRUCE_RETURN_IF_ERROR(course.exchange.Sum(absl::MakeSpan(&sum, 1)));
  return sum / KnownTargets(course.pieces, held_out);
}

double RateAt(const DemandTrainingOptions& options, double part) {
  return options.learning_rate * (kLastRate + (1 - kLastRate) * 0.5 * (1 + std::cos(M_PI * part)));
}

// One pass over all pieces, in the same order everywhere.
absl::StatusOr<DemandEpoch> LearnOnce(Course& course, int epoch, std::vector<int64_t>* order, std::mt19937_64* random) {
  const DemandTrainingOptions& options = course.options;
  std::shuffle(order->begin(), order->end(), *random);
  const size_t batch = std::min(static_cast<size_t>(options.batch), order->size());
  const size_t batches = order->size() / batch;
  DemandEpoch told{epoch, options.epochs, 0, 0, 0};
  for (size_t i = 0; i < batches; ++i) {
    const double part = (static_cast<double>(epoch - 1) + static_cast<double>(i) / static_cast<double>(batches)) /
                        static_cast<double>(options.epochs);
    static_cast<torch::optim::AdamWOptions&>(course.optimizer.param_groups()[0].options()).lr(RateAt(options, part));
    TRUCE_ASSIGN_OR_RETURN(const double loss,
                           Step(course, absl::MakeConstSpan(*order).subspan(i * batch, batch), &told.own_values));
    told.loss += loss;
  }
  told.loss /= static_cast<double>(batches) * static_cast<double>(kQuantiles);
  TRUCE_ASSIGN_OR_RETURN(const double held_out, HeldOutLoss(course));
  told.held_out_loss = held_out / static_cast<double>(kQuantiles);
  return told;
}

// Whether any process's report wants it: all end together.
absl::StatusOr<bool> AnyEnds(bool ends, GradientExchange& exchange) {
  double ending = ends ? 1 : 0;
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(&ending, 1)));
  return ending > 0;
}

absl::StatusOr<DemandWeights> Learn(Course& course, const std::function<bool(const DemandEpoch&)>& report) {
  std::vector<int64_t> order = course.pieces.learned;
  std::mt19937_64 random(course.options.seed);
  DemandWeights best;
  double least = std::numeric_limits<double>::infinity();
  int best_epoch = 0;
  for (int epoch = 1; epoch <= course.options.epochs; ++epoch) {
    TRUCE_RETURN_IF_ERROR(AgreeOnWeights(course));
    TRUCE_ASSIGN_OR_RETURN(const DemandEpoch told, LearnOnce(course, epoch, &order, &random));
    if (told.held_out_loss < least) {
      least = told.held_out_loss;
      best_epoch = epoch;
      best = course.network->Export();
    }
    TRUCE_ASSIGN_OR_RETURN(const bool ends, AnyEnds(!report(told), course.exchange));
    const bool in_vain = best_epoch > 0 && course.options.patience > 0 && epoch - best_epoch >= course.options.patience;
    if (ends || in_vain) break;
  }
  return best_epoch > 0 ? best : course.network->Export();
}

// What all processes must have been given alike.
absl::Status CheckAlike(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                        GradientExchange& exchange) {
  return CheckSame(
      "options or another number of series",
      {static_cast<double>(series.size()), static_cast<double>(options.seed), static_cast<double>(options.epochs),
       static_cast<double>(options.batch), options.learning_rate, options.weight_decay,
       static_cast<double>(options.projected), static_cast<double>(options.hidden), static_cast<double>(options.width),
       static_cast<double>(options.piece), static_cast<double>(options.most_values), options.spike_weight,
       options.held_out_ratio, static_cast<double>(options.patience)},
      exchange);
}

}  // namespace

absl::StatusOr<DemandModel> TrainDemand(absl::Span<const DemandSeries> series, const DemandTrainingOptions& options,
                                        const std::function<bool(const DemandEpoch&)>& report, const DemandModel* from,
                                        GradientExchange* exchange) {
  OneProcess alone;
  GradientExchange& group = exchange == nullptr ? alone : *exchange;
  TRUCE_RETURN_IF_ERROR(CheckAlike(series, options, group));
  TRUCE_ASSIGN_OR_RETURN(DemandPieces pieces, CutIntoPieces(series, options, group));
  if (pieces.learned_values < kLeastDemandValues) {
    return absl::InvalidArgumentError(StrCat("the series have ", pieces.learned_values, " values to learn from, and ",
                                             "the LSTM needs ", kLeastDemandValues, ": give it more or longer ones"));
  }
  if (options.held_out_ratio > 0 && pieces.held_out.empty()) {
    return absl::InvalidArgumentError(
        StrCat("of ", series.size(), " series none is held out, drawn with a chance of ", options.held_out_ratio,
               ", so there is nothing to tell passes apart by; hold out a larger part, or none"));
  }
  UseOneThread();
  torch::manual_seed(options.seed);
  DemandNetwork network = NewDemandNetwork(options, from);
  const auto adamw = torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay);
  Course course{options, pieces, group, network, torch::optim::AdamW(network->parameters(), adamw), ViewOf(pieces)};
  TRUCE_ASSIGN_OR_RETURN(DemandWeights weights, Learn(course, report));
  if (!IsSound(weights)) return absl::InternalError("training the demand LSTM ended with numbers that are none");
  return DemandModel(std::move(weights));
}

}  // namespace truce
