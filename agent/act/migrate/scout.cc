#include "agent/act/migrate/scout.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"

namespace truce::agent {
namespace {

// More workloads than an agent looks at; beyond that they wait for their turn.
constexpr size_t kMostQuestions = 20000;
// What nobody asked for any more is forgotten.
constexpr absl::Duration kForgetAfter = absl::Minutes(5);

Readiness Ask(MigrationDriver& driver) {
  Readiness readiness{.ready = driver.Ready()};
  readiness.to_receive = readiness.ready.ok() ? driver.ReadyToReceive() : readiness.ready;
  return readiness;
}

}  // namespace

struct Scout::State {
  // About one workload, or, without one, about the host.
  struct Question {
    Movable workload;
    uint64_t instance = 0;
  };
  struct Answer {
    uint64_t instance = 0;
    std::vector<std::string> drivers;
    absl::Duration asked_at = -absl::InfiniteDuration();
    absl::Duration wanted_at;
  };

  explicit State(const host::CgroupLayout& host_layout) : layout(host_layout) {}

  std::vector<std::shared_ptr<MigrationDriver>> drivers;
  const host::CgroupLayout layout;
  absl::Notification ended;

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::deque<Question> questions ABSL_GUARDED_BY(mutex);
  std::map<std::string, Answer> answers ABSL_GUARDED_BY(mutex);  // by workload
  std::map<std::string, Readiness> readiness ABSL_GUARDED_BY(mutex);
  absl::Duration readiness_asked_at ABSL_GUARDED_BY(mutex);

  void AskForReadiness();
  void AskFor(const Question& question);
};

void Scout::State::AskForReadiness() {
  for (const auto& driver : drivers) {
    Readiness said = Ask(*driver);
    const absl::MutexLock lock(&mutex);
    readiness[std::string(driver->name())] = std::move(said);
  }
}

void Scout::State::AskFor(const Question& question) {
  std::vector<std::string> able;
  // The sampler's own is the tick thread's.
  const auto cgroup = host::Cgroup::Open(layout, question.workload.workload);
  if (cgroup.ok() && (*cgroup)->instance() == question.instance) {
    Movable workload = question.workload;
    workload.cgroup = cgroup->get();
    for (const auto& driver : drivers) {
      {
        const absl::MutexLock lock(&mutex);
        if (stopping) return;
        if (!readiness[std::string(driver->name())].ready.ok()) continue;
      }
      if (driver->CanMove(workload)) able.emplace_back(driver->name());
    }
  }
  const absl::MutexLock lock(&mutex);
  const auto answer = answers.find(question.workload.workload);
  if (answer != answers.end() && answer->second.instance == question.instance) answer->second.drivers = std::move(able);
}

Scout::Scout(std::vector<std::shared_ptr<MigrationDriver>> drivers, const host::CgroupLayout& layout,
             const Clock& clock)
    : clock_(clock), state_(std::make_shared<State>(layout)) {
  state_->drivers = std::move(drivers);
  state_->AskForReadiness();
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->readiness_asked_at = clock_.Monotonic();
  }
  if (!state_->drivers.empty()) std::thread(Serve, state_).detach();  // Stop waits for it
}

Scout::~Scout() {
  Stop(absl::InfiniteDuration());
}

void Scout::Serve(const std::shared_ptr<State>& state) {
  while (true) {
    std::optional<State::Question> question;
    {
      const absl::MutexLock lock(&state->mutex);
      const auto ready = [&state]()
                             ABSL_NO_THREAD_SAFETY_ANALYSIS { return state->stopping || !state->questions.empty(); };
      state->mutex.Await(absl::Condition(&ready));
      if (state->stopping) break;
      question = std::move(state->questions.front());
      state->questions.pop_front();
    }
    if (question->workload.workload.empty()) {
      state->AskForReadiness();
    } else {
      state->AskFor(*question);
    }
  }
  state->ended.Notify();
}

std::vector<std::string> Scout::DriversFor(const Movable& workload) {
  if (state_->drivers.empty() || workload.cgroup == nullptr) return {};
  const absl::Duration now = clock_.Monotonic();
  const uint64_t instance = workload.cgroup->instance();
  const absl::MutexLock lock(&state_->mutex);
  State::Answer& answer = state_->answers[workload.workload];
  if (answer.instance != instance) answer = {.instance = instance};
  answer.wanted_at = now;
  if (now - answer.asked_at >= kAgain && state_->questions.size() < kMostQuestions) {
    answer.asked_at = now;
    Movable question = workload;
    question.cgroup = nullptr;
    state_->questions.push_back({std::move(question), instance});
  }
  return answer.drivers;
}

Readiness Scout::ReadinessOf(const std::string& driver) const {
  const absl::MutexLock lock(&state_->mutex);
  const auto found = state_->readiness.find(driver);
  if (found != state_->readiness.end()) return found->second;
  const absl::Status unknown = absl::NotFoundError("it is not configured on this host (migration.drivers)");
  return {.ready = unknown, .to_receive = unknown};
}

void Scout::Tick() {
  const absl::Duration now = clock_.Monotonic();
  const absl::MutexLock lock(&state_->mutex);
  if (now - state_->readiness_asked_at < kAgain) return;
  state_->readiness_asked_at = now;
  state_->questions.push_back({});
  std::erase_if(state_->answers, [now](const auto& answer) { return now - answer.second.wanted_at >= kForgetAfter; });
}

void Scout::Stop(absl::Duration patience) {
  if (std::exchange(stopped_, true) || state_->drivers.empty()) return;
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->stopping = true;
  }
  if (!state_->ended.WaitForNotificationWithTimeout(patience)) {
    spdlog::warn("a migration driver does not answer, and is left to itself");
  }
}

}  // namespace truce::agent
