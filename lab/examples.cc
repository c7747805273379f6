#include "lab/examples.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "models/topology.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// A sample is of the second before it, and taken a moment after that.
constexpr double kSampleSlack = 0.7;
constexpr double kTimeSlack = 0.1;

// A life's samples within the windows, oldest first. The first second of a window that is not whole is no sample of it.
std::vector<const Sample*> SamplesIn(const DatasetContent& content, int64_t life, const std::vector<size_t>& windows) {
  std::vector<const Sample*> samples;
  for (const DatasetSample& sample : content.lives.at(life).samples) {
    const bool inside = std::any_of(windows.begin(), windows.end(), [&](size_t i) {
      const DatasetSegment& window = content.segments[i];
      return sample.at - kSampleSlack > window.begin && sample.at <= window.end + kTimeSlack;
    });
    if (inside) samples.push_back(&sample.readings);
  }
  return samples;
}

// What was seen of a life after `seconds` of company; empty when it was never seen alone, or not so long in company.
InputSequence SeenOf(const std::vector<const Sample*>& alone, const std::vector<const Sample*>& together,
                     double seconds, size_t alone_steps) {
  const auto company = static_cast<size_t>(seconds);
  InputSequence sequence;
  if (alone.empty() || company > together.size()) return sequence;
  for (size_t i = alone.size() - std::min(alone.size(), alone_steps); i < alone.size(); ++i) {
    sequence.push_back(MakeModelInput(*alone[i]));
  }
  for (size_t i = 0; i < company; ++i) sequence.push_back(MakeModelInput(*together[i]));
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

Losses MeanLosses(const std::vector<const Sample*>& samples) {
  Losses mean;
  for (const Sample* sample : samples) {
    ++mean.count;
    mean.cpu += Stretch(*sample, Reading::kPsiCpuSomeRatio);
    mean.memory += Stretch(*sample, Reading::kPsiMemorySomeRatio);
    mean.disk += Stretch(*sample, Reading::kPsiIoSomeRatio);
    mean.llc_misses += sample->value_or(Reading::kLlcMissesPerKiloInstruction, 0);
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

MeetingSamples SamplesOf(const DatasetContent& content, const Label& label) {
  MeetingSamples samples;
  samples.lives = {label.victim};
  samples.lives.insert(samples.lives.end(), label.aggressors.begin(), label.aggressors.end());
  for (const int64_t life : samples.lives) {
    std::vector<size_t> solo;
    for (size_t i = 0; i < content.segments.size(); ++i) {
      const DatasetSegment& segment = content.segments[i];
      const bool is_solo = segment.meeting == label.meeting && segment.members.size() == 1;
      if (is_solo && segment.members[0].life == life) solo.push_back(i);
    }
    samples.alone.push_back(SamplesIn(content, life, solo));
    samples.together.push_back(SamplesIn(content, life, label.together));
  }
  return samples;
}

absl::StatusOr<std::vector<InterferenceExample>> MakeExamples(const DatasetContent& content,
                                                              const ExampleOptions& options) {
  const auto text = content.meta.find("topology");
  if (text == content.meta.end()) return absl::InvalidArgumentError("the data set says no topology");
  TRUCE_ASSIGN_OR_RETURN(const Topology topology, Topology::Parse(text->second));
  std::vector<InterferenceExample> examples;
  const std::vector<Label> labels = MakeLabels(content);
  const std::map<int64_t, int64_t> groups = MeetingGroups(content, labels);
  for (const Label& label : labels) {
    if (label.disturbed) continue;
    const MeetingSamples samples = SamplesOf(content, label);
    InterferenceExample shared;
    shared.meeting = static_cast<size_t>(label.meeting);
    shared.group = static_cast<size_t>(groups.at(label.meeting));
    shared.log_slowdown = LogSlowdown(label);
    shared.error = label.error / std::exp(shared.log_slowdown);
    shared.resources = SharesOf(MeanLosses(samples.alone[0]), MeanLosses(samples.together[0]), label.slowdown);
    for (const int64_t life : samples.lives) shared.programs.push_back(content.lives.at(life).program);
    for (const int64_t aggressor : label.aggressors) {
      shared.contexts.push_back(
          ShareOf(topology, content.lives.at(label.victim).cpus, content.lives.at(aggressor).cpus));
    }
    for (const double moment : options.moments) {
      InterferenceExample example = shared;
      example.moment = moment;
      example.victim = SeenOf(samples.alone[0], samples.together[0], moment, options.alone_steps);
      bool complete = !example.victim.empty();
      for (size_t i = 1; i < samples.lives.size(); ++i) {
        example.aggressors.push_back(SeenOf(samples.alone[i], samples.together[i], moment, options.alone_steps));
        complete = complete && !example.aggressors.back().empty();
      }
      if (complete) examples.push_back(std::move(example));
    }
  }
  return examples;
}

}  // namespace truce::lab
