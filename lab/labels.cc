#include "lab/labels.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

// Of a single window's pace: no clock is better.
constexpr double kLeastVariance = 1e-4;

// Of a label that rests on a single window of a kind: windows differ by about so much, and here nothing shows it.
constexpr double kLoneWindowError = 0.05;

// From this share of the time together on, in which nothing was finished, the rest is no sample of the whole.
constexpr double kUnfinishedRatio = 0.2;

// A slowdown below this, plus one, is noise.
constexpr double kLeastRatio = 0.7;

// How fast one life went in one window.
struct Pace {
  double middle = 0;
  double log_seconds = 0;  // logarithm of the seconds per operation
  double weight = 0;       // quiet seconds
};

std::vector<Pace> PacesOf(const DatasetContent& content, const std::vector<size_t>& segments, int64_t life) {
  std::vector<Pace> paces;
  for (const size_t i : segments) {
    const DatasetSegment& segment = content.segments[i];
    for (const DatasetMember& member : segment.members) {
      if (member.life != life || member.operations <= 0 || member.busy_seconds <= 0) continue;
      paces.push_back({(segment.begin + segment.end) / 2, std::log(member.seconds_per_operation()), segment.seconds});
    }
  }
  return paces;
}

double Weight(const std::vector<Pace>& paces) {
  double sum = 0;
  for (const Pace& pace : paces) sum += pace.weight;
  return sum;
}

// Its pace alone at a moment: between those before and after it, so that what changes slowly by itself cancels. `alone`
// is in order of time and not empty.
double AloneAt(const std::vector<Pace>& alone, double moment) {
  const auto after = std::find_if(alone.begin(), alone.end(), [&](const Pace& pace) { return pace.middle > moment; });
  if (after == alone.begin()) return after->log_seconds;
  const auto before = std::prev(after);
  if (after == alone.end()) return before->log_seconds;
  const double share = (moment - before->middle) / (after->middle - before->middle);
  return before->log_seconds + share * (after->log_seconds - before->log_seconds);
}

// Which program, how and where.
std::string SettingOf(const DatasetLife& life) {
  return StrCat(life.program, " ", life.load, " ", host::FormatCpuList(life.cpus));
}

}  // namespace

double LogSlowdown(const Label& label) {
  return std::log(std::max(kLeastRatio, 1 + label.slowdown));
}

std::vector<Label> MakeLabels(const DatasetContent& content, const LabelOptions& options) {
  std::map<int64_t, std::vector<size_t>> meetings;
  for (size_t i = 0; i < content.segments.size(); ++i) meetings[content.segments[i].meeting].push_back(i);
  std::vector<Label> labels;
  for (const auto& [meeting, segments] : meetings) {
    size_t everybody = 0;
    for (const size_t i : segments) everybody = std::max(everybody, content.segments[i].members.size());
    if (everybody < 2) continue;
    std::vector<size_t> together;
    std::map<int64_t, std::vector<size_t>> alone;
    for (const size_t i : segments) {
      const std::vector<DatasetMember>& members = content.segments[i].members;
      if (members.size() == everybody) together.push_back(i);
      if (members.size() == 1) alone[members[0].life].push_back(i);
    }
    for (const DatasetMember& member : content.segments[together.front()].members) {
      Label label;
      label.meeting = meeting;
      label.victim = member.life;
      label.alone = alone[member.life];
      label.together = together;
      for (const DatasetMember& other : content.segments[together.front()].members) {
        if (other.life != member.life) label.aggressors.push_back(other.life);
      }
      const std::vector<Pace> before = PacesOf(content, label.alone, member.life);
      const std::vector<Pace> after = PacesOf(content, label.together, member.life);
      if (before.empty()) continue;
      double seconds = 0;
      for (const size_t i : label.together) seconds += content.segments[i].seconds;
      label.unfinished = seconds > 0 && Weight(after) <= (1 - kUnfinishedRatio) * seconds;
      if (after.empty()) {
        // At least so long for one operation.
        label.slowdown = std::max(0.0, seconds / std::exp(before.front().log_seconds) - 1);
        label.disturbed = true;
        labels.push_back(std::move(label));
        continue;
      }
      double mean = 0;
      double square = 0;
      for (const Pace& pace : after) {
        const double grew = pace.log_seconds - AloneAt(before, pace.middle);
        mean += grew * pace.weight / Weight(after);
        square += grew * grew * pace.weight / Weight(after);
      }
      label.slowdown = std::expm1(mean);
      // Windows alone are shared by several windows together, so these are not all independent.
      const auto independent = static_cast<double>(std::max<size_t>(2, std::min(before.size(), after.size())));
      const double spread = std::sqrt(std::max(kLeastVariance, square - mean * mean) / (independent - 1));
      const bool lone = std::min(before.size(), after.size()) < 2;
      label.error = std::exp(mean) * std::max(spread, lone ? kLoneWindowError : 0);
      label.disturbed = label.unfinished || std::min(Weight(before), Weight(after)) < options.least_seconds;
      labels.push_back(std::move(label));
    }
  }
  return labels;
}

std::vector<Repeat> Repeats(const DatasetContent& content, const std::vector<Label>& labels) {
  std::map<std::string, std::vector<const Label*>> same;
  for (const Label& label : labels) {
    if (label.disturbed || label.aggressors.size() != 1) continue;
    std::string key;
    for (const int64_t id : {label.victim, label.aggressors[0]}) {
      key += SettingOf(content.lives.at(id)) + ";";
    }
    same[key].push_back(&label);
  }
  std::vector<Repeat> repeats;
  for (const auto& [_, meetings] : same) {
    for (size_t i = 1; i < meetings.size(); ++i) {
      if (meetings[i - 1]->meeting == meetings[i]->meeting) continue;  // a program that met itself
      repeats.push_back({meetings[i - 1], meetings[i], meetings[0]->meeting});
    }
  }
  return repeats;
}

std::map<int64_t, int64_t> MeetingGroups(const DatasetContent& content, const std::vector<Label>& labels) {
  std::map<int64_t, std::set<int64_t>> lives;
  for (const Label& label : labels) {
    lives[label.meeting].insert(label.victim);
    lives[label.meeting].insert(label.aggressors.begin(), label.aggressors.end());
  }
  std::map<std::multiset<std::string>, int64_t> first;
  std::map<int64_t, int64_t> groups;
  const auto alike = [&](const std::set<int64_t>& members) {
    std::multiset<std::string> settings;
    for (const int64_t id : members) settings.insert(SettingOf(content.lives.at(id)));
    return settings;
  };
  for (const auto& [meeting, members] : lives) {
    if (members.size() == 2) groups[meeting] = first.try_emplace(alike(members), meeting).first->second;
  }
  for (const auto& [meeting, members] : lives) {
    if (members.size() == 2) continue;
    const auto core = std::find_if(lives.begin(), lives.end(), [&members = members](const auto& other) {
      return other.second.size() == 2 &&
             std::includes(members.begin(), members.end(), other.second.begin(), other.second.end());
    });
    groups[meeting] =
        core != lives.end() ? groups[core->first] : first.try_emplace(alike(members), meeting).first->second;
  }
  return groups;
}

std::vector<double> RepeatDifferences(const DatasetContent& content, const std::vector<Label>& labels) {
  std::vector<double> differences;
  for (const Repeat& repeat : Repeats(content, labels)) {
    differences.push_back(std::abs(repeat.first->slowdown - repeat.second->slowdown));
  }
  return differences;
}

}  // namespace truce::lab
