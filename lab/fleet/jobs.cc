#include "lab/fleet/jobs.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "src/base/figures.h"

namespace truce::lab::fleet {
namespace {

// Between two looks at the signals.
constexpr absl::Duration kLook = absl::Milliseconds(50);

}  // namespace

absl::Status RunJobs(const std::vector<Job>& jobs, int threads, ShutdownSignals& signals, std::atomic<bool>* stop,
                     std::ostream& progress) {
  Progress told(&progress, &SystemClock(), static_cast<int>(jobs.size()));
  std::mutex mutex;
  absl::Status first;
  size_t next = 0;
  std::atomic<int> running = std::clamp(threads, 1, std::max(1, static_cast<int>(jobs.size())));
  const auto work = [&] {
    while (true) {
      const Job* job = nullptr;
      {
        const std::lock_guard lock(mutex);
        if (stop->load() || next == jobs.size()) break;
        job = &jobs[next++];
        told.Step(job->name);
      }
      const absl::Status status = job->run();
      if (status.ok()) continue;
      const std::lock_guard lock(mutex);
      if (first.ok()) first = status;
      stop->store(true);
    }
    --running;
  };
  std::vector<std::thread> workers;
  for (int i = running; i > 0; --i) workers.emplace_back(work);
  while (running > 0) {
    if (signals.WaitFor(kLook)) stop->store(true);
  }
  for (std::thread& worker : workers) worker.join();
  if (signals.signal() != 0) return absl::CancelledError("interrupted");
  return first;
}

}  // namespace truce::lab::fleet
