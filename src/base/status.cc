#include "src/base/status.h"

#include <cerrno>
#include <system_error>

#include "src/base/text.h"

namespace truce {

absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), StrCat(context, ": ", status.message()));
}

absl::Status ErrnoStatus(int error, std::string_view context) {
  std::string message = StrCat(context, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case EBUSY:
    case EAGAIN:
      return absl::UnavailableError(message);
    case EINVAL:
    case ERANGE:
      return absl::InvalidArgumentError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace truce
