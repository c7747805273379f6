#include "agent/act/migrate/scout.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// More workloads than an agent looks at; beyond that they wait for their turn.
constexpr size_t kMostQuestions = 20000;
// What nobody asked for any more is forgotten.
constexpr absl::Duration kForgetAfter = absl::Minutes(5);
constexpr absl::Duration kEnd = absl::Seconds(5);

Readiness Ask(MigrationDriver& driver) {
  Readiness readiness{.ready = driver.Ready()};
  readiness.to_receive = readiness.ready.ok() ? driver.ReadyToReceive() : readiness.ready;
  return readiness;
}

Readiness Same(const absl::Status& status) {
  return {.ready = status, .to_receive = status};
}

}  // namespace

struct Scout::Desk {
  // About one workload, or, without one, about the host.
  struct Question {
    Movable workload;
    uint64_t instance = 0;
  };
  struct Answer {
    uint64_t instance = 0;
    bool can_move = false;
    // A question about it, or about one of its name before it, is not answered yet.
    bool waiting = false;
    absl::Duration asked_at = -absl::InfiniteDuration();
    absl::Duration wanted_at;
  };

  Desk(std::shared_ptr<MigrationDriver> asked, const host::CgroupLayout& host_layout)
      : driver(std::move(asked)), name(driver->name()), layout(host_layout) {}

  const std::shared_ptr<MigrationDriver> driver;
  const std::string name;
  const host::CgroupLayout layout;
  absl::Notification answered;  // whether it is ready, for the first time
  absl::Notification ended;

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::deque<Question> questions ABSL_GUARDED_BY(mutex);
  std::map<std::string, Answer> answers ABSL_GUARDED_BY(mutex);  // by workload
  std::optional<Readiness> readiness ABSL_GUARDED_BY(mutex);
  absl::Duration readiness_asked_at ABSL_GUARDED_BY(mutex);
  // The first tick at which the question that it is at was under way.
  bool busy ABSL_GUARDED_BY(mutex) = false;
  std::optional<absl::Duration> busy_since ABSL_GUARDED_BY(mutex);

  void AskForReadiness();
  void AskFor(const Question& question);
  void Note(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!busy) busy_since.reset();
    if (busy && !busy_since) busy_since = now;
  }
  bool IsLate(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return busy && busy_since && now - *busy_since >= kDeadline;
  }
};

void Scout::Desk::AskForReadiness() {
  Readiness said = Ask(*driver);
  {
    const absl::MutexLock lock(&mutex);
    readiness = std::move(said);
  }
  if (!answered.HasBeenNotified()) answered.Notify();
}

void Scout::Desk::AskFor(const Question& question) {
  bool can_move = false;
  // The sampler's own is the tick thread's.
  const auto cgroup = host::Cgroup::Open(layout, question.workload.workload);
  bool ready = false;
  {
    const absl::MutexLock lock(&mutex);
    ready = readiness && readiness->ready.ok();
  }
  if (ready && cgroup.ok() && (*cgroup)->instance() == question.instance) {
    Movable workload = question.workload;
    workload.cgroup = cgroup->get();
    can_move = driver->CanMove(workload);
  }
  const absl::MutexLock lock(&mutex);
  const auto answer = answers.find(question.workload.workload);
  if (answer == answers.end()) return;
  answer->second.waiting = false;
  if (answer->second.instance == question.instance) answer->second.can_move = can_move;
}

Scout::Scout(const std::vector<std::shared_ptr<MigrationDriver>>& drivers, const host::CgroupLayout& layout,
             const Clock& clock, absl::Duration first_answer)
    : clock_(clock) {
  for (const auto& driver : drivers) {
    auto desk = std::make_shared<Desk>(driver, layout);
    {
      const absl::MutexLock lock(&desk->mutex);
      desk->readiness_asked_at = clock_.Monotonic();
      desk->questions.push_back({});
    }
    try {
      std::thread(Serve, desk).detach();  // Stop waits for it
    } catch (const std::system_error& error) {
      const absl::MutexLock lock(&desk->mutex);
      desk->readiness = Same(absl::UnavailableError(StrCat("there is no thread for it: ", error.what(),
                                                           "; see TasksMax= of the agent's unit, and start it anew")));
      desk->answered.Notify();
      desk->ended.Notify();
    }
    desks_.push_back(std::move(desk));
  }
  const absl::Time deadline = absl::Now() + first_answer;
  for (const auto& desk : desks_) {
    (void)desk->answered.WaitForNotificationWithTimeout(std::max(absl::ZeroDuration(), deadline - absl::Now()));
  }
}

