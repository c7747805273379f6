#include "src/host/counters_events.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace truce::host {
namespace {

constexpr double kCacheLineBytes = 64;

// AMD's generic cache-references and cache-misses count the L2, so its rows build both from the sources of data-cache
// fills. Zen 2 can only tell the source of demand fills: prefetched lines are missing there.
// Intel's generic pair is LONGEST_LAT_CACHE, which is the last level; its offcore events add who supplied the line.
#define TRUCE_ZEN2_FILLS "amd64_fam17h_zen2::DATA_CACHE_REFILLS_FROM_SYSTEM:"
#define TRUCE_ZEN3_FILLS "amd64_fam19h_zen3::ANY_DATA_CACHE_FILLS_FROM_SYSTEM:"
#define TRUCE_ZEN4_FILLS "amd64_fam19h_zen4::ANY_DATA_CACHE_FILLS_FROM_SYSTEM:"
constexpr CpuModelEvents kModels[] = {
    {"amd64_fam17h_zen2",
     TRUCE_ZEN2_FILLS "LS_MABRESP_LCL_CACHE:LS_MABRESP_LCL_DRAM:LS_MABRESP_RMT_CACHE:LS_MABRESP_RMT_DRAM",
     TRUCE_ZEN2_FILLS "LS_MABRESP_LCL_DRAM:LS_MABRESP_RMT_CACHE:LS_MABRESP_RMT_DRAM",
     TRUCE_ZEN2_FILLS "LS_MABRESP_LCL_DRAM:LS_MABRESP_RMT_DRAM"},
    {"amd64_fam19h_zen3", TRUCE_ZEN3_FILLS "INT_CACHE:EXT_CACHE_LCL:MEM_IO_LCL:EXT_CACHE_RMT:MEM_IO_RMT",
     TRUCE_ZEN3_FILLS "EXT_CACHE_LCL:MEM_IO_LCL:EXT_CACHE_RMT:MEM_IO_RMT", TRUCE_ZEN3_FILLS "MEM_IO_LCL:MEM_IO_RMT"},
    {"amd64_fam19h_zen4",
     TRUCE_ZEN4_FILLS "LOCAL_CCX:NEAR_CACHE_NEAR_FAR:DRAM_IO_NEAR:FAR_CACHE_NEAR_FAR:DRAM_IO_FAR:ALT_MEM_NEAR_FAR",
     TRUCE_ZEN4_FILLS "NEAR_CACHE_NEAR_FAR:DRAM_IO_NEAR:FAR_CACHE_NEAR_FAR:DRAM_IO_FAR:ALT_MEM_NEAR_FAR",
     TRUCE_ZEN4_FILLS "DRAM_IO_NEAR:DRAM_IO_FAR"},
    {"hsw_ep", nullptr, nullptr, "hsw_ep::OFFCORE_RESPONSE_0:ANY_DATA:L3_MISS"},
    {"bdw_ep", nullptr, nullptr, "bdw_ep::OFFCORE_RESPONSE_0:ANY_DATA:L3_MISS"},
    {"skx", nullptr, nullptr, "skx::OFFCORE_RESPONSE_0:ANY_DATA:L3_MISS"},
    {"clx", nullptr, nullptr, "clx::OFFCORE_RESPONSE_0:ANY_DATA:L3_MISS"},
    {"icx", nullptr, nullptr, "icx::OCR:READS_TO_CORE_DRAM"},
    {"spr", nullptr, nullptr, "spr::OCR:READS_TO_CORE_DRAM"},
    {"arm_n1", "arm_n1::LL_CACHE_RD", "arm_n1::LL_CACHE_MISS_RD", nullptr},
    {"arm_n2", "arm_n2::LL_CACHE_RD", "arm_n2::LL_CACHE_MISS_RD", nullptr},
    {"arm_v1", "arm_v1::LL_CACHE_RD", "arm_v1::LL_CACHE_MISS_RD", nullptr},
    {"arm_v2", "arm_v2::LL_CACHE_RD", "arm_v2::LL_CACHE_MISS_RD", nullptr},
};
#undef TRUCE_ZEN2_FILLS
#undef TRUCE_ZEN3_FILLS
#undef TRUCE_ZEN4_FILLS

// One reading and the names to try for it, best first.
struct Wanted {
  CounterRole role;
  std::vector<const char*> names;
  double unit = 1;
};

std::vector<Wanted> WantedHardware(const CpuModelEvents* model) {
  std::vector<Wanted> wanted = {{CounterRole::kCycles, {"perf::CYCLES"}},
                                {CounterRole::kInstructions, {"perf::INSTRUCTIONS"}}};
  Wanted references{CounterRole::kLlcReferences, {"perf::CACHE-REFERENCES"}};
  Wanted misses{CounterRole::kLlcMisses, {"perf::CACHE-MISSES"}};
  if (model != nullptr) {
    if (model->llc_references != nullptr) references.names.insert(references.names.begin(), model->llc_references);
    if (model->llc_misses != nullptr) misses.names.insert(misses.names.begin(), model->llc_misses);
  }
  wanted.push_back(std::move(references));
  wanted.push_back(std::move(misses));
  if (model != nullptr && model->dram_fills != nullptr) {
    wanted.push_back({CounterRole::kDramFills, {model->dram_fills}, kCacheLineBytes});
  }
  return wanted;
}

// Grows one group event by event and remembers which the kernel took. Closes all when it goes.
class ProbeGroup {
 public:
  ProbeGroup(PerfSyscalls* syscalls, int cpu) : syscalls_(syscalls), cpu_(cpu) {}
  ProbeGroup(const ProbeGroup&) = delete;
  ProbeGroup& operator=(const ProbeGroup&) = delete;
  ~ProbeGroup() {
    while (!fds_.empty()) {
      syscalls_->Close(fds_.back());
      fds_.pop_back();
    }
  }
  // 0 or an errno value.
  int Add(const PerfEvent& event) {
    const int fd = syscalls_->Open(event, PerfTarget{}, cpu_, fds_.empty() ? -1 : fds_.front());
    if (fd < 0) return -fd;
    fds_.push_back(fd);
    return 0;
  }

