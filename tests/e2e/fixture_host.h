// A host of files that lives: a cgroup tree (v1, hybrid or v2), a /proc and a /sys, and a thread that lets time pass in
// them. A victim uses half a core; a batch job, when it is let run, uses one and a half and makes the victim wait,
// until somebody changes the job's cpuset or quota. Used by the end-to-end scenes.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/fixtures/tree.h"

namespace truce::e2e {

enum class Layout { kV1, kHybrid, kV2 };

inline std::string LayoutName(Layout layout) {
  return layout == Layout::kV1 ? "v1" : layout == Layout::kHybrid ? "hybrid" : "v2";
}

inline constexpr char kVictim[] = "shop/web";
inline constexpr char kBystander[] = "shop/cache";
inline constexpr char kAggressor[] = "batch/indexer";

class FixtureHost {
 public:
  // Four CPUs, three workloads; time stands still until StartTime().
  explicit FixtureHost(Layout layout) : layout_(layout) {
    PutMachine();
    for (const char* parent : {"shop", "batch"}) PutCgroup(parent, 0);
    int thread = 4001;
    for (const char* name : {kVictim, kBystander, kAggressor}) PutCgroup(name, thread++);
    untouched_ = Snapshot();
  }
  ~FixtureHost() {
    stop_ = true;
    if (time_.joinable()) time_.join();
    for (auto& [name, workload] : workloads_) {
      for (const Counter& counter : workload.counters) close(counter.fd);
    }
  }

  void StartTime() {
    time_ = std::thread([this] { PassTime(); });
  }
  // Whether the batch job has work.
  void LetAggressorRun(bool runs) { aggressor_runs_ = runs; }

  const std::string& root() const { return tree_.root(); }
  std::string Path(const std::string& name) const { return tree_.Path(name); }
  Layout layout() const { return layout_; }

  // A process of this machine's that is in a workload's cgroup here.
  void LetRun(const std::string& name, int pid) {
    tree_.Put("cgroup/" + (layout_ == Layout::kHybrid ? "unified/" + name : name) + "/cgroup.procs",
              absl::StrFormat("%d\n", pid));
    tree_.Link(absl::StrFormat("proc/%d", pid), absl::StrFormat("/proc/%d", pid));
  }

  // Removes a workload's cgroup from every tree, as a runtime does at its end.
  void RemoveCgroup(const std::string& name) {
    for (const std::string& tree : Trees()) tree_.Remove("cgroup/" + tree + name);
  }

  // One file that the agent may write or read but that time does not change: content and when it was last written.
  struct FileState {
    std::string content;
    int64_t written_ns = 0;
    bool operator==(const FileState&) const = default;
  };
  // Every file of the cgroup tree but the counters, by name.
  std::map<std::string, FileState> Snapshot() const {
    std::map<std::string, FileState> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(Path("cgroup"))) {
      if (!entry.is_regular_file() || counter_files_.contains(entry.path().string())) continue;
      struct stat status {};
      stat(entry.path().c_str(), &status);
      files[std::filesystem::relative(entry.path(), Path("cgroup")).string()] = {
          Read(entry.path().string()), status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
    }
    return files;
  }
  // Names of files whose bytes are not those that the host was made with; a file that is gone does not count.
  std::vector<std::string> ChangedFiles() const {
    std::vector<std::string> changed;
    for (const auto& [name, file] : Snapshot()) {
      const auto before = untouched_.find(name);
      if (before == untouched_.end() || before->second.content != file.content) changed.push_back(name);
    }
    return changed;
  }
  // The same with times: also a write that was taken back is seen.
  bool NeverWritten() const { return Snapshot() == untouched_; }

