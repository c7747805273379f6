#include "lab/learn/references.h"

#include <map>
#include <string>
#include <utility>

#include "lab/examples.h"
#include "lab/labels.h"

namespace truce::lab {

std::vector<ModelReference> MakeReferences(const DatasetContent& content, InterferenceModel& model) {
  std::map<std::string, std::pair<Row, int>> sums;
  for (const Label& label : MakeLabels(content)) {
    const DatasetLife& life = content.lives.at(label.victim);
    if (label.disturbed || life.load != "high") continue;
    const MeetingSamples samples = SamplesOf(content, label);
    InputSequence sequence;
    for (const Sample* sample : samples.alone[0]) sequence.push_back(MakeModelInput(*sample));
    if (sequence.empty()) continue;
    auto& [sum, count] = sums.try_emplace(life.program, Row::Zero(model.fingerprint()), 0).first->second;
    sum += model.Fingerprint(sequence);
    ++count;
  }
  std::vector<ModelReference> references;
  for (const auto& [program, sum] : sums) {
    const auto kind = content.kind_of_program.find(program);
    references.push_back({program, kind == content.kind_of_program.end() ? "other" : kind->second,
                          sum.first / static_cast<float>(sum.second)});
  }
  return references;
}

}  // namespace truce::lab
