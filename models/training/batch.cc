#include "models/training/batch.h"

#include <algorithm>

namespace truce {
namespace {

// Longest sequence that is looked at; the LSTM has forgotten what was before.
constexpr size_t kMostSteps = 24;
// Slowdowns beyond this (in log(1 + slowdown)) are all "stands still"; they must not rule the loss. Within what the
// network can say.
constexpr double kLargestLogSlowdown = 2.7;
// A history that is cut short keeps at least so many samples.
constexpr size_t kLeastSteps = 2;
// A sequence must be this long to make up for another workload's state.
constexpr size_t kLeastStaleSteps = 8;

}  // namespace

Batch BatchMaker::Make(const std::vector<size_t>& chosen) {
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
  if (random_ != nullptr) Disturb(&batch);
  batch.victims = torch::tensor(victims, torch::kLong);
  batch.aggressors = torch::tensor(aggressors, torch::kLong);
  batch.examples = torch::tensor(owners, torch::kLong);
  batch.contexts = torch::tensor(contexts).reshape({pairs, static_cast<int64_t>(PairContext::kSize)});
  batch.targets = torch::tensor(targets);
  batch.errors = torch::tensor(errors);
  batch.resources = torch::tensor(resources).reshape({-1, static_cast<int64_t>(kResourceCount)});
  return batch;
}

bool BatchMaker::Draw(double ratio) {
  return random_ != nullptr && std::uniform_real_distribution<double>(0, 1)(*random_) < ratio;
}

unsigned BatchMaker::DrawHidden() {
  unsigned hidden = 0;
  for (size_t group = 0; group < kFeatureGroupCount; ++group) {
    const bool usage = static_cast<FeatureGroup>(group) == FeatureGroup::kUsage;  // every host has it
    if (!usage && Draw(options_.hide_ratio)) hidden |= 1u << group;
  }
  return hidden;
}

int64_t BatchMaker::AddRow(const InputSequence& sequence, unsigned hidden) {
  size_t length = std::min(sequence.size(), kMostSteps);
  if (length > kLeastSteps && Draw(options_.shorten_ratio)) {
    length = std::uniform_int_distribution<size_t>(kLeastSteps, length)(*random_);
  }
  lines_.push_back({&sequence, length, hidden, length >= kLeastStaleSteps && Draw(options_.stale_ratio)});
  return static_cast<int64_t>(lines_.size()) - 1;
}

void BatchMaker::FillRows(Batch* batch) const {
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

void BatchMaker::Disturb(Batch* batch) {
  // Not with torch's own generator: that is one for all threads.
  if (options_.noise > 0) {
    const auto count = static_cast<size_t>(batch->inputs.size(0));
    batch->noise = torch::zeros({batch->inputs.size(0), static_cast<int64_t>(kModelInputs)});
    std::normal_distribution<float> normal(0, static_cast<float>(options_.noise));
    float* const noise = batch->noise.data_ptr<float>();
    for (size_t row = 0; row < count; ++row) {
      for (size_t i = 0; i < kFeatureCount; ++i) noise[row * kModelInputs + i] = normal(*random_);
    }
  }
  if (options_.dropout > 0) {
    const int64_t width = options_.hidden + options_.projected + 1;
    batch->keep = torch::ones({batch->inputs.size(0), width});
    float* const keep = batch->keep.data_ptr<float>();
    for (int64_t i = 0; i < batch->keep.numel(); ++i) {
      if (i % width == width - 1) continue;  // the demand is no learned part
      keep[i] = Draw(options_.dropout) ? 0 : static_cast<float>(1 / (1 - options_.dropout));
    }
  }
}

}  // namespace truce
