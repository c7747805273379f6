#include "lab/levers/levers.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_join.h"
#include "agent/act/actuator.h"
#include "agent/target.h"
#include "lab/collect.h"
#include "lab/keep_awake.h"
#include "lab/levers/means.h"
#include "lab/observer.h"
#include "lab/running_program.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/inventory.h"
#include "src/host/scratch_cgroups.h"
#include "src/host/writer_host.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
constexpr absl::Duration kScriptLimit = absl::Minutes(2);
// A squeeze goes down to this much above what the aggressor works with, and never below what the agent insists on.
constexpr double kSqueezedRatio = 1.1;

// Runs a pair's own script to its end, or to a signal when `signals` is given; what it left running in its group goes
// on when it succeeds.
absl::Status RunScript(const std::string& script, const std::string& what, const std::string& data,
                       ShutdownSignals* signals) {
  if (script.empty()) return absl::OkStatus();
  ChildOptions child;
  child.log_file = StrCat(data, "/", what, ".log");
  child.arguments = {"env", StrCat("PATH=", kSearchPath), StrCat("DATA=", data), "bash", "-ec", script};
  TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(child));
  const int group = process.pid();
  const absl::Time deadline = absl::Now() + kScriptLimit;
  bool interrupted = false;
  while (process.Running() && absl::Now() < deadline && !interrupted) {
    if (signals == nullptr) {
      absl::SleepFor(kPoll);
    } else {
      interrupted = signals->WaitFor(kPoll);
    }
  }
  const int exit_status = process.Stop(absl::ZeroDuration());
  if (exit_status == 0) return absl::OkStatus();
  kill(-group, SIGKILL);
  if (interrupted) return absl::CancelledError("interrupted");
  return absl::FailedPreconditionError(
      StrCat("its script to ", what, " ended with ", exit_status, "; its last words: ", LastLine(child.log_file)));
}

// The block device that a name leads to, as "7:0".
absl::StatusOr<std::string> DeviceOf(const std::string& name) {
  struct stat status {};
  if (stat(name.c_str(), &status) != 0) return ErrnoStatus(errno, StrCat("looking for ", name));
  if (!S_ISBLK(status.st_mode)) return absl::FailedPreconditionError(StrCat(name, " is no block device"));
  return StrCat(major(status.st_rdev), ":", minor(status.st_rdev));
}

// Both programs of one pair in cgroups of their own, and an actuator that acts on the one.
class Bench {
 public:
  Bench(const LeversOptions& options, const LeverPair& pair, const host::CgroupLayout& layout, const Means& means,
        ShutdownSignals& signals)
      : options_(options),
        pair_(pair),
        layout_(layout),
        signals_(signals),
        data_(StrCat(options.work_directory, "/levers-", pair.name)),
        means_(means),
        writer_({.traffic = means.traffic.get(),
                 .resctrl = means.resctrl.get(),
                 .no_resctrl = means.no_resctrl,
                 .run_directory = options.run_directory}) {}

