#include "lab/allocate/allocate.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lab/allocate/watched_quota.h"
#include "lab/twins.h"
#include "src/base/status.h"
#include "src/host/file.h"
#include "src/host/inventory.h"

namespace truce::lab {
namespace {

// One thread that computes needs a core, or what of it the host leaves it; a quota of a little less is as good.
constexpr double kEnough = 0.95;
constexpr absl::Duration kLook = absl::Milliseconds(100);
// What a burst's lead must reach, and in which share of bursts.
constexpr absl::Duration kWantedLead = absl::Seconds(5);
constexpr double kWantedShare = 0.8;

// When a program's bursts began, as it wrote itself.
std::vector<absl::Time> BurstsIn(const std::string& log_file) {
  std::vector<absl::Time> begins;
  const auto text = host::ReadFile(log_file);
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
    TRUCE_RETURN_IF_ERROR(Watch());
    AllocateOutcome outcome{.foreseen = Judge(0), .reactive = Judge(1)};
    TRUCE_ASSIGN_OR_RETURN(outcome.changed_files, twins_->Finish());
    return outcome;
  }

 private:
  absl::Status SetUp() {
    TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, host::OnlineCpus("/sys"));
    if (online.size() < 2) return absl::FailedPreconditionError("two workloads side by side need two CPUs");
    TRUCE_ASSIGN_OR_RETURN(twins_, Twins::Create({.prefix = "truce-allocate-",
                                                  .binaries = options_.binaries,
                                                  .cgroup_root = options_.cgroup_root,
                                                  .names = {"foreseen", "reactive"}}));
    std::vector<v1::AllocationRule> rules(2);
    for (size_t i = 0; i < rules.size(); ++i) {
      TRUCE_ASSIGN_OR_RETURN(WatchedQuota quota, WatchedQuota::Open(twins_->layout(), twins_->workload(i)));
      quotas_.push_back(std::move(quota));
      rules[i].set_workload(twins_->workload(i));
      rules[i].set_least_cores(0.1);
      rules[i].set_most_cores(1.5);
    }
    rules[1].set_reactive(true);
    TRUCE_RETURN_IF_ERROR(twins_->daemons().AddAllocations(rules));
    // Computes for the length of a burst, then sleeps until the period is over; says when each burst begins.
    const double burst = absl::ToDoubleSeconds(options_.burst);
    const double rest = absl::ToDoubleSeconds(options_.period) - burst;
    const std::string script =
        absl::StrFormat("sleep %g; while :; do date +%%s.%%N; timeout %g sh -c 'while :; do :; done'; sleep %g; done",
                        rest, burst, rest);
    for (size_t i = 0; i < rules.size(); ++i) TRUCE_RETURN_IF_ERROR(twins_->Start(i, script));
    return absl::OkStatus();
  }

  std::vector<absl::Time> BurstsOf(size_t which) const { return BurstsIn(twins_->log_file(which)); }

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
      for (WatchedQuota& quota : quotas_) TRUCE_RETURN_IF_ERROR(quota.Look(absl::Now()));
      TRUCE_RETURN_IF_ERROR(twins_->Check());
      const size_t begun = std::min(BurstsOf(0).size(), BurstsOf(1).size());
      if (begun > told) Tell(told = begun, wanted);
      if (begun >= wanted) return absl::OkStatus();
    }
  }

  void Tell(size_t begun, size_t wanted) {
    std::fprintf(stderr, "burst %zu of %zu", begun, wanted);
    for (size_t i = 0; i < quotas_.size() && begun >= 2; ++i) {
      const std::vector<absl::Time> begins = BurstsOf(i);
      const BurstOutcome last = quotas_[i].Of(begins[begun - 2], begins[begun - 1], Need());
      std::fprintf(stderr, "   %s: lead %.1f s, throttled %.2f s", twins_->name(i).c_str(),
                   absl::ToDoubleSeconds(last.lead), absl::ToDoubleSeconds(last.throttled));
    }
    std::fprintf(stderr, "\n");
  }

  // What a burst uses where nothing holds it back: of all bursts the upper half's least.
  double Need() const {
    std::vector<double> used;
    for (size_t i = 0; i < quotas_.size(); ++i) {
      for (const absl::Time begin : BurstsOf(i)) used.push_back(quotas_[i].Used(begin, begin + options_.burst));
    }
    if (used.empty()) return 0;
    std::nth_element(used.begin(), used.begin() + static_cast<ptrdiff_t>(used.size() / 2), used.end());
    return kEnough * used[used.size() / 2];
  }

  std::vector<BurstOutcome> Judge(size_t which) const {
    const std::vector<absl::Time> begins = BurstsOf(which);
    const double need = Need();
    std::vector<BurstOutcome> outcomes;
    for (size_t i = static_cast<size_t>(options_.learning); i + 1 < begins.size(); ++i) {
      outcomes.push_back(quotas_[which].Of(begins[i], begins[i + 1], need));
    }
    return outcomes;
  }

  const AllocateOptions options_;
  ShutdownSignals& signals_;
  std::unique_ptr<Twins> twins_;
  std::vector<WatchedQuota> quotas_;
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
