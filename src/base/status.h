// Small helpers around absl::Status, the error value of the whole project.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expression` from the calling function unless it is OK.
#define TRUCE_RETURN_IF_ERROR(expression)          \
  do {                                             \
    absl::Status truce_status_ = (expression);     \
    if (!truce_status_.ok()) return truce_status_; \
  } while (false)

// Declares or assigns `target` from the StatusOr `expression`, or returns its error.
#define TRUCE_ASSIGN_OR_RETURN(target, expression) \
  TRUCE_ASSIGN_OR_RETURN_IMPL_(TRUCE_CONCAT_(truce_status_or_, __LINE__), target, expression)
#define TRUCE_ASSIGN_OR_RETURN_IMPL_(temporary, target, expression) \
  auto temporary = (expression);                                    \
  if (!temporary.ok()) return std::move(temporary).status();        \
  target = *std::move(temporary)
#define TRUCE_CONCAT_(a, b) TRUCE_CONCAT_IMPL_(a, b)
#define TRUCE_CONCAT_IMPL_(a, b) a##b

namespace truce {

// The same status with `context` and ": " in front of its message. OK stays OK.
absl::Status WithContext(const absl::Status& status, std::string_view context);

// A status for `error` (an errno value) whose message is "context: strerror". ENOENT and ENODEV become NotFound, EACCES
// and EPERM PermissionDenied, ENOSPC and EDQUOT and EMFILE ResourceExhausted, EBUSY and EAGAIN Unavailable, EINVAL
// InvalidArgument; the rest Internal.
absl::Status ErrnoStatus(int error, std::string_view context);

}  // namespace truce
