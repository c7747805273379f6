// The programs that run now. See collector.h.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "lab/collector.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
// A program that has done nothing by then is left out for the rest of the run.
constexpr absl::Duration kFirstOperationLimit = absl::Seconds(15);
// How long to wait for operations that were under way when a window ended; longer ones don't count in it.
constexpr absl::Duration kLastOperationLimit = absl::Seconds(3);
}  // namespace

std::vector<Window::Second> Window::Quiet(const CollectOptions& options) const {
  std::vector<Second> quiet;
  for (const Second& second : seconds) {
    const bool others = second.busy_cores - second.member_cores >= options.quiet_others;
    if (second.steal < options.quiet_steal && !others) quiet.push_back(second);
  }
  return quiet;
}

absl::StatusOr<Life*> Collector::Start(const Setting& setting) {
  auto starting = std::make_unique<Life>();
  starting->setting = setting;
  const Program& program = programs_[setting.program];
  const RunOptions run{setting.load, setting.cpus, options_.work_directory, options_.load_tool};
  auto running = RunningProgram::Start(program, run, *cgroups_, StrCat(program.name, "-", next_child_++));
  if (!running.ok()) {
    Fail(setting.program, running.status());
    return absl::AbortedError(AbslView(std::string(StdView(running.status().message()))));
  }
  starting->program = *std::move(running);
  starting->record.program = program.name;
  starting->record.load = LoadName(setting.load);
  starting->record.cpus = setting.cpus;
  Life* const life = lives_.emplace_back(std::move(starting)).get();
  observer_->Expect();
  TRUCE_ASSIGN_OR_RETURN(life->record.id, dataset_->Add(life->record, program));
  TRUCE_RETURN_IF_ERROR(WaitForFirstOperation(*life));
  TRUCE_RETURN_IF_ERROR(Wait(options_.settle, nullptr));
  return life;
}

absl::Status Collector::WaitForFirstOperation(const Life& life) {
  const absl::Time limit = absl::Now() + kFirstOperationLimit;
  while (!life.program->meter().first_end()) {
    TRUCE_RETURN_IF_ERROR(Wait(kPoll, nullptr));
    if (absl::Now() < limit) continue;
    const absl::Status late = absl::AbortedError(
        StrCat(life.program->program().name, " did nothing within ", absl::FormatDuration(kFirstOperationLimit)));
    Fail(life.setting.program, late);
    return late;
  }
  return absl::OkStatus();
}

absl::Status Collector::WaitForLastOperations(absl::Time end) {
  const auto under_way = [&] {
    return std::any_of(lives_.begin(), lives_.end(),
                       [&](const auto& life) { return life->program->meter().last_end() < end; });
  };
  const absl::Time limit = end + kLastOperationLimit;
  while (under_way() && absl::Now() < limit) TRUCE_RETURN_IF_ERROR(Wait(kPoll, nullptr));
  return absl::OkStatus();
}

absl::Status Collector::Finish(Life* life) {
  const auto owner =
      std::find_if(lives_.begin(), lives_.end(), [life](const auto& candidate) { return candidate.get() == life; });
  const std::unique_ptr<Life> ending = std::move(*owner);
  lives_.erase(owner);
  const absl::Status stopped = ending->program->Stop();
  observer_->Expect();
  if (ending->record.id != 0) {
    result_.samples += static_cast<int64_t>(ending->record.samples.size());
    TRUCE_RETURN_IF_ERROR(dataset_->AddSamples(ending->record));
  }
  return stopped;
}

absl::Status Collector::FinishAll() {
  absl::Status first;
  while (!lives_.empty()) {
    absl::Status status = Finish(lives_.back().get());
    if (first.ok()) first = std::move(status);
  }
  return first;
}

void Collector::Tick(Window* window) {
  observer_->Tick();
  const absl::Time now = absl::Now();
  double member_cores = 0;
  for (const auto& life : lives_) {
    if (life->program->paused()) continue;
    auto sample = observer_->Observe(*life->program);
    if (!sample) continue;
    sample->at = UnixSeconds(now);
    const Performance last = life->program->meter().Between(now - kTick, now);
    sample->operations = last.operations;
    sample->busy_seconds = last.busy_seconds;
    member_cores += sample->readings.value_or(Reading::kCpuUsageCores, 0);
    life->record.samples.push_back(*std::move(sample));
  }
  if (window == nullptr) return;
  const double busy = observer_->busy_ratio().value_or(0) * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  if (now - kTick < window->begin - kTick / 4) return;  // it began before the window
  window->seconds.push_back({now, observer_->steal_ratio().value_or(0), busy, member_cores});
}

absl::Status Collector::Wait(absl::Duration duration, Window* window) {
  const absl::Time end = absl::Now() + duration;
  do {
    if (absl::Now() >= next_tick_) {
      Tick(window);
      next_tick_ += kTick;
      // A tick that came late is not made up for: readings over no time at all would be none.
      if (next_tick_ < absl::Now() + kTick / 2) next_tick_ = absl::Now() + kTick;
      ShowProgress(false);
    }
    const absl::Time until = std::min({end, next_tick_, absl::Now() + kPoll});
    (void)signals_.WaitFor(std::max(absl::ZeroDuration(), until - absl::Now()));
    TRUCE_RETURN_IF_ERROR(Over());
    for (const auto& life : lives_) {
      const absl::Status status = life->program->Poll();
      if (status.ok()) continue;
      Fail(life->setting.program, status);
      return absl::AbortedError(status.message());
    }
  } while (absl::Now() < end);
  return absl::OkStatus();
}

absl::StatusOr<Window> Collector::Measure(const std::vector<Life*>& members, int seconds) {
  Window window;
  window.members = members;
  for (const auto& life : lives_) {
    const bool runs = std::find(members.begin(), members.end(), life.get()) != members.end();
    TRUCE_RETURN_IF_ERROR(life->program->SetPaused(!runs));
  }
  window.begin = absl::Now();
  while (window.seconds.size() < static_cast<size_t>(seconds)) TRUCE_RETURN_IF_ERROR(WaitForTick(&window));
  window.end = absl::Now();
  return window;
}

absl::Status Collector::WaitForTick(Window* window) {
  return Wait(std::max(absl::ZeroDuration(), next_tick_ - absl::Now()), window);
}

}  // namespace truce::lab
