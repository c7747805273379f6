// What truce-lab allocate refuses before it does anything.
#include "lab/allocate/commands.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class AllocateCommandTest : public testing::Test {
 protected:
  // Parses, runs, and gives the exit code; stderr is what was said.
  int Run(const std::string& arguments) {
    CLI::App app;
    std::function<int()> chosen;
    AddAllocateCommand(app, chosen);
    app.parse("allocate " + arguments);
    testing::internal::CaptureStderr();
    const int code = chosen();
    said_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::string said_;
};

TEST_F(AllocateCommandTest, PeriodsAndBurstsHaveAnEnd) {
  EXPECT_EQ(Run("--period inf"), 2);
  EXPECT_THAT(said_, AllOf(HasSubstr("--period inf"), HasSubstr("from 30s to 24h")));
  EXPECT_EQ(Run("--period inf --burst inf"), 2);
  EXPECT_THAT(said_, HasSubstr("--burst inf"));
  EXPECT_EQ(Run("--period 29s"), 2);
  EXPECT_THAT(said_, HasSubstr("from 30s"));
  EXPECT_EQ(Run("--burst 1s"), 2);
  EXPECT_EQ(Run("--burst soon"), 2);
}

TEST_F(AllocateCommandTest, TheCgroupRootIsCalledAsItsErrorsAdvise) {
  EXPECT_EQ(Run("--path.cgroup /nowhere --burst inf"), 2) << "and not an option that is not there";
  EXPECT_EQ(Run("--cgroup-root /nowhere --burst inf"), 2) << "its name from before";
}

}  // namespace
}  // namespace truce::lab
