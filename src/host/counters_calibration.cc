#include "src/host/counters_calibration.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "src/base/status.h"

namespace truce::host {
namespace {

constexpr char kCgroupPrefix[] = "truce-calibration-";
constexpr absl::Duration kWarmUp = absl::Milliseconds(10);
constexpr absl::Duration kWindow = absl::Milliseconds(20);
constexpr absl::Duration kAllWindows = absl::Milliseconds(180);
constexpr int kFewestRepeats = 2;
constexpr absl::Duration kLeastCgroupCost = absl::Nanoseconds(300);
constexpr absl::Duration kLeastCost = absl::Nanoseconds(20);
// Fewer switches than this in a window and the result is noise.
constexpr uint64_t kLeastSwitches = 20;

// Runs in a child, after fork: system calls only. Ends when the other side or the parent does.
[[noreturn]] void PassByte(int cpu, pid_t parent, int in, int out, std::atomic<uint64_t>* rounds) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) _exit(1);
  char byte = 'x';
  if (rounds != nullptr && write(out, &byte, 1) != 1) _exit(0);
  while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1) {
    if (rounds != nullptr) rounds->fetch_add(1, std::memory_order_relaxed);
  }
  _exit(0);
}

absl::StatusOr<absl::Duration> CpuTimeOf(pid_t child) {
  clockid_t clock = 0;
  if (const int error = clock_getcpuclockid(child, &clock); error != 0) {
    return ErrnoStatus(error, absl::StrCat("finding the CPU clock of process ", child));
  }
  timespec time{};
  if (clock_gettime(clock, &time) != 0)
    return ErrnoStatus(errno, absl::StrCat("reading the CPU clock of process ", child));
  return absl::DurationFromTimespec(time);
}

// Removes calibration cgroups whose process is gone: a killed agent can't remove its own.
void RemoveStale(const std::string& directory) {
  DIR* listing = opendir(directory.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = readdir(listing)) {
    std::string_view name = entry->d_name;
    if (!name.starts_with(kCgroupPrefix)) continue;
    name.remove_prefix(sizeof(kCgroupPrefix) - 1);
    const pid_t pid = static_cast<pid_t>(FirstNumber(name).value_or(0));
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) rmdir(absl::StrCat(directory, "/", entry->d_name).c_str());
  }
  closedir(listing);
}

// A killed process leaves its cgroup a moment after it was reaped.
void RemoveCgroup(const std::string& path) {
  for (int attempt = 0; attempt < 100 && rmdir(path.c_str()) != 0 && errno == EBUSY; ++attempt) {
    absl::SleepFor(absl::Milliseconds(2));
  }
}

// The groups that count both children on one CPU at one level.
absl::StatusOr<std::vector<PerfGroup>> OpenFor(PerfSyscalls* syscalls, const LevelEvents& level, const SwitchPair& pair,
                                               const CgroupPair* cgroups, int cpu) {
  std::vector<PerfGroup> groups;
  for (const bool first : {true, false}) {
    PerfTarget target{PerfTarget::Kind::kTask, first ? pair.first() : pair.second()};
    if (cgroups != nullptr) {
      target = {PerfTarget::Kind::kCgroup, first ? cgroups->first_fd() : cgroups->second_fd()};
    }
    TRUCE_ASSIGN_OR_RETURN(PerfGroup group,
                           PerfGroup::Open(syscalls, EventsOf(level), target, cgroups != nullptr ? cpu : -1));
    groups.push_back(std::move(group));
  }
  return groups;
}

// One window with the counters of `groups` on.
absl::StatusOr<absl::Duration> MeasureCounted(const SwitchPair& pair, std::vector<PerfGroup>& groups) {
  for (PerfGroup& group : groups) TRUCE_RETURN_IF_ERROR(group.SetEnabled(true));
  absl::StatusOr<absl::Duration> cost = pair.MeasureFor(kWindow);
  for (PerfGroup& group : groups) TRUCE_RETURN_IF_ERROR(group.SetEnabled(false));
  return cost;
}

}  // namespace

