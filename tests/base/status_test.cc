// Error values: the code decides what callers do (skip a workload that went away, tell the operator what to grant).
#include "src/base/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace truce {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(ErrnoStatusTest, EachErrnoHasTheCodeThatCallersActUpon) {
  const struct {
    int error;
    absl::StatusCode code;
  } kCases[] = {
      {ENOENT, absl::StatusCode::kNotFound},
      {ENODEV, absl::StatusCode::kNotFound},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {EDQUOT, absl::StatusCode::kResourceExhausted},
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {EBUSY, absl::StatusCode::kUnavailable},
      {EAGAIN, absl::StatusCode::kUnavailable},
      {EINVAL, absl::StatusCode::kInvalidArgument},
      {EIO, absl::StatusCode::kInternal},
      {ENOSYS, absl::StatusCode::kInternal},
  };
  for (const auto& test : kCases) EXPECT_EQ(ErrnoStatus(test.error, "x").code(), test.code) << test.error;
}

TEST(ErrnoStatusTest, TheMessageNamesTheThingAndTheReason) {
  EXPECT_EQ(ErrnoStatus(EACCES, "writing cpu.max").message(), "writing cpu.max: Permission denied");
}

TEST(WithContextTest, KeepsTheCodeAndLeavesOkAlone) {
  const absl::Status status = WithContext(absl::NotFoundError("inner"), "outer");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "outer: inner");
  EXPECT_TRUE(WithContext(absl::OkStatus(), "outer").ok());
}

absl::StatusOr<std::unique_ptr<int>> Make(bool good) {
  if (!good) return absl::AbortedError("no");
  return std::make_unique<int>(7);
}

absl::Status Use(bool good, int* value) {
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<int> made, Make(good));
  TRUCE_RETURN_IF_ERROR(*made == 7 ? absl::OkStatus() : absl::InternalError("lost on the way"));
  *value = *made;
  return absl::OkStatus();
}

TEST(MacrosTest, ReturnTheErrorOrMoveTheValue) {
  int value = 0;
  EXPECT_TRUE(Use(true, &value).ok());
  EXPECT_EQ(value, 7);
  value = 0;
  EXPECT_TRUE(absl::IsAborted(Use(false, &value)));
  EXPECT_EQ(value, 0);
}

}  // namespace
}  // namespace truce
