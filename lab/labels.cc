#include "lab/labels.h"

#include <cmath>
#include <map>

namespace truce::lab {
namespace {

struct Solo {
  double middle = 0;
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
    solos[member.life].push_back({(segment.begin + segment.end) / 2, member.seconds_per_operation(),
                                  member.spread_ratio, Disturbed(segment, options)});
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
      for (const Solo& solo : alone->second) {
        const double weight = 1 / std::max(1.0, std::abs(solo.middle - middle));
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
      labels.push_back(std::move(label));
    }
  }
  return labels;
}

}  // namespace truce::lab
