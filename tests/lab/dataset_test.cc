// The data set: what goes in comes out, a run goes on in the same file, and another machine's file is refused.
#include "lab/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lab/labels.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

class DatasetTest : public testing::Test {
 protected:
  std::unique_ptr<Dataset> Open(const std::string& machine = "a machine") {
    auto dataset = Dataset::Open(file_, machine, "0:0:0:0");
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return *std::move(dataset);
  }
  // A life with an id of its own.
  static DatasetLife Live(Dataset& dataset, const std::string& name) {
    Program program;
    program.name = name;
    program.kind = "kind of " + name;
    DatasetLife life;
    life.program = name;
    life.load = "high";
    life.cpus = {0, 1};
    const auto id = dataset.Add(life, program);
    EXPECT_TRUE(id.ok()) << id.status();
    life.id = *id;
    return life;
  }
  static void Ran(Dataset& dataset, double begin, std::vector<DatasetMember> members, double seconds = 10,
                  int64_t meeting = 1) {
    DatasetSegment segment;
    segment.meeting = meeting;
    segment.begin = begin;
    segment.end = begin + 10;
    segment.seconds = seconds;
    segment.steal_ratio = 0.02;
    segment.members = std::move(members);
    ASSERT_TRUE(dataset.Add(segment).ok());
  }
  DatasetContent Load() {
    auto content = Dataset::Load(file_);
    EXPECT_TRUE(content.ok()) << content.status();
    return *std::move(content);
  }

  test::Tree tree_;
  const std::string file_ = tree_.Path("lab.db");
};

TEST_F(DatasetTest, WhatGoesInComesOut) {
  auto dataset = Open();
  DatasetLife life = Live(*dataset, "gzip");
  DatasetSample sample;
  sample.at = 1700000000.125;
  sample.operations = 3.5;
  sample.busy_seconds = 0.75;
  sample.readings.set(Reading::kCpuUsageCores, 0.5);
  sample.readings.set(Reading::kMemoryUsageBytes, 123456789.0);
  life.samples.push_back(sample);
  ASSERT_TRUE(dataset->AddSamples(life).ok());
  Ran(*dataset, 1700000000, {{life.id, 20, 10, 0.01}}, 7, 42);
  dataset.reset();

  const DatasetContent content = Load();
  EXPECT_EQ(content.meta.at("machine"), "a machine");
  EXPECT_THAT(content.kind_of_program, ElementsAre(Pair("gzip", "kind of gzip")));
  ASSERT_TRUE(content.lives.contains(life.id));
  const DatasetLife& read = content.lives.at(life.id);
  EXPECT_EQ(read.program, "gzip");
  EXPECT_THAT(read.cpus, ElementsAre(0, 1));
  ASSERT_EQ(read.samples.size(), 1u);
  EXPECT_DOUBLE_EQ(read.samples[0].at, sample.at);
  EXPECT_DOUBLE_EQ(read.samples[0].operations, 3.5);
  EXPECT_EQ(read.samples[0].readings.validity(), sample.readings.validity()) << "missing stays missing";
  EXPECT_FLOAT_EQ(read.samples[0].readings.value(Reading::kMemoryUsageBytes), 123456789.0F);
  ASSERT_EQ(content.segments.size(), 1u);
  EXPECT_DOUBLE_EQ(content.segments[0].steal_ratio, 0.02);
  EXPECT_DOUBLE_EQ(content.segments[0].seconds, 7);
  EXPECT_EQ(content.segments[0].meeting, 42);
  EXPECT_DOUBLE_EQ(content.segments[0].members[0].seconds_per_operation(), 0.5);
}

TEST_F(DatasetTest, ARunGoesOnInTheSameFile) {
  const int64_t first = Live(*Open(), "a").id;
  auto dataset = Open();
  const int64_t second = Live(*dataset, "b").id;
  const int64_t third = Live(*dataset, "a").id;
  EXPECT_NE(first, second);
  Ran(*dataset, 0, {{first, 1, 1, 0}, {second, 1, 1, 0}});
  Ran(*dataset, 20, {{third, 1, 1, 0}, {second, 1, 1, 0}}, 10, 2);
  Ran(*dataset, 30, {{third, 1, 1, 0}, {second, 1, 1, 0}}, 10, 2);
  Ran(*dataset, 40, {{third, 1, 1, 0}}, 10, 2);
  const auto visits = Open()->PairVisits();
  ASSERT_TRUE(visits.ok()) << visits.status();
  EXPECT_THAT(*visits, ElementsAre(Pair("a\nb", 2)));
}

