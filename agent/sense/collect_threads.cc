// Run-queue wait and context switches of a workload's threads, from /proc/TID/schedstat ("run-ns wait-ns timeslices").
#include <fcntl.h>

#include <charconv>
#include <cstdio>

#include "agent/sense/collectors.h"

namespace truce::agent {
namespace {

// Each thread costs an open, a read and a close (about 4 us), so a workload with more threads than this goes without
// these two readings rather than make the agent dear.
constexpr size_t kMostThreads = 64;

}  // namespace

void CollectThreads(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  auto list = cgroup.Read(host::Controller::kUnified, "cgroup.threads", context.buffer);
  if (!list.ok()) list = cgroup.Read(host::Controller::kCpu, "tasks", context.buffer);
  if (!list.ok()) return;
  std::vector<int> threads;
  host::ForEachLine(*list, [&threads](std::string_view line) {
    if (auto id = host::FirstNumber(line)) threads.push_back(static_cast<int>(*id));
  });
  sample.set(Reading::kTaskCount, static_cast<double>(threads.size()));
  WorkloadTotals& totals = workload.totals;
  if (threads.size() > kMostThreads) {
    totals.threads.clear();
    return;
  }

  uint64_t wait_ns = 0;
  uint64_t switches = 0;
  for (auto& [id, thread] : totals.threads) thread.seen = false;
  for (int id : threads) {
    char path[64];
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
    if (!is_new && static_cast<uint64_t>(*wait) >= thread.wait_ns) {
      wait_ns += static_cast<uint64_t>(*wait) - thread.wait_ns;
      switches += static_cast<uint64_t>(*slices) - thread.switches;
    }
    thread = {static_cast<uint64_t>(*wait), static_cast<uint64_t>(*slices), true};
  }
  std::erase_if(totals.threads, [](const auto& entry) { return !entry.second.seen; });
  const double seconds = absl::ToDoubleSeconds(context.now - totals.threads_read_at);
  const bool first = totals.threads_read_at == absl::ZeroDuration();
  totals.threads_read_at = context.now;
  if (first || seconds <= 0 || (totals.threads.empty() && !threads.empty())) return;
  sample.set(Reading::kRunQueueWaitRatio, static_cast<double>(wait_ns) * 1e-9 / seconds);
  sample.set(Reading::kContextSwitchesPerSecond, static_cast<double>(switches) / seconds);
}

}  // namespace truce::agent
