// CreateCounterService: looks at the host, probes its PMU, calibrates, and builds the service on the kernel.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "src/host/counters_service.h"

namespace truce::host {
namespace {

// The agent keeps control files and directories of its workloads open too.
constexpr double kCounterShareOfDescriptors = 0.5;

std::vector<int> OnlineCpus(const std::string& sysfs) {
  const absl::StatusOr<std::string> text = ReadFile(sysfs + "/devices/system/cpu/online");
  if (text.ok()) {
    absl::StatusOr<std::vector<int>> cpus = ParseCpuList(*text);
    if (cpus.ok() && !cpus->empty()) return *std::move(cpus);
  }
  std::vector<int> cpus(static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))));
  for (size_t i = 0; i < cpus.size(); ++i) cpus[i] = static_cast<int>(i);
  return cpus;
}

int PerfEventParanoid(const std::string& procfs) {
  const absl::StatusOr<std::string> text = ReadFile(procfs + "/sys/kernel/perf_event_paranoid");
  return text.ok() ? static_cast<int>(FirstNumber(*text).value_or(2)) : 2;
}

int DescriptorBudget() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 512;
  const double most = 1 << 20;
  return static_cast<int>(std::min(most, static_cast<double>(limit.rlim_cur)) * kCounterShareOfDescriptors);
}

// Fills in what each level costs here: measured, or assumed when that fails.
void CalibrateCosts(PerfSyscalls* syscalls, const std::string& directory, CounterSetup* setup) {
  if (setup->probe.levels.empty()) return;
  absl::StatusOr<Calibration> calibration = Calibrate(syscalls, setup->probe.levels, directory);
  if (!calibration.ok()) {
    spdlog::warn("calibrating the counters: {}; assuming that they are as dear as on a slow virtual machine",
                 std::string(calibration.status().message()));
    for (const LevelEvents& level : setup->probe.levels) {
      setup->costs.push_back({level.level, static_cast<int>(level.events.size()), AssumedSwitchCost(level.level)});
    }
    return;
  }
  for (const LevelCost& cost : calibration->costs) {
    spdlog::info("a context switch costs {}; counting at level {} adds {} ({} events, {})",
                 absl::FormatDuration(calibration->base_cost), CounterLevelName(cost.level),
                 absl::FormatDuration(cost.switch_cost), cost.events,
                 calibration->with_cgroups ? "measured between two cgroups" : "measured between two tasks");
  }
  setup->costs = std::move(calibration->costs);
  setup->base_cost = calibration->base_cost;
}

}  // namespace

std::string_view CounterLevelName(CounterLevel level) {
  switch (level) {
    case CounterLevel::kFull:
      return "full";
    case CounterLevel::kSmall:
      return "small";
    case CounterLevel::kSoftware:
      return "software";
    case CounterLevel::kOff:
      return "off";
  }
  return "unknown";
}

std::unique_ptr<CounterService> CreateCounterService(const CounterOptions& options) {
  std::unique_ptr<PerfSyscalls> syscalls = LinuxPerfSyscalls();
  CounterSetup setup;
  setup.cpus = OnlineCpus(options.sysfs);
  if (options.enabled) {
    setup.probe =
        ProbePmu(syscalls.get(), EncodeEvent, DetectCpuModel(), setup.cpus.front(), PerfEventParanoid(options.procfs));
    // Without a PMU the reason says it once for all.
    if (setup.probe.pmu_available) {
      for (const std::string& dropped : setup.probe.dropped) spdlog::info("counter not available: {}", dropped);
    } else {
      spdlog::info("no hardware counters: {}; {}", setup.probe.failure.reason, setup.probe.failure.remedy);
    }
    CalibrateCosts(syscalls.get(), options.calibration_directory, &setup);
  } else {
    setup.probe.failure = {"counters are turned off (pmu.enabled is false)", "set pmu.enabled to true"};
  }
  setup.max_descriptors = DescriptorBudget();
  return std::make_unique<GovernedCounters>(options, std::move(setup), std::move(syscalls), &SystemClock());
}

}  // namespace truce::host
