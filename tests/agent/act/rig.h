// An actuator on a tree with a clock, a disk and a writer that the test owns, and the workloads that live there.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/act/leased_actuator.h"
#include "src/base/clock.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_faulty.h"
#include "tests/agent/act/faulty_disk.h"
#include "tests/agent/act/tree.h"

namespace truce::agent {

inline v1::LeasedAction Action(const std::string& lease_id, const std::string& workload) {
  v1::LeasedAction action;
  action.set_lease_id(lease_id);
  action.set_workload(workload);
  action.mutable_time_to_live()->set_seconds(30);
  action.set_mode(v1::MODE_ENFORCE);
  return action;
}

inline v1::LeasedAction Pin(const std::string& lease_id, const std::string& workload, const std::string& cpus) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_CPU_PIN);
  action.set_cpus(cpus);
  return action;
}

inline v1::LeasedAction Quota(const std::string& lease_id, const std::string& workload, double cores) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_CPU_QUOTA);
  action.set_quota_cores(cores);
  return action;
}

// A quota that follows the demand.
inline v1::LeasedAction Follow(const std::string& lease_id, const std::string& workload, double least_cores,
                               double most_cores) {
  v1::LeasedAction action = Quota(lease_id, workload, most_cores);
  action.mutable_follow()->set_least_cores(least_cores);
  action.mutable_follow()->set_most_cores(most_cores);
  action.mutable_follow()->set_headroom_ratio(0.2);
  return action;
}

inline v1::LeasedAction Weight(const std::string& lease_id, const std::string& workload, uint32_t weight) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_CPU_WEIGHT);
  action.set_cpu_weight(weight);
  return action;
}

inline v1::LeasedAction Idle(const std::string& lease_id, const std::string& workload) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_CPU_IDLE);
  return action;
}

inline v1::LeasedAction SqueezeTo(const std::string& lease_id, const std::string& workload, uint64_t bytes) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_MEMORY_SQUEEZE);
  action.set_memory_high_bytes(bytes);
  return action;
}

// Bounds what is read and written.
inline v1::LeasedAction CapDisk(const std::string& lease_id, const std::string& workload, uint64_t bytes,
                                const std::string& device = "8:0") {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_DISK_CAP);
  v1::DiskCap& cap = *action.add_disk_caps();
  cap.set_device(device);
  cap.set_read_bytes_per_second(bytes);
  cap.set_write_bytes_per_second(bytes);
  return action;
}

// Bounds what is sent.
inline v1::LeasedAction CapNetwork(const std::string& lease_id, const std::string& workload, uint64_t bytes) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_NETWORK_CAP);
  action.set_network_bytes_per_second(bytes);
  return action;
}

// Bounds a share of the caches.
inline v1::LeasedAction CacheShare(const std::string& lease_id, const std::string& workload, double ratio) {
  v1::LeasedAction action = Action(lease_id, workload);
  action.set_lever(v1::LEVER_CACHE_CLASS);
  action.set_cache_ratio(ratio);
  return action;
}

// In fixtures the network cap is a plain file in the cgroup2 tree; where the agent acts, its own programs keep it
// there.
inline bool CountsTraffic(TreeKind kind) {
  return kind != TreeKind::kV1;
}

// One action of every lever, each on `workload`.
inline std::vector<v1::LeasedAction> EveryLever(const std::string& workload, bool counts_traffic) {
  v1::LeasedAction burst = Quota("burst", workload, 0.5);
  burst.set_quota_burst_cores(0.25);
  std::vector<v1::LeasedAction> actions = {Pin("pin", workload, "0"),
                                           Quota("quota", workload, 0.5),
                                           burst,
                                           Follow("follow", workload, 0.3, 1.5),
                                           Weight("weight", workload, 20),
                                           Idle("idle", workload),
                                           SqueezeTo("squeeze", workload, uint64_t{64} << 20),
                                           CapDisk("disk", workload, 10 << 20)};
  if (counts_traffic) actions.push_back(CapNetwork("network", workload, 10 << 20));
  return actions;
}

inline v1::LeasedAction For(const std::string& victim, v1::LeasedAction action) {
  action.set_victim(victim);
  return action;
}

inline v1::DesiredSet Set(const std::vector<v1::LeasedAction>& actions, bool hold = false) {
  v1::DesiredSet set;
  set.set_version(7);
  set.set_nonce("n");
  set.set_hold(hold);
  for (const v1::LeasedAction& action : actions) *set.add_actions() = action;
  return set;
}

