#include "lab/protect/record.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "lab/protect/drop_and_regain.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Bout Fought(Policy policy, int run, double stretch, double rate, double seconds, int actions,
            const std::string& aggressor = "hog") {
  Bout bout;
  bout.run = run;
  bout.policy = policy;
  bout.victim = "web";
  bout.aggressor = aggressor;
  bout.alone_pace = 0.01;
  bout.pace = 0.01 * stretch;
  bout.aggressor_rate = rate;
  bout.seconds_to_protect = seconds;
  bout.actions = actions;
  return bout;
}

double ValueOf(const FigureTable& table, const std::string& name) {
  for (const Figure& figure : table.figures()) {
    if (figure.name == name) return figure.value;
  }
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

TEST(BoutsTest, WhatIsWrittenIsReadAndGoneOnWith) {
  test::Tree tree;
  const std::string file = tree.Path("protect.tsv");
  EXPECT_THAT(*ReadBouts(file, "m"), IsEmpty());
  ASSERT_TRUE(BeginBouts(file, "m").ok());
  ASSERT_TRUE(AppendBout(file, Fought(Policy::kModel, 2, 1.25, 40, 7, 1)).ok());
  ASSERT_TRUE(AppendBout(file, Fought(Policy::kNothing, 0, 3, 60, -1, 0)).ok());
  const auto bouts = ReadBouts(file, "m");
  ASSERT_TRUE(bouts.ok()) << bouts.status();
  ASSERT_THAT(*bouts, SizeIs(2));
  EXPECT_EQ((*bouts)[0].policy, Policy::kModel);
  EXPECT_EQ((*bouts)[0].run, 2);
  EXPECT_DOUBLE_EQ((*bouts)[0].pace, 0.0125);
  EXPECT_EQ((*bouts)[1].seconds_to_protect, -1);
}

TEST(BoutsTest, AProgramsNameMayHaveABlank) {
  test::Tree tree;
  const std::string file = tree.Path("protect.tsv");
  ASSERT_TRUE(BeginBouts(file, "m").ok());
  ASSERT_TRUE(AppendBout(file, Fought(Policy::kModel, 2, 1.25, 40, 7, 1, "my hog")).ok());
  const auto bouts = ReadBouts(file, "m");
  ASSERT_TRUE(bouts.ok()) << bouts.status();
  EXPECT_EQ((*bouts)[0].aggressor, "my hog");
}

TEST(BoutsTest, AnEmptyFileIsBegunAndWhatCannotBeWrittenIsSaid) {
  test::Tree tree;
  const std::string file = tree.Path("protect.tsv");
  std::ofstream(file).close();
  EXPECT_THAT(*ReadBouts(file, "m"), IsEmpty());
  ASSERT_TRUE(BeginBouts(file, "m").ok());
  ASSERT_TRUE(BeginBouts(file, "m").ok()) << "once is enough";
  ASSERT_TRUE(AppendBout(file, Fought(Policy::kModel, 2, 1.25, 40, 7, 1)).ok());
  EXPECT_THAT(*ReadBouts(file, "m"), SizeIs(1));
  const absl::Status nowhere = BeginBouts(tree.Path("not/there.tsv"), "m");
  EXPECT_THAT(std::string(nowhere.message()), HasSubstr("No such file"));
  std::ofstream(file) << "something else\n";
  EXPECT_THAT(std::string(ReadBouts(file, "m").status().message()), HasSubstr("no results of truce-lab protect"));
}

TEST(BoutsTest, AnotherMachinesFileAndDamagedLinesAreRefused) {
  test::Tree tree;
  const std::string file = tree.Path("protect.tsv");
  ASSERT_TRUE(BeginBouts(file, "m").ok());
  ASSERT_TRUE(AppendBout(file, Fought(Policy::kModel, 2, 1.25, 40, 7, 1)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadBouts(file, "other").status()));
  std::ofstream(tree.Path("old.tsv")) << "# m\nrun\tpolicy\n";
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadBouts(tree.Path("old.tsv"), "m").status()));
  std::ofstream(file, std::ios::app) << "0\tmagic\tweb\thog\t1\t1\t1\t1\t1\n";
  const auto status = ReadBouts(file, "m").status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("protect.tsv:4"));
}

