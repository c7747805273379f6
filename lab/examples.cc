#include "lab/examples.h"

#include <algorithm>
#include <cmath>

#include "lab/labels.h"
#include "models/topology.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// A program that got so much faster in company did so by noise.
constexpr double kLeastRatio = 0.7;

InputSequence SequenceUntil(const DatasetLife& life, double moment, size_t most_steps) {
  InputSequence sequence;
  const auto end = std::find_if(life.samples.begin(), life.samples.end(),
                                [&](const DatasetSample& sample) { return sample.at > moment; });
  const auto count = std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(most_steps), end - life.samples.begin());
  for (auto sample = end - count; sample != end; ++sample) sequence.push_back(MakeModelInput(sample->readings));
  return sequence;
}

// What of the victim's time is lost to each resource, per second of progress; as the agent's signals have it.
struct Losses {
  double cpu = 0;
  double memory = 0;
  double disk = 0;
  double llc_misses = 0;
  int count = 0;
};

double Stretch(const Sample& sample, Reading stalled) {
  const double ratio = std::clamp(sample.value_or(stalled, 0), 0.0, 0.95);
  return ratio / (1 - ratio);
}

// Mean over the samples of a life between two times.
Losses LossesBetween(const DatasetLife& life, double begin, double end) {
  Losses mean;
  for (const DatasetSample& sample : life.samples) {
    if (sample.at <= begin || sample.at > end) continue;
    ++mean.count;
    mean.cpu += Stretch(sample.readings, Reading::kPsiCpuSomeRatio);
    mean.memory += Stretch(sample.readings, Reading::kPsiMemorySomeRatio);
    mean.disk += Stretch(sample.readings, Reading::kPsiIoSomeRatio);
    mean.llc_misses += sample.readings.value_or(Reading::kLlcMissesPerKiloInstruction, 0);
  }
  for (double* one : {&mean.cpu, &mean.memory, &mean.disk, &mean.llc_misses}) *one /= std::max(1, mean.count);
  return mean;
}

// Splits a slowdown among resources by what the victim lost more of than alone; what none of them explains was lost
// where nothing is read: to the cache, when misses rose by half, else to memory bandwidth.
std::array<float, kResourceCount> SharesOf(const Losses& alone, const Losses& together, double slowdown) {
  std::array<float, kResourceCount> shares{};
  if (slowdown < kNoticedSlowdown || alone.count == 0 || together.count == 0) return shares;
  const auto put = [&shares](ModelResource resource, double lost) {
    shares[static_cast<size_t>(resource)] = static_cast<float>(std::max(0.0, lost));
  };
  put(ModelResource::kCpu, together.cpu - alone.cpu);
  put(ModelResource::kMemory, together.memory - alone.memory);
  put(ModelResource::kDisk, together.disk - alone.disk);
  double sum = 0;
  for (const float share : shares) sum += share;
  const bool missed = together.llc_misses > 1.5 * alone.llc_misses + 0.1;
  put(missed ? ModelResource::kLlc : ModelResource::kMemoryBandwidth, slowdown - sum);
  sum += std::max(0.0, slowdown - sum);
  for (float& share : shares) share = static_cast<float>(share / sum);
  return shares;
}

}  // namespace

absl::StatusOr<std::vector<InterferenceExample>> MakeExamples(const DatasetContent& content,
                                                              const ExampleOptions& options) {
  const auto text = content.meta.find("topology");
  if (text == content.meta.end()) return absl::InvalidArgumentError("the data set says no topology");
  TRUCE_ASSIGN_OR_RETURN(const Topology topology, Topology::Parse(text->second));
  std::vector<InterferenceExample> examples;
  for (const Label& label : MakeLabels(content)) {
    if (label.disturbed) continue;
    const DatasetSegment& segment = content.segments[label.segment];
    const DatasetLife& victim = content.lives.at(label.victim);
    const auto resources = SharesOf(LossesBetween(victim, label.alone_begin, label.alone_end),
                                    LossesBetween(victim, segment.begin, segment.end), label.slowdown);
    for (const double after : options.moments) {
      const double moment = segment.begin + after;
      if (moment > segment.end) break;
      InterferenceExample example;
      example.meeting = label.segment;
      example.moment = after;
      example.resources = resources;
      example.log_slowdown = std::log(std::max(kLeastRatio, 1 + label.slowdown));
      example.error = label.error / std::max(kLeastRatio, 1 + label.slowdown);
      example.victim = SequenceUntil(victim, moment, options.most_steps);
      example.programs.push_back(victim.program);
      bool complete = !example.victim.empty();
      for (const int64_t id : label.aggressors) {
        const DatasetLife& aggressor = content.lives.at(id);
        example.aggressors.push_back(SequenceUntil(aggressor, moment, options.most_steps));
        example.contexts.push_back(ShareOf(topology, victim.cpus, aggressor.cpus));
        example.programs.push_back(aggressor.program);
        complete = complete && !example.aggressors.back().empty();
      }
      if (complete) examples.push_back(std::move(example));
    }
  }
  return examples;
}

}  // namespace truce::lab