  absl::Status Run(std::vector<LeverRound>* rounds) {
    TRUCE_RETURN_IF_ERROR(MakeDirectory());
    const absl::Cleanup remove = [this] {
      std::error_code ignored;
      std::filesystem::remove_all(data_, ignored);
    };
    const absl::Cleanup clean = [this] { (void)RunScript(pair_.clean, "clean", data_, nullptr); };
    TRUCE_RETURN_IF_ERROR(RunScript(pair_.prepare, "prepare", data_, &signals_));
    const std::string name = StrCat("truce-levers-", getpid());
    TRUCE_ASSIGN_OR_RETURN(auto cgroups, host::ScratchCgroups::Create(layout_, name));
    cgroups_.emplace(std::move(cgroups));
    if (pair_.group_memory_bytes > 0) TRUCE_RETURN_IF_ERROR(cgroups_->SetMemoryLimit(pair_.group_memory_bytes));
    host::CounterOptions counting;
    counting.enabled = false;
    counters_ = host::CreateCounterService(counting);
    observer_ =
        std::make_unique<Observer>(options_.procfs, name, layout_, SystemClock(), *counters_, means_.traffic.get());
    TRUCE_ASSIGN_OR_RETURN(cpus_, host::OnlineCpus(options_.sysfs));
    TRUCE_ASSIGN_OR_RETURN(auto awake, KeepAwake::Start(*cgroups_, cpus_, data_ + "/keep-awake.log"));
    awake_.emplace(std::move(awake));
    agent::ActuatorOptions acting;
    acting.state_directory = data_ + "/state";
    acting.resctrl = means_.resctrl.get();
    TRUCE_ASSIGN_OR_RETURN(actuator_, agent::OpenActuator(acting, layout_, SystemClock(), writer_));
    for (int round = 0; round < options_.rounds; ++round) {
      TRUCE_ASSIGN_OR_RETURN(const LeverRound done, RunRound());
      rounds->push_back(done);
      std::fprintf(stderr, "%s: alone 1, beside %.2f, with the lever %.2f; the aggressor keeps %.0f %%\n",
                   pair_.name.c_str(), done.beside / done.alone, done.with_lever / done.alone,
                   100 * done.aggressor_with_lever / done.aggressor_before);
    }
    TRUCE_RETURN_IF_ERROR(actuator_->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN));
    TRUCE_RETURN_IF_ERROR(awake_->Stop());
    return cgroups_->Remove();
  }

 private:
  // One of a lab that was killed is removed; one that the lab did not make is left alone.
  absl::Status MakeDirectory() const {
    const std::string mark = data_ + "/of-truce-lab";
    std::error_code error;
    if (access(mark.c_str(), F_OK) == 0) std::filesystem::remove_all(data_, error);
    if (mkdir(data_.c_str(), 0700) != 0) {
      return ErrnoStatus(errno, StrCat("making ", data_, ", a directory of the lab's own (--work-directory)"));
    }
    const host::UniqueFd made(open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    return made.valid() ? absl::OkStatus() : ErrnoStatus(errno, StrCat("making ", mark));
  }

  absl::StatusOr<LeverRound> RunRound() {
    LeverRound round;
    TRUCE_ASSIGN_OR_RETURN(victim_, Start(pair_.victim, "victim", Load::kLow));
    const absl::Cleanup stop = [this] {
      aggressor_.reset();
      victim_.reset();
    };
    TRUCE_RETURN_IF_ERROR(Go(kSecond));
    TRUCE_ASSIGN_OR_RETURN(round.alone, PaceOver(options_.alone));
    TRUCE_ASSIGN_OR_RETURN(aggressor_, Start(pair_.aggressor, "aggressor", Load::kHigh));
    TRUCE_RETURN_IF_ERROR(Go(options_.taking_hold));
    const std::vector<std::string> before = Controls();
    absl::Time begin = absl::Now();
    TRUCE_ASSIGN_OR_RETURN(round.beside, PaceOver(options_.beside));
    round.aggressor_before = RateSince(begin);
    if (round.aggressor_before <= 0) {
      return absl::FailedPreconditionError(
          StrCat(pair_.name, ": the aggressor finished nothing; make its operations shorter"));
    }
    TRUCE_RETURN_IF_ERROR(Act());
    TRUCE_RETURN_IF_ERROR(Go(TakingHold()));
    begin = absl::Now();
    TRUCE_ASSIGN_OR_RETURN(round.with_lever, PaceOver(options_.beside));
    round.aggressor_with_lever = RateSince(begin);
    actuator_->Apply({}, Targets());
    round.as_before = Controls() == before;
    return round;
  }

  absl::StatusOr<std::unique_ptr<RunningProgram>> Start(const Program& program, const std::string& child, Load load) {
    TRUCE_ASSIGN_OR_RETURN(auto running,
                           RunningProgram::Start(program, RunOptions{load, cpus_, data_, ""}, *cgroups_, child));
    observer_->Expect();
    return running;
  }

  std::vector<std::string> Controls() const {
    std::vector<std::string> controls = cgroups_->SnapshotControls("victim");
    const std::vector<std::string> more = cgroups_->SnapshotControls("aggressor");
    controls.insert(controls.end(), more.begin(), more.end());
    return controls;
  }

  // Goes on for so long, as an agent would: a sample a second, and then a look at what is in force.
  absl::Status Go(absl::Duration duration) {
    const absl::Time end = absl::Now() + duration;
    while (absl::Now() < end) {
      if (signals_.WaitFor(kPoll)) return absl::CancelledError("interrupted");
      TRUCE_RETURN_IF_ERROR(awake_->Check());
      TRUCE_RETURN_IF_ERROR(victim_->Poll());
      if (aggressor_ != nullptr) TRUCE_RETURN_IF_ERROR(aggressor_->Poll());
      if (absl::Now() < next_tick_) continue;
      next_tick_ = absl::Now() + kSecond;
      observer_->Tick();
      actuator_->Tick(Targets());
    }
    return absl::OkStatus();
  }

  // The victim's seconds per operation over so long; an operation that takes longer than that is waited for.
  absl::StatusOr<double> PaceOver(absl::Duration duration) {
    const absl::Time begin = absl::Now();
    for (int i = 0; i < 4; ++i) {
      TRUCE_RETURN_IF_ERROR(Go(duration));
      const auto pace = victim_->meter().Between(begin, absl::Now()).SecondsPerOperation();
      if (pace) return *pace;
    }
    return absl::FailedPreconditionError(
        StrCat(pair_.name, ": the victim finished nothing; make its operations shorter"));
  }

  double RateSince(absl::Time begin) const {
    const absl::Time now = absl::Now();
    return aggressor_->meter().Between(begin, now).operations / absl::ToDoubleSeconds(now - begin);
  }

  agent::TargetLookup Targets() {
    return [this](const std::string& name) -> std::optional<agent::ActionTarget> {
      if (aggressor_ == nullptr || name != aggressor_->workload()) return std::nullopt;
      const agent::Workload* workload = observer_->Find(*aggressor_);
      if (workload == nullptr) return std::nullopt;
      agent::ActionTarget target = agent::TargetOf(*workload);
      target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
      target.mode = v1::MODE_ENFORCE;
      target.allowed_levers = {pair_.lever};
      return target;
    };
  }

  absl::Duration TakingHold() const { return std::max(options_.taking_hold, pair_.taking_hold); }

  absl::Status Act() {
    v1::DesiredSet desired;
    v1::LeasedAction& action = *desired.add_actions();
    action.set_lease_id("lab");
    action.set_workload(aggressor_->workload());
    action.set_lever(pair_.lever);
    action.set_mode(v1::MODE_ENFORCE);
    action.mutable_time_to_live()->set_seconds(absl::ToInt64Seconds(TakingHold() + 5 * options_.beside));
    TRUCE_RETURN_IF_ERROR(SetValue(&action));
    const v1::DesiredSetResult result = actuator_->Apply(desired, Targets());
    if (result.accepted()) return absl::OkStatus();
    return absl::UnimplementedError(result.results_size() > 0 ? result.results(0).reason() : result.reason());
  }

  void SetHalfTheCaches(const v1::CacheControl& control, v1::LeasedAction* action) const {
    constexpr double kHalf = 0.5;
    if (control.cache_ways() > 0) action->set_cache_ratio(kHalf);
    if (control.bandwidth_unit() == v1::BANDWIDTH_UNIT_PERCENT) action->set_memory_bandwidth_ratio(kHalf);
    if (control.bandwidth_unit() == v1::BANDWIDTH_UNIT_ABSOLUTE) {
      action->set_memory_bandwidth_bytes_per_second(pair_.bytes_per_second);
    }
  }

  absl::Status SetValue(v1::LeasedAction* action) {
    // All but the first of the CPUs; one that is alone can't be shared out.
    if (cpus_.size() > 1) action->set_cpus(host::FormatCpuList(std::vector<int>(cpus_.begin() + 1, cpus_.end())));
    action->set_quota_cores(pair_.cores);
    action->set_cpu_weight(pair_.weight);
    action->set_network_bytes_per_second(pair_.bytes_per_second);
    if (means_.resctrl != nullptr) SetHalfTheCaches(means_.resctrl->control(), action);
    if (pair_.lever == v1::LEVER_DISK_CAP) {
      TRUCE_ASSIGN_OR_RETURN(const std::string device, DeviceOf(data_ + "/device"));
      v1::DiskCap& cap = *action->add_disk_caps();
      cap.set_device(device);
      cap.set_read_bytes_per_second(pair_.bytes_per_second);
      cap.set_write_bytes_per_second(pair_.bytes_per_second);
    }
    if (pair_.lever == v1::LEVER_MEMORY_SQUEEZE) {
      const auto target = Targets()(aggressor_->workload());
      const double working =
          target && target->memory.working_set_bytes ? static_cast<double>(*target->memory.working_set_bytes) : 0;
      action->set_memory_high_bytes(
          static_cast<uint64_t>(std::max(agent::LeverFloors().memory_bytes, kSqueezedRatio * working)));
    }
    return absl::OkStatus();
  }

  const LeversOptions& options_;
  const LeverPair& pair_;
  const host::CgroupLayout& layout_;
  ShutdownSignals& signals_;
  const std::string data_;
  const Means& means_;
  host::HostControlWriter writer_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::unique_ptr<host::CounterService> counters_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<agent::Actuator> actuator_;
  std::vector<int> cpus_;
  // A victim alone would pay for waking up a CPU at each operation, and any neighbour would seem to help it.
  std::optional<KeepAwake> awake_;
  std::unique_ptr<RunningProgram> victim_;
  std::unique_ptr<RunningProgram> aggressor_;
  absl::Time next_tick_ = absl::InfinitePast();
};