  // Whether somebody separates the batch job from the others: its cpuset or quota was written anew, and wholly.
  bool AggressorIsReduced() const {
    const std::string name = kAggressor;
    const std::vector<std::string> files =
        layout_ == Layout::kV2
            ? std::vector<std::string>{name + "/cpuset.cpus", name + "/cpu.max"}
            : std::vector<std::string>{"cpuset/" + name + "/cpuset.cpus", "cpu/" + name + "/cpu.cfs_quota_us"};
    for (const std::string& file : files) {
      const std::string original = layout_ == Layout::kV2       ? untouched_.at(file).content
                                   : file.starts_with("cpuset") ? "0-3\n"
                                                                : "-1\n";
      const std::string now = Read(Path("cgroup/" + file));
      // Empty: caught between a plain file's truncation and its write.
      if (!now.empty() && now != original) return true;
    }
    return false;
  }

 private:
  struct Counter {
    int fd = -1;
    // What the file says for totals of CPU time and waiting, in microseconds. Always of one length, so that one write
    // replaces the whole and no reader sees half of it.
    std::function<std::string(int64_t usage_us, int64_t wait_us)> text;
  };
  struct Workload {
    std::vector<Counter> counters;
    double usage_us = 1e11;
    double wait_us = 1e11;
  };

  std::vector<std::string> Trees() const {
    if (layout_ == Layout::kV2) return {""};
    if (layout_ == Layout::kV1) return {"cpu,cpuacct/", "cpuset/", "memory/"};
    return {"cpu/", "cpuacct/", "cpuset/", "memory/", "unified/"};
  }

  static std::string Read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream content;
    content << in.rdbuf();
    return content.str();
  }

