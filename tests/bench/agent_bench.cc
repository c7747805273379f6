// truce-bench agent: CPU, memory, threads and descriptors of an agent that watches 10, 100, 1000 cgroups.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"
#include "tests/bench/agent_process.h"
#include "tests/bench/bench.h"
#include "tests/bench/crowd.h"

namespace truce::bench {
namespace {

// One measurement is this many slices, whose spread is shown. A slice is a multiple of the score interval.
constexpr int kSlices = 4;
// Looks at what the agent watches in each slice: a dip of a few seconds must not go unseen, and a look costs the agent.
constexpr int kLooks = 2;
constexpr double kMegabyte = 1e6;

std::string AgentSettings(const Surroundings& surroundings, const Crowd& crowd, int workloads, bool pmu) {
  return absl::StrFormat(
      "paths:\n  cgroup: %s\n"
      "controller:\n  enabled: false\n"
      "pmu:\n  enabled: %s\n"
      "discovery:\n  most_workloads: %d\n"
      "  rules:\n    - match: %s/w*\n      kind: custom\n      class: best_effort\n",
      surroundings.cgroup_root, pmu ? "true" : "false", workloads + 10, crowd.name());
}

struct Measured {
  std::vector<double> cores;  // CPU seconds per second, one per slice
  int fewest_watched = 0;     // workloads that the agent watched, at the worst moment
  ProcessCost last;
};

// One slice; false when stopped.
absl::StatusOr<bool> LiveThroughSlice(const AgentProcess& agent, const AgentBenchOptions& options,
                                      const Surroundings& surroundings, Measured* measured) {
  for (int look = 0; look < kLooks; ++look) {
    if (!SleepUnlessStopped(surroundings, options.window / (kSlices * kLooks))) return false;
    TRUCE_ASSIGN_OR_RETURN(const int watched, agent.WatchedWorkloads());
    measured->fewest_watched = std::min(measured->fewest_watched, watched);
  }
  return true;
}

absl::StatusOr<Measured> Measure(AgentProcess& agent, const AgentBenchOptions& options,
                                 const Surroundings& surroundings) {
  if (!SleepUnlessStopped(surroundings, options.warm_up)) return absl::CancelledError("interrupted");
  Measured measured;
  TRUCE_ASSIGN_OR_RETURN(measured.last, agent.Cost());
  TRUCE_ASSIGN_OR_RETURN(measured.fewest_watched, agent.WatchedWorkloads());
  absl::Duration at = surroundings.clock->Monotonic();
  for (int slice = 0; slice < kSlices; ++slice) {
    const absl::StatusOr<bool> lived = LiveThroughSlice(agent, options, surroundings, &measured);
    if (lived.ok() && !*lived) return absl::CancelledError("interrupted");
    TRUCE_ASSIGN_OR_RETURN(const ProcessCost cost, agent.Cost());  // says it best when the agent has died
    if (!lived.ok()) return lived.status();
    const absl::Duration now = surroundings.clock->Monotonic();
    measured.cores.push_back(absl::FDivDuration(cost.cpu_time - measured.last.cpu_time, now - at));
    measured.last = cost;
    at = now;
  }
  return measured;
}

// What an agent costs that does not watch its workloads says nothing: then its figures are not numbers, and miss.
void AddFigures(const Measured& measured, int workloads, const std::string& pmu, BenchResult* result) {
  const std::string where = absl::StrCat(" at ", workloads, ", PMU ", pmu);
  const bool watching = measured.fewest_watched >= workloads;
  if (!watching) {
    result->notes.push_back(absl::StrCat("the agent watched only ", measured.fewest_watched, " of ", workloads,
                                         " workloads at its worst, PMU ", pmu, ": its cost is not a number"));
  }
  // design.md section 7.
  std::optional<Target> cpu_target, rss_target;
  if (workloads == 100) {
    cpu_target = AtMost(0.01);
    rss_target = AtMost(220);
  } else if (workloads == 1000) {
    cpu_target = AtMost(0.08);
  }
  FigureTable& table = result->table;
  table.Add({absl::StrCat("workloads watched", where), static_cast<double>(measured.fewest_watched), "workloads",
             std::nullopt, AtLeast(workloads)});
  table.AddSamples(absl::StrCat("agent CPU", where), watching ? measured.cores : std::vector<double>(), "cores",
                   cpu_target);
  const double rss = watching ? measured.last.rss_bytes / kMegabyte : std::nan("");
  table.Add({absl::StrCat("agent RSS", where), rss, "MB", std::nullopt, rss_target});
  table.Add({absl::StrCat("agent threads", where), static_cast<double>(measured.last.threads), "threads"});
  table.Add({absl::StrCat("agent descriptors", where), static_cast<double>(measured.last.descriptors), "fds"});
}

}  // namespace

absl::StatusOr<BenchResult> RunAgentBench(const AgentBenchOptions& options, const Surroundings& surroundings) {
  BenchResult result;
  result.notes.push_back(absl::StrCat("each figure after ", absl::FormatDuration(options.warm_up), " of warm-up, over ",
                                      absl::FormatDuration(options.window), " in ", kSlices,
                                      " slices; sample every 1 s, scores every 5 s, no controller"));
  std::map<std::pair<std::string, int>, double> cores;
  Progress progress(surroundings.messages, surroundings.clock,
                    static_cast<int>(options.workloads.size() * options.pmu.size()));
  for (const int workloads : options.workloads) {
    TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<Crowd> crowd, Crowd::Gather(workloads, surroundings));
    for (const std::string& pmu : options.pmu) {
      progress.Step(absl::StrCat(workloads, " workloads, PMU ", pmu));
      TRUCE_ASSIGN_OR_RETURN(
          const std::unique_ptr<AgentProcess> agent,
          AgentProcess::Start(options.agent, AgentSettings(surroundings, *crowd, workloads, pmu == "on")));
      TRUCE_ASSIGN_OR_RETURN(const Measured measured, Measure(*agent, options, surroundings));
      AddFigures(measured, workloads, pmu, &result);
      const bool watching = measured.fewest_watched >= workloads;
      cores[{pmu, workloads}] = watching ? Summarize(measured.cores).median : std::nan("");
    }
  }
  for (const std::string& pmu : options.pmu) {
    if (!cores.contains({pmu, 100}) || !cores.contains({pmu, 1000})) continue;
    const double growth = (cores[{pmu, 1000}] / 1000) / (cores[{pmu, 100}] / 100);
    result.table.Add(
        {absl::StrCat("cost per workload, 1000 against 100, PMU ", pmu), growth, "ratio", std::nullopt, AtMost(1.3)});
  }
  return result;
}

}  // namespace truce::bench
