#include "lab/protect/protect.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lab/collect.h"
#include "lab/keep_awake.h"
#include "lab/observer.h"
#include "lab/program.h"
#include "lab/protect/drop_and_regain.h"
#include "lab/protect/windows.h"
#include "lab/running_program.h"
#include "lab/scene_daemons.h"
#include "models/interference/model_file.h"
#include "src/base/figures.h"
#include "src/base/shipped.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/cgroup.h"
#include "src/host/counters.h"
#include "src/host/file.h"
#include "src/host/inventory.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
// So long is waited for an operation that was under way at a bout's end.
constexpr absl::Duration kLongestOperation = absl::Seconds(5);
// What was under way when the aggressor was stopped or let go on is over after this.
constexpr absl::Duration kSettle = absl::Milliseconds(100);
// Seconds of a bout in which what Truce does may stay unseen.
constexpr int kMostUnseen = 3;

class Arena {
 public:
  Arena(const ProtectOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}

  absl::Status Run() {
    TRUCE_RETURN_IF_ERROR(Prepare());
    for (int run = 0; run < options_.runs; ++run) {
      for (const std::string& victim : options_.victims) {
        for (const Policy policy : options_.policies) TRUCE_RETURN_IF_ERROR(RunVictim(run, victim, policy));
      }
    }
    TRUCE_RETURN_IF_ERROR(awake_->Stop());
    return cgroups_->Remove();
  }

