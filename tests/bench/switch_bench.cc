// truce-bench switch. The three ways of counting take turns within each repeat, so that whatever else the machine does
// meets all of them, and each repeat gives one ratio of its own.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"
#include "src/host/cgroup.h"
#include "src/host/counters_calibration.h"
#include "src/host/counters_service.h"
#include "tests/bench/bench.h"

namespace truce::bench {
namespace {

using host::CgroupPair;
using host::SwitchPair;

// The governor is asked ten times a second instead of once, so that a window of seconds spans its duty cycle; the duty
// is the same.
constexpr absl::Duration kGovernEvery = absl::Milliseconds(100);
// The kernel goes on doing work at each switch for a second after the last event was closed.
constexpr absl::Duration kAfterglow = absl::Milliseconds(1200);
constexpr double kAffordableRatio = 0.01;

// Half the width of a box plot's notch, about a 95 % interval of a median (McGill, Tukey and Larsen 1978).
double MedianUncertainty(const Summary& summary, size_t samples) {
  return 1.57 * summary.spread.value_or(0) / std::sqrt(static_cast<double>(samples));
}

// What the repeats measured.
struct Samples {
  std::vector<double> without_us, always_on_us, governed_us;
  std::vector<double> always_on_ratio, governed_ratio;
  std::vector<double> on_ratio;
};

// The parts of one run, in the order in which they must go away: events, children, cgroups.
struct Scene {
  std::unique_ptr<CgroupPair> cgroups;
  std::unique_ptr<SwitchPair> pair;
  std::unique_ptr<host::PerfSyscalls> syscalls;
  host::CounterSetup setup;
  int cpu = 0;
};

std::string PerfTree(const host::CgroupLayout& layout) {
  std::optional<size_t> tree = layout.hierarchy_of(host::Controller::kPerfEvent);
  if (!tree.has_value()) tree = layout.hierarchy_of(host::Controller::kUnified);
  if (!tree.has_value()) return "";
  return absl::StrCat(layout.root(), "/", layout.hierarchies()[*tree].directory);
}

absl::StatusOr<Scene> SetUp(const Surroundings& surroundings) {
  Scene scene;
  TRUCE_ASSIGN_OR_RETURN(const host::CgroupLayout layout, host::CgroupLayout::Detect(surroundings.cgroup_root));
  const std::string tree = PerfTree(layout);
  if (tree.empty()) return absl::FailedPreconditionError("no cgroup tree here can be counted by perf events");
  scene.syscalls = host::LinuxPerfSyscalls();
  TRUCE_ASSIGN_OR_RETURN(scene.cpu, host::CalibrationCpu());
  scene.setup.probe =
      host::ProbePmu(scene.syscalls.get(), host::EncodeEvent, host::DetectCpuModel(), scene.cpu, /*paranoid=*/2);
  if (scene.setup.probe.levels.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("nothing can be counted here: ", scene.setup.probe.failure.reason,
                                                      "; ", scene.setup.probe.failure.remedy));
  }
  TRUCE_ASSIGN_OR_RETURN(host::Calibration calibration,
                         host::Calibrate(scene.syscalls.get(), scene.setup.probe.levels, tree));
  scene.setup.costs = std::move(calibration.costs);
  scene.setup.base_cost = calibration.base_cost;
  for (int cpu = 0; cpu <= scene.cpu; ++cpu) scene.setup.cpus.push_back(cpu);
  TRUCE_ASSIGN_OR_RETURN(scene.cgroups, CgroupPair::Create(tree));
  TRUCE_ASSIGN_OR_RETURN(scene.pair, SwitchPair::Start(scene.cpu));
  TRUCE_RETURN_IF_ERROR(scene.cgroups->Join(*scene.pair));
  return scene;
}

absl::StatusOr<double> Microseconds(absl::StatusOr<absl::Duration> cost) {
  if (!cost.ok()) return cost.status();
  return absl::ToDoubleMicroseconds(*cost);
}

// Both cgroups counted on all CPUs at the dearest level, all the time: what a profiler without a governor does.
absl::StatusOr<double> MeasureAlwaysOn(const Scene& scene, absl::Duration window) {
  std::vector<host::PerfGroup> groups;
  const std::vector<host::PerfEvent> events = EventsOf(scene.setup.probe.levels.front());
  for (const int fd : {scene.cgroups->first_fd(), scene.cgroups->second_fd()}) {
    for (const int cpu : scene.setup.cpus) {
      TRUCE_ASSIGN_OR_RETURN(host::PerfGroup group, host::PerfGroup::Open(scene.syscalls.get(), events,
                                                                          {host::PerfTarget::Kind::kCgroup, fd}, cpu));
      TRUCE_RETURN_IF_ERROR(group.SetEnabled(true));
      groups.push_back(std::move(group));
    }
  }
  return Microseconds(scene.pair->MeasureFor(window));
}

// The agent's own service counts both cgroups for `window`, from its first look on.
absl::StatusOr<double> MeasureGoverned(const Scene& scene, const SwitchBenchOptions& options,
                                       const Surroundings& surroundings, Samples* samples, std::string* state) {
  host::CounterOptions counter_options;
  counter_options.budget_ratio = options.budget_ratio;
  host::GovernedCounters service(counter_options, scene.setup, host::LinuxPerfSyscalls(), surroundings.clock);
  TRUCE_RETURN_IF_ERROR(service.Track(1, scene.cgroups->first_fd()));
  TRUCE_RETURN_IF_ERROR(service.Track(2, scene.cgroups->second_fd()));
  // The first look only learns the switch rate.
  service.Govern(surroundings.clock->Monotonic());
  if (!SleepUnlessStopped(surroundings, kGovernEvery)) return absl::CancelledError("interrupted");
  TRUCE_ASSIGN_OR_RETURN(const SwitchPair::Mark begin, scene.pair->Now());
  const int rounds = static_cast<int>(options.governed_window / kGovernEvery);
  int on = 0;
  for (int round = 0; round < rounds; ++round) {
    service.Govern(surroundings.clock->Monotonic());
    service.Read(1);
    service.Read(2);
    on += service.counting() ? 1 : 0;
    if (!SleepUnlessStopped(surroundings, kGovernEvery)) return absl::CancelledError("interrupted");
  }
  samples->on_ratio.push_back(static_cast<double>(on) / rounds);
  const host::CounterStatus status = service.status();
  *state = absl::StrFormat("governor: level %s, duty %.3f, %.0f switches/s",
                           std::string(CounterLevelName(status.level)), status.duty_ratio, status.switches_per_second);
  TRUCE_ASSIGN_OR_RETURN(const SwitchPair::Mark end, scene.pair->Now());
  return Microseconds(host::CostBetween(begin, end));
}

// One repeat. The measurement without counters surrounds the others, so a drift of the machine cancels.
absl::Status MeasureOnce(const Scene& scene, const SwitchBenchOptions& options, const Surroundings& surroundings,
                         Samples* samples, std::string* state) {
  const absl::Duration half = options.governed_window / 2;
  TRUCE_ASSIGN_OR_RETURN(const double before, Microseconds(scene.pair->MeasureFor(half)));
  TRUCE_ASSIGN_OR_RETURN(const double governed, MeasureGoverned(scene, options, surroundings, samples, state));
  if (!SleepUnlessStopped(surroundings, kAfterglow)) return absl::CancelledError("interrupted");
  TRUCE_ASSIGN_OR_RETURN(const double after, Microseconds(scene.pair->MeasureFor(half)));
  TRUCE_ASSIGN_OR_RETURN(const double always_on, MeasureAlwaysOn(scene, options.window));
  if (!SleepUnlessStopped(surroundings, kAfterglow)) return absl::CancelledError("interrupted");
  const double without = (before + after) / 2;
  samples->without_us.push_back(without);
  samples->governed_us.push_back(governed);
  samples->always_on_us.push_back(always_on);
  samples->governed_ratio.push_back(governed / without - 1);
  samples->always_on_ratio.push_back(always_on / after - 1);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchResult> RunSwitchBench(const SwitchBenchOptions& options, const Surroundings& surroundings) {
  TRUCE_ASSIGN_OR_RETURN(const Scene scene, SetUp(surroundings));
  Samples samples;
  std::string state;
  Progress progress(surroundings.messages, surroundings.clock, options.repeats);
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    progress.Step("switching between two cgroups");
    TRUCE_RETURN_IF_ERROR(MeasureOnce(scene, options, surroundings, &samples, &state));
    if (surroundings.stop->load()) return absl::CancelledError("interrupted");
  }
  BenchResult result;
  const host::LevelEvents& dearest = scene.setup.probe.levels.front();
  result.notes.push_back(absl::StrCat(options.repeats, " repeats; ", absl::FormatDuration(options.governed_window),
                                      " with the governor and without counters, ", absl::FormatDuration(options.window),
                                      " always on; CPU time per switch, both processes on CPU ", scene.cpu));
  result.notes.push_back(absl::StrCat("always on counts level ", std::string(CounterLevelName(dearest.level)), " (",
                                      dearest.events.size(), " events); ", state));
  if (!scene.setup.probe.pmu_available) {
    result.notes.push_back(
        absl::StrCat("no hardware counters, software events instead: ", scene.setup.probe.failure.reason));
  }
  const Summary governed = Summarize(samples.governed_ratio);
  result.notes.push_back(
      absl::StrFormat("the median cost with the governor is known to +-%.4f; a verdict within that is luck",
                      MedianUncertainty(governed, samples.governed_ratio.size())));
  FigureTable& table = result.table;
  table.AddSamples("switch without Truce", samples.without_us, "us");
  table.AddSamples("switch, counters always on", samples.always_on_us, "us");
  table.AddSamples("switch, governor on", samples.governed_us, "us");
  table.AddSamples("counters always on, cost", samples.always_on_ratio, "ratio");
  table.AddSamples("governor on, cost", samples.governed_ratio, "ratio", AtMost(kAffordableRatio));
  // Less noisy than the measurement above, but blind to what the governor costs while counters are off.
  table.Add({"governor on, cost estimated from time counted",
             Summarize(samples.on_ratio).median * Summarize(samples.always_on_ratio).median, "ratio"});
  table.AddSamples("governor on, share of time counted", samples.on_ratio, "ratio");
  return result;
}

}  // namespace truce::bench
