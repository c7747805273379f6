#include "lab/learn/foresight.h"

#include <gmock/gmock.h>

#include <cmath>

#include "lab/examples.h"

namespace truce::lab {
namespace {

// Ten bursts: a program alone for 10 s, then for 10 s beside one that takes its CPU (the odd ones) or one that runs
// elsewhere.
class ForesightTest : public testing::Test {
 protected:
  ForesightTest() {
    content_.meta["topology"] = "0:0:0:0,1:1:0:0";
    for (int64_t meeting = 1; meeting <= 10; ++meeting) {
      const bool hurts = meeting % 2 == 1;
      const double begin = 1000.0 * static_cast<double>(meeting);
      Live(2 * meeting, "web", begin, hurts ? 0.5 : 0.0);
      Live(2 * meeting + 1, "hog" + std::to_string(meeting), begin, 0.1);
      Ran(meeting, begin, {{2 * meeting, 100, 10, 0.01}});
      Ran(meeting, begin + 10, {{2 * meeting, hurts ? 50.0 : 100.0, 10, 0.01}, {2 * meeting + 1, 100, 10, 0.01}});
      Ran(meeting, begin + 20, {{2 * meeting + 1, 100, 10, 0.01}});
    }
    ExampleOptions options;
    options.moments = {0, 1, 2, 3, 4, 5, 6};
    examples_ = *MakeExamples(content_, options);
  }

  void Live(int64_t id, const std::string& program, double begin, double waiting) {
    DatasetLife& life = content_.lives[id];
    life.id = id;
    life.program = program;
    life.load = "high";
    life.cpus = {0};
    for (int second = 1; second <= 30; ++second) {
      DatasetSample sample;
      sample.at = begin + second;
      const bool together = second > 10 && second <= 20;
      sample.readings.set(Reading::kCpuUsageCores, 0.8);
      sample.readings.set(Reading::kPsiCpuSomeRatio, together ? waiting : 0.01);
      life.samples.push_back(sample);
    }
  }
  void Ran(int64_t meeting, double begin, std::vector<DatasetMember> members) {
    DatasetSegment segment;
    segment.meeting = meeting;
    segment.begin = begin;
    segment.end = begin + 10;
    segment.seconds = 10;
    segment.members = std::move(members);
    content_.segments.push_back(segment);
  }

  // What a model would have said that knows from second `knows` on.
  std::vector<Judged> Said(double knows, bool newcomers = false) const {
    std::vector<Judged> judged;
    for (const InterferenceExample& example : examples_) {
      if (example.programs[0] != "web" || (newcomers && example.moment < 1)) continue;
      Judged one;
      one.example = &example;
      const bool slows = example.log_slowdown > std::log1p(kNoticedSlowdown);
      one.prediction.probability = example.moment < knows ? 0.5 : (slows ? 0.9 : 0.1);
      judged.push_back(one);
    }
    return judged;
  }

  DatasetContent content_;
  std::vector<InterferenceExample> examples_;
};

TEST_F(ForesightTest, TheModelMayKnowBeforeAnythingIsFelt) {
  const Foresight foresight = CompareForesight(content_, Said(0), Said(1, true));
  EXPECT_EQ(foresight.bursts, 10u);
  EXPECT_EQ(foresight.known.auc[0], 1);
  EXPECT_EQ(foresight.known.median_seconds, 0);
  EXPECT_EQ(foresight.known.found_ratio, 1);
  EXPECT_EQ(foresight.known.false_alarm_ratio, 0);
}

TEST_F(ForesightTest, EvidenceNeedsToSeeIt) {
  const Foresight foresight = CompareForesight(content_, Said(2), Said(3, true));
  EXPECT_EQ(foresight.evidence.auc[0], 0.5);
  EXPECT_EQ(foresight.evidence.auc[kForesightSeconds], 1) << "CPU wait went up fifty times";
  EXPECT_GE(foresight.evidence.median_seconds, 3) << "three outliers of the last five";
  EXPECT_LE(foresight.evidence.median_seconds, 5);
  EXPECT_EQ(foresight.evidence.false_alarm_ratio, 0);
  EXPECT_EQ(foresight.known.median_seconds, 2);
  EXPECT_EQ(foresight.newcomer.median_seconds, 3);
  EXPECT_EQ(foresight.newcomer.auc[0], 0.5) << "nothing was seen of it";
  EXPECT_EQ(foresight.newcomer.auc[3], 1);
}

TEST_F(ForesightTest, ABurstIsToldByOneModel) {
  std::vector<Judged> said = Said(0);
  // Another fold's, which says the opposite.
  for (Judged one : Said(0)) {
    one.fold = 1;
    one.prediction.probability = 1 - one.prediction.probability;
    said.push_back(one);
  }
  const Foresight foresight = CompareForesight(content_, said, Said(1, true));
  EXPECT_EQ(foresight.bursts, 10u);
  EXPECT_EQ(foresight.known.auc[0], 1);
}

TEST_F(ForesightTest, WhoNeverKnowsIsCountedBeyondTheEnd) {
  const Foresight foresight = CompareForesight(content_, Said(100), Said(100, true));
  EXPECT_EQ(foresight.known.found_ratio, 0);
  EXPECT_EQ(foresight.known.median_seconds, kForesightSeconds + 1);
}

}  // namespace
}  // namespace truce::lab
