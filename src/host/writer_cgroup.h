// The real control writer: one openat, one write(2) per change, an audit line, and errno turned into a sentence with a
// remedy. The agent's actuator and `truce-agent restore` use it; it works alike on cgroupfs and on fixture trees.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/control_line.h"
#include "src/host/writer.h"

namespace truce::host {

// Writes through the directory fds that the cgroup holds, so a cgroup that was removed and made again under the same
// name is never written by mistake. Logs "control FILE: OLD -> NEW" through spdlog for every change. Not thread-safe.
class CgroupControlWriter final : public ControlWriter {
 public:
  absl::StatusOr<std::string> Read(const ControlFile& control) override;
  absl::Status Write(const ControlFile& control, std::string_view value) override;

 private:
  absl::StatusOr<std::string> ToWrite(const ControlFile& control, const ControlLine& line, std::string_view value);

  ReadBuffer buffer_;
};

// The error that a failed write of `value` deserves: code as in ErrnoStatus, message "writing 'VALUE' to FILE: what the
// kernel said; what to do". Shared with the fault-injecting writer, so that tests see what operators see.
absl::Status ControlWriteError(int error, const ControlFile& control, std::string_view value);

// Inode of the directory that the control file lies in, 0 when the cgroup has none in the controller's tree. Tells one
// cgroup from another that was made later under the same name, tree by tree.
uint64_t ControlInode(const ControlFile& control);

// `text` without the white space at its end: what two contents of a control file are compared by.
std::string_view TrimControl(std::string_view text);

// Whether two contents of a control file mean the same: cpuset lists as sets, numbers as numbers, the rest word by
// word.
bool SameControlValue(std::string_view file, std::string_view a, std::string_view b);

}  // namespace truce::host
