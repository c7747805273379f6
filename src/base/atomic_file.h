// Writes small files so that a reader sees the old content or the new one, never a part, under the right mode from the
// first byte.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace truce {

enum class IfExists { kReplace, kRefuse };

// Writes `content` to `path` with exactly `mode` (whatever the umask), on disk before it returns. AlreadyExists, with
// nothing changed, when kRefuse and the path exists. Nothing is left behind on failure.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists);

// Makes `directory` with `mode` and its missing parents with 0755. OK when it is there already.
absl::Status MakeDirectory(const std::string& directory, mode_t mode);

}  // namespace truce
