#include "src/host/scratch_cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <set>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

absl::Status WriteText(const std::string& path, const std::string& text) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, StrCat("opening ", path));
  if (write(fd.get(), text.data(), text.size()) < 0)
    return ErrnoStatus(errno, StrCat("writing '", text, "' to ", path));
  return absl::OkStatus();
}

// Files that levers change, in either version.
constexpr const char* kControls[] = {"cpuset.cpus",
                                     "cpu.max",
                                     "cpu.max.burst",
                                     "cpu.cfs_quota_us",
                                     "cpu.cfs_period_us",
                                     "cpu.cfs_burst_us",
                                     "cpu.weight",
                                     "cpu.shares",
                                     "cpu.idle",
                                     "memory.high",
                                     "memory.soft_limit_in_bytes",
                                     "io.max",
                                     "blkio.throttle.read_bps_device",
                                     "blkio.throttle.write_bps_device",
                                     "blkio.throttle.read_iops_device",
                                     "blkio.throttle.write_iops_device"};

// The kernel takes a moment to let go of a cgroup whose last process has just been reaped.
absl::Status RemoveCgroup(const std::string& path) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    if (rmdir(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    if (errno != EBUSY) break;
    usleep(20'000);
  }
  return ErrnoStatus(errno, StrCat("removing the cgroup ", path));
}

// Sends a signal to everybody in the cgroup; returns whether anybody was there.
bool SignalAllIn(const std::string& directory, int signal) {
  const auto processes = ReadFile(directory + "/cgroup.procs");
  if (!processes.ok()) return false;
  bool any = false;
  ForEachLine(*processes, [&any, signal](std::string_view line) {
    if (const auto pid = FirstNumber(line); pid && *pid > 0) {
      any = true;
      kill(static_cast<pid_t>(*pid), signal);
    }
  });
  return any;
}

}  // namespace

absl::StatusOr<ScratchCgroups> ScratchCgroups::Create(const CgroupLayout& layout, const std::string& name) {
  ScratchCgroups scratch(layout, name);
  for (const Hierarchy& hierarchy : layout.hierarchies()) {
    struct stat status {};
    if (stat(scratch.Full(hierarchy, name).c_str(), &status) == 0) {
      scratch.name_.clear();  // not ours to remove
      return absl::AlreadyExistsError(
          StrCat("a cgroup ", name, " is already there; end what runs in it and remove it with rmdir"));
    }
  }
  for (const Hierarchy& hierarchy : layout.hierarchies()) {
    TRUCE_RETURN_IF_ERROR(scratch.MakeIn(hierarchy, name));
    if (hierarchy.version == 2) TRUCE_RETURN_IF_ERROR(scratch.SwitchOnControllers(hierarchy));
  }
  return scratch;
}

absl::Status ScratchCgroups::RemoveAbandoned(const CgroupLayout& layout, const std::string& prefix) {
  std::set<std::string> names;
  for (const Hierarchy& hierarchy : layout.hierarchies()) {
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(StrCat(layout.root(), "/", hierarchy.directory), error)) {
      const std::string name = entry.path().filename();
      if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0) continue;
      const auto pid = FirstNumber(name.substr(prefix.size()));
      if (pid && *pid > 0 && kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    ScratchCgroups abandoned(layout, name);
    std::set<std::string> children;
    for (const Hierarchy& hierarchy : layout.hierarchies()) {
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(abandoned.Full(hierarchy, name), error)) {
        if (entry.is_directory()) children.insert(entry.path().filename());
      }
    }
    for (const std::string& child : children) TRUCE_RETURN_IF_ERROR(abandoned.EndAndDrop(child));
    TRUCE_RETURN_IF_ERROR(abandoned.Remove());
  }
  return absl::OkStatus();
}

ScratchCgroups::~ScratchCgroups() {
  Remove().IgnoreError();
}

ScratchCgroups::ScratchCgroups(ScratchCgroups&& other) noexcept
    : layout_(other.layout_),
      name_(std::move(other.name_)),
      children_(std::move(other.children_)),
      switched_on_(std::move(other.switched_on_)) {
  other.name_.clear();
}

