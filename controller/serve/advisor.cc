#include "controller/serve/advisor.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "controller/fleet/moment.h"

namespace truce::controller {
namespace {

constexpr int kLowestPriority = 19;

}  // namespace

Advisor::Advisor(AdvisorOptions options, Places& places, const Clock& clock)
    : options_(std::move(options)), places_(places), clock_(clock) {
  if (options_.interval > absl::ZeroDuration()) thread_ = std::thread([this] { Run(); });
}

Advisor::~Advisor() {
  {
    absl::MutexLock lock(&mutex_);
    stop_.store(true);
  }
  if (thread_.joinable()) thread_.join();
}

void Advisor::Run() {
  // Of this thread alone: Linux gives each its own.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kLowestPriority);
  absl::Duration next = clock_.Monotonic() + options_.interval;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto called = [this] {
        mutex_.AssertHeld();
        return stop_.load() || hurry_;
      };
      // In short steps: the clock may be another than the one that waits.
      mutex_.AwaitWithTimeout(absl::Condition(&called), absl::Milliseconds(200));
      if (stop_.load()) return;
      if (!hurry_ && clock_.Monotonic() < next) continue;
      hurry_ = false;
    }
    Think();
    next = clock_.Monotonic() + options_.interval;
  }
}

void Advisor::Think() {
  const absl::Duration begin = clock_.Monotonic();
  AdviseOptions options = options_.advise;
  options.stop = &stop_;
  auto advice = Advise(places_.Snapshot(), options);
  if (!advice.ok()) {
    spdlog::warn("no advice on what to move: {}", std::string(advice.status().message()));
    return;
  }
  if (stop_.load()) return;
  advice->set_version(++version_);
  SetTime(clock_.Now(), advice->mutable_made_at());
  SetDuration(clock_.Monotonic() - begin, advice->mutable_took());
  absl::MutexLock lock(&mutex_);
  newest_ = std::make_shared<const v1::Advice>(*std::move(advice));
  for (const auto& [_, watcher] : watchers_) watcher(*newest_);
}

absl::Status Advisor::Hurry() {
  if (!thread_.joinable()) {
    return absl::FailedPreconditionError("this controller gives no advice; placement.advice_interval switches it on");
  }
  absl::MutexLock lock(&mutex_);
  hurry_ = true;
  return absl::OkStatus();
}

uint64_t Advisor::Watch(Watcher watcher) {
  absl::MutexLock lock(&mutex_);
  watcher(newest_ == nullptr ? v1::Advice() : *newest_);
  watchers_.emplace(next_watcher_, std::move(watcher));
  return next_watcher_++;
}

void Advisor::Unwatch(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(id);
}

}  // namespace truce::controller
