// What truce-lab drift --live refuses before it does anything.
#include "lab/drift/commands.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class DriftCommandTest : public testing::Test {
 protected:
  // Parses, runs, and gives the exit code; stderr is what was said.
  int Run(const std::string& arguments) {
    CLI::App app;
    std::function<int()> chosen;
    AddDriftCommand(app, chosen);
    app.parse("drift --live " + arguments);
    testing::internal::CaptureStderr();
    const int code = chosen();
    said_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::string said_;
};

TEST_F(DriftCommandTest, WatchingHasAnEnd) {
  // Were they taken, there would be no cgroups to begin in.
  EXPECT_EQ(Run("--path.cgroup /nowhere --learning inf"), 2);
  EXPECT_THAT(said_, AllOf(HasSubstr("--learning inf"), HasSubstr("to 168h")));
  EXPECT_EQ(Run("--path.cgroup /nowhere --unchanged inf"), 2);
  EXPECT_THAT(said_, HasSubstr("--unchanged inf"));
  EXPECT_EQ(Run("--path.cgroup /nowhere --unchanged 0s"), 2);
}

TEST_F(DriftCommandTest, TheCgroupRootIsCalledAsItsErrorsAdvise) {
  EXPECT_EQ(Run("--path.cgroup /nowhere"), 1);
  EXPECT_THAT(said_, AllOf(HasSubstr("/nowhere"), HasSubstr("give --path.cgroup")));
}

}  // namespace
}  // namespace truce::lab