TEST_F(DatasetTest, AnotherMachinesFileIsNotAddedTo) {
  Open();
  const auto other = Dataset::Open(file_, "another machine", "0:0:0:0");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status())) << other.status();
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("--output"));
}

TEST_F(DatasetTest, WhatIsNoDataSetIsNamed) {
  tree_.Put("lab.db", std::string(5000, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(Dataset::Open(file_, "m", "").status()));
  const auto content = Dataset::Load(file_);
  EXPECT_TRUE(absl::IsDataLoss(content.status()));
  EXPECT_THAT(std::string(content.status().message()), HasSubstr(file_));
  EXPECT_TRUE(absl::IsNotFound(Dataset::Load(tree_.Path("nowhere.db")).status()));
  tree_.Put("empty.db", "");
  EXPECT_THAT(std::string(Dataset::Load(tree_.Path("empty.db")).status().message()),
              HasSubstr("no data set of truce-lab"));
}

TEST_F(DatasetTest, AFileThatContradictsItselfIsRefusedAndNotFollowed) {
  {
    auto dataset = Open();
    const int64_t life = Live(*dataset, "a").id;
    Ran(*dataset, 0, {{life, 1, 1, 0}, {life + 7, 1, 1, 0}});
  }
  const auto content = Dataset::Load(file_);
  EXPECT_TRUE(absl::IsDataLoss(content.status())) << content.status();
  EXPECT_THAT(std::string(content.status().message()), HasSubstr("life 8"));
}

TEST_F(DatasetTest, WhatCannotHaveBeenMeasuredIsRefusedByName) {
  {
    auto dataset = Open();
    const int64_t life = Live(*dataset, "a").id;
    Ran(*dataset, 0, {{life, 1, -3, 0}});
  }
  const auto content = Dataset::Load(file_);
  EXPECT_TRUE(absl::IsDataLoss(content.status())) << content.status();
  EXPECT_THAT(std::string(content.status().message()), HasSubstr("a member of segment 1 has -3"));
}

TEST_F(DatasetTest, ALifeWithoutCpusIsRefused) {
  {
    auto dataset = Open();
    DatasetLife life;
    life.program = "a";
    ASSERT_TRUE(dataset->Add(life, Program()).ok());
  }
  EXPECT_TRUE(absl::IsDataLoss(Dataset::Load(file_).status()));
}

TEST_F(DatasetTest, ANameThatIsNoneIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(Dataset::Open("", "m", "t").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Dataset::Open(tree_.Path("a\" b.db"), "m", "t").status()));
}

using LabelsTest = DatasetTest;

TEST_F(LabelsTest, AgainstTheTimeAloneAroundIt) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  Ran(*dataset, 0, {{a, 10, 10, 0}});                  // 1.0 s before
  Ran(*dataset, 20, {{a, 10, 15, 0}, {b, 5, 10, 0}});  // 1.5 s together
  Ran(*dataset, 40, {{a, 10, 12, 0}});                 // 1.2 s after
  const DatasetContent content = Load();
  const std::vector<Label> labels = MakeLabels(content);
  ASSERT_EQ(labels.size(), 1u) << "b never ran alone";
  EXPECT_EQ(labels[0].victim, a);
  EXPECT_THAT(labels[0].aggressors, ElementsAre(b));
  // Halfway between the two, in logarithms.
  EXPECT_NEAR(labels[0].slowdown, 1.5 / std::sqrt(1.2) - 1, 1e-9);
  EXPECT_FALSE(labels[0].disturbed);
}

TEST_F(LabelsTest, AMachineThatSpeedsUpByItselfCancels) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  double pace = 1;
  for (int window = 0; window < 12; ++window, pace *= 0.93) {
    if (window % 2 == 0) {
      Ran(*dataset, 10 * window, {{a, 10, 10 * pace, 0}});
    } else {
      Ran(*dataset, 10 * window, {{a, 10, 12 * pace, 0}, {b, 5, 10, 0}});
    }
  }
  const Label label = MakeLabels(Load()).at(0);
  // The last window has nobody after it and is off by one step, the others not at all.
  EXPECT_NEAR(label.slowdown, 0.2, 0.02);
  EXPECT_LT(label.error, 0.02);
}

