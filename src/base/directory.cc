#include "src/base/directory.h"

#include <filesystem>
#include <system_error>

#include "src/base/text.h"

namespace truce {

std::optional<std::string> NoDirectory(const std::string& directory) {
  for (std::filesystem::path at = std::filesystem::absolute(directory); at.has_relative_path(); at = at.parent_path()) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(at, error);
    if (status.type() == std::filesystem::file_type::not_found) continue;
    // What can't be looked at may be one.
    if (status.type() == std::filesystem::file_type::none || std::filesystem::is_directory(status)) return std::nullopt;
    return StrCat(at.string(), " is no directory; name another one");
  }
  return std::nullopt;
}

}  // namespace truce
