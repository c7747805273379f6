// The file that a disk is measured through: made here, on the disk in question, and gone with its descriptor, however
// the process ends.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "src/host/file.h"

namespace truce::lab {

class WorkFile {
 public:
  // Makes `path`, whose space is taken from the disk at once, and takes its name away again. AlreadyExists when there
  // is something of that name, which is left alone; ResourceExhausted when that would leave others less than a tenth of
  // what is free, PermissionDenied when
  // it may not be written: each says what to do. FailedPrecondition on a file system without a disk, or one that can't
  // be read past the page cache. `path` is where it says, and errors name it.
  static absl::StatusOr<WorkFile> Make(const std::string& path, uint64_t bytes);

  // What other processes open it by, while this one lives.
  std::string OpenName() const;
  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }
  // "major:minor" of the file system's device.
  const std::string& device() const { return device_; }

 private:
  host::UniqueFd fd_;
  std::string path_;
  uint64_t bytes_ = 0;
  std::string device_;
};

// Which disk a device of a file system is: itself, or the disk that it is a partition of.
struct DiskName {
  // "nvme0n1".
  std::string name;
  uint64_t size_bytes = 0;
};
// NotFound when the kernel has no such disk (an overlay, btrfs over several), with what to do.
absl::StatusOr<DiskName> FindDisk(const std::string& device, const std::string& sysfs = "/sys");

}  // namespace truce::lab
