#include "models/training/trainer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <sstream>

#include "models/training/batch.h"
#include "models/training/calibrate.h"
#include "models/training/network.h"
#include "models/training/one_thread.h"

namespace truce {
namespace {

// Weights of "hurt or not" and of "by which resource" beside the size of the slowdown.
constexpr double kNoticedWeight = 0.5;
constexpr double kResourceWeight = 0.1;
// Features are numbers near 1; one that varies less than this in training is not blown up further, since elsewhere it
// may vary more. Below the second, it does not vary.
constexpr double kLeastScale = 0.05;
constexpr double kNoDeviation = 1e-4;
// What the newest step weighs in the mean of the weights.
constexpr double kAveragingWeight = 0.02;

struct Totals {
  torch::Tensor by_resource;  // [B, kResourceCount]
  torch::Tensor variance;     // [B]
};

// `stale`, [any, net->state()]: states that other workloads left; in, those to begin with, out, those of this batch.
Totals Forward(InterferenceNet& net, const Batch& batch, torch::Tensor* stale) {
  const auto count = batch.targets.size(0);
  const int64_t rows = batch.inputs.size(0);
  torch::Tensor state = torch::zeros({rows, net->state()});
  if (stale->defined()) {
    state = batch.stale.unsqueeze(1) * stale->index_select(0, torch::arange(rows) % stale->size(0));
  }
  state = net->Encode(batch.inputs, batch.lengths, state, batch.noise);
  *stale = state.detach();
  torch::Tensor embeddings = state.narrow(1, 0, net->fingerprint());
  if (batch.keep.defined()) embeddings = embeddings * batch.keep;
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
  const torch::Tensor slowdown = totals.by_resource.sum(1);
  const torch::Tensor mean = torch::log1p(slowdown);
  // What was measured has an error of its own, which the model need not explain.
  const torch::Tensor variance = totals.variance + batch.errors.square() + 1e-4;
  // Student's t with few degrees of freedom instead of a normal: a label that is off must not bend the model.
  constexpr double kDegrees = 4;
  const torch::Tensor squared = (batch.targets - mean).square() / variance;
  const torch::Tensor size = 0.5 * torch::log(variance) + 0.5 * (kDegrees + 1) * torch::log1p(squared / kDegrees);
  const double bound = std::log1p(kNoticedSlowdown);
  const torch::Tensor noticed = (batch.targets >= bound).to(torch::kFloat);
  const torch::Tensor logit = kLogisticOfNormal * (mean - bound) / torch::sqrt(totals.variance + 1e-4);
  const torch::Tensor hurt = torch::binary_cross_entropy_with_logits(logit, noticed, {}, {}, at::Reduction::None);
  // Cross entropy of the resources' shares, as far as the victim was slowed.
  const torch::Tensor shares = (totals.by_resource + 1e-6) / (slowdown + 1e-5).unsqueeze(1);
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

// Calls `body` with every sample of all workloads.
template <typename Body>
void ForEachSample(const ExampleList& examples, const Body& body) {
  const auto look = [&body](const InputSequence& sequence) {
    for (const ModelInput& input : sequence) body(input);
  };
  for (const InterferenceExample* example : examples) {
    look(example->victim);
    for (const InputSequence& aggressor : example->aggressors) look(aggressor);
  }
}

// How one feature is spread over the samples that have it.
struct Spread {
  double count = 0;
  double sum = 0;
  double square = 0;

  double mean() const { return sum / count; }
  double deviation() const { return std::sqrt(std::max(0.0, square / count - mean() * mean())); }
};

// Brings each feature to mean 0 and deviation 1, and has those ignored that nobody has or that are the same for all:
// what they would mean cannot be learned.
void Standardise(const ExampleList& examples, InterferenceNet& net) {
  std::array<Spread, kFeatureCount> spreads;
  ForEachSample(examples, [&spreads](const ModelInput& input) {
    for (size_t i = 0; i < kFeatureCount; ++i) {
      if (input[kFeatureCount + i] <= 0) continue;
      ++spreads[i].count;
      spreads[i].sum += input[i];
      spreads[i].square += input[i] * input[i];
    }
  });
  torch::Tensor mean = torch::zeros({static_cast<int64_t>(kFeatureCount)});
  torch::Tensor scale = torch::ones({static_cast<int64_t>(kFeatureCount)});
  std::vector<int64_t> ignored;
  for (size_t i = 0; i < kFeatureCount; ++i) {
    const auto at = static_cast<int64_t>(i);
    if (spreads[i].count == 0) ignored.push_back(at + static_cast<int64_t>(kFeatureCount));
    if (spreads[i].count == 0 || spreads[i].deviation() < kNoDeviation) {
      ignored.push_back(at);
      continue;
    }
    mean[at] = spreads[i].mean();
    scale[at] = std::max(kLeastScale, spreads[i].deviation());
  }
  net->Standardise(mean, scale);
  net->Ignore(ignored);
}

// Has shares ignored that are the same in all examples: on a machine where they differ, what was learned would be
// moved by something that nothing was learned of.
void IgnoreConstantShares(const ExampleList& examples, InterferenceNet& net) {
  std::array<std::set<float>, PairContext::kSize> seen;
  for (const InterferenceExample* example : examples) {
    for (const PairContext& context : example->contexts) {
      const auto shares = context.ToArray();
      for (size_t i = 0; i < shares.size(); ++i) {
        if (seen[i].size() < 2) seen[i].insert(shares[i]);
      }
    }
  }
  std::vector<int64_t> constant;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].size() < 2) constant.push_back(static_cast<int64_t>(i));
  }
  net->IgnoreShares(constant);
}

