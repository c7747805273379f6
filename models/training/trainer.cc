#include "models/training/trainer.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>

#include "models/training/calibrate.h"
#include "models/training/network.h"

namespace truce {
namespace {

// Longest sequence that is looked at; the LSTM has forgotten what was before.
constexpr size_t kMostSteps = 24;
// Slowdowns beyond this (in log(1 + slowdown)) are all "stands still"; they must not rule the loss.
constexpr double kLargestLogSlowdown = 3;
// Weights of "hurt or not" and of "by which resource" beside the size of the slowdown.
constexpr double kNoticedWeight = 0.5;
constexpr double kResourceWeight = 0.1;
// A history that is cut short keeps at least so many samples.
constexpr size_t kLeastSteps = 2;
// A sequence must be this long to make up for another workload's state.
constexpr size_t kLeastStaleSteps = 8;

// A batch as tensors: sequences of all workloads in one block, and who belongs to which example.
struct Batch {
  torch::Tensor inputs;      // [N, T, kModelInputs]
  torch::Tensor lengths;     // [N]
  torch::Tensor stale;       // [N]: 1 for a sequence that begins with another workload's state
  torch::Tensor victims;     // [P]: row of the pair's victim
  torch::Tensor aggressors;  // [P]
  torch::Tensor contexts;    // [P, PairContext::kSize]
  torch::Tensor examples;    // [P]: the pair's example
  torch::Tensor targets;     // [B]
  torch::Tensor errors;      // [B]
  torch::Tensor resources;   // [B, kResourceCount]: shares, or zeros
};

class BatchMaker {
 public:
  // Without `random`, examples are taken as they are.
  BatchMaker(const ExampleList& examples, const TrainingOptions& options, std::mt19937_64* random)
      : examples_(examples), options_(options), random_(random) {}

  Batch Make(const std::vector<size_t>& chosen) {
    lines_.clear();
    std::vector<int64_t> victims, aggressors, owners;
    std::vector<float> contexts, targets, errors, resources;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const InterferenceExample& example = *examples_[chosen[i]];
      const unsigned hidden = DrawHidden();
      const int64_t victim = AddRow(example.victim, hidden);
      for (size_t a = 0; a < example.aggressors.size(); ++a) {
        victims.push_back(victim);
        aggressors.push_back(AddRow(example.aggressors[a], hidden));
        owners.push_back(static_cast<int64_t>(i));
        for (const float share : example.contexts[a].ToArray()) contexts.push_back(share);
      }
      targets.push_back(static_cast<float>(std::clamp(example.log_slowdown, -0.2, kLargestLogSlowdown)));
      errors.push_back(static_cast<float>(std::min(example.error, 1.0)));
      resources.insert(resources.end(), example.resources.begin(), example.resources.end());
    }
    Batch batch;
    const auto pairs = static_cast<int64_t>(victims.size());
    FillRows(&batch);
    batch.victims = torch::tensor(victims, torch::kLong);
    batch.aggressors = torch::tensor(aggressors, torch::kLong);
    batch.examples = torch::tensor(owners, torch::kLong);
    batch.contexts = torch::tensor(contexts).reshape({pairs, static_cast<int64_t>(PairContext::kSize)});
    batch.targets = torch::tensor(targets);
    batch.errors = torch::tensor(errors);
    batch.resources = torch::tensor(resources).reshape({-1, static_cast<int64_t>(kResourceCount)});
    return batch;
  }

 private:
  struct Line {
    const InputSequence* sequence;
    size_t length;
    unsigned hidden;
    bool stale;
  };

  bool Draw(double ratio) {
    return random_ != nullptr && std::uniform_real_distribution<double>(0, 1)(*random_) < ratio;
  }

  // A host lacks a source for all of its workloads, so victim and aggressors lose the same groups.
  unsigned DrawHidden() {
    unsigned hidden = 0;
    for (size_t group = 0; group < kFeatureGroupCount; ++group) {
      const bool usage = static_cast<FeatureGroup>(group) == FeatureGroup::kUsage;  // every host has it
      if (!usage && Draw(options_.hide_ratio)) hidden |= 1u << group;
    }
    return hidden;
  }

  int64_t AddRow(const InputSequence& sequence, unsigned hidden) {
    size_t length = std::min(sequence.size(), kMostSteps);
    if (length > kLeastSteps && Draw(options_.shorten_ratio)) {
      length = std::uniform_int_distribution<size_t>(kLeastSteps, length)(*random_);
    }
    lines_.push_back({&sequence, length, hidden, length >= kLeastStaleSteps && Draw(options_.stale_ratio)});
    return static_cast<int64_t>(lines_.size()) - 1;
  }

