// How this host mounts its cgroups, and one cgroup held open. v2, hybrid and v1 are all supported, controller by
// controller: the layout says which tree serves which controller.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/file.h"
#include "truce/v1/types.pb.h"

namespace truce::host {

// What a tree may serve. kUnified is the cgroup2 tree itself, whatever controllers it has: PSI, cpu.stat's usage and
// perf events live there.
enum class Controller : uint8_t { kCpu, kCpuacct, kCpuset, kMemory, kIo, kPids, kPerfEvent, kUnified };
inline constexpr size_t kControllerCount = 8;
std::string_view ControllerName(Controller controller);

// One mounted tree.
struct Hierarchy {
  // Its directory below the cgroup root: "" on a pure v2 host, "cpu" or "unified" on a hybrid one.
  std::string directory;
  // 1 or 2.
  int version = 2;
};

// Which tree serves which controller. Immutable; thread-safe.
class CgroupLayout {
 public:
  // Looks at what is mounted below `root` (normally /sys/fs/cgroup). FailedPrecondition when nothing there is a cgroup
  // tree.
  static absl::StatusOr<CgroupLayout> Detect(const std::string& root);

  const std::string& root() const { return root_; }
  v1::CgroupLayout kind() const { return kind_; }
  const std::vector<Hierarchy>& hierarchies() const { return hierarchies_; }
  // Index into hierarchies() of the tree that serves `controller`, or nullopt when the host has none.
  std::optional<size_t> hierarchy_of(Controller controller) const {
    return served_by_[static_cast<size_t>(controller)];
  }
  // The tree whose inode names a cgroup, and that discovery walks: the unified one where there is one, else cpu's.
  size_t identity_hierarchy() const { return identity_; }

 private:
  std::string root_;
  v1::CgroupLayout kind_ = v1::CGROUP_LAYOUT_UNSPECIFIED;
  std::vector<Hierarchy> hierarchies_;
  std::array<std::optional<size_t>, kControllerCount> served_by_;
  size_t identity_ = 0;
};

// One cgroup, held by its directory fds, so that one that was removed and made again under the same name is a different
// object whose reads fail with NotFound. Not thread-safe.
class Cgroup {
 public:
  // `path` is relative to the trees' roots ("system.slice/redis.service"; "" is the root). NotFound when no tree has
  // it.
  static absl::StatusOr<std::unique_ptr<Cgroup>> Open(const CgroupLayout& layout, std::string_view path);

  const std::string& path() const { return path_; }
  const CgroupLayout& layout() const { return *layout_; }
  // Inode of the directory in the first tree that has it, identity hierarchy first.
  uint64_t instance() const { return instance_; }
  // Whether the tree that serves `controller` has this cgroup.
  bool has(Controller controller) const { return directory_fd(controller) >= 0; }
  // Version of the tree that serves `controller`; 0 when !has(controller).
  int version(Controller controller) const;
  // Open directory in the tree that serves `controller`, or -1. Owned by this object.
  int directory_fd(Controller controller) const;
  // "cpu/truce/redis/cpu.cfs_quota_us": the file's name below the cgroup root, for messages and the journal.
  std::string RelativeName(Controller controller, std::string_view file) const;
  // Whether the directory that this object holds is still the one under its name.
  bool StillThere() const;

  // Content of a control file, valid until the buffer's next use. The file is opened on first use and kept open while
  // the process has file descriptors to spare. NotFound when the file or the cgroup is not there.
  absl::StatusOr<std::string_view> Read(Controller controller, const char* file, ReadBuffer& buffer);
  // The same for a file that is read every few seconds only: opened and closed again, so that a thousand workloads do
  // not hold ten thousand descriptors for it.
  absl::StatusOr<std::string_view> ReadRarely(Controller controller, const char* file, ReadBuffer& buffer) const;

 private:
  Cgroup() = default;
  struct OpenFile {
    Controller controller;
    const char* name;
    UniqueFd fd;
    bool missing = false;
  };
  const CgroupLayout* layout_ = nullptr;
  std::string path_;
  uint64_t instance_ = 0;
  std::vector<UniqueFd> directories_;  // one per hierarchy; unset where the tree lacks this cgroup
  std::vector<OpenFile> files_;
};

}  // namespace truce::host