Scout::~Scout() {
  Stop(kEnd);
}

void Scout::Serve(const std::shared_ptr<Desk>& desk) {
  while (true) {
    std::optional<Desk::Question> question;
    {
      const absl::MutexLock lock(&desk->mutex);
      desk->busy = false;
      desk->busy_since.reset();
      const auto ready = [&desk]()
                             ABSL_NO_THREAD_SAFETY_ANALYSIS { return desk->stopping || !desk->questions.empty(); };
      desk->mutex.Await(absl::Condition(&ready));
      if (desk->stopping) break;
      question = std::move(desk->questions.front());
      desk->questions.pop_front();
      desk->busy = true;
    }
    if (question->workload.workload.empty()) {
      desk->AskForReadiness();
    } else {
      desk->AskFor(*question);
    }
  }
  desk->ended.Notify();
}

std::vector<std::string> Scout::DriversFor(const Movable& workload) {
  if (workload.cgroup == nullptr) return {};
  const absl::Duration now = clock_.Monotonic();
  const uint64_t instance = workload.cgroup->instance();
  std::vector<std::string> able;
  for (const auto& desk : desks_) {
    const absl::MutexLock lock(&desk->mutex);
    Desk::Answer& answer = desk->answers[workload.workload];
    if (answer.instance != instance) answer = {.instance = instance, .waiting = answer.waiting};
    answer.wanted_at = now;
    if (!answer.waiting && now - answer.asked_at >= kAgain && desk->questions.size() < kMostQuestions) {
      answer.asked_at = now;
      answer.waiting = true;
      Movable question = workload;
      question.cgroup = nullptr;
      desk->questions.push_back({std::move(question), instance});
    }
    if (answer.can_move && !desk->IsLate(now)) able.push_back(desk->name);
  }
  return able;
}

Readiness Scout::ReadinessOf(const std::string& driver) const {
  for (const auto& desk : desks_) {
    if (desk->name != driver) continue;
    const absl::MutexLock lock(&desk->mutex);
    if (desk->IsLate(clock_.Monotonic())) {
      return Same(absl::UnavailableError(StrCat("the driver ", driver, " was asked and has not answered for ",
                                                absl::FormatDuration(kDeadline),
                                                " or longer; look whether what it asks hangs")));
    }
    if (desk->readiness) return *desk->readiness;
    return Same(absl::UnavailableError(StrCat("the driver ", driver, " has not said yet whether it is ready")));
  }
  return Same(absl::NotFoundError("it is not configured on this host (migration.drivers)"));
}

void Scout::Tick() {
  const absl::Duration now = clock_.Monotonic();
  for (const auto& desk : desks_) {
    const absl::MutexLock lock(&desk->mutex);
    desk->Note(now);
    if (now - desk->readiness_asked_at < kAgain) continue;
    desk->readiness_asked_at = now;
    // One that hangs is not asked ever more. Without it nothing else is believed, so it goes first.
    const bool waits = !desk->questions.empty() && desk->questions.front().workload.workload.empty();
    if (!waits && !desk->IsLate(now)) desk->questions.push_front({});
    std::erase_if(desk->answers, [now](const auto& answer) {
      return !answer.second.waiting && now - answer.second.wanted_at >= kForgetAfter;
    });
  }
}

void Scout::Stop(absl::Duration patience) {
  if (std::exchange(stopped_, true)) return;
  for (const auto& desk : desks_) {
    const absl::MutexLock lock(&desk->mutex);
    desk->stopping = true;
  }
  const absl::Time deadline = absl::Now() + patience;
  for (const auto& desk : desks_) {
    const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
    if (desk->ended.WaitForNotificationWithTimeout(left)) continue;
    spdlog::warn("the migration driver {} does not answer, and is left to itself", desk->name);
  }
}

}  // namespace truce::agent