// A training between two epochs.
struct Course {
  InterferenceNet net;
  // The mean of its weights over the last steps, which is what is judged and kept.
  InterferenceNet mean;
  torch::optim::AdamW optimizer;
  std::mt19937_64 random;
  std::vector<size_t> order;
  // The weights to be kept, so far.
  InterferenceNet best;
  int64_t steps = 0;
  double least = std::numeric_limits<double>::infinity();
  int epoch = 0;
  int best_epoch = 0;
};

void Copy(const InterferenceNet& from, InterferenceNet& to) {
  torch::NoGradGuard no_gradient;
  for (size_t i = 0; i < from->parameters().size(); ++i) to->parameters()[i].copy_(from->parameters()[i]);
  for (size_t i = 0; i < from->buffers().size(); ++i) to->buffers()[i].copy_(from->buffers()[i]);
}

// Moves the mean of the weights towards what they are now (averaging; Polyak and Juditsky 1992).
void Follow(Course* course) {
  torch::NoGradGuard no_gradient;
  ++course->steps;
  const double weight = std::max(kAveragingWeight, 1.0 / static_cast<double>(course->steps));
  const std::vector<torch::Tensor> now = course->net->parameters();
  const std::vector<torch::Tensor> mean = course->mean->parameters();
  for (size_t i = 0; i < now.size(); ++i) mean[i].add_(now[i] - mean[i], weight);
}

// One pass over the training data; returns its mean loss.
double TrainEpoch(BatchMaker& maker, size_t batch, Course* course) {
  const std::vector<size_t>& order = course->order;
  double sum = 0;
  torch::Tensor stale;
  for (size_t begin = 0; begin < order.size(); begin += batch) {
    const size_t end = std::min(order.size(), begin + batch);
    const std::vector<size_t> chosen(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                     order.begin() + static_cast<std::ptrdiff_t>(end));
    course->optimizer.zero_grad();
    const torch::Tensor loss = Loss(course->net, maker.Make(chosen), &stale);
    loss.backward();
    torch::nn::utils::clip_grad_norm_(course->net->parameters(), 1.0);
    course->optimizer.step();
    Follow(course);
    sum += loss.item<double>() * static_cast<double>(chosen.size());
  }
  return sum / static_cast<double>(std::max<size_t>(1, order.size()));
}

Course NewCourse(const ExampleList& training, const TrainingOptions& options) {
  InterferenceNet net = NewNetwork(options);
  Standardise(training, net);
  IgnoreConstantShares(training, net);
  const auto adamw = torch::optim::AdamWOptions(options.learning_rate).weight_decay(options.weight_decay);
  Course course{net, NewNetwork(options), torch::optim::AdamW(net->parameters(), adamw), std::mt19937_64(options.seed),
                {},  NewNetwork(options)};
  course.order.resize(training.size());
  std::iota(course.order.begin(), course.order.end(), size_t{0});
  Copy(course.net, course.mean);
  Copy(course.net, course.best);
  return course;
}