 private:
  PerfSyscalls* syscalls_;
  int cpu_;
  std::vector<int> fds_;
};

// The events of `wanted` that open together in one group. *first_error is the errno of the first one that did not.
std::vector<CounterEvent> ProbeEvents(PerfSyscalls* syscalls, const EventEncoder& encode,
                                      const std::vector<Wanted>& wanted, int cpu, std::vector<std::string>* dropped,
                                      int* first_error) {
  ProbeGroup group(syscalls, cpu);
  std::vector<CounterEvent> taken;
  for (const Wanted& want : wanted) {
    for (const char* name : want.names) {
      absl::StatusOr<PerfEvent> event = encode(name);
      if (!event.ok()) {
        dropped->push_back(std::string(event.status().message()));
        continue;
      }
      const int error = group.Add(*event);
      if (error == 0) {
        taken.push_back({want.role, *std::move(event), want.unit});
        break;
      }
      if (*first_error == 0) *first_error = error;
      dropped->push_back(std::string(ErrnoStatus(error, name).message()));
    }
  }
  return taken;
}

}  // namespace

std::vector<PerfEvent> EventsOf(const LevelEvents& level) {
  std::vector<PerfEvent> events;
  events.reserve(level.events.size());
  for (const CounterEvent& event : level.events) events.push_back(event.event);
  return events;
}

absl::Span<const CpuModelEvents> CpuModelTable() {
  return kModels;
}

const CpuModelEvents* FindCpuModel(std::string_view pmu) {
  for (const CpuModelEvents& model : kModels) {
    if (pmu == model.pmu) return &model;
  }
  return nullptr;
}

PerfFailure ExplainPerfFailure(int error, int paranoid) {
  switch (error) {
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
      return {"the hypervisor exposes no PMU, or the kernel has no driver for this CPU's",
              "run on bare metal, or give the virtual machine a virtual PMU (libvirt: <pmu state='on'/>); until then "
              "Truce counts software events and relies on cgroup statistics"};
    case EACCES:
    case EPERM:
      // 3 and more are Debian's and Ubuntu's own: CAP_SYS_ADMIN or nothing. Upstream ends at 2.
      return {
          absl::StrCat("the kernel refused to count CPU-wide events (kernel.perf_event_paranoid is ", paranoid, ")"),
          paranoid > 2 ? "set kernel.perf_event_paranoid to 2 (deploy/systemd/truce.sysctl) and grant the agent "
                         "CAP_PERFMON; beyond 2 this kernel lets nobody count without CAP_SYS_ADMIN"
                       : "grant the agent CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8), or set "
                         "kernel.perf_event_paranoid to 0 or less"};
    case ENOSYS:
      return {"the kernel has no perf events, or a system call filter hides them",
              "use a kernel with CONFIG_PERF_EVENTS, and allow perf_event_open in the agent's sandbox"};
    case EMFILE:
    case ENFILE:
      return {"the process ran out of file descriptors", "raise LimitNOFILE= of the agent's unit"};
    case EBUSY:
      return {"another program holds the PMU for itself",
              "stop the program that pins counters (a profiler, for example)"};
    default:
      return {std::string(ErrnoStatus(error, "perf_event_open").message()),
              "look for perf messages in the kernel's log"};
  }
}

PmuProbe ProbePmu(PerfSyscalls* syscalls, const EventEncoder& encode, std::string_view model, int cpu, int paranoid) {
  PmuProbe probe;
  probe.model = model;
  int hardware_error = 0;
  std::vector<CounterEvent> full =
      ProbeEvents(syscalls, encode, WantedHardware(FindCpuModel(model)), cpu, &probe.dropped, &hardware_error);
  if (!full.empty()) {
    std::vector<CounterEvent> small;
    for (const CounterEvent& event : full) {
      if (event.role == CounterRole::kCycles || event.role == CounterRole::kInstructions) small.push_back(event);
    }
    const bool has_small = !small.empty() && small.size() < full.size();
    probe.levels.push_back({CounterLevel::kFull, std::move(full)});
    if (has_small) probe.levels.push_back({CounterLevel::kSmall, std::move(small)});
    probe.pmu_available = true;
  } else {
    probe.failure = ExplainPerfFailure(hardware_error == 0 ? ENOENT : hardware_error, paranoid);
  }
  int software_error = 0;
  std::vector<CounterEvent> software =
      ProbeEvents(syscalls, encode, {{CounterRole::kContextSwitches, {"perf::CONTEXT-SWITCHES"}}}, cpu, &probe.dropped,
                  &software_error);
  if (!software.empty()) probe.levels.push_back({CounterLevel::kSoftware, std::move(software)});
  return probe;
}

}  // namespace truce::host