// Everything that an actuator needs but the actuator itself, on a directory that may be any tree, also a real one.
class World {
 public:
  World(const std::string& root, const std::string& state_directory) : state_directory_(state_directory) {
    spdlog::set_level(spdlog::level::off);
    auto layout = host::CgroupLayout::Detect(root);
    if (!layout.ok()) ADD_FAILURE() << layout.status();
    layout_ = std::make_unique<host::CgroupLayout>(*std::move(layout));
    options.state_directory = state_directory;
  }

  // A best-effort workload in enforce mode with every lever allowed and 1 GiB of memory, half of it in use; the test
  // changes what it wants.
  ActionTarget& Live(const std::string& name) {
    auto cgroup = host::Cgroup::Open(*layout_, name);
    if (!cgroup.ok()) ADD_FAILURE() << cgroup.status();
    cgroups_[name] = *std::move(cgroup);
    ActionTarget target;
    target.name = name;
    target.instance = cgroups_[name]->instance();
    target.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
    target.mode = v1::MODE_ENFORCE;
    target.allowed_levers = {v1::LEVER_CPU_PIN,        v1::LEVER_CPU_QUOTA, v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_IDLE,
                             v1::LEVER_MEMORY_SQUEEZE, v1::LEVER_DISK_CAP,  v1::LEVER_NETWORK_CAP};
    target.memory = {uint64_t{1} << 30, uint64_t{512} << 20, 0.0};
    target.cgroup = cgroups_[name].get();
    return workloads[name] = target;
  }

  TargetLookup Lookup() {
    return [this](const std::string& name) -> std::optional<ActionTarget> {
      const auto found = workloads.find(name);
      if (found == workloads.end()) return std::nullopt;
      return found->second;
    };
  }

  std::unique_ptr<Actuator> Open() {
    auto actuator = OpenActuatorOn(disk, options, *layout_, clock, writer);
    if (!actuator.ok()) ADD_FAILURE() << actuator.status();
    return *std::move(actuator);
  }
  absl::StatusOr<int> Restore() {
    return RestoreFromJournalOn(disk, state_directory_, *layout_, [this]() -> host::ControlWriter& { return writer; });
  }
  const host::CgroupLayout& layout() const { return *layout_; }
  std::string journal_file() const { return state_directory_ + "/journal"; }

  ActuatorOptions options;
  FakeClock clock;
  FaultyDisk disk;
  host::CgroupControlWriter real_writer;
  host::FaultyControlWriter writer{real_writer};
  std::map<std::string, ActionTarget> workloads;

 private:
  std::string state_directory_;
  std::unique_ptr<host::CgroupLayout> layout_;
  std::map<std::string, std::unique_ptr<host::Cgroup>> cgroups_;
};

// A world on a fixture tree with two workloads, batch/a (with nested cgroups) and batch/b, and a victim, web.
class Rig {
 public:
  explicit Rig(TreeKind kind) : tree(kind), state_(), world_(Fill(tree), state_.path() + "/act") {
    for (const char* name : {"batch/a", "batch/b", "web"}) world_.Live(name);
  }
  World* operator->() { return &world_; }
  v1::DesiredSetResult Apply(const std::vector<v1::LeasedAction>& actions, bool hold = false) {
    return actuator().Apply(Set(actions, hold), world_.Lookup());
  }
  // Advances the clock and ticks.
  void Tick(absl::Duration by = absl::Seconds(1)) {
    world_.clock.Advance(by);
    actuator().Tick(world_.Lookup());
  }
  Actuator& actuator() {
    if (!actuator_) actuator_ = world_.Open();
    return *actuator_;
  }
  // As a crash: nothing is restored.
  void Crash() { actuator_.reset(); }
  World& world() { return world_; }

  Tree tree;

 private:
  static const std::string& Fill(Tree& tree) {
    tree.AddCgroup("batch");
    tree.AddCgroup("batch/a");
    tree.AddCgroup("batch/a/nested", "0-1");
    tree.AddCgroup("batch/a/nested/deeper", "1");
    tree.AddCgroup("batch/a/other", "2-3");
    tree.AddCgroup("batch/b");
    tree.AddCgroup("web");
    return tree.root();
  }

  TemporaryDirectory state_;
  World world_;
  std::unique_ptr<Actuator> actuator_;
};

// Runs a test on each kind of tree.
class OnEveryTree : public testing::TestWithParam<TreeKind> {
 protected:
  Rig rig{GetParam()};
};
inline std::string TreeParamName(const testing::TestParamInfo<TreeKind>& info) {
  return TreeKindName(info.param);
}

// The kinds of the events, in order.
inline std::vector<std::string> Kinds(const std::vector<v1::Event>& events) {
  std::vector<std::string> kinds;
  for (const v1::Event& event : events) kinds.push_back(event.kind());
  return kinds;
}

}  // namespace truce::agent
