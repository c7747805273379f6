#include "tests/bench/crowd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/host/cgroup.h"
#include "src/host/file.h"

namespace truce::bench {
namespace {

constexpr char kPrefix[] = "truce-bench-";

// Runs in a child: a tenth of a millisecond of work every second, each process at its own phase.
[[noreturn]] void LiveQuietly(int number, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);  // Ctrl-C goes to all of the terminal's processes; the bench ends us
  if (getppid() != parent) _exit(0);
  timespec phase{0, (number % 997) * 1'000'000};
  nanosleep(&phase, nullptr);
  for (;;) {
    timespec begin{};
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
      clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1'000'000'000 + (now.tv_nsec - begin.tv_nsec) < 100'000);
    const timespec second{1, 0};
    nanosleep(&second, nullptr);
  }
}

// Removes a cgroup whose last process may still be on its way out.
void RemoveCgroup(const std::string& path) {
  for (int attempt = 0; attempt < 500 && rmdir(path.c_str()) != 0 && errno == EBUSY; ++attempt) {
    absl::SleepFor(absl::Milliseconds(2));
  }
}

// What a killed truce-bench left in `tree`. Its processes died with it.
void RemoveStale(const std::string& tree) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(tree, error)) {
    std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix)) continue;
    const int64_t pid = host::FirstNumber(std::string_view(name).substr(sizeof(kPrefix) - 1)).value_or(0);
    if (pid <= 0 || kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH) continue;
    for (const auto& nested : std::filesystem::directory_iterator(entry.path(), error)) {
      if (nested.is_directory(error)) rmdir(nested.path().c_str());
    }
    rmdir(entry.path().c_str());
  }
}

absl::Status WriteText(const std::string& path, std::string_view text) {
  host::UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return ErrnoStatus(errno, absl::StrCat("writing ", std::string(text), " to ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Crowd>> Crowd::Gather(int workloads, const Surroundings& surroundings) {
  TRUCE_ASSIGN_OR_RETURN(const host::CgroupLayout layout, host::CgroupLayout::Detect(surroundings.cgroup_root));
  auto crowd = std::unique_ptr<Crowd>(new Crowd);
  crowd->name_ = absl::StrCat(kPrefix, getpid());
  for (const host::Hierarchy& hierarchy : layout.hierarchies()) {
    crowd->trees_.push_back(absl::StrCat(layout.root(), "/", hierarchy.directory));
    RemoveStale(crowd->trees_.back());
  }
  TRUCE_RETURN_IF_ERROR(crowd->Populate(workloads, surroundings));
  return crowd;
}

absl::Status Crowd::Populate(int workloads, const Surroundings& surroundings) {
  for (const std::string& tree : trees_) TRUCE_RETURN_IF_ERROR(Make(absl::StrCat(tree, "/", name_)));
  const pid_t parent = getpid();
  for (int i = 0; i < workloads; ++i) {
    if (surroundings.stop->load()) return absl::CancelledError("interrupted");
    const std::string workload = absl::StrCat(name_, "/w", i);
    for (const std::string& tree : trees_) TRUCE_RETURN_IF_ERROR(Make(absl::StrCat(tree, "/", workload)));
    const pid_t child = fork();
    if (child < 0) return ErrnoStatus(errno, "forking a workload");
    if (child == 0) LiveQuietly(i, parent);
    processes_.push_back(child);
    for (const std::string& tree : trees_) {
      TRUCE_RETURN_IF_ERROR(WriteText(absl::StrCat(tree, "/", workload, "/cgroup.procs"), absl::StrCat(child)));
    }
  }
  return absl::OkStatus();
}

absl::Status Crowd::Make(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0) return ErrnoStatus(errno, absl::StrCat("making cgroup ", path, " (run as root)"));
  directories_.push_back(path);
  // A v1 cpuset takes no process before it has CPUs and memory nodes.
  const std::string parent = path.substr(0, path.rfind('/'));
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    struct stat unused {};
    if (stat((path + file).c_str(), &unused) != 0 || stat((path + "/cpuset.cpus.effective").c_str(), &unused) == 0)
      continue;
    TRUCE_ASSIGN_OR_RETURN(const std::string value, host::ReadFile(parent + file));
    TRUCE_RETURN_IF_ERROR(WriteText(path + file, value));
  }
  return absl::OkStatus();
}

Crowd::~Crowd() {
  for (const pid_t process : processes_) kill(process, SIGKILL);
  for (const pid_t process : processes_) {
    while (waitpid(process, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  for (auto path = directories_.rbegin(); path != directories_.rend(); ++path) RemoveCgroup(*path);
}

}  // namespace truce::bench
