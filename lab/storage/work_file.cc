#include "lab/storage/work_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

absl::Status SayWhy(int error, const std::string& path, uint64_t bytes) {
  switch (error) {
    case EEXIST:
      return absl::AlreadyExistsError(StrCat(path, " is there already and is left alone; name a file that is not"));
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(
          StrCat("there is no room for ", bytes >> 20, " MiB at ", path, "; make room, or give a smaller --size"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          StrCat(path, " may not be made; give a directory that you may write, or run this as root"));
    case EROFS:
      return absl::PermissionDeniedError(
          StrCat(path, " is on a file system that is mounted read-only; give a directory on one that may be written"));
    default:
      return ErrnoStatus(error, StrCat("making ", path));
  }
}

// Asked before it is taken: a disk that is full for a moment only is full for everybody who writes in it.
absl::Status LookForRoom(int fd, const std::string& path, uint64_t bytes) {
  // Of what is free, so much is left to others.
  constexpr double kLeft = 0.1;
  struct statvfs room {};
  if (fstatvfs(fd, &room) != 0) return ErrnoStatus(errno, StrCat("asking for the room at ", path));
  const double free_bytes = static_cast<double>(room.f_bavail) * static_cast<double>(room.f_frsize);
  if (static_cast<double>(bytes) <= (1 - kLeft) * free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrFormat(
      "there is no room for %d MiB at %s, where %.0f MiB are free and a tenth of that is left to others; make room, or "
      "give a smaller --size",
      bytes >> 20, path, free_bytes / (1 << 20)));
}

}  // namespace

absl::StatusOr<WorkFile> WorkFile::Make(const std::string& path, uint64_t bytes) {
  WorkFile file;
  file.path_ = path;
  file.bytes_ = bytes;
  file.fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.fd_.valid()) return SayWhy(errno, path, bytes);
  unlink(path.c_str());
  struct stat status {};
  if (fstat(file.fd_.get(), &status) != 0) return ErrnoStatus(errno, StrCat("looking at ", path));
  file.device_ = StrCat(major(status.st_dev), ":", minor(status.st_dev));
  const host::UniqueFd past_cache(open(file.OpenName().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  if (!past_cache.valid()) {
    return absl::FailedPreconditionError(
        StrCat(path,
               " is on a file system that can't be read past the page cache, such as a tmpfs, so no disk would be "
               "measured; give a directory on a disk's file system"));
  }
  TRUCE_RETURN_IF_ERROR(LookForRoom(file.fd_.get(), path, bytes));
  // Some file systems have no way to do it but to write it all.
  if (const int error = posix_fallocate(file.fd_.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    return SayWhy(error, path, bytes);
  }
  return file;
}

std::string WorkFile::OpenName() const {
  return StrCat("/proc/", getpid(), "/fd/", fd_.get());
}

absl::StatusOr<DiskName> FindDisk(const std::string& device, const std::string& sysfs) {
  std::error_code error;
  std::filesystem::path directory = std::filesystem::canonical(StrCat(sysfs, "/dev/block/", device), error);
  if (error) {
    return absl::NotFoundError(
        StrCat("no disk has the number ", device,
               ", so its file system lies on none alone (in memory, an overlay, a network, btrfs); give a "
               "directory on a file system of a disk, such as a new ext4 or xfs"));
  }
  if (std::filesystem::exists(directory / "partition", error)) directory = directory.parent_path();
  DiskName disk;
  disk.name = directory.filename().string();
  const absl::StatusOr<std::string> text = host::ReadFile(directory / "size");
  uint64_t sectors = 0;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &sectors)) {
    return absl::NotFoundError(StrCat(directory.string(), "/size does not say how large the disk is"));
  }
  disk.size_bytes = sectors * 512;  // sectors of sysfs are of 512 bytes whatever the disk's are
  return disk;
}

}  // namespace truce::lab