std::string ScratchCgroups::Full(const Hierarchy& hierarchy, const std::string& path) const {
  return StrCat(layout_->root(), "/", hierarchy.directory, hierarchy.directory.empty() ? "" : "/", path);
}

absl::Status ScratchCgroups::MakeIn(const Hierarchy& hierarchy, const std::string& path) const {
  const std::string full = Full(hierarchy, path);
  if (mkdir(full.c_str(), 0755) != 0) return ErrnoStatus(errno, StrCat("making the cgroup ", full));
  // A v1 cpuset takes no process before it has CPUs and memory nodes of its own.
  if (hierarchy.version == 1) {
    for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
      const std::string control = StrCat(full, "/", file);
      struct stat status {};
      if (stat(control.c_str(), &status) != 0) continue;
      const size_t slash = full.rfind('/');
      TRUCE_ASSIGN_OR_RETURN(const std::string inherited, ReadFile(StrCat(full.substr(0, slash), "/", file)));
      TRUCE_RETURN_IF_ERROR(WriteText(control, inherited));
    }
  }
  return absl::OkStatus();
}

absl::Status ScratchCgroups::SwitchOnControllers(const Hierarchy& hierarchy) {
  const std::string root = Full(hierarchy, "");
  TRUCE_ASSIGN_OR_RETURN(const std::string available, ReadFile(root + "/cgroup.controllers"));
  TRUCE_ASSIGN_OR_RETURN(const std::string enabled, ReadFile(root + "/cgroup.subtree_control"));
  auto has = [](const std::string& words, std::string_view word) {
    std::string_view rest = words;
    for (std::string_view next = NextWord(&rest); !next.empty(); next = NextWord(&rest)) {
      if (next == word) return true;
    }
    return false;
  };
  for (const char* controller : {"cpu", "cpuset", "memory", "io"}) {
    if (!has(available, controller)) continue;
    if (!has(enabled, controller)) {
      TRUCE_RETURN_IF_ERROR(WriteText(root + "/cgroup.subtree_control", StrCat("+", controller)));
      switched_on_.push_back(controller);
    }
    TRUCE_RETURN_IF_ERROR(WriteText(Full(hierarchy, name_) + "/cgroup.subtree_control", StrCat("+", controller)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ScratchCgroups::Add(const std::string& child) {
  const std::string path = StrCat(name_, "/", child);
  for (const Hierarchy& hierarchy : layout_->hierarchies()) TRUCE_RETURN_IF_ERROR(MakeIn(hierarchy, path));
  children_.push_back(child);
  return path;
}

absl::Status ScratchCgroups::Enter(const std::string& child, int pid) const {
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    TRUCE_RETURN_IF_ERROR(WriteText(StrCat(Full(hierarchy, StrCat(name_, "/", child)), "/cgroup.procs"), StrCat(pid)));
  }
  return absl::OkStatus();
}

absl::Status ScratchCgroups::WriteCpu(const std::string& child, std::string_view v2_file, const std::string& v2_text,
                                      std::string_view v1_file, const std::string& v1_text) const {
  const auto tree = layout_->hierarchy_of(Controller::kCpu);
  if (!tree) return absl::FailedPreconditionError("no cgroup tree has the cpu controller");
  const Hierarchy& hierarchy = layout_->hierarchies()[*tree];
  const std::string directory = Full(hierarchy, StrCat(name_, "/", child));
  return hierarchy.version == 2 ? WriteText(StrCat(directory, "/", v2_file), v2_text)
                                : WriteText(StrCat(directory, "/", v1_file), v1_text);
}

absl::Status ScratchCgroups::SetCpuWeight(const std::string& child, int cpus) const {
  return WriteCpu(child, "cpu.weight", StrCat(100 * cpus), "cpu.shares", StrCat(1024 * cpus));
}

absl::Status ScratchCgroups::SetLeastCpuWeight(const std::string& child) const {
  return WriteCpu(child, "cpu.weight", "1", "cpu.shares", "2");
}

absl::Status ScratchCgroups::SetIdle(const std::string& child) const {
  const absl::Status idle = WriteCpu(child, "cpu.idle", "1", "cpu.idle", "1");
  return absl::IsNotFound(idle) ? SetLeastCpuWeight(child) : idle;
}

absl::Status ScratchCgroups::SetCpuQuota(const std::string& child, std::optional<double> cores) const {
  // The period is the kernel's default.
  constexpr int kPeriodUs = 100'000;
  const std::string quota = cores ? StrCat(static_cast<int>(*cores * kPeriodUs)) : "";
  return WriteCpu(child, "cpu.max", cores ? quota : "max", "cpu.cfs_quota_us", cores ? quota : "-1");
}

std::vector<std::string> ScratchCgroups::SnapshotControls(const std::string& child) const {
  std::vector<std::string> snapshot;
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    for (const char* control : kControls) {
      const std::string path = StrCat(Full(hierarchy, StrCat(name_, "/", child)), "/", control);
      if (auto content = ReadFile(path); content.ok()) snapshot.push_back(StrCat(path, ": ", *content));
    }
  }
  return snapshot;
}

absl::Status ScratchCgroups::SetMemoryLimit(uint64_t bytes) const {
  const auto tree = layout_->hierarchy_of(Controller::kMemory);
  if (!tree) return absl::FailedPreconditionError("no cgroup tree has the memory controller");
  const Hierarchy& hierarchy = layout_->hierarchies()[*tree];
  const char* file = hierarchy.version == 2 ? "memory.max" : "memory.limit_in_bytes";
  return WriteText(StrCat(Full(hierarchy, name_), "/", file), StrCat(bytes));
}

absl::Status ScratchCgroups::SetCpus(const std::string& child, const std::vector<int>& cpus) const {
  const auto tree = layout_->hierarchy_of(Controller::kCpuset);
  if (!tree) return absl::FailedPreconditionError("no cgroup tree has the cpuset controller");
  return WriteText(StrCat(Full(layout_->hierarchies()[*tree], StrCat(name_, "/", child)), "/cpuset.cpus"),
                   FormatCpuList(cpus));
}

absl::Status ScratchCgroups::SetFrozen(const std::string& child, bool frozen) const {
  const std::string path = StrCat(name_, "/", child);
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    const std::string file = Full(hierarchy, path) + "/cgroup.freeze";
    if (hierarchy.version == 2 && access(file.c_str(), W_OK) == 0) return WriteText(file, frozen ? "1" : "0");
  }
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    if (SignalAllIn(Full(hierarchy, path), frozen ? SIGSTOP : SIGCONT)) break;
  }
  return absl::OkStatus();
}

