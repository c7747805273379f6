// Files as they are published: plain, compressed, or packed into an archive. The only place that knows libarchive.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace truce::lab {

// Gets the name (of a packed file without its folders, of others the file's without the ending of its compression) and
// the whole content.
using TakeFile = std::function<absl::Status(std::string_view name, std::string_view content)>;

// Hands the file at `path` to `take`; of a tar archive every file in it, one after another, in its order. gzip, bzip2,
// xz, lzma and zstd are unpacked, told by their content. NotFound or PermissionDenied when it can't be opened, DataLoss
// when it is damaged, ResourceExhausted for a file of more than 1 GiB; the first error of `take` ends it.
absl::Status ReadPacked(const std::string& path, const TakeFile& take);

}  // namespace truce::lab
