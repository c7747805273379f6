// Who meets whom, and what is kept of it. See collector.h.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lab/collector.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);
// A program that failed so often is left out.
constexpr int kMostFailures = 2;

// Standard error of the mean time per operation over the window's seconds, as a share of it; 0 when there are too few.
double SpreadRatio(const Meter& meter, const Window& window) {
  std::vector<double> seconds;
  for (absl::Time begin = window.begin; begin + kSecond <= window.end; begin += kSecond) {
    if (const auto one = meter.Between(begin, begin + kSecond).SecondsPerOperation()) seconds.push_back(*one);
  }
  if (seconds.size() < 2) return 0;
  double mean = 0;
  for (const double one : seconds) mean += one / static_cast<double>(seconds.size());
  double variance = 0;
  for (const double one : seconds) variance += (one - mean) * (one - mean) / static_cast<double>(seconds.size() - 1);
  return mean > 0 ? std::sqrt(variance / static_cast<double>(seconds.size())) / mean : 0;
}

}  // namespace

absl::Status Collector::Over() {
  if (signals_.WaitFor(absl::ZeroDuration())) return absl::CancelledError("interrupted");
  if (absl::Now() >= end_) return absl::CancelledError("the budget is used up");
  return absl::OkStatus();
}

void Collector::Fail(size_t program, const absl::Status& why) {
  const std::string reason(StdView(why.message()));
  std::fprintf(stderr, "\n%s\n", reason.c_str());
  if (++failures_[program] < kMostFailures) return;
  result_.left_out.push_back(StrCat(programs_[program].name, ": ", reason));
  chain_->Exclude(program);
}
absl::Status Collector::Keep(const Window& window, const std::vector<Life*>& members) {
  DatasetSegment segment;
  segment.begin = UnixSeconds(window.begin);
  segment.end = UnixSeconds(window.end);
  const double ticks = std::max(1, window.ticks);
  segment.steal_ratio = window.steal / ticks;
  segment.other_cores = std::max(0.0, (window.busy_cores - window.member_cores) / ticks);
  for (const Life* life : members) {
    const Performance done = life->program->meter().Between(window.begin, window.end);
    segment.members.push_back(
        {life->record.id, done.operations, done.busy_seconds, SpreadRatio(life->program->meter(), window)});
  }
  return dataset_->Add(segment).status();
}

absl::StatusOr<Life*> Collector::Meet(Life* current) {
  TRUCE_ASSIGN_OR_RETURN(const Window alone, Measure(options_.alone));
  const Setting next = chain_->Next(current->setting);
  TRUCE_ASSIGN_OR_RETURN(Life* const newcomer, Start(next));
  TRUCE_RETURN_IF_ERROR(Keep(alone, {current}));
  TRUCE_ASSIGN_OR_RETURN(const Window together, Measure(options_.together));
  TRUCE_RETURN_IF_ERROR(WaitForLastOperations(together.end));
  TRUCE_RETURN_IF_ERROR(Keep(together, {current, newcomer}));
  if (chain_->usable() > 2 && chain_->Draw(options_.triple_ratio)) {
    TRUCE_ASSIGN_OR_RETURN(Life* const guest, Start(chain_->Guest(current->setting, next)));
    TRUCE_ASSIGN_OR_RETURN(const Window three, Measure(options_.together));
    TRUCE_RETURN_IF_ERROR(WaitForLastOperations(three.end));
    TRUCE_RETURN_IF_ERROR(Keep(three, {current, newcomer, guest}));
    TRUCE_RETURN_IF_ERROR(Finish(guest));
    ++result_.triples;
  }
  TRUCE_RETURN_IF_ERROR(Finish(current));
  ++result_.meetings;
  // What the one that left had dirtied settles.
  TRUCE_RETURN_IF_ERROR(Wait(options_.settle, nullptr));
  return newcomer;
}

absl::Status Collector::RunChain() {
  Life* current = nullptr;
  while (Over().ok()) {
    if (chain_->usable() < 2) {
      return absl::FailedPreconditionError(
          StrCat("fewer than two programs are left: ", absl::StrJoin(result_.left_out, "; ")));
    }
    const absl::StatusOr<Life*> next = current == nullptr ? Start(chain_->First()) : Meet(current);
    if (next.ok()) {
      current = *next;
      continue;
    }
    if (absl::IsCancelled(next.status())) break;
    if (!absl::IsAborted(next.status())) return next.status();
    // A program ended by itself in the middle; everybody starts afresh.
    TRUCE_RETURN_IF_ERROR(FinishAll());
    current = nullptr;
  }
  return absl::OkStatus();
}

}  // namespace truce::lab