 private:
  absl::Status Prepare() {
    const std::string setting = DescribeSetting(options_);
    TRUCE_ASSIGN_OR_RETURN(done_, ReadBouts(options_.output, setting));
    TRUCE_RETURN_IF_ERROR(BeginBouts(options_.output, setting));
    TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(options_.cgroup_root));
    TRUCE_ASSIGN_OR_RETURN(lock_, PrepareWorkDirectory(options_.work_directory));
    TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, "truce-protect-"));
    std::set<std::string> names(options_.victims.begin(), options_.victims.end());
    names.insert(options_.aggressors.begin(), options_.aggressors.end());
    for (const std::string& name : names) {
      TRUCE_ASSIGN_OR_RETURN(Program program, ReadProgram(StrCat(options_.programs, "/", name, ".yaml")));
      if (const auto missing = MissingCommands(program); !missing.empty()) {
        return absl::FailedPreconditionError(StrCat(name, " needs ", absl::StrJoin(missing, ", "), "; apt-get install ",
                                                    absl::StrJoin(program.packages, " ")));
      }
      TRUCE_RETURN_IF_ERROR(SetUp(program, options_.work_directory, signals_));
      programs_[name] = std::move(program);
    }
    name_ = StrCat("truce-protect-", getpid());
    TRUCE_ASSIGN_OR_RETURN(auto cgroups, host::ScratchCgroups::Create(*layout_, name_));
    cgroups_.emplace(std::move(cgroups));
    host::CounterOptions counting;
    counting.enabled = false;
    counters_ = host::CreateCounterService(counting);
    observer_ = std::make_unique<Observer>(options_.procfs, name_, *layout_, SystemClock(), *counters_);
    TRUCE_ASSIGN_OR_RETURN(cpus_, host::OnlineCpus(options_.sysfs));
    TRUCE_ASSIGN_OR_RETURN(auto awake, KeepAwake::Start(*cgroups_, cpus_, options_.work_directory + "/keep-awake.log"));
    awake_.emplace(std::move(awake));
    total_ = options_.runs *
             static_cast<int>(options_.victims.size() * options_.aggressors.size() * options_.policies.size());
    if (!done_.empty()) {
      std::fprintf(stderr, "%s holds %d bouts already; those of them that are asked for are not fought again\n",
                   options_.output.c_str(), static_cast<int>(done_.size()));
    }
    began_ = absl::Now();
    return absl::OkStatus();
  }

  bool Done(int run, Policy policy, const std::string& victim, const std::string& aggressor) const {
    return std::any_of(done_.begin(), done_.end(), [&](const Bout& bout) {
      return bout.run == run && bout.policy == policy && bout.victim == victim && bout.aggressor == aggressor;
    });
  }

  // One victim under one policy, beside each aggressor in turn.
  absl::Status RunVictim(int run, const std::string& victim, Policy policy) {
    std::vector<std::string> left;
    for (const std::string& aggressor : options_.aggressors) {
      if (aggressor != victim && !Done(run, policy, victim, aggressor)) left.push_back(aggressor);
    }
    if (left.empty()) return absl::OkStatus();
    TRUCE_ASSIGN_OR_RETURN(victim_, Start(victim, "victim", Load::kLow));
    std::string directory;
    // Before the daemons, which write there until they end: keys must not stay behind.
    const absl::Cleanup remove = [&directory] {
      std::error_code error;
      if (!directory.empty()) std::filesystem::remove_all(directory, error);
    };
    std::unique_ptr<SceneDaemons> daemons;
    if (IsByTruce(policy)) {
      directory = options_.work_directory + "/daemons";
      std::error_code error;
      std::filesystem::remove_all(directory, error);  // of a lab that was killed
      if (mkdir(directory.c_str(), 0700) != 0) return ErrnoStatus(errno, StrCat("making ", directory));
      TRUCE_ASSIGN_OR_RETURN(daemons,
                             StartSceneDaemons({directory, options_.binaries, options_.cgroup_root, victim_->workload(),
                                                StrCat(name_, "/aggressor-*"), std::string(PolicyName(policy)),
                                                policy != Policy::kEvidence}));
      TRUCE_RETURN_IF_ERROR(Wait(options_.learning, nullptr));
    }
    absl::Status status;
    for (const std::string& aggressor : left) {
      Bout bout;
      bout.run = run;
      bout.policy = policy;
      bout.victim = victim;
      bout.aggressor = aggressor;
      status = Fight(daemons.get(), &bout);
      if (absl::IsAborted(status)) {  // the aggressor ended by itself, or nothing can be measured: no such bout
        std::fprintf(stderr, "left out: %s <- %s: %s\n", victim.c_str(), aggressor.c_str(),
                     std::string(status.message()).c_str());
        aggressor_.reset();
        status = absl::OkStatus();
        continue;
      }
      if (!status.ok()) break;
      status = AppendBout(options_.output, bout);
      if (!status.ok()) break;
      ShowProgress(bout);
    }
    if (daemons != nullptr) daemons->Stop();
    aggressor_.reset();
    const absl::Status stopped = std::exchange(victim_, nullptr)->Stop();
    return status.ok() ? stopped : status;
  }

  absl::StatusOr<std::unique_ptr<RunningProgram>> Start(const std::string& name, const std::string& child, Load load) {
    const RunOptions run{load, cpus_, options_.work_directory, options_.load_tool};
    TRUCE_ASSIGN_OR_RETURN(auto program, RunningProgram::Start(programs_.at(name), run, *cgroups_, child));
    observer_->Expect();
    return program;
  }

  absl::Status Fight(SceneDaemons* daemons, Bout* bout) {
    DropAndRegain regulator(static_cast<double>(cpus_.size()));
    TRUCE_RETURN_IF_ERROR(Wait(options_.alone, [&] {
      if (const auto sample = observer_->Observe(*victim_)) regulator.LearnAlone(sample->readings);
      return absl::OkStatus();
    }));
    const absl::Time onset = absl::Now();
    const double alone_before = Pace(victim_->meter(), onset - options_.alone + kSecond, onset);
    if (std::isnan(alone_before)) return TooSlow(*bout);
    const std::string child = StrCat("aggressor-", ++next_child_);
    TRUCE_ASSIGN_OR_RETURN(aggressor_, Start(bout->aggressor, child, Load::kHigh));
    if (bout->policy == Policy::kLeastWeight) TRUCE_RETURN_IF_ERROR(cgroups_->SetLeastCpuWeight(child));
    std::set<std::string> leases;
    int unseen = 0;
    // Once the aggressor is stopped and let go on, what is done about it may be the lab's doing.
    bool counts = true;
    const auto each_second = [&]() -> absl::Status {
      if (bout->policy == Policy::kDropAndRegain && !aggressor_->paused()) {
        if (const auto sample = observer_->Observe(*victim_)) {
          TRUCE_RETURN_IF_ERROR(cgroups_->SetCpuQuota(child, regulator.Regulate(sample->readings)));
          if (counts) bout->actions += regulator.dropped();
        }
      }
      if (daemons == nullptr) return absl::OkStatus();
      TRUCE_RETURN_IF_ERROR(Alive(*daemons));
      // A controller that is starved for a moment is asked again the next second.
      const auto view = daemons->Look(victim_->workload());
      if (!view.ok() || !view->agent_connected) return ++unseen <= kMostUnseen ? absl::OkStatus() : Unseen(*bout);
      for (const v1::ActionStatus& action : view->actions) {
        const bool applied = action.state() == v1::ACTION_STATE_APPLIED;
        if (counts && applied && action.action().workload() == aggressor_->workload())
          leases.insert(action.action().lease_id());
      }
      return absl::OkStatus();
    };
    const bool acts = IsByTruce(bout->policy) || bout->policy == Policy::kDropAndRegain;
    TRUCE_RETURN_IF_ERROR(Wait(acts ? options_.taking_hold : options_.at_once, each_second));
    const absl::Time held = absl::Now();
    counts = false;
    std::vector<BoutWindow> alone, together;
    for (int round = 0; round < options_.rounds; ++round) {
      TRUCE_RETURN_IF_ERROR(aggressor_->SetPaused(true));
      TRUCE_RETURN_IF_ERROR(Turn(options_.stopped, each_second, &alone));
      TRUCE_RETURN_IF_ERROR(aggressor_->SetPaused(false));
      TRUCE_RETURN_IF_ERROR(Turn(options_.beside, each_second, &together));
    }
    // What was under way ends; the aggressor may be slow.
    const absl::Time end = absl::Now();
    do {
      TRUCE_RETURN_IF_ERROR(Wait(kSecond, nullptr));
    } while (aggressor_->meter().last_end() < end && absl::Now() < end + kLongestOperation);
    bout->actions += static_cast<int>(leases.size());
    const auto alone_pace = Over(victim_->meter(), alone, &Meter::Done).SecondsPerOperation();
    if (!alone_pace) return TooSlow(*bout);
    bout->alone_pace = *alone_pace;
    // Nothing at all in that time: it stood still for as long.
    bout->pace = Over(victim_->meter(), together, &Meter::Done).SecondsPerOperation().value_or(Seconds(together));
    bout->aggressor_rate = Over(aggressor_->meter(), together, &Meter::Between).operations / Seconds(together);
    std::vector<BoutWindow> windows;
    for (absl::Time at = onset; at + kSecond <= held; at += kSecond)
      windows.push_back({at, at + kSecond, alone_before});
    for (BoutWindow window : together) {
      window.alone_pace = bout->alone_pace;
      windows.push_back(window);
    }
    bout->seconds_to_protect = SecondsToProtect(victim_->meter(), onset, windows);
    return std::exchange(aggressor_, nullptr)->Stop();
  }

  // What happens without them is none of their doing.
  static absl::Status Alive(SceneDaemons& daemons) {
    std::string log;
    if (daemons.Healthy(&log)) return absl::OkStatus();
    const auto text = host::ReadFile(log);
    constexpr size_t kLastWords = 1000;
    return absl::UnavailableError(
        StrCat("a daemon ended by itself; its log ends with:\n",
               text.ok() ? text->substr(text->size() - std::min(text->size(), kLastWords)) : "(nothing)"));
  }

  static absl::Status Unseen(const Bout& bout) {
    return absl::AbortedError(StrCat("beside ", bout.aggressor, " the controller or the agent's connection to it was ",
                                     "gone for more than ", kMostUnseen, " seconds"));
  }

  static absl::Status TooSlow(const Bout& bout) {
    return absl::AbortedError(
        StrCat(bout.victim, " finished nothing while it was alone: its operations are too long to be measured here"));
  }

  // Goes on for so long and adds that to the windows.
  absl::Status Turn(absl::Duration duration, const std::function<absl::Status()>& second,
                    std::vector<BoutWindow>* windows) {
    const absl::Time begin = absl::Now() + kSettle;
    TRUCE_RETURN_IF_ERROR(Wait(duration, second));
    windows->push_back({begin, absl::Now()});
    return absl::OkStatus();
  }

  // Goes on for so long and calls `second` once a second. Cancelled after a signal; FailedPrecondition when a program
  // ends by itself.
  absl::Status Wait(absl::Duration duration, const std::function<absl::Status()>& second) {
    const absl::Time end = absl::Now() + duration;
    absl::Time next = absl::Now() + kSecond;
    while (absl::Now() < end) {
      if (signals_.WaitFor(kPoll)) return absl::CancelledError("interrupted");
      TRUCE_RETURN_IF_ERROR(awake_->Check());
      if (victim_ != nullptr) TRUCE_RETURN_IF_ERROR(victim_->Poll());
      if (aggressor_ != nullptr) {
        if (const absl::Status alive = aggressor_->Poll(); !alive.ok()) return absl::AbortedError(alive.message());
      }
      if (absl::Now() < next) continue;
      next += kSecond;
      observer_->Tick();
      if (second != nullptr) TRUCE_RETURN_IF_ERROR(second());
    }
    return absl::OkStatus();
  }

  void ShowProgress(const Bout& bout) {
    done_.push_back(bout);
    ++fought_;
    const int left = total_ - static_cast<int>(done_.size());
    const absl::Duration rest = (absl::Now() - began_) / fought_ * std::max(0, left);
    std::fprintf(stderr, "[%d of %d, %s left] %s <- %s, %s: %.2f x alone\n", static_cast<int>(done_.size()), total_,
                 absl::FormatDuration(absl::Trunc(rest, kSecond)).c_str(), bout.victim.c_str(), bout.aggressor.c_str(),
                 std::string(PolicyName(bout.policy)).c_str(), bout.pace / bout.alone_pace);
  }

  const ProtectOptions options_;
  ShutdownSignals& signals_;
  host::UniqueFd lock_;
  std::string name_;
  std::vector<Bout> done_;
  std::map<std::string, Program> programs_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::unique_ptr<host::CounterService> counters_;
  std::unique_ptr<Observer> observer_;
  std::vector<int> cpus_;
  std::optional<KeepAwake> awake_;
  std::unique_ptr<RunningProgram> victim_;
  std::unique_ptr<RunningProgram> aggressor_;
  absl::Time began_;
  int next_child_ = 0;
  int fought_ = 0;
  int total_ = 0;
};

}  // namespace

std::string DescribeSetting(const ProtectOptions& options) {
  const auto model = host::ReadFile(ShippedPath("models/interference.truce"));
  return StrCat(DescribeMachine(options.procfs), "; Truce " TRUCE_VERSION, "; ",
                model.ok() ? StrCat("model ", ModelDigest(*model).substr(0, 12)) : "no model");
}

absl::Status Protect(const ProtectOptions& options, ShutdownSignals& signals) {
  return Arena(options, signals).Run();
}

}  // namespace truce::lab
