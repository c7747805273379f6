// A problem in the challenge's format is packed end to end, and what is wrong in a file is named with its line.
#include "lab/pack/roadef.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "lab/pack/pack_roadef.h"
#include "src/host/file.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

// One resource; two machines, of which the first is beyond its safety capacity with both processes.
constexpr char kModel[] =
    "1\n1 100\n"
    "2\n0 0 30 10 0 1\n1 1 30 20 1 0\n"
    "2\n0 0\n0 0\n"
    "2\n0 12 5\n1 10 2\n"
    "1\n0 0 1\n1\n"
    "1 10 100\n";

class RoadefTest : public testing::Test {
 protected:
  RoadefTest() {
    tree_.Put("model.txt", kModel);
    tree_.Put("initial.txt", "0 0\n");
  }
  std::string Problem(const std::string& model) {
    tree_.Put("model.txt", model);
    return ReadRoadefModel(tree_.Path("model.txt")).status().ToString();
  }
  test::Tree tree_;
};

TEST_F(RoadefTest, AProblemIsPackedAndWritten) {
  controller::pack::AnnealOptions options;
  options.time = absl::InfiniteDuration();
  options.iterations = 10'000;
  const auto figures = PackRoadef({tree_.Path("model.txt"), tree_.Path("initial.txt"), tree_.Path("new.txt")}, options);
  ASSERT_TRUE(figures.ok()) << figures.status();
  // The larger one goes, though it is dearer to move: 12 of load above the safety capacity become 0 at 5 + 10 + 100,
  // and if the other went 2 would stay, at 100 each.
  EXPECT_EQ(*host::ReadFile(tree_.Path("new.txt")), "1 0\n");
  std::map<std::string, double> values;
  for (const Figure& figure : figures->figures()) values[figure.name] = figure.value;
  EXPECT_EQ(values.at("of it load"), 0);
  EXPECT_EQ(values.at("of it moves"), 115);
}

TEST_F(RoadefTest, AnAssignmentThatBreaksARuleIsRefused) {
  std::string tight = kModel;
  tight.replace(tight.find("0 0 30"), 6, "0 0 20");
  tree_.Put("model.txt", tight);
  const auto figures = PackRoadef({tree_.Path("model.txt"), tree_.Path("initial.txt"), tree_.Path("new.txt")}, {});
  EXPECT_THAT(figures.status().ToString(), HasSubstr("host 0 is asked for 22 of resource 0 and has 20"));
}

TEST_F(RoadefTest, WhatIsWrongIsNamedWithItsLine) {
  const std::string model = kModel;
  EXPECT_THAT(Problem(model.substr(0, 20)), HasSubstr("the file ends where"));
  EXPECT_THAT(Problem("1\n1 many\n"), HasSubstr("line 2: \"many\" is no whole number where a load weight is expected"));
  EXPECT_THAT(Problem("1\n2 100\n"), HasSubstr("line 2: 2 is not from 0 to 1"));
  EXPECT_THAT(Problem(model + "7"), HasSubstr("there is more where the end of the file is expected"));
  tree_.Put("model.txt", model);
  tree_.Put("initial.txt", "0 2\n");
  const auto problem = ReadRoadefModel(tree_.Path("model.txt"));
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_THAT(ReadRoadefAssignment(tree_.Path("initial.txt"), *problem).status().ToString(),
              HasSubstr("2 is not from 0 to 1 where the machine of process 1 is expected"));
}

}  // namespace
}  // namespace truce::lab