absl::Status ScratchCgroups::EndAndDrop(const std::string& child) {
  const std::string path = StrCat(name_, "/", child);
  constexpr int kAttempts = 250;
  bool any = true;
  for (int attempt = 0; attempt < kAttempts && any; ++attempt) {
    any = false;
    for (const Hierarchy& hierarchy : layout_->hierarchies()) any = SignalAllIn(Full(hierarchy, path), SIGKILL) || any;
    if (any) usleep(20'000);
  }
  if (any) return absl::DeadlineExceededError(StrCat("processes in the cgroup ", path, " can't be ended"));
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    TRUCE_RETURN_IF_ERROR(RemoveCgroup(Full(hierarchy, path)));
  }
  std::erase(children_, child);
  return absl::OkStatus();
}

absl::Status ScratchCgroups::Remove() {
  if (name_.empty()) return absl::OkStatus();
  absl::Status first;
  auto remove = [&first](const std::string& path) {
    if (absl::Status status = RemoveCgroup(path); first.ok()) first = std::move(status);
  };
  for (const Hierarchy& hierarchy : layout_->hierarchies()) {
    for (const std::string& child : children_) remove(Full(hierarchy, StrCat(name_, "/", child)));
    remove(Full(hierarchy, name_));
    if (hierarchy.version != 2) continue;
    for (const std::string& controller : switched_on_) {
      WriteText(Full(hierarchy, "") + "/cgroup.subtree_control", StrCat("-", controller)).IgnoreError();
    }
  }
  name_.clear();
  children_.clear();
  switched_on_.clear();
  return first;
}

}  // namespace truce::host
