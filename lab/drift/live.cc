#include "lab/drift/live.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/time/clock.h"
#include "lab/twins.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kChanged = 0;
constexpr size_t kUnchanged = 1;
constexpr absl::Duration kWanted = absl::Seconds(60);

// Packs random bytes; once `flag` is there, starts many small programs and writes to the disk instead. In both ways it
// rests in between.
std::string Script(const std::string& flag, const std::string& scratch) {
  return StrCat("while :; do if [ -e ", flag, " ]; then i=0; while [ $i -lt 40 ]; do /bin/true; i=$((i+1)); done; ",
                "dd if=/dev/zero of=", scratch, " bs=64k count=16 conv=fsync 2>/dev/null; sleep 0.05; ",
                "else head -c 3000000 /dev/urandom | gzip -1 >/dev/null; sleep 0.1; fi; done");
}

absl::Time TimeOf(const v1::Event& event) {
  return absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(event.occurred_at()));
}

class LiveDrift {
 public:
  LiveDrift(const LiveDriftOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}

  absl::StatusOr<LiveDriftOutcome> Run() {
    TRUCE_ASSIGN_OR_RETURN(twins_, Twins::Create({.prefix = "truce-drift-",
                                                  .binaries = options_.binaries,
                                                  .cgroup_root = options_.cgroup_root,
                                                  .names = {"changing", "steady"}}));
    const std::string flag = twins_->directory() + "/changed";
    TRUCE_RETURN_IF_ERROR(twins_->Start(kChanged, Script(flag, twins_->directory() + "/scratch")));
    TRUCE_RETURN_IF_ERROR(twins_->Start(kUnchanged, Script(flag + "-never", twins_->directory() + "/scratch-2")));
    std::fprintf(stderr, "both do the same for %s\n", absl::FormatDuration(options_.learning).c_str());
    TRUCE_RETURN_IF_ERROR(Wait(options_.learning));
    const absl::Time changed_at = absl::Now();
    if (!std::ofstream(flag)) return absl::UnavailableError(StrCat("writing ", flag, ": is the disk full?"));
    std::fprintf(stderr, "one does something else now; both are watched for %s\n",
                 absl::FormatDuration(options_.unchanged).c_str());
    TRUCE_RETURN_IF_ERROR(Wait(options_.unchanged));
    TRUCE_ASSIGN_OR_RETURN(LiveDriftOutcome outcome, Judge(changed_at));
    TRUCE_RETURN_IF_ERROR(twins_->Finish().status());
    return outcome;
  }

 private:
  absl::Status Wait(absl::Duration length) {
    const absl::Time end = absl::Now() + length;
    while (absl::Now() < end) {
      if (signals_.WaitFor(std::min(absl::Seconds(1), end - absl::Now()))) return absl::CancelledError("interrupted");
      TRUCE_RETURN_IF_ERROR(twins_->Check());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<LiveDriftOutcome> Judge(absl::Time changed_at) {
    LiveDriftOutcome outcome;
    TRUCE_ASSIGN_OR_RETURN(const std::vector<v1::Event> of_changed,
                           twins_->daemons().Events(twins_->workload(kChanged), {"drift"}));
    for (const v1::Event& event : of_changed) {
      if (TimeOf(event) < changed_at) {
        outcome.false_alarms.push_back(event.message());
      } else if (!outcome.reported_after) {
        outcome.reported_after = TimeOf(event) - changed_at;
        outcome.message = event.message();
      }
    }
    TRUCE_ASSIGN_OR_RETURN(const std::vector<v1::Event> of_unchanged,
                           twins_->daemons().Events(twins_->workload(kUnchanged), {"drift"}));
    for (const v1::Event& event : of_unchanged) outcome.false_alarms.push_back(event.message());
    return outcome;
  }

  const LiveDriftOptions options_;
  ShutdownSignals& signals_;
  std::unique_ptr<Twins> twins_;
};

}  // namespace

absl::StatusOr<LiveDriftOutcome> RunLiveDrift(const LiveDriftOptions& options, ShutdownSignals& signals) {
  return LiveDrift(options, signals).Run();
}

FigureTable LiveDriftFigures(const LiveDriftOutcome& outcome) {
  FigureTable table;
  table.Add({.name = "change reported after",
             .value = absl::ToDoubleSeconds(outcome.reported_after.value_or(absl::InfiniteDuration())),
             .unit = "s",
             .target = AtMost(absl::ToDoubleSeconds(kWanted))});
  table.Add({.name = "drifts reported without a change",
             .value = static_cast<double>(outcome.false_alarms.size()),
             .unit = "",
             .target = AtMost(0)});
  return table;
}

}  // namespace truce::lab