std::string State(const Course& course) {
  torch::serialize::OutputArchive archive, net, mean, best, optimizer;
  course.net->save(net);
  course.mean->save(mean);
  course.best->save(best);
  course.optimizer.save(optimizer);
  archive.write("net", net);
  archive.write("mean", mean);
  archive.write("steps", c10::IValue(course.steps));
  archive.write("best", best);
  archive.write("optimizer", optimizer);
  std::ostringstream random;
  random << course.random;
  archive.write("random", c10::IValue(random.str()));
  archive.write("order", torch::tensor(std::vector<int64_t>(course.order.begin(), course.order.end())));
  archive.write("least", c10::IValue(course.least));
  archive.write("epoch", c10::IValue(int64_t{course.epoch}));
  archive.write("best_epoch", c10::IValue(int64_t{course.best_epoch}));
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

void Restore(const std::string& state, Course* course) {
  std::istringstream bytes(state);
  torch::serialize::InputArchive archive, net, mean, best, optimizer;
  archive.load_from(bytes);
  archive.read("net", net);
  archive.read("mean", mean);
  archive.read("best", best);
  archive.read("optimizer", optimizer);
  course->net->load(net);
  course->mean->load(mean);
  course->best->load(best);
  course->optimizer.load(optimizer);
  c10::IValue value;
  archive.read("steps", value);
  course->steps = value.toInt();
  archive.read("random", value);
  std::istringstream(value.toStringRef()) >> course->random;
  torch::Tensor order;
  archive.read("order", order);
  TORCH_CHECK(order.numel() == static_cast<int64_t>(course->order.size()), "the checkpoint is of other data");
  std::copy_n(order.data_ptr<int64_t>(), order.numel(), course->order.begin());
  archive.read("least", value);
  course->least = value.toDouble();
  archive.read("epoch", value);
  course->epoch = static_cast<int>(value.toInt());
  archive.read("best_epoch", value);
  course->best_epoch = static_cast<int>(value.toInt());
}

Course BeginOrGoOn(const ExampleList& training, const TrainingOptions& options, const TrainingCheckpoint& checkpoint) {
  if (const auto state = checkpoint.load ? checkpoint.load() : std::nullopt) {
    try {
      Course course = NewCourse(training, options);
      Restore(*state, &course);
      return course;
    } catch (const std::exception& error) {  // libtorch's way
      if (checkpoint.refused) checkpoint.refused(error.what());
    }
  }
  return NewCourse(training, options);
}

// The rate falls along half a cosine (Loshchilov and Hutter 2017), so that the last epochs settle.
double LearningRate(const TrainingOptions& options, int epoch) {
  const double left = 0.5 * (1 + std::cos(M_PI * (epoch - 1) / options.most_epochs));
  return options.learning_rate * std::max(0.02, left);
}

int LastEpoch(const TrainingOptions& options) {
  return options.stop_after > 0 ? std::min(options.stop_after, options.most_epochs) : options.most_epochs;
}

bool Ended(const Course& course, const TrainingOptions& options) {
  return course.epoch >= LastEpoch(options) ||
         course.epoch - std::max(course.best_epoch, options.least_epochs) > options.patience;
}

EpochReport NextEpoch(const ExampleList& training, const ExampleList& validation, const TrainingOptions& options,
                      Course* course) {
  ++course->epoch;
  std::shuffle(course->order.begin(), course->order.end(), course->random);
  static_cast<torch::optim::AdamWOptions&>(course->optimizer.param_groups()[0].options())
      .lr(LearningRate(options, course->epoch));
  BatchMaker maker(training, options, &course->random);
  EpochReport told{course->epoch, TrainEpoch(maker, static_cast<size_t>(options.batch), course), 0, validation.empty()};
  if (!validation.empty()) {
    told.validation_loss = MeanLoss(course->mean, validation, options);
    const bool counts = course->epoch >= std::min(options.least_epochs, LastEpoch(options));
    told.best = counts && told.validation_loss < course->least;
  }
  if (told.best) {
    course->least = told.validation_loss;
    course->best_epoch = course->epoch;
    Copy(course->mean, course->best);
  }
  return told;
}

}  // namespace

TrainedInterference TrainInterference(const ExampleList& training, const ExampleList& validation,
                                      const TrainingOptions& options,
                                      const std::function<bool(const EpochReport&)>& report,
                                      const TrainingCheckpoint& checkpoint) {
  UseOneThread();
  Course course = BeginOrGoOn(training, options, checkpoint);
  while (!Ended(course, options)) {
    const EpochReport told = NextEpoch(training, validation, options, &course);
    if (checkpoint.save) checkpoint.save(State(course));
    if (!report(told)) break;
  }
  if (course.best_epoch == 0) {  // it was ended before any counted
    Copy(course.mean, course.best);
    course.best_epoch = course.epoch;
  }
  return {Calibrated(course.best->Export(), training, validation), course.best_epoch};
}

}  // namespace truce
