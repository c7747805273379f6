#include "src/host/cgroup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

constexpr std::array<std::string_view, kControllerCount> kNames = {"cpu", "cpuacct", "cpuset",     "memory",
                                                                   "io",  "pids",    "perf_event", "unified"};

// A file that a v1 tree's root has exactly when it serves the controller. perf_event has none: its tree goes by name.
struct V1Probe {
  Controller controller;
  const char* file;
};
constexpr V1Probe kV1Probes[] = {
    {Controller::kCpu, "cpu.shares"},       {Controller::kCpuacct, "cpuacct.usage"},
    {Controller::kCpuset, "cpuset.cpus"},   {Controller::kMemory, "memory.usage_in_bytes"},
    {Controller::kIo, "blkio.reset_stats"}, {Controller::kIo, "blkio.throttle.io_service_bytes"},
};

bool Exists(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0;
}

bool OutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE;
}

// Whether a descriptor may stay open for good. The kernel gives out the lowest free number, so a number near the limit
// means that few are left; the last quarter stays free for counters, connections and discovery.
bool CanKeep(int fd) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;
  return static_cast<rlim_t>(fd) < limit.rlim_cur / 4 * 3;
}

std::optional<Controller> V2Controller(std::string_view name) {
  if (name == "cpu") return Controller::kCpu;
  if (name == "cpuset") return Controller::kCpuset;
  if (name == "memory") return Controller::kMemory;
  if (name == "io") return Controller::kIo;
  if (name == "pids") return Controller::kPids;
  return std::nullopt;
}

}  // namespace

std::string_view ControllerName(Controller controller) {
  return kNames[static_cast<size_t>(controller)];
}

absl::StatusOr<CgroupLayout> CgroupLayout::Detect(const std::string& root) {
  CgroupLayout layout;
  layout.root_ = root;
  auto serve = [&layout](Controller controller, size_t hierarchy) {
    auto& slot = layout.served_by_[static_cast<size_t>(controller)];
    if (!slot.has_value()) slot = hierarchy;
  };
  auto add_v2 = [&](const std::string& directory) -> absl::Status {
    layout.hierarchies_.push_back({directory, 2});
    const size_t index = layout.hierarchies_.size() - 1;
    TRUCE_ASSIGN_OR_RETURN(std::string controllers, ReadFile(StrCat(root, "/", directory, "/cgroup.controllers")));
    std::string_view rest = controllers;
    for (std::string_view word = NextWord(&rest); !word.empty(); word = NextWord(&rest)) {
      if (auto controller = V2Controller(word)) serve(*controller, index);
    }
    serve(Controller::kUnified, index);
    return absl::OkStatus();
  };

  if (Exists(root + "/cgroup.controllers")) {
    TRUCE_RETURN_IF_ERROR(add_v2(""));
    layout.kind_ = v1::CGROUP_LAYOUT_V2;
  } else {
    std::error_code error;
    std::vector<std::string> directories;
    for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
      // A co-mounted tree has symbolic links for its single controllers ("cpu" -> "cpu,cpuacct"): skip those.
      // What cannot be looked at (a broken link) is no tree; only the listing itself may fail.
      std::error_code ignored;
      if (entry.is_directory(ignored) && !entry.is_symlink(ignored))
        directories.push_back(entry.path().filename().string());
    }
    if (error) {
      return absl::FailedPreconditionError(StrCat("reading the cgroup root ", root, ": ", error.message(),
                                                  "; mount cgroups there or give --path.cgroup"));
    }
    std::sort(directories.begin(), directories.end());
    bool any_v1 = false;
    for (const std::string& directory : directories) {
      const std::string base = StrCat(root, "/", directory);
      if (Exists(base + "/cgroup.controllers")) {
        TRUCE_RETURN_IF_ERROR(add_v2(directory));
        continue;
      }
      std::vector<Controller> served;
      for (const V1Probe& probe : kV1Probes) {
        if (Exists(StrCat(base, "/", probe.file))) served.push_back(probe.controller);
      }
      if (directory.find("perf_event") != std::string::npos && Exists(base + "/cgroup.procs")) {
        served.push_back(Controller::kPerfEvent);
      }
      if (directory.find("pids") != std::string::npos && Exists(base + "/cgroup.procs"))
        served.push_back(Controller::kPids);
      if (served.empty()) continue;
      any_v1 = true;
      layout.hierarchies_.push_back({directory, 1});
      for (Controller controller : served) serve(controller, layout.hierarchies_.size() - 1);
    }
    if (layout.hierarchies_.empty()) {
      return absl::FailedPreconditionError(
          StrCat("no cgroup tree below ", root, "; mount cgroup2 there or give --path.cgroup"));
    }
    layout.kind_ = !any_v1                                                 ? v1::CGROUP_LAYOUT_V2
                   : layout.hierarchy_of(Controller::kUnified).has_value() ? v1::CGROUP_LAYOUT_HYBRID
                                                                           : v1::CGROUP_LAYOUT_V1;
  }
  // Perf events use the unified tree unless a v1 perf_event tree is mounted.
  if (auto unified = layout.hierarchy_of(Controller::kUnified)) serve(Controller::kPerfEvent, *unified);
  for (Controller controller : {Controller::kUnified, Controller::kCpu, Controller::kCpuacct, Controller::kMemory}) {
    if (auto index = layout.hierarchy_of(controller)) {
      layout.identity_ = *index;
      break;
    }
  }
  return layout;
}