  void FillRows(Batch* batch) const {
    size_t steps = 1;
    for (const Line& line : lines_) steps = std::max(steps, line.length);
    const auto count = static_cast<int64_t>(lines_.size());
    batch->inputs = torch::zeros({count, static_cast<int64_t>(steps), static_cast<int64_t>(kModelInputs)});
    batch->lengths = torch::zeros({count}, torch::kLong);
    float* const inputs = batch->inputs.data_ptr<float>();
    auto* const lengths = batch->lengths.data_ptr<int64_t>();
    batch->stale = torch::zeros({count});
    float* const stale = batch->stale.data_ptr<float>();
    for (size_t r = 0; r < lines_.size(); ++r) {
      const InputSequence& sequence = *lines_[r].sequence;
      const size_t length = lines_[r].length;
      lengths[r] = static_cast<int64_t>(length);
      stale[r] = lines_[r].stale ? 1 : 0;
      for (size_t step = 0; step < length; ++step) {
        ModelInput input = sequence[sequence.size() - length + step];
        for (size_t group = 0; group < kFeatureGroupCount; ++group) {
          if ((lines_[r].hidden >> group) & 1u) Hide(static_cast<FeatureGroup>(group), &input);
        }
        std::copy(input.begin(), input.end(), inputs + (r * steps + steps - length + step) * kModelInputs);
      }
    }
  }

  const ExampleList& examples_;
  const TrainingOptions& options_;
  std::mt19937_64* const random_;
  std::vector<Line> lines_;
};

struct Totals {
  torch::Tensor by_resource;  // [B, kResourceCount]
  torch::Tensor variance;     // [B]
};

// `stale`, [any, 2 * hidden]: states that other workloads left; in, those to begin with, out, those of this batch.
Totals Forward(InterferenceNet& net, const Batch& batch, torch::Tensor* stale) {
  const auto count = batch.targets.size(0);
  const int64_t rows = batch.inputs.size(0);
  torch::Tensor state = torch::zeros({rows, 2 * net->hidden()});
  if (stale->defined()) {
    state = batch.stale.unsqueeze(1) * stale->index_select(0, torch::arange(rows) % stale->size(0));
  }
  state = net->Encode(batch.inputs, batch.lengths, state);
  *stale = state.detach();
  const torch::Tensor embeddings = state.narrow(1, 0, net->hidden());
  Totals totals{torch::zeros({count, static_cast<int64_t>(kResourceCount)}), net->BaseVariance().expand({count})};
  if (batch.victims.size(0) == 0) return totals;
  const PairOutput pairs = net->Pair(embeddings.index_select(0, batch.victims),
                                     embeddings.index_select(0, batch.aggressors), batch.contexts);
  totals.by_resource = totals.by_resource.index_add(0, batch.examples, pairs.by_resource);
  totals.variance = totals.variance.index_add(0, batch.examples, pairs.variance);
  return totals;
}

torch::Tensor Loss(InterferenceNet& net, const Batch& batch, torch::Tensor* stale) {
  const Totals totals = Forward(net, batch, stale);
  const torch::Tensor mean = totals.by_resource.sum(1);
  // What was measured has an error of its own, which the model need not explain.
  const torch::Tensor variance = totals.variance + batch.errors.square() + 1e-4;
  // Student's t with few degrees of freedom instead of a normal: a label that is off must not bend the model.
  constexpr double kDegrees = 4;
  const torch::Tensor squared = (batch.targets - mean).square() / variance;
  const torch::Tensor size = 0.5 * torch::log(variance) + 0.5 * (kDegrees + 1) * torch::log1p(squared / kDegrees);
  const double bound = std::log1p(kNoticedSlowdown);
  const torch::Tensor probability =
      (0.5 * torch::erfc((bound - mean) / torch::sqrt(2 * (totals.variance + 1e-4)))).clamp(1e-4, 1 - 1e-4);
  const torch::Tensor noticed = (batch.targets >= bound).to(torch::kFloat);
  const torch::Tensor hurt = torch::binary_cross_entropy(probability, noticed, {}, at::Reduction::None);
  // Cross entropy of the resources' shares, as far as the victim was slowed.
  const torch::Tensor shares = (totals.by_resource + 1e-6) / (mean + 1e-5).unsqueeze(1);
  const torch::Tensor which = -(batch.resources * torch::log(shares)).sum(1) * noticed;
  return (size + kNoticedWeight * hurt + kResourceWeight * which).mean();
}

double MeanLoss(InterferenceNet& net, const ExampleList& examples, const TrainingOptions& options) {
  torch::NoGradGuard no_gradient;
  BatchMaker maker(examples, options, nullptr);
  double sum = 0;
  constexpr size_t kChunk = 256;
  for (size_t begin = 0; begin < examples.size(); begin += kChunk) {
    std::vector<size_t> chosen(std::min(kChunk, examples.size() - begin));
    std::iota(chosen.begin(), chosen.end(), begin);
    torch::Tensor stale;
    sum += Loss(net, maker.Make(chosen), &stale).item<double>() * static_cast<double>(chosen.size());
  }
  return sum / static_cast<double>(examples.size());
}

// libtorch draws first weights from one generator for the whole process.
InterferenceNet NewNetwork(const TrainingOptions& options) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  torch::manual_seed(options.seed);
  NetworkShape shape;
  shape.projected = options.projected;
  shape.hidden = options.hidden;
  shape.pair = options.pair;
  return InterferenceNet(shape);
}

