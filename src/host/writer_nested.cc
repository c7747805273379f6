#include "src/host/writer_nested.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

// More than any workload has; a bound on the work that one action can cause.
constexpr size_t kMostNested = 4096;

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};

// Names of the directories in `directory_fd`, sorted. Empty when it vanished.
std::vector<std::string> Children(int directory_fd) {
  std::vector<std::string> names;
  UniqueFd copy(openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.valid()) return names;
  std::unique_ptr<DIR, DirectoryCloser> directory(fdopendir(copy.get()));
  if (directory == nullptr) return names;
  copy.release();  // closedir closes it
  while (const dirent* entry = readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status Walk(int directory_fd, const std::string& path, std::vector<std::string>* found) {
  for (const std::string& name : Children(directory_fd)) {
    if (found->size() == kMostNested) {
      return absl::ResourceExhaustedError(StrCat("more than ", kMostNested, " cgroups are nested in ", path));
    }
    found->push_back(path.empty() ? name : StrCat(path, "/", name));
    const std::string child_path = found->back();
    UniqueFd child(openat(directory_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!child.valid()) {
      if (errno == EMFILE || errno == ENFILE) return ErrnoStatus(errno, StrCat("opening cgroup ", child_path));
      found->pop_back();
      continue;
    }
    TRUCE_RETURN_IF_ERROR(Walk(child.get(), child_path, found));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NestedCgroups(const Cgroup& cgroup, Controller controller) {
  const int directory = cgroup.directory_fd(controller);
  if (directory < 0) {
    return absl::NotFoundError(StrCat("no ", ControllerName(controller), " controller on ", cgroup.path()));
  }
  std::vector<std::string> found;
  TRUCE_RETURN_IF_ERROR(Walk(directory, cgroup.path(), &found));
  return found;
}

}  // namespace truce::host
