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
    for (const double after : options.moments) {
      const double moment = segment.begin + after;
      if (moment > segment.end) break;
      InterferenceExample example;
      example.meeting = label.segment;
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
