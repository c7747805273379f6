#include "src/base/shipped.h"

#include <filesystem>
#include <system_error>

#include "src/base/text.h"

namespace truce {

std::string OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

std::string ShippedPath(std::string_view name) {
  std::error_code error;
  const std::string beside = StrCat(OwnDirectory(), "/", name);
  return std::filesystem::exists(beside, error) ? beside : StrCat(OwnDirectory(), "/../share/truce/", name);
}

}  // namespace truce
