// The only door through which Truce changes a host. Every control write is one call here: it writes only if the value
// changes, records old and new, and can be made to fail by tests.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

namespace truce::host {

// One control file of one cgroup, or one line of it (control_line.h).
struct ControlFile {
  Cgroup* cgroup = nullptr;
  Controller controller = Controller::kCpu;
  std::string file;

  // "cpu/truce/redis/cpu.cfs_quota_us"
  std::string Name() const { return cgroup->RelativeName(controller, file); }
};

// Reads and writes control files. Not thread-safe: one owner.
class ControlWriter {
 public:
  virtual ~ControlWriter() = default;
  // Current content, byte for byte. Of a line that is not there: nothing.
  virtual absl::StatusOr<std::string> Read(const ControlFile& control) = 0;
  // Makes the content `value`. Does nothing when it already is (compared without trailing white space). The error names
  // the file, the value and what to do about it.
  virtual absl::Status Write(const ControlFile& control, std::string_view value) = 0;
  // Whether what is written to the control is there again in a cgroup that is made under the same name.
  virtual bool Outlives(const ControlFile& control) const {
    (void)control;
    return false;
  }
  // Makes what outlives the cgroup at `path` of a control `value`, whether there is such a cgroup now or not; what it
  // says is not looked at. False when nothing outlives it.
  virtual absl::StatusOr<bool> Forget(const std::string& path, Controller controller, const std::string& file,
                                      std::string_view value) {
    (void)path, (void)controller, (void)file, (void)value;
    return false;
  }
};

}  // namespace truce::host