// Inputs that are zero in all samples of all workloads.
std::vector<int64_t> UnseenInputs(const ExampleList& examples) {
  std::array<bool, kModelInputs> seen{};
  const auto look = [&seen](const InputSequence& sequence) {
    for (const ModelInput& input : sequence) {
      for (size_t i = 0; i < kModelInputs; ++i) seen[i] = seen[i] || input[i] != 0;
    }
  };
  for (const InterferenceExample* example : examples) {
    look(example->victim);
    for (const InputSequence& aggressor : example->aggressors) look(aggressor);
  }
  std::vector<int64_t> unseen;
  for (size_t i = 0; i < kModelInputs; ++i) {
    if (!seen[i]) unseen.push_back(static_cast<int64_t>(i));
  }
  return unseen;
}

// One pass over the training data; returns its mean loss.
double TrainEpoch(InterferenceNet& net, torch::optim::Optimizer& optimizer, BatchMaker& maker,
                  const std::vector<size_t>& order, size_t batch) {
  double sum = 0;
  torch::Tensor stale;
  for (size_t begin = 0; begin < order.size(); begin += batch) {
    const size_t end = std::min(order.size(), begin + batch);
    const std::vector<size_t> chosen(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                     order.begin() + static_cast<std::ptrdiff_t>(end));
    optimizer.zero_grad();
    const torch::Tensor loss = Loss(net, maker.Make(chosen), &stale);
    loss.backward();
    torch::nn::utils::clip_grad_norm_(net->parameters(), 1.0);
    optimizer.step();
    sum += loss.item<double>() * static_cast<double>(chosen.size());
  }
  return sum / static_cast<double>(std::max<size_t>(1, order.size()));
}

}  // namespace

TrainedInterference TrainInterference(const ExampleList& training, const ExampleList& validation,
                                      const TrainingOptions& options,
                                      const std::function<bool(const EpochReport&)>& report) {
  std::mt19937_64 random(options.seed);
  InterferenceNet net = NewNetwork(options);
  net->Ignore(UnseenInputs(training));
  torch::optim::AdamW optimizer(net->parameters(),
                                torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay));
  BatchMaker maker(training, options, &random);
  std::vector<size_t> order(training.size());
  std::iota(order.begin(), order.end(), size_t{0});
  InterferenceWeights best = net->Export();
  double least = std::numeric_limits<double>::infinity();
  int waited = 0;
  int best_epoch = 0;
  for (int epoch = 1; epoch <= options.most_epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), random);
    // The rate falls along half a cosine (Loshchilov and Hutter 2017), so that the last epochs settle.
    const double left = 0.5 * (1 + std::cos(M_PI * (epoch - 1) / options.most_epochs));
    static_cast<torch::optim::AdamWOptions&>(optimizer.param_groups()[0].options())
        .lr(options.learning_rate * std::max(0.02, left));
    EpochReport told{epoch, TrainEpoch(net, optimizer, maker, order, static_cast<size_t>(options.batch)), 0,
                     validation.empty()};
    if (!validation.empty()) {
      told.validation_loss = MeanLoss(net, validation, options);
      told.best = told.validation_loss < least;
    }
    waited = told.best ? 0 : waited + 1;
    if (told.best) {
      least = told.validation_loss;
      best = net->Export();
      best_epoch = epoch;
    }
    if (!report(told) || waited > options.patience || epoch == options.stop_after) break;
  }
  return {Calibrated(std::move(best), training, validation), best_epoch};
}

}  // namespace truce