  void PutMachine() {
    tree_.Put("sys/devices/system/cpu/online", "0-3\n");
    tree_.Put("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n");
    tree_.Put("proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n");
    tree_.Put("proc/cpuinfo", "model name\t: Fixture CPU\n");
    tree_.Put("proc/self/schedstat", "1 1 1\n");
    tree_.Put("proc/sys/kernel/osrelease", "6.1.0-fixture\n");
    tree_.MakeDirectory("run");
    if (layout_ == Layout::kV2) {
      tree_.Put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
      tree_.Put("cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
      tree_.Put("cgroup/cpuset.cpus.effective", "0-3\n");
      return;
    }
    const std::string cpu = layout_ == Layout::kV1 ? "cgroup/cpu,cpuacct/" : "cgroup/cpu/";
    const std::string cpuacct = layout_ == Layout::kV1 ? cpu : "cgroup/cpuacct/";
    tree_.Put(cpu + "cpu.shares", "1024\n");
    tree_.Put(cpuacct + "cpuacct.usage", "1\n");
    tree_.Put("cgroup/cpuset/cpuset.cpus", "0-3\n");
    tree_.Put("cgroup/cpuset/cpuset.effective_cpus", "0-3\n");
    tree_.Put("cgroup/memory/memory.usage_in_bytes", "4096\n");
    if (layout_ == Layout::kV1) {
      tree_.Link("cgroup/cpu", "cpu,cpuacct");
      tree_.Link("cgroup/cpuacct", "cpu,cpuacct");
    } else {
      tree_.Put("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
      tree_.Put("cgroup/unified/cgroup.controllers", "\n");
    }
  }

  // `thread`: its one thread; zero for a cgroup without.
  void PutCgroup(const std::string& name, int thread) {
    const std::string threads = thread == 0 ? "" : absl::StrFormat("%d\n", thread);
    std::string usage_tree = "cgroup/" + name;
    if (layout_ == Layout::kV2) {
      tree_.Put(usage_tree + "/cpuset.cpus", "\n");
      tree_.Put(usage_tree + "/cpuset.cpus.effective", "0-3\n");
      tree_.Put(usage_tree + "/cpu.max", "max 100000\n");
      tree_.Put(usage_tree + "/cpu.weight", "100\n");
      tree_.Put(usage_tree + "/memory.current", "1048576\n");
    } else {
      const std::string cpu = (layout_ == Layout::kV1 ? "cgroup/cpu,cpuacct/" : "cgroup/cpu/") + name;
      tree_.Put(cpu + "/cpu.shares", "1024\n");
      tree_.Put(cpu + "/cpu.cfs_period_us", "100000\n");
      tree_.Put(cpu + "/cpu.cfs_quota_us", "-1\n");
      tree_.Put(cpu + "/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
      tree_.Put(cpu + "/tasks", threads);
      tree_.Put("cgroup/cpuset/" + name + "/cpuset.cpus", "0-3\n");
      tree_.Put("cgroup/cpuset/" + name + "/cpuset.effective_cpus", "0-3\n");
      tree_.Put("cgroup/memory/" + name + "/memory.usage_in_bytes", "1048576\n");
      usage_tree = layout_ == Layout::kHybrid ? "cgroup/unified/" + name : cpu;
    }
    if (thread == 0) return;
    Workload& workload = workloads_[name];
    if (layout_ == Layout::kV1) {
      AddCounter(workload, usage_tree + "/cpuacct.usage",
                 [](int64_t usage, int64_t) { return absl::StrFormat("%d000\n", usage); });
      // Without PSI, waiting is known thread by thread.
      AddCounter(workload, absl::StrFormat("proc/%d/schedstat", thread), [](int64_t usage, int64_t wait) {
        return absl::StrFormat("%d000 %d000 %d\n", usage, wait, usage / 1000);
      });
      return;
    }
    tree_.Put(usage_tree + "/cgroup.threads", threads);
    tree_.Put(absl::StrFormat("proc/%d/schedstat", thread), "0 0 0\n");
    AddCounter(workload, usage_tree + "/cpu.stat", [](int64_t usage, int64_t) {
      return absl::StrFormat("usage_usec %d\nuser_usec %d\nsystem_usec 0\n", usage, usage);
    });
    AddCounter(workload, usage_tree + "/cpu.pressure", [](int64_t, int64_t wait) {
      return absl::StrFormat("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n", wait);
    });
  }

  void AddCounter(Workload& workload, const std::string& file, std::function<std::string(int64_t, int64_t)> text) {
    tree_.Put(file, text(static_cast<int64_t>(workload.usage_us), static_cast<int64_t>(workload.wait_us)));
    counter_files_.insert(Path(file));
    workload.counters.push_back({open(Path(file).c_str(), O_WRONLY | O_CLOEXEC), std::move(text)});
    if (workload.counters.back().fd < 0) std::abort();
  }

  void PassTime() {
    using Clock = std::chrono::steady_clock;
    auto last = Clock::now();
    while (!stop_) {
      // Ten steps a sample, so that a sample's totals lag by a tenth at most.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const auto now = Clock::now();
      const double elapsed_us = std::chrono::duration<double, std::micro>(now - last).count();
      last = now;
      const bool runs = aggressor_runs_;
      const bool hurts = runs && !AggressorIsReduced();
      Advance(workloads_.at(kVictim), elapsed_us, 0.5, hurts ? 0.4 : 0.005);
      Advance(workloads_.at(kBystander), elapsed_us, 0.3, 0.003);
      Advance(workloads_.at(kAggressor), elapsed_us, runs ? (hurts ? 1.5 : 1.2) : 0.001, 0.001);
    }
  }

  static void Advance(Workload& workload, double elapsed_us, double usage, double wait) {
    workload.usage_us += usage * elapsed_us;
    workload.wait_us += wait * elapsed_us;
    for (const Counter& counter : workload.counters) {
      const std::string text =
          counter.text(static_cast<int64_t>(workload.usage_us), static_cast<int64_t>(workload.wait_us));
      if (pwrite(counter.fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) std::abort();
    }
  }

  const Layout layout_;
  test::Tree tree_;
  std::map<std::string, Workload> workloads_;
  std::set<std::string> counter_files_;
  std::map<std::string, FileState> untouched_;
  std::atomic<bool> aggressor_runs_{false};
  std::atomic<bool> stop_{false};
  std::thread time_;
};

}  // namespace truce::e2e
