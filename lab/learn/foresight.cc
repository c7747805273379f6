#include "lab/learn/foresight.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "agent/predict/evidence_scorer.h"
#include "agent/profile/profiler.h"
#include "lab/examples.h"
#include "lab/labels.h"
#include "models/judgement.h"
#include "src/base/figures.h"

namespace truce::lab {
namespace {

constexpr int kSeconds = kForesightSeconds + 1;
// Of time alone: less is no baseline.
constexpr int kLeastBaseline = 5;

// What one side said of one burst, by second.
struct Course {
  std::array<double, kSeconds> probability{};
  bool slows = false;
};

// Feeds the agent's own evidence scorer with what an agent would have seen: the victim alone while the others stand
// still, then everybody together.
Course EvidenceCourse(const DatasetContent& content, const Label& label) {
  const MeetingSamples samples = SamplesOf(content, label);
  agent::ProfilerOptions options;
  options.least_samples = kLeastBaseline;
  const agent::Profiler profiler(options);
  agent::EvidenceScorer scorer{agent::EvidenceOptions()};
  agent::Profiles profiles;
  for (size_t i = 0; i < samples.lives.size(); ++i) {
    auto profile = std::make_unique<agent::Profile>(profiler.options());
    profile->identity.key = i + 1;
    profile->identity.name = std::to_string(i);
    for (const Sample* sample : samples.alone[0]) {
      Sample idle;
      idle.set(Reading::kCpuUsageCores, 0);
      profiler.Learn(*profile, i == 0 ? *sample : idle);
    }
    profiles[i + 1] = std::move(profile);
  }
  Course course;
  for (int second = 1; second < kSeconds; ++second) {
    for (size_t i = 0; i < samples.lives.size(); ++i) {
      const auto at = static_cast<size_t>(second - 1);
      if (at < samples.together[i].size()) profiler.Learn(*profiles[i + 1], *samples.together[i][at]);
    }
    double worst = 0;
    for (const v1::PairScore& pair : scorer.Score(profiles, kLeastBaseline, absl::UnixEpoch()).pairs) {
      if (pair.victim() == "0") worst = std::max(worst, pair.score() / 100);
    }
    course.probability[static_cast<size_t>(second)] = worst;
  }
  return course;
}

Foresight::Side Sum(const std::vector<Course>& courses) {
  Foresight::Side side;
  for (size_t second = 0; second < kSeconds; ++second) {
    std::vector<double> probabilities;
    std::vector<bool> slows;
    for (const Course& course : courses) {
      probabilities.push_back(course.probability[second]);
      slows.push_back(course.slows);
    }
    side.auc.push_back(Auc(probabilities, slows));
  }
  std::vector<double> seconds;
  double found = 0;
  double alarms = 0;
  double quiet = 0;
  for (const Course& course : courses) {
    const auto first = std::find_if(course.probability.begin(), course.probability.end(),
                                    [](double one) { return one >= kActingProbability; });
    const bool acted = first != course.probability.end();
    if (course.slows) {
      seconds.push_back(static_cast<double>(first - course.probability.begin()));
      found += acted;
    } else {
      quiet += 1;
      alarms += acted;
    }
  }
  side.median_seconds = Summarize(seconds).median;
  side.found_ratio = seconds.empty() ? 0 : found / static_cast<double>(seconds.size());
  side.false_alarm_ratio = quiet > 0 ? alarms / quiet : 0;
  return side;
}

// A program is in a meeting once, so meeting and victim name a burst.
using Burst = std::pair<int64_t, std::string>;

// What was said of each burst from second `first` on, by one model: two may have judged it, neither of which knew one
// of the programs.
std::map<Burst, Course> CoursesOf(const std::vector<Judged>& judged, size_t first) {
  struct Said {
    size_t fold = 0;
    std::map<size_t, double> probability;
  };
  std::map<Burst, Said> said;
  for (const Judged& one : judged) {
    const auto second = static_cast<size_t>(one.example->company());
    if (second >= kSeconds || one.example->aggressors.size() != 1) continue;
    const auto found =
        said.try_emplace({static_cast<int64_t>(one.example->meeting), one.example->programs[0]}, Said{one.fold, {}})
            .first;
    if (found->second.fold == one.fold) found->second.probability[second] = one.prediction.probability;
  }
  std::map<Burst, Course> courses;
  for (const auto& [burst, one] : said) {
    if (one.probability.size() + first != kSeconds) continue;
    for (const auto& [second, probability] : one.probability) courses[burst].probability[second] = probability;
  }
  return courses;
}

}  // namespace

Foresight CompareForesight(const DatasetContent& content, const std::vector<Judged>& known,
                           const std::vector<Judged>& newcomers) {
  std::map<Burst, Label> labels;
  for (Label& label : MakeLabels(content)) {
    const std::string victim = content.lives.at(label.victim).program;
    labels[{label.meeting, victim}] = std::move(label);
  }
  std::map<Burst, Course> of_known = CoursesOf(known, 0);
  std::map<Burst, Course> of_newcomers = CoursesOf(newcomers, 1);
  std::vector<Course> sides[3];
  for (auto& [burst, course] : of_known) {
    const auto label = labels.find(burst);
    const auto newcomer = of_newcomers.find(burst);
    if (label == labels.end() || newcomer == of_newcomers.end()) continue;
    const bool slows = label->second.slowdown >= kNoticedSlowdown;
    sides[0].push_back(course);
    sides[1].push_back(newcomer->second);
    sides[2].push_back(EvidenceCourse(content, label->second));
    for (std::vector<Course>& side : sides) side.back().slows = slows;
  }
  return {Sum(sides[0]), Sum(sides[1]), Sum(sides[2]), sides[0].size()};
}

}  // namespace truce::lab
