// gRPC's own lines: in Truce's log at debug, and not on stderr.
#include "src/rpc/grpc_log.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <sstream>

namespace truce::rpc {
namespace {

TEST(GrpcLogTest, ItsErrorsAreSaidAtDebugOnly) {
  unsetenv("GRPC_VERBOSITY");
  unsetenv("GRPC_TRACE");
  std::ostringstream said;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(said)));
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as gRPC does when it begins
  KeepGrpcLogQuiet();
  testing::internal::CaptureStderr();
  gpr_log("a.cc", 7, GPR_LOG_SEVERITY_ERROR, "Handshake %s", "failed");
  EXPECT_EQ(said.str(), "");
  spdlog::set_level(spdlog::level::debug);
  gpr_log("a.cc", 7, GPR_LOG_SEVERITY_ERROR, "Handshake %s", "failed again");
  EXPECT_THAT(said.str(), testing::HasSubstr("gRPC: a.cc:7: Handshake failed again"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  spdlog::set_default_logger(before);
  gpr_set_log_function(nullptr);
}

}  // namespace
}  // namespace truce::rpc