TEST(BoutFiguresTest, WhoIsNeverProtectedCounts) {
  std::vector<Bout> bouts = {Fought(Policy::kNothing, 0, 3, 100, -1, 0)};
  for (int run = 0; run < 3; ++run) bouts.push_back(Fought(Policy::kModel, run, 2, 50, run == 0 ? 7 : -1, 1));
  EXPECT_GT(ValueOf(BoutFigures(bouts), "model: protected after"), 20);
  std::ostringstream out;
  WriteBouts(bouts, out);
  EXPECT_THAT(out.str(), HasSubstr("never"));
}

TEST(BoutFiguresTest, WhatAnAggressorKeptIsNotTheMachinesDoing) {
  Bout before = Fought(Policy::kNothing, 0, 3, 100, -1, 0);
  Bout slower = Fought(Policy::kBoth, 0, 1.1, 30, 6, 1);
  slower.alone_pace *= 2;  // the machine got half as fast
  slower.pace *= 2;
  const FigureTable table = BoutFigures({before, slower});
  EXPECT_NEAR(ValueOf(table, "both: aggressors kept"), 0.6, 1e-9);
  EXPECT_NEAR(ValueOf(table, "both: victims against alone"), 1.1, 1e-9);
}

TEST(BoutFiguresTest, MediansOfHurtPairsAndWrongActionsOfHarmlessOnes) {
  std::vector<Bout> bouts;
  for (int run = 0; run < 3; ++run) {
    bouts.push_back(Fought(Policy::kNothing, run, 3, 100, -1, 0));
    bouts.push_back(Fought(Policy::kModel, run, 1.0 + 0.1 * run, 65, 6 + run, 1));
    bouts.push_back(Fought(Policy::kNothing, run, 1.01, 100, 0, 0, "lamb"));
    bouts.push_back(Fought(Policy::kModel, run, 1.0, 90, 0, run == 1 ? 1 : 0, "lamb"));
  }
  const FigureTable table = BoutFigures(bouts);
  EXPECT_NEAR(ValueOf(table, "nothing: victims against alone"), 3, 1e-9);
  EXPECT_NEAR(ValueOf(table, "model: victims against alone"), 1.1, 1e-9);
  EXPECT_NEAR(ValueOf(table, "model: aggressors kept"), 0.65, 1e-9);
  EXPECT_NEAR(ValueOf(table, "model: protected after"), 7, 1e-9);
  EXPECT_NEAR(ValueOf(table, "model: hurt pairs protected"), 1, 1e-9);
  EXPECT_NEAR(ValueOf(table, "model: runs of harmless pairs acted upon"), 1.0 / 3, 1e-9);
  std::ostringstream out;
  WriteBouts(bouts, out);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("web <- hog"), HasSubstr("3.00 x"), HasSubstr("1.10 x, kept  65 %,   7 s")));
}

Sample Waiting(double share) {
  Sample sample;
  sample.set(Reading::kCpuUsageCores, 0.5);
  sample.set(Reading::kPsiCpuSomeRatio, share);
  return sample;
}

TEST(DropAndRegainTest, DropsToTheMinimumAtOnceAndRegainsSlowly) {
  DropAndRegain regulator(2);
  for (int i = 0; i < 10; ++i) regulator.LearnAlone(Waiting(0.01));
  EXPECT_FALSE(regulator.Regulate(Waiting(0.01)).has_value());
  EXPECT_NEAR(*regulator.Regulate(Waiting(0.4)), 0.2, 1e-9);
  EXPECT_TRUE(regulator.dropped());
  EXPECT_NEAR(*regulator.Regulate(Waiting(0.01)), 0.2, 1e-9);
  EXPECT_FALSE(regulator.dropped());
  regulator.Regulate(Waiting(0.01));
  EXPECT_NEAR(*regulator.Regulate(Waiting(0.01)), 0.3, 1e-9) << "after three calm seconds";
  EXPECT_NEAR(*regulator.Regulate(Waiting(0.4)), 0.2, 1e-9);
  int seconds = 0;
  while (regulator.Regulate(Waiting(0.01)).has_value()) ++seconds;
  EXPECT_NEAR(seconds, 3 * 18, 3) << "1.8 cores in steps of 0.1";
}

}  // namespace
}  // namespace truce::lab
