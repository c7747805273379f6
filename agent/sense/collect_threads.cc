// Run-queue wait and context switches of a workload's threads, from /proc/TID/schedstat ("run-ns wait-ns timeslices").
#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <climits>
#include <cstdio>

#include "agent/sense/collectors.h"

namespace truce::agent {
namespace {

// Each thread costs an open, a read and a close (about 4 us), so a workload with more threads than this goes without
// these two readings rather than make the agent dear.
constexpr size_t kMostThreads = 64;

// Whether there are cgroups below this one. The lists of a pod, a session or a delegated service are of that cgroup
// alone, so they would say that few or no threads run in it. Each subdirectory is a link to its parent.
bool HasChildren(const host::Cgroup& cgroup) {
  for (host::Controller controller : {host::Controller::kUnified, host::Controller::kCpu}) {
    struct stat status {};
    const int directory = cgroup.directory_fd(controller);
    if (directory >= 0) return fstat(directory, &status) == 0 && status.st_nlink > 2;
  }
  return false;
}

}  // namespace

void CollectThreads(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  auto list = cgroup.ReadRarely(host::Controller::kUnified, "cgroup.threads", context.buffer);
  if (!list.ok()) list = cgroup.ReadRarely(host::Controller::kCpu, "tasks", context.buffer);
  if (!list.ok()) return;
  std::vector<int> threads;
  host::ForEachLine(*list, [&threads](std::string_view line) {
    if (auto id = host::FirstNumber(line)) threads.push_back(static_cast<int>(*id));
  });
  WorkloadTotals& totals = workload.totals;
  const bool is_whole = !HasChildren(cgroup);
  if (is_whole) sample.set(Reading::kTaskCount, static_cast<double>(threads.size()));
  if (!is_whole || threads.size() > kMostThreads) {
    totals.threads.clear();
    return;
  }

  uint64_t wait_ns = 0;
  uint64_t switches = 0;
  bool any_known = false;
  for (auto& [id, thread] : totals.threads) thread.seen = false;
  for (int id : threads) {
    char path[PATH_MAX];
    std::snprintf(path, sizeof path, "%s/%d/schedstat", context.procfs.c_str(), id);
    const auto text = host::ReadWholeAt(AT_FDCWD, path, context.buffer);
    if (!text.ok()) continue;  // the thread ended, or the kernel has no schedstat
    std::string_view rest = *text;
    host::NextWord(&rest);
    const auto wait = host::FirstNumber(host::NextWord(&rest));
    const auto slices = host::FirstNumber(host::NextWord(&rest));
    if (!wait || !slices) continue;
    auto [entry, is_new] = totals.threads.try_emplace(id);
    WorkloadTotals::Thread& thread = entry->second;
    // A new thread's whole history lies in this interval or before the agent came; it counts from the next look on.
    // Totals that went back are another thread's under the same number.
    if (!is_new && static_cast<uint64_t>(*wait) >= thread.wait_ns &&
        static_cast<uint64_t>(*slices) >= thread.switches) {
      any_known = true;
      wait_ns += static_cast<uint64_t>(*wait) - thread.wait_ns;
      switches += static_cast<uint64_t>(*slices) - thread.switches;
    }
    thread = {static_cast<uint64_t>(*wait), static_cast<uint64_t>(*slices), true};
  }
  std::erase_if(totals.threads, [](const auto& entry) { return !entry.second.seen; });
  const double seconds = absl::ToDoubleSeconds(context.now - totals.threads_read_at);
  const bool first = totals.threads_read_at == absl::ZeroDuration();
  totals.threads_read_at = context.now;
  // Threads that are all new, or that could not be read, say nothing of the interval; a cgroup without any did not
  // wait.
  if (first || seconds <= 0 || (!any_known && !threads.empty())) return;
  sample.set(Reading::kRunQueueWaitRatio, static_cast<double>(wait_ns) * 1e-9 / seconds);
  sample.set(Reading::kContextSwitchesPerSecond, static_cast<double>(switches) / seconds);
}

}  // namespace truce::agent
