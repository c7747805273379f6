#include "src/base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

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

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path, mode_t mode,
                                                               IfExists if_exists) {
  std::unique_ptr<AtomicFile> file(new AtomicFile(path, if_exists));
  TRUCE_RETURN_IF_ERROR(file->Open(mode));
  return file;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status AtomicFile::Open(mode_t mode) {
  target_ = path_;
  // What must not be there needs no look: Commit refuses it, whatever it is.
  if (if_exists_ == IfExists::kReplace) {
    struct stat found {};
    const bool there = stat(path_.c_str(), &found) == 0;
    // The kernel's own checks of links in directories that all may write to fail here, too.
    if (!there && errno != ENOENT) return ErrnoStatus(errno, StrCat("creating ", path_));
    if (there && !S_ISREG(found.st_mode)) return OpenAsItIs();
    TRUCE_RETURN_IF_ERROR(FollowLink());
  }
  return OpenBeside(mode);
}

absl::Status AtomicFile::FollowLink() {
  std::error_code error;
  if (!std::filesystem::is_symlink(path_, error)) return absl::OkStatus();
  target_ = std::filesystem::canonical(path_, error).string();
  if (error == std::errc::no_such_file_or_directory) {
    return absl::FailedPreconditionError(
        StrCat(path_, " is a symbolic link to what is not there; remove it, or name the file itself"));
  }
  return error ? ErrnoStatus(error.value(), StrCat("creating ", path_)) : absl::OkStatus();
}

absl::Status AtomicFile::OpenAsItIs() {
  // Not held up by a pipe that nobody ever reads.
  fd_ = open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd_ < 0 && errno == ENXIO) {
    return absl::FailedPreconditionError(StrCat(path_, " has nobody at its other end; start its reader first"));
  }
  if (fd_ < 0) return ErrnoStatus(errno, StrCat("opening ", path_));
  // Of what was opened, since it may be something else by now.
  struct stat opened {};
  if (fstat(fd_, &opened) != 0) return ErrnoStatus(errno, StrCat("opening ", path_));
  if (!S_ISCHR(opened.st_mode) && !S_ISFIFO(opened.st_mode)) {
    return absl::FailedPreconditionError(StrCat(path_, " can't be replaced by a file; name another"));
  }
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, StrCat("opening ", path_));
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::OpenBeside(mode_t mode) {
  std::string temporary = target_ + ".XXXXXX";
  fd_ = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd_ < 0) return ErrnoStatus(errno, StrCat("creating ", path_));
  temporary_ = std::move(temporary);
  if (fchmod(fd_, mode) != 0) return ErrnoStatus(errno, StrCat("setting the mode of ", path_));
  return absl::OkStatus();
}

absl::Status AtomicFile::Write(std::string_view content) {
  return WriteAll(fd_, content, path_);
}

absl::Status AtomicFile::Commit() {
  if (temporary_.empty()) return absl::OkStatus();
  if (fsync(fd_) != 0) return ErrnoStatus(errno, StrCat("flushing ", path_));
  const unsigned int flags = if_exists_ == IfExists::kRefuse ? RENAME_NOREPLACE : 0;
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), flags) != 0) {
    return errno == EEXIST ? absl::AlreadyExistsError(StrCat(path_, " is there already"))
                           : ErrnoStatus(errno, StrCat("creating ", path_));
  }
  temporary_.clear();
  return FlushDirectory(target_);
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists) {
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<AtomicFile> file, AtomicFile::Create(path, mode, if_exists));
  TRUCE_RETURN_IF_ERROR(file->Write(content));
  return file->Commit();
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
