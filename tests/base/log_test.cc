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

// Agents choose the names of workloads, and what they say of themselves.
TEST(LogTest, WhatOthersNamedStaysOnItsLine) {
  ASSERT_TRUE(InitializeLogging("info").ok());
  testing::internal::CaptureStderr();
  spdlog::info("{} went away", "evil\n00:00:00 E name\x1b[31m\x7f\xc2\x9b\xc3\xa9");
  spdlog::default_logger()->flush();
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, testing::EndsWith("I evil\\x0a00:00:00 E name\\x1b[31m\\x7f\\xc2\x9b\xc3\xa9 went away\n"));
  EXPECT_EQ(InitializeLogging("off"), absl::OkStatus());
}

}  // namespace
}  // namespace truce