TEST_F(LabelsTest, WindowsThatDifferMakeTheErrorWide) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  for (int window = 0; window < 12; ++window) {
    const double noise = window % 4 < 2 ? 1.2 : 0.8;
    if (window % 2 == 0) {
      Ran(*dataset, 10 * window, {{a, 10, 10, 0}});
    } else {
      Ran(*dataset, 10 * window, {{a, 10, 10 * noise, 0}, {b, 5, 10, 0}});
    }
  }
  const Label label = MakeLabels(Load()).at(0);
  EXPECT_GT(label.error, 0.05);
  EXPECT_LT(std::abs(label.slowdown), 2 * label.error);
}

TEST_F(LabelsTest, ASingleWindowIsNotSure) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  Ran(*dataset, 0, {{a, 10, 10, 0}});
  Ran(*dataset, 20, {{a, 10, 10, 0}, {b, 5, 10, 0}});
  EXPECT_GE(MakeLabels(Load()).at(0).error, 0.05);
}

TEST_F(LabelsTest, EachMeetingHasItsOwn) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  EXPECT_EQ(*dataset->NewMeeting(), 1);
  Ran(*dataset, 0, {{a, 10, 10, 0}}, 10, 1);
  Ran(*dataset, 20, {{a, 10, 15, 0}, {b, 5, 10, 0}}, 10, 1);
  Ran(*dataset, 100, {{a, 10, 20, 0}}, 10, 2);
  Ran(*dataset, 120, {{a, 10, 60, 0}, {b, 5, 10, 0}}, 10, 2);
  EXPECT_EQ(*dataset->NewMeeting(), 3);
  EXPECT_EQ(dataset->PairVisits()->begin()->second, 2);
  const std::vector<Label> labels = MakeLabels(Load());
  ASSERT_EQ(labels.size(), 2u);
  EXPECT_NEAR(labels[0].slowdown, 0.5, 1e-9);
  EXPECT_NEAR(labels[1].slowdown, 2, 1e-9);
}

TEST_F(LabelsTest, TooLittleQuietMarksTheLabel) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  Ran(*dataset, 0, {{a, 10, 10, 0}}, 1);
  Ran(*dataset, 20, {{a, 10, 15, 0}, {b, 5, 10, 0}});
  EXPECT_TRUE(MakeLabels(Load()).at(0).disturbed);
}

TEST_F(LabelsTest, AProgramThatDidNothingAloneHasNone) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  Ran(*dataset, 0, {{a, 0, 0, 0}});
  Ran(*dataset, 20, {{a, 10, 10, 0}, {b, 5, 10, 0}});
  EXPECT_TRUE(MakeLabels(Load()).empty());
}

// What came through would tell of the lucky operations only.
TEST_F(LabelsTest, AProgramThatHardlyFinishesAnythingIsTooSlowToTell) {
  auto dataset = Open();
  const int64_t a = Live(*dataset, "a").id;
  const int64_t b = Live(*dataset, "b").id;
  for (const int64_t meeting : {1, 2, 3}) {
    Ran(*dataset, 100.0 * meeting, {{a, 10, 10, 0}}, 10, meeting);
    for (int window = 0; window < 6; ++window) {
      const bool finished = meeting == 1 || (meeting == 2 && window % 2 == 0);
      Ran(*dataset, 100.0 * meeting + 10 * (window + 1),
          {{a, finished ? 8.0 : 0, finished ? 10.0 : 0, 0}, {b, 5, 10, 0}}, 10, meeting);
    }
  }
  const std::vector<Label> labels = MakeLabels(Load());
  ASSERT_THAT(labels, SizeIs(3));
  EXPECT_FALSE(labels[0].unfinished || labels[0].disturbed);
  EXPECT_TRUE(labels[1].unfinished && labels[1].disturbed);
  EXPECT_TRUE(labels[2].unfinished && labels[2].disturbed);
  EXPECT_NEAR(labels[2].slowdown, 59, 1e-9) << "not one second's operation in sixty";
}

}  // namespace
}  // namespace truce::lab
