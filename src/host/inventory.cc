#include "src/host/inventory.h"

#include <dirent.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>

#include <map>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

std::string ReadTrimmed(const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return "";
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  return *text;
}

std::vector<std::string> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Numbers things by their lists of CPUs: every CPU of a list gets the same number, in order of first CPU.
class DomainNumbers {
 public:
  uint32_t NumberOf(const std::string& cpu_list) {
    return numbers_.try_emplace(cpu_list, static_cast<uint32_t>(numbers_.size())).first->second;
  }

 private:
  std::map<std::string, uint32_t> numbers_;
};

std::string LastLevelCacheCpus(const std::string& cpu_directory) {
  int deepest = 0;
  std::string cpus;
  for (const std::string& index : ListDirectory(cpu_directory + "/cache")) {
    const std::string directory = StrCat(cpu_directory, "/cache/", index);
    int level = 0;
    if (!absl::SimpleAtoi(ReadTrimmed(directory + "/level"), &level) || level <= deepest) continue;
    if (ReadTrimmed(directory + "/type") == "Instruction") continue;
    deepest = level;
    cpus = ReadTrimmed(directory + "/shared_cpu_list");
  }
  return cpus;
}

void AddCpus(const std::string& sysfs, const std::vector<int>& online, v1::HostInventory& inventory) {
  DomainNumbers cores;
  DomainNumbers caches;
  for (int id : online) {
    const std::string directory = StrCat(sysfs, "/devices/system/cpu/cpu", id);
    v1::Cpu& cpu = *inventory.add_cpus();
    cpu.set_id(static_cast<uint32_t>(id));
    std::string siblings = ReadTrimmed(directory + "/topology/thread_siblings_list");
    if (siblings.empty()) siblings = StrCat(id);
    cpu.set_core(cores.NumberOf(siblings));
    std::string cache = LastLevelCacheCpus(directory);
    if (cache.empty()) cache = "package " + ReadTrimmed(directory + "/topology/physical_package_id");
    cpu.set_llc(caches.NumberOf(cache));
    for (const std::string& name : ListDirectory(directory)) {
      uint32_t node = 0;
      if (name.starts_with("node") && absl::SimpleAtoi(name.substr(4), &node)) cpu.set_numa_node(node);
    }
  }
}

// Without the files of nodes the host is one piece.
void AddNumaNodes(const std::string& sysfs, v1::HostInventory& inventory) {
  const std::string directory = sysfs + "/devices/system/node";
  for (const std::string& name : ListDirectory(directory)) {
    uint32_t id = 0;
    if (!name.starts_with("node") || !absl::SimpleAtoi(name.substr(4), &id)) continue;
    // "Node 0 MemTotal:       24606440 kB"
    ForEachLine(ReadTrimmed(StrCat(directory, "/", name, "/meminfo")), [&](std::string_view line) {
      for (int word = 0; word < 2; ++word) NextWord(&line);
      if (NextWord(&line) != "MemTotal:") return;
      const auto kibibytes = FirstNumber(NextWord(&line));
      if (!kibibytes) return;
      v1::NumaNode& node = *inventory.add_numa_nodes();
      node.set_id(id);
      node.set_memory_bytes(static_cast<uint64_t>(*kibibytes) * 1024);
    });
  }
}

void AddDisks(const std::string& sysfs, v1::HostInventory& inventory) {
  for (const std::string& name : ListDirectory(sysfs + "/block")) {
    if (std::optional<v1::Disk> disk = DescribeDisk(sysfs, name)) *inventory.add_disks() = *std::move(disk);
  }
}

void AddNetwork(const std::string& sysfs, v1::HostInventory& inventory) {
  for (const std::string& name : ListDirectory(sysfs + "/class/net")) {
    if (name == "lo" || name == "bonding_masters") continue;
    v1::NetworkInterface& network = *inventory.add_network_interfaces();
    network.set_name(name);
    struct stat device {};
    network.set_physical(stat(StrCat(sysfs, "/class/net/", name, "/device").c_str(), &device) == 0);
    int64_t megabits = 0;
    if (absl::SimpleAtoi(ReadTrimmed(StrCat(sysfs, "/class/net/", name, "/speed")), &megabits) && megabits > 0) {
      network.set_speed_bits_per_second(static_cast<uint64_t>(megabits) * 1'000'000);
    }
  }
}

void AddMissing(v1::HostInventory& inventory, std::string name, std::string reason, std::string remedy) {
  v1::MissingCapability& missing = *inventory.add_missing();
  missing.set_name(std::move(name));
  missing.set_reason(std::move(reason));
  missing.set_remedy(std::move(remedy));
}

