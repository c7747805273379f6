// The log level comes from an operator's configuration.
#include "src/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace truce {
namespace {

TEST(LogTest, EveryLevelIsTakenAndAnotherWordIsNamed) {
  for (const char* level : {"trace", "debug", "info", "warn", "error", "off"}) {
    EXPECT_TRUE(InitializeLogging(level).ok()) << level;
  }
  EXPECT_EQ(spdlog::get_level(), spdlog::level::off);
  const absl::Status status = InitializeLogging("loud");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("loud"));
  EXPECT_EQ(spdlog::get_level(), spdlog::level::off) << "a wrong word changes nothing";
}

}  // namespace
}  // namespace truce
