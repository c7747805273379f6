#include "lab/labels.h"

#include <cmath>
#include <map>

#include "src/base/text.h"

namespace truce::lab {
namespace {

struct Solo {
  double begin = 0;
  double end = 0;
  double seconds_per_operation = 0;
  double spread_ratio = 0;
  bool disturbed = false;
};

bool Disturbed(const DatasetSegment& segment, const LabelOptions& options) {
  return segment.steal_ratio > options.most_steal_ratio || segment.other_cores > options.most_other_cores;
}

std::map<int64_t, std::vector<Solo>> SolosByLife(const DatasetContent& content, const LabelOptions& options) {
  std::map<int64_t, std::vector<Solo>> solos;
  for (const DatasetSegment& segment : content.segments) {
    if (segment.members.size() != 1 || segment.members[0].operations <= 0) continue;
    const DatasetMember& member = segment.members[0];
    solos[member.life].push_back({segment.begin, segment.end, member.seconds_per_operation(), member.spread_ratio,
                                  Disturbed(segment, options)});
  }
  return solos;
}

}  // namespace

std::vector<Label> MakeLabels(const DatasetContent& content, const LabelOptions& options) {
  const std::map<int64_t, std::vector<Solo>> solos = SolosByLife(content, options);
  std::vector<Label> labels;
  for (size_t i = 0; i < content.segments.size(); ++i) {
    const DatasetSegment& segment = content.segments[i];
    if (segment.members.size() < 2) continue;
    for (const DatasetMember& member : segment.members) {
      const auto alone = solos.find(member.life);
      if (alone == solos.end() || member.operations <= 0) continue;
      const double middle = (segment.begin + segment.end) / 2;
      double weights = 0;
      double seconds = 0;
      double spread = 0;
      bool disturbed = Disturbed(segment, options);
      const Solo* nearest = nullptr;
      const auto distance = [middle](const Solo& solo) { return std::abs((solo.begin + solo.end) / 2 - middle); };
      for (const Solo& solo : alone->second) {
        if (nearest == nullptr || distance(solo) < distance(*nearest)) nearest = &solo;
        const double weight = 1 / std::max(1.0, distance(solo));
        weights += weight;
        seconds += weight * solo.seconds_per_operation;
        spread += weight * solo.spread_ratio;
        disturbed = disturbed || solo.disturbed;
      }
      Label label;
      label.segment = i;
      label.victim = member.life;
      for (const DatasetMember& other : segment.members) {
        if (other.life != member.life) label.aggressors.push_back(other.life);
      }
      const double ratio = member.seconds_per_operation() / (seconds / weights);
      label.slowdown = ratio - 1;
      label.error = ratio * std::hypot(member.spread_ratio, spread / weights);
      label.disturbed = disturbed;
      label.alone_begin = nearest->begin;
      label.alone_end = nearest->end;
      labels.push_back(std::move(label));
    }
  }
  return labels;
}

std::vector<double> RepeatDifferences(const DatasetContent& content, const std::vector<Label>& labels) {
  std::map<std::string, std::vector<double>> same;
  for (const Label& label : labels) {
    if (label.disturbed || label.aggressors.size() != 1) continue;
    std::string key;
    for (const int64_t id : {label.victim, label.aggressors[0]}) {
      const DatasetLife& life = content.lives.at(id);
      StrAppend(&key, life.program, " ", life.load, " ", life.cpus.front(), "-", life.cpus.back(), ";");
    }
    same[key].push_back(label.slowdown);
  }
  std::vector<double> differences;
  for (const auto& [_, slowdowns] : same) {
    for (size_t i = 1; i < slowdowns.size(); ++i) differences.push_back(std::abs(slowdowns[i] - slowdowns[i - 1]));
  }
  return differences;
}

}  // namespace truce::lab
