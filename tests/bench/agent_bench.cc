// truce-bench agent: CPU, memory, threads and descriptors of an agent that watches 10, 100, 1000 cgroups.
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
constexpr double kMegabyte = 1e6;

std::string AgentSettings(const Surroundings& surroundings, const Crowd& crowd, int workloads, bool pmu) {
  return absl::StrFormat(
      "paths:\n  cgroup: %s\n"
      "controller:\n  enabled: false\n"
      "metrics:\n  listen: 127.0.0.1:0\n"
      "pmu:\n  enabled: %s\n"
      "discovery:\n  most_workloads: %d\n"
      "  rules:\n    - match: %s/w*\n      kind: custom\n      class: best_effort\n",
      surroundings.cgroup_root, pmu ? "true" : "false", workloads + 10, crowd.name());
}

struct Measured {
  std::vector<double> cores;  // CPU seconds per second, one per slice
  ProcessCost last;
};

absl::StatusOr<Measured> Measure(AgentProcess& agent, const AgentBenchOptions& options,
                                 const Surroundings& surroundings) {
  if (!SleepUnlessStopped(surroundings, options.warm_up)) return absl::CancelledError("interrupted");
  Measured measured;
  TRUCE_ASSIGN_OR_RETURN(measured.last, agent.Cost());
  absl::Duration at = surroundings.clock->Monotonic();
  for (int slice = 0; slice < kSlices; ++slice) {
    if (!SleepUnlessStopped(surroundings, options.window / kSlices)) return absl::CancelledError("interrupted");
    TRUCE_ASSIGN_OR_RETURN(const ProcessCost cost, agent.Cost());
    const absl::Duration now = surroundings.clock->Monotonic();
    measured.cores.push_back(absl::FDivDuration(cost.cpu_time - measured.last.cpu_time, now - at));
    measured.last = cost;
    at = now;
  }
  return measured;
}

void AddFigures(const Measured& measured, int workloads, const std::string& pmu, FigureTable* table) {
  const std::string where = absl::StrCat(" at ", workloads, ", PMU ", pmu);
  // design.md section 7.
  std::optional<Target> cpu_target, rss_target;
  if (workloads == 100) {
    cpu_target = AtMost(0.01);
    rss_target = AtMost(220);
  } else if (workloads == 1000) {
    cpu_target = AtMost(0.08);
  }
  table->AddSamples(absl::StrCat("agent CPU", where), measured.cores, "cores", cpu_target);
  table->Add({absl::StrCat("agent RSS", where), measured.last.rss_bytes / kMegabyte, "MB", std::nullopt, rss_target});
  table->Add({absl::StrCat("agent threads", where), static_cast<double>(measured.last.threads), "threads"});
  table->Add({absl::StrCat("agent descriptors", where), static_cast<double>(measured.last.descriptors), "fds"});
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
      AddFigures(measured, workloads, pmu, &result.table);
      cores[{pmu, workloads}] = Summarize(measured.cores).median;
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
