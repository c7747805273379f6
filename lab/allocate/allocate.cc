#include "lab/allocate/allocate.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lab/allocate/watched_quota.h"
#include "lab/scene_daemons.h"
#include "src/base/child_process.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/inventory.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {
namespace {

constexpr std::string_view kName = "truce-allocate-";
constexpr const char* kForeseen = "foreseen";
constexpr const char* kReactive = "reactive";
// One thread that computes needs a core, or what of it the host leaves it; a quota of a little less is as good.
constexpr double kEnough = 0.95;
constexpr absl::Duration kLook = absl::Milliseconds(100);
// What a burst's lead must reach, and in which share of bursts.
constexpr absl::Duration kWantedLead = absl::Seconds(5);
constexpr double kWantedShare = 0.8;

// One of the two: its cgroup, its program, and its quota.
struct Subject {
  std::string child;
  std::string workload;
  std::string log_file;
  std::optional<ChildProcess> program;
  std::optional<WatchedQuota> quota;
  std::vector<std::string> controls_before;
};

// When its bursts began, as it wrote itself.
std::vector<absl::Time> BurstsOf(const Subject& subject) {
  std::vector<absl::Time> begins;
  const auto text = host::ReadFile(subject.log_file);
  if (!text.ok()) return begins;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
    double seconds = 0;
    if (absl::SimpleAtod(line, &seconds)) begins.push_back(absl::UnixEpoch() + absl::Seconds(seconds));
  }
  return begins;
}

class Allocation {
 public:
  Allocation(const AllocateOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}

  absl::StatusOr<AllocateOutcome> Run() {
    TRUCE_RETURN_IF_ERROR(SetUp());
    const absl::Status watched = Watch();
    AllocateOutcome outcome;
    if (watched.ok()) {
      outcome.foreseen = Judge(subjects_[0]);
      outcome.reactive = Judge(subjects_[1]);
    }
    if (daemons_ != nullptr) daemons_->Stop();
    for (const Subject& subject : subjects_) {
      const std::vector<std::string> now = cgroups_->SnapshotControls(subject.child);
      for (size_t i = 0; i < now.size(); ++i) {
        if (i >= subject.controls_before.size() || now[i] != subject.controls_before[i]) ++outcome.changed_files;
      }
    }
    const absl::Status cleaned = CleanUp();
    if (!watched.ok()) return watched;
    if (!cleaned.ok()) return cleaned;
    return outcome;
  }
  ~Allocation() { CleanUp().IgnoreError(); }

