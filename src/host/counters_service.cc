#include "src/host/counters_service.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace truce::host {
namespace {

// Weight of the newest interval in a falling rate; a rising one counts at once.
constexpr double kFallWeight = 0.2;
// Memory of the exported overhead.
constexpr absl::Duration kOverheadMemory = absl::Seconds(60);
// Fewer groups than this in an interval say little about what reading one costs.
constexpr int64_t kGroupsWorthMeasuring = 4;

double Smooth(double old_rate, double new_rate) {
  return std::max(new_rate, (1 - kFallWeight) * old_rate + kFallWeight * new_rate);
}

// Adds the time until it goes to `total`.
class Stopwatch {
 public:
  Stopwatch(const Clock* clock, absl::Duration* total) : clock_(clock), total_(total), begin_(clock->Monotonic()) {}
  ~Stopwatch() { *total_ += clock_->Monotonic() - begin_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const Clock* clock_;
  absl::Duration* total_;
  absl::Duration begin_;
};

}  // namespace

GovernedCounters::GovernedCounters(const CounterOptions& options, CounterSetup setup,
                                   std::unique_ptr<PerfSyscalls> syscalls, const Clock* clock)
    : setup_(std::move(setup)),
      syscalls_(std::move(syscalls)),
      clock_(clock),
      meter_(options.procfs),
      budget_ratio_(options.budget_ratio),
      max_counted_(options.max_counted) {}

absl::Status GovernedCounters::Track(uint64_t key, int cgroup_fd) {
  const Stopwatch stopwatch(clock_, &own_time_);
  if (workloads_.contains(key)) return absl::AlreadyExistsError(absl::StrCat("workload ", key, " is tracked already"));
  UniqueFd cgroup(fcntl(cgroup_fd, F_DUPFD_CLOEXEC, 0));
  if (!cgroup.valid()) return ErrnoStatus(errno, "keeping a cgroup to count it");
  if (!setup_.probe.levels.empty() && !setup_.cpus.empty()) {
    // Opening one group now tells the caller of a descriptor that perf events can't count; its turn comes in Govern.
    const std::vector<PerfEvent> events = EventsOf(setup_.probe.levels.back());
    const PerfTarget target{PerfTarget::Kind::kCgroup, cgroup.get()};
    const absl::Status status = PerfGroup::Open(syscalls_.get(), events, target, setup_.cpus.front()).status();
    if (!status.ok() && !absl::IsResourceExhausted(status)) {
      return WithContext(status, "this cgroup can't be counted (it must be in the tree that perf events use)");
    }
  }
  workloads_.emplace(key, CountedWorkload(std::move(cgroup)));
  turns_.Add(key);
  return absl::OkStatus();
}

void GovernedCounters::Untrack(uint64_t key) {
  turns_.Remove(key);
  just_started_.erase(key);
  workloads_.erase(key);
}

void GovernedCounters::Govern(absl::Duration now) {
  const Stopwatch stopwatch(clock_, &own_time_);
  const std::optional<absl::Duration> before = last_govern_;
  if (before.has_value() && now <= *before) return;
  last_govern_ = now;
  just_started_.clear();
  if (setup_.probe.levels.empty()) return;
  MeasureRates(now);
  if (!before.has_value() || !undisturbed_.has_value()) return;
  Account(now - *before);
  Choose(now);
  duty_.Next(decision_->duty_ratio, now - *before);
  ApplyTurns();
  ApplyDuty();
}

void GovernedCounters::MeasureRates(absl::Duration now) {
  seen_ = meter_.Measure(now);
  if (!seen_.has_value()) return;
  double factor = 1;
  if (duty_.on() && decision_.has_value()) factor = UndisturbedFactor(seen_->busiest_cpu, decision_->switch_cost);
  const SwitchRates undisturbed{seen_->total * factor, seen_->busiest_cpu * factor};
  if (!undisturbed_.has_value()) {
    undisturbed_ = undisturbed;
    return;
  }
  undisturbed_->total = Smooth(undisturbed_->total, undisturbed.total);
  undisturbed_->busiest_cpu = Smooth(undisturbed_->busiest_cpu, undisturbed.busiest_cpu);
}

// What the last interval cost: the switches that really happened while counters were on, at their calibrated price, and
// the service's own time.
void GovernedCounters::Account(absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  const double cpus = static_cast<double>(std::max<size_t>(1, setup_.cpus.size()));
  double ratio = absl::ToDoubleSeconds(own_time_ - std::exchange(own_time_at_govern_, own_time_)) / seconds / cpus;
  if (duty_.on() && decision_.has_value() && seen_.has_value() && CountingNow() > 0) {
    ratio += seen_->total * absl::ToDoubleSeconds(decision_->switch_cost) / cpus;
  }
  const double weight = 1 - std::exp(-absl::FDivDuration(elapsed, kOverheadMemory));
  overhead_ratio_ = overhead_ratio_.has_value() ? *overhead_ratio_ + weight * (ratio - *overhead_ratio_) : ratio;

  if (groups_read_ >= kGroupsWorthMeasuring) {
    const double per_group = absl::ToDoubleSeconds(reading_time_) / static_cast<double>(groups_read_);
    reading_seconds_per_group_ += kFallWeight * (per_group - reading_seconds_per_group_);
  }
  reading_time_ = absl::ZeroDuration();
  groups_read_ = 0;
}

void GovernedCounters::Choose(absl::Duration now) {
  GovernorInputs inputs;
  inputs.levels = setup_.costs;
  inputs.switches_per_second = undisturbed_->total;
  inputs.busiest_cpu_switches_per_second = undisturbed_->busiest_cpu;
  inputs.cpus = static_cast<int>(setup_.cpus.size());
  inputs.budget_ratio = budget_ratio_;
  inputs.base_cost = setup_.base_cost;
  inputs.tracked = static_cast<int>(workloads_.size());
  inputs.max_counted = max_counted_;
  inputs.max_descriptors = setup_.max_descriptors;
  // Once an interval each counted group is read, and at a duty below one also started and stopped.
  inputs.reading_cost_cores = 2 * reading_seconds_per_group_;
  if (decision_.has_value()) inputs.current = decision_->level;
  inputs.may_raise = dearer_since_.has_value() && now - *dearer_since_ >= kRaiseAfter;
  const GovernorDecision decision = Decide(inputs);
  const bool changed = decision_.has_value() && decision_->level != decision.level;
  if (changed) {
    spdlog::info("counters go from {} to {}: {:.0f} switches a second at {} each, {:.1f} % of the time",
                 CounterLevelName(decision_->level), CounterLevelName(decision.level), undisturbed_->total,
                 absl::FormatDuration(decision.switch_cost), 100 * decision.duty_ratio);
    // Groups of the old level give their readings and make room.
    for (auto& [key, workload] : workloads_) CloseGroups(workload);
  }
  if (!decision.dearer_affordable || changed) {
    dearer_since_.reset();
  } else if (!dearer_since_.has_value()) {
    dearer_since_ = now;
  }
  decision_ = decision;
}

void GovernedCounters::ApplyTurns() {
  const int capacity = decision_->level == CounterLevel::kOff ? 0 : decision_->counted;
  const CounterTurns::Change change = duty_.on() ? turns_.Rotate(capacity) : turns_.Fit(capacity);
  for (const uint64_t key : change.out) CloseGroups(workloads_.at(key));
  if (capacity == 0 || !KeepOpen()) return;
  // A copy: a workload whose groups can't be opened leaves the queue.
  const std::vector<uint64_t> counted(turns_.counted().begin(), turns_.counted().end());
  for (const uint64_t key : counted) {
    CountedWorkload& workload = workloads_.at(key);
    if (!workload.open() && !OpenGroups(key, workload)) break;
  }
}

void GovernedCounters::ApplyDuty() {
  for (const uint64_t key : turns_.counted()) {
    CountedWorkload& workload = workloads_.at(key);
    if (workload.open() && !KeepOpen()) CloseGroups(workload);
    if (!workload.open() || workload.running() == duty_.on()) continue;
    groups_read_ += static_cast<int64_t>(workload.groups());
    const Stopwatch stopwatch(clock_, &reading_time_);
    if (duty_.on()) {
      workload.Start(clock_->Monotonic());
      just_started_.insert(key);
    } else {
      workload.Stop(clock_->Monotonic());
    }
  }
}

// False when there is no use in trying others.
bool GovernedCounters::OpenGroups(uint64_t key, CountedWorkload& workload) {
  const absl::Status status = workload.Open(syscalls_.get(), *FindLevel(decision_->level), setup_.cpus);
  if (status.ok()) return true;
  if (absl::IsResourceExhausted(status)) {
    OutOfDescriptors(status);
    return false;
  }
  // Most likely its cgroup is gone, and Untrack is on its way.
  spdlog::debug("workload {} is not counted: {}", key, std::string(status.message()));
  turns_.Remove(key);
  return true;
}

void GovernedCounters::OutOfDescriptors(const absl::Status& status) {
  max_counted_ = CountingNow();
  spdlog::warn(
      "{}; counting {} workloads at a time from now on, in turns. Raise LimitNOFILE= of the agent's unit to count "
      "more.",
      std::string(status.message()), max_counted_);
  const std::vector<uint64_t> counted(turns_.counted().begin(), turns_.counted().end());
  for (const uint64_t key : counted) {
    if (!workloads_.at(key).open()) turns_.GiveBack(key);
  }
}

void GovernedCounters::CloseGroups(CountedWorkload& workload) {
  const Stopwatch stopwatch(clock_, &reading_time_);
  groups_read_ += static_cast<int64_t>(workload.groups());
  workload.Close(clock_->Monotonic());
}

std::optional<CounterReadings> GovernedCounters::Read(uint64_t key) {
  const Stopwatch stopwatch(clock_, &own_time_);
  const auto found = workloads_.find(key);
  if (found == workloads_.end()) return std::nullopt;
  CountedWorkload& workload = found->second;
  // Started by the Govern just before: the interval that this Read is about had no counters.
  if (workload.running() && !just_started_.contains(key)) {
    const Stopwatch reading(clock_, &reading_time_);
    groups_read_ += static_cast<int64_t>(workload.groups());
    workload.Harvest(clock_->Monotonic());
  }
  return workload.Take();
}

bool GovernedCounters::KeepOpen() const {
  return duty_.on() || decision_->duty_ratio >= kKeepOpenDuty;
}

int GovernedCounters::CountingNow() const {
  int counting = 0;
  for (const uint64_t key : turns_.counted()) counting += workloads_.at(key).open() ? 1 : 0;
  return counting;
}

const LevelEvents* GovernedCounters::FindLevel(CounterLevel level) const {
  for (const LevelEvents& candidate : setup_.probe.levels) {
    if (candidate.level == level) return &candidate;
  }
  return nullptr;
}

CounterStatus GovernedCounters::status() const {
  CounterStatus status;
  status.pmu_available = setup_.probe.pmu_available;
  status.pmu_model = setup_.probe.model;
  status.missing_reason = setup_.probe.failure.reason;
  status.missing_remedy = setup_.probe.failure.remedy;
  // Before the first decision: what would be counted if it were free.
  const LevelEvents* events = nullptr;
  if (decision_.has_value()) {
    events = FindLevel(decision_->level);
  } else if (!setup_.probe.levels.empty()) {
    events = &setup_.probe.levels.front();
  }
  if (events != nullptr) {
    for (const CounterEvent& event : events->events) status.events.push_back(event.event.name);
  }
  if (decision_.has_value()) {
    status.level = decision_->level;
    status.duty_ratio = decision_->duty_ratio;
    status.switch_cost = decision_->switch_cost;
  } else if (!setup_.costs.empty()) {
    status.switch_cost = setup_.costs.front().switch_cost;
  }
  if (seen_.has_value()) status.switches_per_second = seen_->total;
  status.overhead_ratio = overhead_ratio_.value_or(0);
  status.counted_workloads = static_cast<int>(turns_.counted().size());
  status.tracked_workloads = static_cast<int>(workloads_.size());
  return status;
}

}  // namespace truce::host
