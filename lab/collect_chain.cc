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
// Meetings in a row before everybody starts afresh.
constexpr size_t kStretch = 12;
// A program that failed so often is left out.
constexpr int kMostFailures = 2;

// What a program did in the seconds that count, and the standard error of its mean time per operation over them, as a
// share of it (0 when there are too few).
DatasetMember MemberOf(const Life& life, const std::vector<Window::Second>& counting) {
  DatasetMember member;
  member.life = life.record.id;
  std::vector<double> seconds;
  for (const Window::Second& second : counting) {
    const Performance done = life.program->meter().Between(second.end - kSecond, second.end);
    member.operations += done.operations;
    member.busy_seconds += done.busy_seconds;
    if (const auto one = done.SecondsPerOperation()) seconds.push_back(*one);
  }
  if (seconds.size() < 2) return member;
  double mean = 0;
  for (const double one : seconds) mean += one / static_cast<double>(seconds.size());
  double variance = 0;
  for (const double one : seconds) variance += (one - mean) * (one - mean) / static_cast<double>(seconds.size() - 1);
  if (mean > 0) member.spread_ratio = std::sqrt(variance / static_cast<double>(seconds.size())) / mean;
  return member;
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
  const std::vector<Window::Second> counting = window.Counting();
  const auto count = static_cast<double>(std::max<size_t>(1, counting.size()));
  segment.seconds = static_cast<double>(counting.size());
  for (const Window::Second& second : counting) {
    segment.steal_ratio += second.steal / count;
    segment.other_cores += (second.busy_cores - second.member_cores) / count;
  }
  segment.other_cores = std::max(0.0, segment.other_cores);
  for (const Life* life : members) segment.members.push_back(MemberOf(*life, counting));
  return dataset_->Add(segment).status();
}

absl::StatusOr<Life*> Collector::Meet(Life* current, const Meeting& meeting) {
  TRUCE_ASSIGN_OR_RETURN(const Window alone, Measure(options_.alone));
  TRUCE_ASSIGN_OR_RETURN(Life* const newcomer, Start(meeting.newcomer));
  TRUCE_RETURN_IF_ERROR(Keep(alone, {current}));
  TRUCE_ASSIGN_OR_RETURN(const Window together, Measure(options_.together));
  TRUCE_RETURN_IF_ERROR(WaitForLastOperations(together.end));
  TRUCE_RETURN_IF_ERROR(Keep(together, {current, newcomer}));
  if (meeting.guest) {
    TRUCE_ASSIGN_OR_RETURN(Life* const guest, Start(*meeting.guest));
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

absl::Status Collector::RunChain(const Stretch& stretch) {
  TRUCE_ASSIGN_OR_RETURN(Life* current, Start(stretch.first));
  for (const Meeting& meeting : stretch.meetings) {
    TRUCE_ASSIGN_OR_RETURN(current, Meet(current, meeting));
  }
  TRUCE_ASSIGN_OR_RETURN(const Window alone, Measure(options_.alone));
  TRUCE_RETURN_IF_ERROR(WaitForLastOperations(alone.end));
  TRUCE_RETURN_IF_ERROR(Keep(alone, {current}));
  return Finish(current);
}

absl::Status Collector::RunChains() {
  while (Over().ok()) {
    if (chain_->usable() < 2) {
      return absl::FailedPreconditionError(
          StrCat("fewer than two programs are left: ", absl::StrJoin(result_.left_out, "; ")));
    }
    const Stretch stretch = chain_->Draw(kStretch, options_.triple_ratio);
    // Twice the same, some minutes apart: what differs is noise.
    const int runs = chain_->Decide(options_.repeat_ratio) ? 2 : 1;
    for (int run = 0; run < runs; ++run) {
      const absl::Status status = RunChain(stretch);
      if (absl::IsCancelled(status)) return absl::OkStatus();
      if (!status.ok() && !absl::IsAborted(status)) return status;
      // A program that ended by itself in the middle ends the stretch; everybody starts afresh.
      TRUCE_RETURN_IF_ERROR(FinishAll());
      if (!status.ok()) break;
    }
  }
  return absl::OkStatus();
}

}  // namespace truce::lab