 private:
  absl::Status SetUp() {
    TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, host::OnlineCpus("/sys"));
    if (online.size() < 2) return absl::FailedPreconditionError("two workloads side by side need two CPUs");
    TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(options_.cgroup_root));
    TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, std::string(kName)));
    const std::string name = StrCat(kName, getpid());
    auto cgroups = host::ScratchCgroups::Create(*layout_, name);
    if (!cgroups.ok()) return WithContext(cgroups.status(), "this needs cgroups of its own (run it as root)");
    cgroups_.emplace(*std::move(cgroups));
    directory_ = StrCat("/tmp/", name, ".XXXXXX");
    if (mkdtemp(directory_.data()) == nullptr) return ErrnoStatus(errno, "making a directory below /tmp");
    for (const char* child : {kForeseen, kReactive}) {
      Subject& subject = subjects_.emplace_back();
      subject.child = child;
      subject.log_file = StrCat(directory_, "/", child, ".log");
      TRUCE_ASSIGN_OR_RETURN(subject.workload, cgroups_->Add(child));
      TRUCE_ASSIGN_OR_RETURN(subject.quota, WatchedQuota::Open(*layout_, subject.workload));
      subject.controls_before = cgroups_->SnapshotControls(child);
    }
    TRUCE_ASSIGN_OR_RETURN(daemons_, StartSceneDaemons({.directory = directory_,
                                                        .binaries = options_.binaries,
                                                        .cgroup_root = options_.cgroup_root,
                                                        .victim = "",
                                                        .aggressor = StrCat(name, "/*"),
                                                        .scores = "evidence"}));
    std::vector<v1::AllocationRule> rules(2);
    for (size_t i = 0; i < rules.size(); ++i) {
      rules[i].set_workload(subjects_[i].workload);
      rules[i].set_least_cores(0.1);
      rules[i].set_most_cores(1.5);
    }
    rules[1].set_reactive(true);
    TRUCE_RETURN_IF_ERROR(daemons_->AddAllocations(rules));
    for (Subject& subject : subjects_) TRUCE_RETURN_IF_ERROR(StartProgram(&subject));
    return absl::OkStatus();
  }

  // Computes for the length of a burst, then sleeps until the period is over; says when each burst begins.
  absl::Status StartProgram(Subject* subject) {
    const double burst = absl::ToDoubleSeconds(options_.burst);
    const double rest = absl::ToDoubleSeconds(options_.period) - burst;
    ChildOptions child;
    child.arguments = {"/bin/sh", "-c",
                       absl::StrFormat("sleep %g; while :; do date +%%s.%%N; timeout %g sh -c 'while :; do :; done'; "
                                       "sleep %g; done",
                                       rest, burst, rest)};
    child.log_file = subject->log_file;
    child.before_exec = [this, name = subject->child] { return cgroups_->Enter(name, 0); };
    TRUCE_ASSIGN_OR_RETURN(subject->program, ChildProcess::Start(child));
    return absl::OkStatus();
  }

  absl::Status Watch() {
    // The last one's period is waited out too, so that all are judged alike.
    const size_t wanted = static_cast<size_t>(options_.learning + options_.bursts) + 1;
    size_t told = 0;
    absl::Time look_at = absl::Now();
    while (true) {
      if (signals_.WaitFor(std::max(absl::ZeroDuration(), look_at - absl::Now()))) {
        return absl::CancelledError("interrupted");
      }
      look_at += kLook;
      for (Subject& subject : subjects_) {
        TRUCE_RETURN_IF_ERROR(subject.quota->Look(absl::Now()));
        if (!subject.program->Running()) return absl::InternalError(StrCat(subject.child, ": its program ended"));
      }
      std::string log;
      if (!daemons_->Healthy(&log)) {
        const auto text = host::ReadFile(log);
        return absl::InternalError(StrCat("a daemon ended; its log says:\n", text.ok() ? *text : log));
      }
      const size_t begun = std::min(BurstsOf(subjects_[0]).size(), BurstsOf(subjects_[1]).size());
      if (begun > told) Tell(told = begun, wanted);
      if (begun >= wanted) return absl::OkStatus();
    }
  }

  void Tell(size_t begun, size_t wanted) {
    std::fprintf(stderr, "burst %zu of %zu", begun, wanted);
    if (begun >= 2) {
      for (const Subject& subject : subjects_) {
        const std::vector<absl::Time> begins = BurstsOf(subject);
        const BurstOutcome last = subject.quota->Of(begins[begun - 2], begins[begun - 1], Need());
        std::fprintf(stderr, "   %s: lead %.1f s, throttled %.2f s", subject.child.c_str(),
                     absl::ToDoubleSeconds(last.lead), absl::ToDoubleSeconds(last.throttled));
      }
    }
    std::fprintf(stderr, "\n");
  }

  // What a burst uses where nothing holds it back: of all bursts the upper half's least.
  double Need() const {
    std::vector<double> used;
    for (const Subject& subject : subjects_) {
      for (const absl::Time begin : BurstsOf(subject)) {
        used.push_back(subject.quota->Used(begin, begin + options_.burst));
      }
    }
    if (used.empty()) return 0;
    std::nth_element(used.begin(), used.begin() + static_cast<ptrdiff_t>(used.size() / 2), used.end());
    return kEnough * used[used.size() / 2];
  }

  std::vector<BurstOutcome> Judge(const Subject& subject) const {
    const std::vector<absl::Time> begins = BurstsOf(subject);
    const double need = Need();
    std::vector<BurstOutcome> outcomes;
    for (size_t i = static_cast<size_t>(options_.learning); i + 1 < begins.size(); ++i) {
      outcomes.push_back(subject.quota->Of(begins[i], begins[i + 1], need));
    }
    return outcomes;
  }

  absl::Status CleanUp() {
    if (daemons_ != nullptr) daemons_->Stop();
    daemons_.reset();
    absl::Status status;
    for (Subject& subject : subjects_) {
      if (cgroups_) status.Update(cgroups_->EndAndDrop(subject.child));
      subject.program.reset();
    }
    subjects_.clear();
    if (cgroups_) status.Update(cgroups_->Remove());
    cgroups_.reset();
    std::error_code error;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
    directory_.clear();
    return status;
  }

  const AllocateOptions options_;
  ShutdownSignals& signals_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::string directory_;
  std::vector<Subject> subjects_;
  std::unique_ptr<SceneDaemons> daemons_;
};

std::vector<double> Seconds(const std::vector<BurstOutcome>& outcomes, absl::Duration BurstOutcome::*which) {
  std::vector<double> seconds;
  for (const BurstOutcome& outcome : outcomes) seconds.push_back(absl::ToDoubleSeconds(outcome.*which));
  return seconds;
}

double ShareInTime(const std::vector<BurstOutcome>& outcomes) {
  const auto in_time = std::count_if(outcomes.begin(), outcomes.end(),
                                     [](const BurstOutcome& outcome) { return outcome.lead >= kWantedLead; });
  return outcomes.empty() ? 0 : static_cast<double>(in_time) / static_cast<double>(outcomes.size());
}

double Sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

}  // namespace

absl::StatusOr<AllocateOutcome> RunAllocation(const AllocateOptions& options, ShutdownSignals& signals) {
  return Allocation(options, signals).Run();
}

FigureTable AllocationFigures(const AllocateOutcome& outcome) {
  FigureTable table;
  table.Add({.name = "raised 5 s before, foreseen",
             .value = ShareInTime(outcome.foreseen),
             .unit = "of bursts",
             .target = AtLeast(kWantedShare)});
  table.Add({.name = "raised 5 s before, reactive", .value = ShareInTime(outcome.reactive), .unit = "of bursts"});
  table.AddSamples("lead, foreseen", Seconds(outcome.foreseen, &BurstOutcome::lead), "s");
  table.AddSamples("lead, reactive", Seconds(outcome.reactive, &BurstOutcome::lead), "s");
  const std::vector<double> foreseen = Seconds(outcome.foreseen, &BurstOutcome::throttled);
  const std::vector<double> reactive = Seconds(outcome.reactive, &BurstOutcome::throttled);
  table.AddSamples("throttled a burst, foreseen", foreseen, "s");
  table.AddSamples("throttled a burst, reactive", reactive, "s");
  if (Sum(reactive) > 0) {
    table.Add({.name = "throttled, foreseen / reactive", .value = Sum(foreseen) / Sum(reactive), .unit = "x"});
  }
  table.Add({.name = "control files not as before",
             .value = static_cast<double>(outcome.changed_files),
             .unit = "",
             .target = AtMost(0)});
  return table;
}

}  // namespace truce::lab
