#include "src/host/writer_cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::host {
namespace {

// What an operator can do about a write that the kernel refused.
std::string_view Remedy(int error) {
  switch (error) {
    case EBUSY:
      return "a nested cgroup or a real-time task still needs the present value; look at the cgroup's children";
    case EINVAL:
    case ERANGE:
      return "the kernel does not take this value here; compare it with the limits and the CPUs of the parent cgroup";
    case EACCES:
    case EPERM:
      return "run the agent as root or delegate the cgroup to it; on a v1 cpuset, stay within the CPUs of the parent";
    case EROFS:
      return "the cgroup tree is mounted read-only; mount it read-write for the agent";
    case ENOENT:
      return "the cgroup went away, or the controller is not enabled in its parent's cgroup.subtree_control";
    case ENODEV:
    case ENXIO:
      return "the cgroup went away; there is nothing left to change";
    case ENOSPC:
      return "a cgroup with tasks needs at least one CPU, and a file needs room on its disk";
    default:
      return "see the kernel's log";
  }
}

// One write(2) is one change for the kernel; it can't be cut in two.
absl::Status WriteOnce(int fd, const ControlFile& control, std::string_view value) {
  ssize_t count = 0;
  do {
    count = write(fd, value.data(), value.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return ControlWriteError(errno, control, value);
  if (static_cast<size_t>(count) != value.size()) return ControlWriteError(ENOSPC, control, value);
  return absl::OkStatus();
}

bool SameWord(std::string_view a, std::string_view b) {
  int64_t number_a = 0;
  int64_t number_b = 0;
  if (absl::SimpleAtoi(AbslView(a), &number_a) && absl::SimpleAtoi(AbslView(b), &number_b)) return number_a == number_b;
  return a == b;
}

absl::Status NoDirectory(const ControlFile& control) {
  return absl::NotFoundError(StrCat("no ", ControllerName(control.controller), " controller on ",
                                    control.cgroup->path(), " for ", control.file));
}

}  // namespace

std::string_view TrimControl(std::string_view text) {
  const size_t last = text.find_last_not_of(" \t\r\n");
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

bool SameControlValue(std::string_view file, std::string_view a, std::string_view b) {
  if (file.starts_with("cpuset.cpus")) {
    const auto set_a = ParseCpuList(TrimControl(a));
    const auto set_b = ParseCpuList(TrimControl(b));
    if (set_a.ok() && set_b.ok()) return *set_a == *set_b;
  }
  while (true) {
    const std::string_view word_a = NextWord(&a);
    const std::string_view word_b = NextWord(&b);
    if (!SameWord(word_a, word_b)) return false;
    if (word_a.empty()) return true;
  }
}

absl::Status ControlWriteError(int error, const ControlFile& control, std::string_view value) {
  const absl::Status status = ErrnoStatus(error, StrCat("writing '", TrimControl(value), "' to ", control.Name()));
  return absl::Status(status.code(), AbslView(StrCat(StdView(status.message()), "; ", Remedy(error))));
}

uint64_t ControlInode(const ControlFile& control) {
  struct stat status {};
  const int fd = control.cgroup->directory_fd(control.controller);
  return fd >= 0 && fstat(fd, &status) == 0 ? status.st_ino : 0;
}

absl::StatusOr<std::string> CgroupControlWriter::Read(const ControlFile& control) {
  const int directory = control.cgroup->directory_fd(control.controller);
  if (directory < 0) return NoDirectory(control);
  const ControlLine line = ParseControlLine(control.file);
  auto content = ReadWholeAt(directory, line.file.c_str(), buffer_);
  if (!content.ok()) return WithContext(content.status(), StrCat("reading ", control.Name()));
  return std::string(line.key.empty() ? *content : FindLine(*content, line.key));
}

// The kernel takes a line and leaves the others alone. A plain file is rewritten as the kernel would have it.
absl::StatusOr<std::string> CgroupControlWriter::ToWrite(const ControlFile& control, const ControlLine& line,
                                                         std::string_view value) {
  const int directory = control.cgroup->directory_fd(control.controller);
  struct statfs system {};
  const bool kernel =
      fstatfs(directory, &system) == 0 && (system.f_type == CGROUP_SUPER_MAGIC || system.f_type == CGROUP2_SUPER_MAGIC);
  const std::string_view trimmed = TrimControl(value);
  if (kernel) return trimmed.empty() ? LineThatResets(line.file, line.key) : std::string(trimmed);
  TRUCE_ASSIGN_OR_RETURN(const std::string_view content, ReadWholeAt(directory, line.file.c_str(), buffer_));
  return ReplaceLine(content, line.key, trimmed);
}

absl::Status CgroupControlWriter::Write(const ControlFile& control, std::string_view value) {
  TRUCE_ASSIGN_OR_RETURN(const std::string before, Read(control));
  if (TrimControl(before) == TrimControl(value)) return absl::OkStatus();
  const ControlLine line = ParseControlLine(control.file);
  std::string line_value;
  if (!line.key.empty()) {
    TRUCE_ASSIGN_OR_RETURN(line_value, ToWrite(control, line, value));
    value = line_value;
  }
  // cgroupfs ignores O_TRUNC; a fixture's plain file needs it, or a shorter value would leave the tail of a longer one.
  UniqueFd fd(
      openat(control.cgroup->directory_fd(control.controller), line.file.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd.valid()) return ControlWriteError(errno, control, value);
  // write(2) of nothing never reaches a kernel file, whose way to say "empty" is a line without content. A plain file
  // is empty by now.
  if (!value.empty()) {
    TRUCE_RETURN_IF_ERROR(WriteOnce(fd.get(), control, value));
  } else {
    TRUCE_ASSIGN_OR_RETURN(const std::string content, Read(control));
    if (!content.empty()) TRUCE_RETURN_IF_ERROR(WriteOnce(fd.get(), control, "\n"));
  }
  spdlog::info("control {}: '{}' -> '{}'", control.Name(), TrimControl(before), TrimControl(value));
  return absl::OkStatus();
}

}  // namespace truce::host
