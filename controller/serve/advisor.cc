#include "controller/serve/advisor.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "controller/fleet/moment.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr int kLowestPriority = 19;
// Between two advices that somebody asked for.
constexpr absl::Duration kShortestRest = absl::Seconds(1);

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

bool Advisor::IsWanted() const {
  return std::any_of(watchers_.begin(), watchers_.end(), [this](const auto& one) {
    mutex_.AssertHeld();
    return one.second.least_version > version_;
  });
}

void Advisor::Run() {
  // Of this thread alone: Linux gives each its own.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kLowestPriority);
  absl::Duration next = clock_.Monotonic() + options_.interval;
  // Whoever asks for one anew doesn't get more than half of a CPU for it.
  // By the host's own clock: whoever waits does so by that.
  const Clock& host = SystemClock();
  absl::Duration rested = -absl::InfiniteDuration();
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto called = [this, &host, &rested] {
        mutex_.AssertHeld();
        return stop_.load() || (IsWanted() && host.Monotonic() >= rested);
      };
      // In short steps: the clock may be another than the one that waits.
      const bool wanted = mutex_.AwaitWithTimeout(absl::Condition(&called), absl::Milliseconds(200));
      if (stop_.load()) return;
      if (!wanted && clock_.Monotonic() < next) continue;
      ++version_;
    }
    const absl::Duration begin = host.Monotonic();
    Think();
    const absl::Duration end = host.Monotonic();
    rested = end + std::max(kShortestRest, std::min(end - begin, options_.interval));
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
    // Who waits for one learns why there are no moves in it.
    v1::Advice none;
    none.set_failure(std::string(StdView(advice.status().message())));
    advice = std::move(none);
  }
  if (stop_.load()) return;
  SetDuration(clock_.Monotonic() - begin, advice->mutable_took());
  SetTime(clock_.Now(), advice->mutable_made_at());
  absl::MutexLock lock(&mutex_);
  advice->set_version(version_);
  newest_ = std::make_shared<const v1::Advice>(*std::move(advice));
  for (const auto& [_, one] : watchers_) {
    if (one.least_version <= version_) one.watcher(*newest_);
  }
}

absl::StatusOr<uint64_t> Advisor::Watch(Watcher watcher, bool anew) {
  if (anew && !thread_.joinable()) {
    return absl::FailedPreconditionError("this controller gives no advice; placement.advice_interval switches it on");
  }
  absl::MutexLock lock(&mutex_);
  if (!anew) watcher(newest_ == nullptr ? v1::Advice() : *newest_);
  watchers_.emplace(next_watcher_, Watching{std::move(watcher), anew ? version_ + 1 : 0});
  return next_watcher_++;
}

void Advisor::Unwatch(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(id);
}

}  // namespace truce::controller