absl::StatusOr<std::unique_ptr<Cgroup>> Cgroup::Open(const CgroupLayout& layout, std::string_view path) {
  std::unique_ptr<Cgroup> cgroup(new Cgroup());
  cgroup->layout_ = &layout;
  cgroup->path_ = std::string(path);
  cgroup->directories_.resize(layout.hierarchies().size());
  int open_error = ENOENT;
  for (size_t i = 0; i < layout.hierarchies().size(); ++i) {
    const std::string full = StrCat(layout.root(), "/", layout.hierarchies()[i].directory, "/", path);
    UniqueFd fd(open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
      // Out of descriptors is no reason to hold a cgroup by only some of its trees.
      if (OutOfDescriptors(errno)) return ErrnoStatus(errno, StrCat("opening cgroup ", path, "; raise LimitNOFILE"));
      if (errno != ENOENT) open_error = errno;
      continue;
    }
    cgroup->directories_[i] = std::move(fd);
  }
  auto take_instance = [&cgroup](size_t hierarchy) {
    struct stat status {};
    const int fd = cgroup->directories_[hierarchy].get();
    if (cgroup->instance_ == 0 && fd >= 0 && fstat(fd, &status) == 0) cgroup->instance_ = status.st_ino;
  };
  take_instance(layout.identity_hierarchy());
  for (size_t i = 0; i < cgroup->directories_.size(); ++i) take_instance(i);
  if (cgroup->instance_ == 0) return ErrnoStatus(open_error, StrCat("opening cgroup ", path));
  return cgroup;
}

int Cgroup::version(Controller controller) const {
  if (!has(controller)) return 0;
  return layout_->hierarchies()[*layout_->hierarchy_of(controller)].version;
}

int Cgroup::directory_fd(Controller controller) const {
  const auto hierarchy = layout_->hierarchy_of(controller);
  return hierarchy.has_value() ? directories_[*hierarchy].get() : -1;
}

std::string Cgroup::RelativeName(Controller controller, std::string_view file) const {
  const auto hierarchy = layout_->hierarchy_of(controller);
  const std::string tree =
      hierarchy ? layout_->hierarchies()[*hierarchy].directory : std::string(ControllerName(controller));
  return StrCat(tree, tree.empty() ? "" : "/", path_, path_.empty() ? "" : "/", file);
}

bool Cgroup::StillThere() const {
  for (size_t i = 0; i < directories_.size(); ++i) {
    if (!directories_[i].valid()) continue;
    struct stat held {};
    struct stat named {};
    const std::string full = StrCat(layout_->root(), "/", layout_->hierarchies()[i].directory, "/", path_);
    return fstat(directories_[i].get(), &held) == 0 && stat(full.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
  }
  return false;
}

absl::StatusOr<std::string_view> Cgroup::Read(Controller controller, const char* file, ReadBuffer& buffer) {
  const int directory = directory_fd(controller);
  if (directory < 0) return absl::NotFoundError(StrCat("no ", ControllerName(controller), " tree has ", path_));
  for (OpenFile& open_file : files_) {
    if (open_file.controller != controller || std::string_view(open_file.name) != file) continue;
    if (open_file.missing) return absl::NotFoundError(file);
    return ReadWhole(open_file.fd.get(), buffer, file);
  }
  UniqueFd fd(openat(directory, file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    if (!OutOfDescriptors(error)) files_.push_back({controller, file, UniqueFd(), true});
    return ErrnoStatus(error, StrCat("opening ", RelativeName(controller, file)));
  }
  if (!CanKeep(fd.get())) return ReadWhole(fd.get(), buffer, file);
  files_.push_back({controller, file, std::move(fd), false});
  return ReadWhole(files_.back().fd.get(), buffer, file);
}

absl::StatusOr<std::string_view> Cgroup::ReadRarely(Controller controller, const char* file, ReadBuffer& buffer) const {
  const int directory = directory_fd(controller);
  if (directory < 0) return absl::NotFoundError(StrCat("no ", ControllerName(controller), " tree has ", path_));
  const UniqueFd fd(openat(directory, file, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, StrCat("opening ", RelativeName(controller, file)));
  return ReadWhole(fd.get(), buffer, file);
}

}  // namespace truce::host
