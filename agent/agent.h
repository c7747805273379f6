// The agent: everything wired together, and the tick loop that drives it.
//
//   sense ─► profile ─► predict ─► link ═══► controller
//   act ◄─────────────── link ◄═══ desired actions
//
// One thread ticks; the link and the metrics endpoint have threads of their own and meet it at queues and snapshots.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/act/actuator.h"
#include "agent/act/migrate/mover.h"
#include "agent/host_lock.h"
#include "agent/link/controller_link.h"
#include "agent/metrics.h"
#include "agent/predict/demand_watch.h"
#include "agent/predict/devices.h"
#include "agent/predict/evidence_scorer.h"
#include "agent/predict/fuse.h"
#include "agent/predict/model_slot.h"
#include "agent/predict/model_store.h"
#include "agent/profile/profiler.h"
#include "agent/sense/kubelet.h"
#include "agent/sense/sampler.h"
#include "agent/settings.h"
#include "src/base/clock.h"
#include "src/base/shutdown.h"
#include "src/host/balloon.h"
#include "src/host/cgroup.h"
#include "src/host/counters.h"
#include "src/host/inventory.h"
#include "src/host/resctrl.h"
#include "src/host/traffic.h"
#include "src/host/unit_manager.h"
#include "src/host/writer.h"

namespace truce::agent {

inline constexpr uint32_t kProtocolVersion = 1;

class Agent {
 public:
  // Detects the host, takes its lock, opens journal and counters. AlreadyExists when another agent holds this host;
  // FailedPrecondition when there is no cgroup tree. `clock` outlives the agent.
  static absl::StatusOr<std::unique_ptr<Agent>> Create(const AgentSettings& settings, const Clock& clock);
  ~Agent();

  // Ticks until a signal comes, then restores everything and returns.
  absl::Status Run(ShutdownSignals& signals);

 private:
  Agent(const AgentSettings& settings, const Clock& clock)
      : settings_(settings), clock_(clock), kubelet_(settings.kubelet_directory), scorer_(settings.evidence) {}
  absl::Status Build();
  // One tick, in the order that data flows.
  void Tick(bool score);
  // Evidence, model, and the two as one.
  void Score();
  // Takes up a model that was put in place, and tells what became of it.
  void RefreshModel();
  // The model that foretells demand: takes up the one that is in use now; says what is wrong with the agent's own.
  void FollowDemandModel();
  // nullptr: what needs none.
  void UseDemandModel(const ModelInUse* in_use);
  // How much more the disks would take.
  void FollowDevices();
  // Passes messages about models between the link and the store of models, and tells what became of them.
  void FollowModels();
  void Act();
  v1::Report BuildReport(const Scores& scores);
  v1::Hello BuildHello() const;
  std::optional<ActionTarget> FindTarget(const std::string& name);
  // The same with the levers that are held on it.
  std::optional<ActionTarget> FindMovable(const std::string& name);
  void AddKubeletsCpus(ActionTarget* target);
  void NoteArrivals();
  // CPUs that came or went since the inventory: takes a new one and tells everybody who rests on it.
  void FollowCpus();
  void AskForUnits();
  // Classes of cache and memory bandwidth; why there are none.
  absl::Status OpenResctrl();
  // Ways to move workloads that came or went since the inventory.
  void FollowDrivers();
  void NoteDrivers();
  std::vector<std::string> MigrationDriversFor(const Workload& workload);
  // The inventory says that this is missing, and why; no longer, when `reason` is empty.
  void SetMissing(const std::string& name, const std::string& reason, const std::string& remedy);
  // Tells the controller when what is missing, or which model of its own the agent uses, is not what the last hello
  // said.
  void FollowInventory();
  // The hello is the only message that has it, so the stream begins anew.
  void TellInventory();
  // Keeps events for the next report; counts them when there are too many.
  void Keep(std::vector<v1::Event> events);
  void Note(const std::string& workload, const char* kind, std::string message);
  void MeasureCost();
  void PublishMetrics();

  const AgentSettings settings_;
  const Clock& clock_;
  std::optional<host::CgroupLayout> layout_;
  HostLock host_lock_;
  host::InventoryOptions inventory_options_;
  v1::HostInventory inventory_;
  // What only the hello says is not what it said last; when that was told by itself.
  bool inventory_changed_ = false;
  absl::Duration inventory_told_at_ = -absl::InfiniteDuration();
  // null where traffic can't be counted.
  std::unique_ptr<host::Traffic> traffic_;
  // null where there are no classes of cache and memory bandwidth.
  std::unique_ptr<host::Resctrl> resctrl_;
  // Whether systemd's units can be changed, which is asked where there are any, and now and then while they can't be;
  // else why not.
  absl::Status units_status_;
  absl::Duration units_asked_at_;
  host::SystemBus units_;
  std::unique_ptr<host::Balloons> balloons_;
  Kubelet kubelet_;
  // The last problem with its file, so that it is told once.
  std::string told_of_kubelet_;
  std::unique_ptr<host::ControlWriter> writer_;
  std::unique_ptr<host::CounterService> counters_;
  std::unique_ptr<Actuator> actuator_;
  std::unique_ptr<Mover> mover_;
  // As the inventory has them.
  std::vector<std::string> ready_drivers_;
  std::map<std::string, std::string> missing_drivers_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Profiler> profiler_;
  EvidenceScorer scorer_;
  // null when scores come from evidence alone by configuration.
  std::unique_ptr<ModelSlot> model_;
  // null when nothing is foretold by configuration.
  std::unique_ptr<DemandWatch> demand_;
  std::unique_ptr<Devices> devices_;
  std::unique_ptr<ModelStore> models_;
  // The model that demand_ was given last; empty SHA-256: none.
  std::optional<std::string> demand_model_sha256_;
  std::unique_ptr<ControllerLink> link_;
  std::unique_ptr<MetricsServer> metrics_;

  Scores scores_;
  // Those that the last scoring made, by workload key.
  std::map<uint64_t, v1::Signature> signatures_;
  std::vector<v1::ModeRule> mode_rules_;
  uint64_t desired_version_ = 0;
  bool hold_ = false;
  std::vector<v1::Event> events_;
  v1::AgentCost cost_;
  double cpu_seconds_at_last_cost_ = 0;
  absl::Duration last_cost_at_;
  absl::Duration last_tick_length_;
  uint64_t ticks_ = 0;
  uint64_t ticks_late_ = 0;
  uint64_t events_dropped_ = 0;
  uint64_t actions_refused_ = 0;
  std::map<std::string, uint64_t> receipts_by_outcome_;
};

}  // namespace truce::agent