absl::Duration AddedCost(absl::Span<const absl::Duration> without, absl::Span<const absl::Duration> with) {
  std::vector<absl::Duration> differences;
  for (size_t i = 0; i < without.size(); ++i) differences.push_back(with[i] - without[i]);
  const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
  std::nth_element(differences.begin(), middle, differences.end());
  const absl::Duration smallest =
      *std::min_element(with.begin(), with.end()) - *std::min_element(without.begin(), without.end());
  return std::max({kLeastCost, smallest, *middle});
}

absl::StatusOr<std::unique_ptr<SwitchPair>> SwitchPair::Start(int cpu) {
  int there[2];
  int back[2];
  if (pipe2(there, O_CLOEXEC) != 0) return ErrnoStatus(errno, "making a pipe to measure context switches");
  UniqueFd there_read(there[0]), there_write(there[1]);
  if (pipe2(back, O_CLOEXEC) != 0) return ErrnoStatus(errno, "making a pipe to measure context switches");
  UniqueFd back_read(back[0]), back_write(back[1]);
  void* memory =
      mmap(nullptr, sizeof(std::atomic<uint64_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "mapping memory to measure context switches");
  auto pair = std::unique_ptr<SwitchPair>(new SwitchPair);
  pair->rounds_ = new (memory) std::atomic<uint64_t>(0);
  const pid_t parent = getpid();
  for (const bool first : {true, false}) {
    const pid_t child = fork();
    if (child < 0) return ErrnoStatus(errno, "forking a child to measure context switches");
    if (child == 0) {
      // Each side must close the ends that it does not use, or it would not see the other one die.
      close(first ? there[0] : there[1]);
      close(first ? back[1] : back[0]);
      if (first) PassByte(cpu, parent, back[0], there[1], pair->rounds_);
      PassByte(cpu, parent, there[0], back[1], nullptr);
    }
    pair->children_[first ? 0 : 1] = child;
  }
  return pair;
}

SwitchPair::~SwitchPair() {
  for (const pid_t child : children_) {
    if (child < 0) continue;
    kill(child, SIGKILL);
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  if (rounds_ != nullptr) munmap(rounds_, sizeof(*rounds_));
}

absl::StatusOr<SwitchPair::Mark> SwitchPair::Now() const {
  Mark mark;
  mark.switches = 2 * rounds_->load(std::memory_order_relaxed);
  for (const pid_t child : children_) {
    TRUCE_ASSIGN_OR_RETURN(const absl::Duration used, CpuTimeOf(child));
    mark.cpu_time += used;
  }
  return mark;
}

absl::StatusOr<absl::Duration> SwitchPair::MeasureFor(absl::Duration window) const {
  TRUCE_ASSIGN_OR_RETURN(const Mark begin, Now());
  absl::SleepFor(window);
  TRUCE_ASSIGN_OR_RETURN(const Mark end, Now());
  return CostBetween(begin, end);
}

absl::StatusOr<absl::Duration> CostBetween(const SwitchPair::Mark& begin, const SwitchPair::Mark& end) {
  const uint64_t switches = end.switches - begin.switches;
  if (switches < kLeastSwitches) {
    return absl::UnavailableError(absl::StrCat("two processes passing a byte switched only ", switches,
                                               " times; the CPU is too busy to measure what a switch costs"));
  }
  return (end.cpu_time - begin.cpu_time) / static_cast<double>(switches);
}

absl::StatusOr<std::unique_ptr<CgroupPair>> CgroupPair::Create(const std::string& directory) {
  RemoveStale(directory);
  auto pair = std::unique_ptr<CgroupPair>(new CgroupPair);
  for (int i = 0; i < 2; ++i) {
    const std::string path = absl::StrCat(directory, "/", kCgroupPrefix, getpid(), i == 0 ? "-a" : "-b");
    if (mkdir(path.c_str(), 0755) != 0) return ErrnoStatus(errno, absl::StrCat("making cgroup ", path));
    pair->paths_[i] = path;
    pair->fds_[i].reset(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!pair->fds_[i].valid()) return ErrnoStatus(errno, absl::StrCat("opening cgroup ", path));
  }
  return pair;
}

CgroupPair::~CgroupPair() {
  for (const std::string& path : paths_) {
    if (!path.empty()) RemoveCgroup(path);
  }
}

absl::Status CgroupPair::Join(const SwitchPair& pair) const {
  for (int i = 0; i < 2; ++i) {
    const std::string procs = paths_[i] + "/cgroup.procs";
    const std::string pid = absl::StrCat(i == 0 ? pair.first() : pair.second());
    UniqueFd file(open(procs.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid() || write(file.get(), pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
      return ErrnoStatus(errno, absl::StrCat("moving process ", pid, " to ", procs));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> CalibrationCpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return ErrnoStatus(errno, "asking for the CPUs of this process");
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (CPU_ISSET(cpu, &cpus)) return cpu;
  }
  return absl::InternalError("this process may run on no CPU");
}

absl::Duration AssumedSwitchCost(CounterLevel level) {
  switch (level) {
    case CounterLevel::kFull:
      return absl::Microseconds(60);
    case CounterLevel::kSmall:
      return absl::Microseconds(30);
    case CounterLevel::kSoftware:
      return absl::Microseconds(5);
    case CounterLevel::kOff:
      return absl::ZeroDuration();
  }
  return absl::ZeroDuration();
}

absl::StatusOr<Calibration> Calibrate(PerfSyscalls* syscalls, absl::Span<const LevelEvents> levels,
                                      const std::string& directory) {
  TRUCE_ASSIGN_OR_RETURN(const int cpu, CalibrationCpu());
  Calibration result;
  // The cgroups outlive the children, which must leave them before they can be removed.
  std::unique_ptr<CgroupPair> cgroups;
  if (!directory.empty()) {
    if (absl::StatusOr<std::unique_ptr<CgroupPair>> made = CgroupPair::Create(directory); made.ok()) {
      cgroups = *std::move(made);
    }
  }
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<SwitchPair> pair, SwitchPair::Start(cpu));
  if (cgroups != nullptr && !cgroups->Join(*pair).ok()) return Calibrate(syscalls, levels, "");
  result.with_cgroups = cgroups != nullptr;

  std::vector<std::vector<PerfGroup>> groups;
  for (const LevelEvents& level : levels) {
    TRUCE_ASSIGN_OR_RETURN(std::vector<PerfGroup> opened, OpenFor(syscalls, level, *pair, cgroups.get(), cpu));
    groups.push_back(std::move(opened));
  }
  absl::SleepFor(kWarmUp);
  const int64_t affordable = kAllWindows / (kWindow * static_cast<int64_t>(levels.size() + 1));
  const int repeats = std::max(kFewestRepeats, static_cast<int>(affordable));
  std::vector<absl::Duration> base;
  std::vector<std::vector<absl::Duration>> counted(levels.size());
  for (int repeat = 0; repeat < repeats; ++repeat) {
    TRUCE_ASSIGN_OR_RETURN(const absl::Duration without, pair->MeasureFor(kWindow));
    base.push_back(without);
    for (size_t i = 0; i < levels.size(); ++i) {
      TRUCE_ASSIGN_OR_RETURN(const absl::Duration with, MeasureCounted(*pair, groups[i]));
      counted[i].push_back(with);
    }
  }
  result.base_cost = *std::min_element(base.begin(), base.end());
  for (size_t i = 0; i < levels.size(); ++i) {
    result.costs.push_back({levels[i].level, static_cast<int>(levels[i].events.size()), AddedCost(base, counted[i])});
  }
  return result;
}

}  // namespace truce::host
