#include "src/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

absl::Status WriteAll(int fd, std::string_view content, const std::string& name) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, StrCat("writing ", name));
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status FillTemporary(int fd, std::string_view content, mode_t mode, const std::string& name) {
  if (fchmod(fd, mode) != 0) return ErrnoStatus(errno, StrCat("setting the mode of ", name));
  TRUCE_RETURN_IF_ERROR(WriteAll(fd, content, name));
  if (fsync(fd) != 0) return ErrnoStatus(errno, StrCat("flushing ", name));
  return absl::OkStatus();
}

absl::Status FlushDirectory(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string directory = parent.empty() ? "." : parent;
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, StrCat("opening ", directory));
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : ErrnoStatus(error, StrCat("flushing ", directory));
}

}  // namespace

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists) {
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, StrCat("creating ", path));
  absl::Status status = FillTemporary(fd, content, mode, path);
  close(fd);
  if (status.ok()) {
    const unsigned int flags = if_exists == IfExists::kRefuse ? RENAME_NOREPLACE : 0;
    if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
      status = errno == EEXIST ? absl::AlreadyExistsError(StrCat(path, " is there already"))
                               : ErrnoStatus(errno, StrCat("creating ", path));
    }
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  return FlushDirectory(path);
}

absl::Status MakeDirectory(const std::string& directory, mode_t mode) {
  struct stat found {};
  if (stat(directory.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError(StrCat(directory, " is there and is not a directory"));
  }
  const std::filesystem::path parent = std::filesystem::path(directory).lexically_normal().parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return ErrnoStatus(error.value(), StrCat("creating ", parent.string()));
  if (mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, StrCat("creating ", directory));
  }
  return absl::OkStatus();
}

}  // namespace truce