void FindMissing(const InventoryOptions& options, const CgroupLayout& layout, const CounterStatus& counters,
                 v1::HostInventory& inventory) {
  if (!counters.pmu_available) AddMissing(inventory, "pmu", counters.missing_reason, counters.missing_remedy);
  struct stat status {};
  const auto unified = layout.hierarchy_of(Controller::kUnified);
  const std::string unified_root =
      unified ? StrCat(layout.root(), "/", layout.hierarchies()[*unified].directory) : std::string();
  if (!unified) {
    AddMissing(inventory, "psi", "there is no cgroup2 tree, so pressure per workload does not exist",
               "boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 beside the v1 trees");
  } else if (stat((options.procfs + "/pressure/cpu").c_str(), &status) != 0) {
    AddMissing(inventory, "psi", "the kernel keeps no pressure stall information", "boot with psi=1");
  }
  const struct {
    Controller controller;
    const char* used_for;
  } kWanted[] = {
      {Controller::kCpu, "CPU quota and throttling"},
      {Controller::kCpuset, "CPU pinning"},
      {Controller::kMemory, "memory readings"},
      {Controller::kIo, "disk readings"},
  };
  for (const auto& wanted : kWanted) {
    if (layout.hierarchy_of(wanted.controller)) continue;
    const std::string name(ControllerName(wanted.controller));
    AddMissing(
        inventory, name, StrCat("no cgroup tree has the ", name, " controller, so there is no ", wanted.used_for),
        StrCat("enable it: echo +", name, " > ", layout.root(), "/cgroup.subtree_control, or mount its v1 tree"));
  }
  if (stat((options.procfs + "/self/schedstat").c_str(), &status) != 0) {
    AddMissing(inventory, "schedstat", "the kernel keeps no scheduler statistics per thread",
               "use a kernel with CONFIG_SCHED_INFO; PSI serves instead where it is there");
  }
}

}  // namespace

std::optional<v1::Disk> DescribeDisk(const std::string& sysfs, const std::string& name) {
  if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram")) return std::nullopt;
  // A name with a slash is there with an exclamation mark.
  const std::string directory = StrCat(sysfs, "/block/", absl::StrReplaceAll(name, {{"/", "!"}}));
  uint64_t sectors = 0;
  if (!absl::SimpleAtoi(ReadTrimmed(directory + "/size"), &sectors) || sectors == 0) return std::nullopt;
  v1::Disk disk;
  disk.set_name(name);
  disk.set_device(ReadTrimmed(directory + "/dev"));
  disk.set_rotational(ReadTrimmed(directory + "/queue/rotational") == "1");
  disk.set_size_bytes(sectors * 512);  // sysfs counts in sectors of 512 bytes whatever the device's are
  return disk;
}

absl::StatusOr<std::vector<int>> OnlineCpus(const std::string& sysfs) {
  const std::string path = sysfs + "/devices/system/cpu/online";
  auto text = ReadFile(path);
  if (!text.ok()) {
    return absl::FailedPreconditionError(
        StrCat("reading the list of CPUs: ", text.status().message(), "; give --path.sysfs"));
  }
  auto cpus = ParseCpuList(*text);
  if (!cpus.ok()) return WithContext(cpus.status(), path);
  if (cpus->empty()) return absl::FailedPreconditionError(path + " lists no CPU");
  return cpus;
}

absl::StatusOr<std::string> PossibleCpus() {
  constexpr char kPath[] = "/sys/devices/system/cpu/possible";
  std::string text = ReadTrimmed(kPath);
  if (text.empty()) return absl::FailedPreconditionError(StrCat(kPath, " does not say which CPUs there can be"));
  return text;
}

absl::StatusOr<v1::HostInventory> TakeInventory(const InventoryOptions& options, const CgroupLayout& layout,
                                                const CounterStatus& counters) {
  v1::HostInventory inventory;
  TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, OnlineCpus(options.sysfs));
  inventory.set_host(options.host);
  inventory.set_agent_version(options.agent_version);
  inventory.set_kernel_release(ReadTrimmed(options.procfs + "/sys/kernel/osrelease"));
  inventory.set_boot_id(ReadTrimmed(options.procfs + "/sys/kernel/random/boot_id"));
  inventory.set_fault_domain(options.fault_domain);
  AddCpus(options.sysfs, online, inventory);
  AddNumaNodes(options.sysfs, inventory);
  AddDisks(options.sysfs, inventory);
  AddNetwork(options.sysfs, inventory);
  inventory.set_cgroup_layout(layout.kind());
  if (auto cpuinfo = ReadFile(options.procfs + "/cpuinfo"); cpuinfo.ok()) {
    ForEachLine(*cpuinfo, [&inventory](std::string_view line) {
      if (!inventory.cpu_model().empty() || !line.starts_with("model name")) return;
      const size_t colon = line.find(':');
      if (colon != std::string_view::npos && colon + 2 <= line.size())
        inventory.set_cpu_model(std::string(line.substr(colon + 2)));
    });
  }
  if (auto meminfo = ReadFile(options.procfs + "/meminfo"); meminfo.ok()) {
    ForEachLine(*meminfo, [&inventory](std::string_view line) {
      if (!line.starts_with("MemTotal:")) return;
      line.remove_prefix(9);
      if (auto kibibytes = FirstNumber(NextWord(&line)))
        inventory.set_memory_bytes(static_cast<uint64_t>(*kibibytes) * 1024);
    });
  }
  v1::PmuInventory& pmu = *inventory.mutable_pmu();
  pmu.set_available(counters.pmu_available);
  pmu.set_model(counters.pmu_model);
  for (const std::string& event : counters.events) pmu.add_events(event);
  *pmu.mutable_switch_cost() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(counters.switch_cost));
  FindMissing(options, layout, counters, inventory);
  return inventory;
}

}  // namespace truce::host
