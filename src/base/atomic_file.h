// Writes files so that a reader sees the old content or the new one, never a part, under the right mode from the first
// byte.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce {

enum class IfExists { kReplace, kRefuse };

// A file that is written piece by piece beside the place that it takes in the end. One thread.
//
// With kReplace a symbolic link stays, and the file that it leads to is the one that is replaced; a device or a pipe,
// which no file can stand for, is written to as it is, keeps its mode, and has got whatever was written before a
// failure.
class AtomicFile {
 public:
  // Whatever the umask, the file has exactly `mode`. FailedPrecondition for a link to what is not there, a pipe that
  // nobody reads, and what is neither a file nor can be written along, such as a disk.
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path, mode_t mode, IfExists if_exists);
  // Unless Commit was OK, nothing is left behind.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  absl::Status Write(std::string_view content);
  // Puts it in its place, on disk. AlreadyExists, with nothing changed, when kRefuse and the path exists. To be called
  // once, last.
  absl::Status Commit();

 private:
  AtomicFile(const std::string& path, IfExists if_exists) : path_(path), if_exists_(if_exists) {}
  absl::Status Open(mode_t mode);
  absl::Status OpenAsItIs();
  absl::Status OpenBeside(mode_t mode);
  absl::Status FollowLink();

  const std::string path_;
  const IfExists if_exists_;
  // Where path_ leads to.
  std::string target_;
  // Empty when there is none: what is there is written to as it is, or the file is in its place.
  std::string temporary_;
  int fd_ = -1;
};

// An AtomicFile of one piece: `content` is on disk, at `path`, with exactly `mode`, before it returns.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists);

// Makes `directory` with `mode` and its missing parents with 0755. OK when it is there already.
absl::Status MakeDirectory(const std::string& directory, mode_t mode);

}  // namespace truce
