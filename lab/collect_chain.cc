// Who meets whom, and what is kept of it. See collector.h.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lab/collector.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kSecond = absl::Seconds(1);
// Operations that a window has room for, and seconds beyond which it does not grow for them.
constexpr double kOperationsPerWindow = 5;
constexpr double kReportsPerWindow = 3;
constexpr int kLongestWindow = 4;
// A meeting that is not quiet lasts at most so many times as long.
constexpr int kLongestMeeting = 3;
// Meetings in a row before everybody starts afresh.
constexpr size_t kStretch = 12;
// A program that failed so often is left out.
constexpr int kMostFailures = 2;

// What a program did in the seconds that count, and the standard error of its mean time per operation over them, as a
// share of it (0 when there are too few).
DatasetMember MemberOf(const Life& life, const std::vector<Window::Second>& quiet) {
  DatasetMember member;
  member.life = life.record.id;
  std::vector<double> seconds;
  for (size_t i = 0; i < quiet.size();) {
    size_t last = i;
    while (last + 1 < quiet.size() && quiet[last + 1].end - quiet[last].end < 1.5 * kSecond) ++last;
    const Performance done = life.program->meter().Done(quiet[i].end - kSecond, quiet[last].end);
    member.operations += done.operations;
    member.busy_seconds += done.busy_seconds;
    for (; i <= last; ++i) {
      const Performance one = life.program->meter().Between(quiet[i].end - kSecond, quiet[i].end);
      if (const auto pace = one.SecondsPerOperation()) seconds.push_back(*pace);
    }
  }
  if (seconds.size() < 2) return member;
  double mean = 0;
  for (const double one : seconds) mean += one / static_cast<double>(seconds.size());
  double variance = 0;
  for (const double one : seconds) variance += (one - mean) * (one - mean) / static_cast<double>(seconds.size() - 1);
  if (mean > 0) member.spread_ratio = std::sqrt(variance / static_cast<double>(seconds.size())) / mean;
  return member;
}

// How long windows must be for a few of its operations to lie wholly within, in seconds.
int WindowFor(const Life* life) {
  const absl::Time now = absl::Now();
  const auto seconds = life->program->meter().Between(now - absl::Seconds(5), now).SecondsPerOperation();
  // The first report after a pause says nothing.
  const double reports = kReportsPerWindow * absl::ToDoubleSeconds(life->program->meter().longest_report());
  const double needed = std::max(kOperationsPerWindow * seconds.value_or(0), reports);
  return std::clamp(static_cast<int>(std::ceil(needed)), 1, kLongestWindow);
}

}  // namespace

absl::Status Collector::Over() {
  if (signals_.WaitFor(absl::ZeroDuration())) return absl::CancelledError("interrupted");
  const bool enough = options_.most_meetings > 0 && result_.meetings >= options_.most_meetings;
  if (enough) return absl::CancelledError("enough meetings");
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
absl::Status Collector::Keep(const Window& window, int64_t meeting) {
  const std::vector<Window::Second> quiet = window.Quiet(options_);
  if (quiet.empty()) return absl::OkStatus();
  DatasetSegment segment;
  segment.meeting = meeting;
  segment.begin = UnixSeconds(window.begin);
  segment.end = UnixSeconds(window.end);
  const auto count = static_cast<double>(quiet.size());
  segment.seconds = count;
  for (const Window::Second& second : quiet) {
    segment.steal_ratio += second.steal / count;
    segment.other_cores += std::max(0.0, second.busy_cores - second.member_cores) / count;
  }
  for (const Life* life : window.members) segment.members.push_back(MemberOf(*life, quiet));
  return dataset_->Add(segment).status();
}

absl::Status Collector::RunRounds(const std::vector<Life*>& members) {
  std::vector<Window> windows;
  // The least that anybody was alone.
  const auto alone_seconds = [&] {
    size_t least = std::numeric_limits<size_t>::max();
    for (const Life* life : members) {
      size_t seconds = 0;
      for (const Window& window : windows) {
        if (window.members.size() == 1 && window.members[0] == life) seconds += window.Quiet(options_).size();
      }
      least = std::min(least, seconds);
    }
    return least;
  };
  int length = 1;
  for (const Life* life : members) length = std::max(length, WindowFor(life));
  const int rounds = std::max(2, options_.seconds / length);
  const auto wanted = static_cast<size_t>(options_.seconds);
  TRUCE_RETURN_IF_ERROR(WaitForTick(nullptr));
  for (int round = 0; round < rounds * kLongestMeeting; ++round) {
    if (round >= rounds && 4 * alone_seconds() >= 3 * wanted) break;
    for (Life* life : members) {
      TRUCE_ASSIGN_OR_RETURN(Window alone, Measure({life}, length));
      windows.push_back(std::move(alone));
      TRUCE_ASSIGN_OR_RETURN(Window together, Measure(members, length));
      windows.push_back(std::move(together));
    }
  }
  TRUCE_RETURN_IF_ERROR(WaitForLastOperations(windows.back().end));
  TRUCE_ASSIGN_OR_RETURN(const int64_t meeting, dataset_->NewMeeting());
  for (const Window& window : windows) TRUCE_RETURN_IF_ERROR(Keep(window, meeting));
  return absl::OkStatus();
}

absl::StatusOr<Life*> Collector::Meet(Life* current, const Meeting& meeting) {
  TRUCE_ASSIGN_OR_RETURN(Life* const newcomer, Start(meeting.newcomer));
  TRUCE_RETURN_IF_ERROR(RunRounds({current, newcomer}));
  if (meeting.guest) {
    TRUCE_ASSIGN_OR_RETURN(Life* const guest, Start(*meeting.guest));
    TRUCE_RETURN_IF_ERROR(RunRounds({current, newcomer, guest}));
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
  TRUCE_ASSIGN_OR_RETURN(Life * current, Start(stretch.first));
  for (const Meeting& meeting : stretch.meetings) {
    TRUCE_ASSIGN_OR_RETURN(current, Meet(current, meeting));
  }
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