// What is asked for, in the order of the pairs; an unknown name is an error that lists those there are.
absl::StatusOr<std::vector<LeverPair>> Choose(const LeversOptions& options) {
  TRUCE_ASSIGN_OR_RETURN(std::vector<LeverPair> pairs, ReadLeverPairs(options.pairs));
  std::vector<std::string> names;
  for (const LeverPair& pair : pairs) names.push_back(pair.name);
  for (const std::string& wanted : options.only) {
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      return absl::InvalidArgumentError(
          StrCat("no pair is called ", wanted, "; there are ", absl::StrJoin(names, ", ")));
    }
  }
  if (options.only.empty()) return pairs;
  std::erase_if(pairs, [&](const LeverPair& pair) {
    return std::find(options.only.begin(), options.only.end(), pair.name) == options.only.end();
  });
  return pairs;
}

}  // namespace

absl::StatusOr<std::vector<LeverOutcome>> TryLevers(const LeversOptions& options, ShutdownSignals& signals) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<LeverPair> pairs, Choose(options));
  spdlog::set_level(spdlog::level::warn);  // each write is told by its figures
  TRUCE_ASSIGN_OR_RETURN(const host::CgroupLayout layout, host::CgroupLayout::Detect(options.cgroup_root));
  TRUCE_ASSIGN_OR_RETURN(const host::UniqueFd lock, PrepareWorkDirectory(options.work_directory));
  TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(layout, "truce-levers-"));
  const Means means = FindMeans(options, pairs, layout);
  const absl::Cleanup remove = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(LockDirectory(options), ignored);
  };
  std::vector<LeverOutcome> outcomes;
  for (const LeverPair& pair : pairs) {
    LeverOutcome& outcome = outcomes.emplace_back();
    outcome.pair = pair;
    if (const auto missing = MissingCommands(pair.victim); !missing.empty()) {
      outcome.left_out = StrCat("needs ", absl::StrJoin(missing, ", "));
      continue;
    }
    if (pair.lever == v1::LEVER_CACHE_CLASS && means.resctrl == nullptr) {
      outcome.left_out = std::string(StdView(means.no_resctrl.message()));
      continue;
    }
    const absl::Status status = Bench(options, pair, layout, means, signals).Run(&outcome.rounds);
    if (absl::IsCancelled(status)) return status;
    if (status.ok()) continue;
    outcome.rounds.clear();
    // Unimplemented: the agent has no such lever here.
    std::string& told = absl::IsUnimplemented(status) ? outcome.left_out : outcome.failed;
    told = std::string(StdView(status.message()));
  }
  return outcomes;
}

FigureTable LeverFigures(const std::vector<LeverOutcome>& outcomes) {
  FigureTable table;
  for (const LeverOutcome& outcome : outcomes) {
    if (outcome.rounds.empty()) continue;
    std::vector<double> beside, with_lever, kept, as_before;
    for (const LeverRound& round : outcome.rounds) {
      beside.push_back(round.beside / round.alone);
      with_lever.push_back(round.with_lever / round.alone);
      kept.push_back(round.aggressor_with_lever / round.aggressor_before);
      as_before.push_back(round.as_before ? 1 : 0);
    }
    const std::string& name = outcome.pair.name;
    table.AddSamples(name + ": victim beside the aggressor, against alone", beside, "x");
    table.AddSamples(name + ": with the lever", with_lever, "x", AtMost(Summarize(beside).median));
    table.AddSamples(name + ": aggressor kept", kept, "ratio");
    table.Add({.name = name + ": every file as before after each round",
               .value = *std::min_element(as_before.begin(), as_before.end()),
               .unit = "ratio",
               .spread = std::nullopt,
               .target = AtLeast(1)});
  }
  return table;
}

}  // namespace truce::lab
