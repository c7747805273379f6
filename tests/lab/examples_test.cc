#include "lab/examples.h"

#include <gmock/gmock.h>

#include <cmath>
#include <optional>

#include "lab/collector.h"
#include "lab/labels.h"

namespace truce::lab {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::SizeIs;

// A program that ran from 0 to 60 s on CPU 0; it waits for the CPU for `together` of the time in the 20s, when it has
// company, and for nothing else.
DatasetLife Life(int64_t id, const std::string& program, double together) {
  DatasetLife life;
  life.id = id;
  life.program = program;
  life.load = "high";
  life.cpus = {0};
  for (int second = 1; second <= 60; ++second) {
    DatasetSample sample;
    sample.at = second;
    sample.readings.set(Reading::kCpuUsageCores, 0.9);
    sample.readings.set(Reading::kPsiCpuSomeRatio, second > 20 && second <= 30 ? together : 0);
    sample.readings.set(Reading::kPsiIoSomeRatio, 0);
    life.samples.push_back(sample);
  }
  return life;
}

DatasetSegment Segment(double begin, std::vector<DatasetMember> members) {
  DatasetSegment segment;
  segment.meeting = 7;
  segment.seconds = 10;
  segment.begin = begin;
  segment.end = begin + 10;
  segment.members = std::move(members);
  return segment;
}

// One operation takes 100 ms alone and 150 ms in company.
DatasetContent Meeting() {
  DatasetContent content;
  content.meta["topology"] = "0:0:0:0,1:1:0:0";
  content.lives = {{1, Life(1, "web", 1.0 / 3)}, {2, Life(2, "batch", 0.5)}};
  content.segments = {Segment(5, {{1, 100, 10, 0.01}}), Segment(20, {{1, 66, 10, 0.02}, {2, 5, 10, 0.02}}),
                      Segment(40, {{2, 10, 10, 0.01}})};
  return content;
}

TEST(MakeExamplesTest, OneForEachVictimAndMoment) {
  ExampleOptions options;
  options.moments = {0, 3, 50};  // they were never together for so long
  const auto examples = MakeExamples(Meeting(), options);
  ASSERT_TRUE(examples.ok()) << examples.status();
  ASSERT_THAT(*examples, SizeIs(4)) << "two victims, two moments";
  const InterferenceExample& first = examples->front();
  EXPECT_THAT(first.programs, ElementsAre("web", "batch"));
  EXPECT_THAT(first.log_slowdown, DoubleNear(std::log(100.0 / 66), 1e-9));
  EXPECT_EQ(first.moment, 0);
  EXPECT_EQ(first.contexts[0].cpus_of_victim, 1);
  EXPECT_EQ(first.contexts[0].llc_of_victim, 1);
  EXPECT_EQ((*examples)[2].log_slowdown, std::log(2.0)) << "the other way round";
}

TEST(MakeExamplesTest, ShowsTimeAloneAndThenSoMuchCompany) {
  ExampleOptions options;
  options.moments = {0, 3};
  const auto examples = MakeExamples(Meeting(), options);
  ASSERT_TRUE(examples.ok());
  const size_t wait = FeatureNamed("psi_cpu_some");
  const InputSequence& before = examples->at(0).victim;
  ASSERT_THAT(before, SizeIs(10)) << "the ten seconds alone";
  for (const ModelInput& input : before) EXPECT_EQ(input[wait], 0);
  const InputSequence& during = examples->at(1).victim;
  ASSERT_THAT(during, SizeIs(13));
  EXPECT_EQ(during[9][wait], 0);
  for (size_t i = 10; i < 13; ++i) EXPECT_NEAR(during[i][wait], 1.0 / 3, 1e-6);
  ASSERT_THAT(examples->at(1).aggressors[0], SizeIs(13));
  EXPECT_NEAR(examples->at(1).aggressors[0][12][wait], 0.5, 1e-6);
  options.alone_steps = 4;
  EXPECT_THAT(MakeExamples(Meeting(), options)->at(1).victim, SizeIs(7));
}

TEST(MakeExamplesTest, SaysWhichResourceTookTheTime) {
  DatasetContent content = Meeting();
  const auto of = [&content](ModelResource resource) {
    return (*MakeExamples(content))[0].resources[static_cast<size_t>(resource)];
  };
  EXPECT_NEAR(of(ModelResource::kCpu), 0.97, 0.05) << "a third of the time waiting is half as long again";
  EXPECT_NEAR(of(ModelResource::kMemoryBandwidth), 0.03, 0.05);
  for (DatasetSample& sample : content.lives.at(1).samples) {
    if (sample.at <= 20 || sample.at > 30) continue;
    sample.readings.set(Reading::kPsiCpuSomeRatio, 0);
    sample.readings.set(Reading::kPsiIoSomeRatio, 0.2);
  }
  EXPECT_NEAR(of(ModelResource::kDisk), 0.5, 0.05);
  EXPECT_NEAR(of(ModelResource::kMemoryBandwidth), 0.5, 0.05) << "what is lost where nothing is read";
}

TEST(MakeExamplesTest, DisturbedMeetingsAreLeftOut) {
  DatasetContent content = Meeting();
  content.segments[1].seconds = 1;
  EXPECT_THAT(*MakeExamples(content), SizeIs(0));
}

TEST(MakeExamplesTest, WithoutATopologyNothingIsKnownOfSharing) {
  DatasetContent content = Meeting();
  content.meta.clear();
  EXPECT_TRUE(absl::IsInvalidArgument(MakeExamples(content).status()));
}

TEST(RepeatsTest, AreLabelsOfTheSameMeetingOnTheSameCpus) {
  DatasetContent content = Meeting();
  for (DatasetSegment segment : Meeting().segments) {
    segment.meeting = 8;
    content.segments.push_back(segment);
  }
  const auto labels = MakeLabels(content);
  const auto repeats = Repeats(content, labels);
  ASSERT_THAT(repeats, SizeIs(2));
  for (const Repeat& repeat : repeats) {
    EXPECT_EQ(repeat.first->victim, repeat.second->victim);
    EXPECT_NE(repeat.first->meeting, repeat.second->meeting);
  }
}

TEST(MeetingGroupsTest, ARepeatAndAMeetingThatAGuestJoinedAreOfTheSame) {
  DatasetContent content = Meeting();  // 7: web and batch
  const auto again = [&content](int64_t meeting, int64_t web, int64_t batch, std::optional<int64_t> guest) {
    for (DatasetSegment segment : Meeting().segments) {
      segment.meeting = meeting;
      for (DatasetMember& member : segment.members) member.life = member.life == 1 ? web : batch;
      if (guest && segment.members.size() == 2) segment.members.push_back({*guest, 10, 10, 0});
      content.segments.push_back(segment);
    }
  };
  content.lives[11] = Life(11, "web", 0.5);
  content.lives[12] = Life(12, "batch", 0.5);
  content.lives[13] = Life(13, "guest", 0.5);
  content.lives[14] = Life(14, "other", 0.5);
  again(8, 11, 12, std::nullopt);  // alike, at another time
  again(9, 11, 12, 13);            // the same two with a guest
  again(10, 11, 14, std::nullopt);
  const auto groups = MeetingGroups(content, MakeLabels(content));
  EXPECT_EQ(groups.at(7), 7);
  EXPECT_EQ(groups.at(8), 7);
  EXPECT_EQ(groups.at(9), 7);
  EXPECT_EQ(groups.at(10), 10);
  const auto examples = MakeExamples(content);
  ASSERT_TRUE(examples.ok());
  for (const InterferenceExample& example : *examples) {
    EXPECT_EQ(example.group, example.meeting == 10 ? 10u : 7u);
  }
}

TEST(RepeatDifferencesTest, AreBetweenTheSameMeetings) {
  DatasetContent content = Meeting();
  const auto labels = MakeLabels(content);
  EXPECT_THAT(RepeatDifferences(content, labels), SizeIs(0)) << "nothing was repeated";
  for (DatasetSegment segment : Meeting().segments) {
    segment.meeting = 8;
    if (segment.members.size() == 2) segment.members[0].operations = 50;
    content.segments.push_back(segment);
  }
  const auto differences = RepeatDifferences(content, MakeLabels(content));
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_NEAR(std::max(differences[0], differences[1]), 100.0 / 50 - 100.0 / 66, 1e-9);
}

TEST(WindowTest, SecondsInWhichOthersTookTheCpuAreNotQuiet) {
  Window window;
  for (int i = 0; i < 8; ++i) window.seconds.push_back({absl::FromUnixSeconds(i), i < 3 ? 0.1 : 0.0, 1.0, 1.0});
  EXPECT_THAT(window.Quiet({}), SizeIs(5));
  window.seconds[4].busy_cores = 1.5;
  EXPECT_THAT(window.Quiet({}), SizeIs(4));
}

}  // namespace
}  // namespace truce::lab
