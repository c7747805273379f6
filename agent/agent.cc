#include "agent/agent.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "agent/act/migrate/driver.h"
#include "agent/agent_models.h"
#include "agent/sense/host_topology.h"
#include "agent/sense/ownership.h"
#include "agent/target.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_host.h"

namespace truce::agent {
namespace {

// How long a stopping agent waits for its last receipts to be acknowledged.
constexpr absl::Duration kStopLimit = absl::Seconds(3);
// How long it waits for migrations: to be called off, or to have done what can't be.
constexpr absl::Duration kMoverStopLimit = absl::Seconds(10);

// The files that a workload keeps open are many; the soft limit is a relic of select(2).
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(const AgentSettings& settings, const Clock& clock) {
  std::unique_ptr<Agent> agent(new Agent(settings, clock));
  TRUCE_RETURN_IF_ERROR(agent->Build());
  return agent;
}

Agent::~Agent() = default;

absl::Status Agent::Build() {
  RaiseFileLimit();
  TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(settings_.cgroup_root));
  if (const auto stat = host::ReadFile(settings_.procfs + "/stat"); !stat.ok()) {
    return absl::FailedPreconditionError(
        StrCat(StdView(stat.status().message()), "; paths.procfs must name a mounted /proc"));
  }
  TRUCE_ASSIGN_OR_RETURN(host_lock_, LockHost({settings_.cgroup_root, settings_.actuator.state_directory,
                                               settings_.procfs, settings_.run_directory}));

  host::CounterOptions counter_options = settings_.counters;
  if (auto tree = layout_->hierarchy_of(host::Controller::kPerfEvent)) {
    counter_options.calibration_directory = StrCat(layout_->root(), "/", layout_->hierarchies()[*tree].directory);
  }
  counters_ = host::CreateCounterService(counter_options);
  const host::CounterStatus pmu = counters_->status();
  if (!pmu.pmu_available) spdlog::warn("no hardware counters: {}; {}", pmu.missing_reason, pmu.missing_remedy);

  inventory_options_ = {settings_.procfs, settings_.sysfs, settings_.host, TRUCE_VERSION, settings_.fault_domain};
  TRUCE_ASSIGN_OR_RETURN(inventory_, host::TakeInventory(inventory_options_, *layout_, pmu));
  auto traffic = host::Traffic::Open(*layout_);
  if (traffic.ok()) {
    traffic_ = *std::move(traffic);
  } else {
    SetMissing("network", std::string(StdView(traffic.status().message())),
               "until then only workloads with a network of their own have network readings, and none is bound");
  }
  const absl::Status no_resctrl = OpenResctrl();
  AskForUnits();
  for (const auto& missing : inventory_.missing()) {
    if (missing.name() != "pmu") spdlog::warn("missing {}: {}; {}", missing.name(), missing.reason(), missing.remedy());
  }

  balloons_ = std::make_unique<host::Balloons>(
      host::BalloonsOptions{.procfs = settings_.procfs, .make = host::SystemBalloons(settings_.libvirt_uri)});
  writer_ = std::make_unique<host::HostControlWriter>(
      host::HostControlWriterOptions{.traffic = traffic_.get(),
                                     .resctrl = resctrl_.get(),
                                     .no_resctrl = no_resctrl,
                                     .balloons = balloons_.get(),
                                     .units = &units_,
                                     .run_directory = settings_.run_directory});
  ActuatorOptions acting = settings_.actuator;
  acting.resctrl = resctrl_.get();
  TRUCE_ASSIGN_OR_RETURN(actuator_, OpenActuator(acting, *layout_, clock_, *writer_));
  TRUCE_ASSIGN_OR_RETURN(auto drivers, MakeMigrationDrivers(settings_.migration));
  TRUCE_ASSIGN_OR_RETURN(mover_, OpenMover(settings_.mover, std::move(drivers), *layout_, clock_));
  inventory_.set_migration_journal(mover_->journal());
  NoteDrivers();
  sampler_ = std::make_unique<Sampler>(settings_.sampler, *layout_, clock_, counters_.get(), traffic_.get());
  profiler_ = std::make_unique<Profiler>(settings_.profiler);
  devices_ = std::make_unique<Devices>(settings_.devices);
  if (settings_.fuse.from != ScoreFrom::kEvidence) {
    ModelScorerOptions options;
    options.least_victim_cores = settings_.evidence.least_victim_cores;
    options.least_samples = static_cast<uint64_t>(settings_.profiler.least_samples);
    options.report_floor = settings_.evidence.report_floor;
    options.busy_cores = settings_.profiler.busy_cores;
    model_ = std::make_unique<ModelSlot>(InterferenceModelFile(settings_), TopologyOf(inventory_), options);
    RefreshModel();
  }
  if (settings_.foretell) demand_ = std::make_unique<DemandWatch>(settings_.demand, clock_);
  models_ = std::make_unique<ModelStore>(ModelStoreOptionsOf(settings_));
  FollowModels();
  if (!settings_.metrics_listen.empty()) {
    const absl::Duration stale = std::max(absl::Seconds(10), 5 * settings_.sample_interval);
    TRUCE_ASSIGN_OR_RETURN(metrics_, StartMetricsServer(settings_.metrics_listen, stale, clock_));
    spdlog::info("metrics on port {}", metrics_->port());
  }
  if (settings_.controller_enabled) link_ = StartControllerLink(settings_.link, BuildHello());
  inventory_changed_ = false;
  return absl::OkStatus();
}

absl::Status Agent::Run(ShutdownSignals& signals) {
  sd_notify(0, "READY=1\nSTATUS=Watching");
  uint64_t watchdog_us = 0;
  const bool watchdog = sd_watchdog_enabled(0, &watchdog_us) > 0;
  const auto score_every = std::max<int64_t>(
      1, absl::ToInt64Milliseconds(settings_.score_interval) / absl::ToInt64Milliseconds(settings_.sample_interval));
  absl::Duration next = clock_.Monotonic();
  while (!signals.WaitFor(std::max(absl::ZeroDuration(), next - clock_.Monotonic()))) {
    const absl::Duration began = clock_.Monotonic();
    if (began - next > settings_.sample_interval / 2) ++ticks_late_;
    ++ticks_;
    Tick(ticks_ % static_cast<uint64_t>(score_every) == 0);
    last_tick_length_ = clock_.Monotonic() - began;
    PublishMetrics();
    if (watchdog) sd_notify(0, "WATCHDOG=1");
    // After a stall (a suspended host, a tick that overran) go on from now instead of catching up tick by tick.
    next = std::max(next + settings_.sample_interval, clock_.Monotonic());
  }
  spdlog::info("stopping: restoring what is held");
  sd_notify(0, "STOPPING=1");
  const absl::Status restored = actuator_->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN);
  mover_->Stop(kMoverStopLimit);
  if (link_ != nullptr) {
    link_->OfferReceipts(actuator_->TakeReceipts());
    link_->Stop(kStopLimit);
  }
  return restored;
}

void Agent::Tick(bool score) {
  sampler_->Tick();
  for (const v1::HeldAction& held : actuator_->held()) {
    // A quota that follows the need lets it be as it is.
    if (held.action().has_follow()) continue;
    if (Workload* workload = sampler_->Find(held.action().workload())) workload->sample.under_action = true;
  }
  profiler_->Tick(*sampler_);
  if (demand_ != nullptr) demand_->Tick(profiler_->profiles());
  NoteArrivals();
  if (model_ != nullptr && model_->scorer() != nullptr) model_->scorer()->Tick(profiler_->profiles());
  if (score) {
    // Of what the last scoring and the ticks since then found: an answer about a model is on its way by now.
    FollowInventory();
    FollowCpus();
    AskForUnits();
    FollowDrivers();
    FollowDevices();
    Score();
  }
  FollowModels();
  Act();
  if (!score) return;
  if (demand_ != nullptr) Keep(demand_->TakeEvents());
  MeasureCost();
  if (link_ != nullptr) {
    link_->SetHello(BuildHello());
    link_->Offer(BuildReport(scores_));
  } else if (demand_ != nullptr) {
    // Nobody is told, and they must not pile up.
    (void)demand_->TakeErrors();
  }
  events_.clear();
}

void Agent::Score() {
  if (model_ != nullptr) RefreshModel();
  Scores evidence = scorer_.Score(profiler_->profiles(), settings_.profiler.least_samples, clock_.Now());
  ModelScorer* const scorer = model_ == nullptr ? nullptr : model_->scorer();
  signatures_.clear();
  if (scorer == nullptr) {
    scores_ = std::move(evidence);
    return;
  }
  std::map<uint64_t, FuseWorkload> workloads;
  std::map<std::string_view, uint64_t> keys;
  for (const auto& [key, profile] : profiler_->profiles()) {
    workloads[key] = {profile->identity.name, profile->samples_since_held == 0, profile->busy_samples,
                      profile->samples_seen};
    keys[profile->identity.name] = key;
  }
  // What the model says of those that evidence named counts even when it is "nothing at all".
  std::set<std::pair<uint64_t, uint64_t>> named;
  for (const v1::PairScore& pair : evidence.pairs) named.emplace(keys[pair.victim()], keys[pair.aggressor()]);
  scores_ =
      Fuse(std::move(evidence), scorer->Score(profiler_->profiles(), named), workloads, settings_.fuse, clock_.Now());
  signatures_ = scorer->Sign(profiler_->profiles());
}

void Agent::RefreshModel() {
  const std::optional<std::string> news = model_->Refresh(profiler_->profiles());
  if (!news) return;
  SetMissing("model", model_->status().ok() ? "" : *news,
             "install a model that fits this version, or set score.from to evidence");
  if (model_->status().ok()) {
    spdlog::info("{}", *news);
  } else {
    spdlog::warn("{}", *news);
  }
  // That there is one from the start is no news.
  if (ticks_ > 0 || !model_->status().ok()) Note("", model_->status().ok() ? "model_taken_up" : "model_refused", *news);
}

void Agent::FollowDevices() {
  devices_->Tick(clock_.Monotonic());
  for (DeviceNews& news : devices_->TakeNews()) {
    spdlog::info("{}", news.message);
    Note("", news.kind, std::move(news.message));
  }
}

void Agent::Act() {
  const TargetLookup targets = [this](const std::string& name) { return FindTarget(name); };
  if (link_ != nullptr) {
    if (std::optional<v1::DesiredSet> desired = link_->TakeDesiredSet()) {
      mode_rules_.assign(desired->mode_rules().begin(), desired->mode_rules().end());
      hold_ = desired->hold();
      desired_version_ = desired->version();
      v1::DesiredSetResult result = actuator_->Apply(*desired, targets);
      for (const v1::ActionResult& action : result.results()) {
        if (action.state() == v1::ACTION_STATE_REFUSED) ++actions_refused_;
      }
      link_->Answer(std::move(result));
      // After the actuator: what this set releases is released.
      mover_->Take(*desired, [this](const std::string& name) { return FindMovable(name); });
    }
  }
  actuator_->Tick(targets);
  mover_->Tick();
  Keep(actuator_->TakeEvents());
  Keep(mover_->TakeEvents());
  std::vector<v1::Receipt> receipts = actuator_->TakeReceipts();
  for (const v1::Receipt& receipt : receipts) {
    ++receipts_by_outcome_[EnumWord(receipt.outcome())];
  }
  if (link_ != nullptr) link_->OfferReceipts(std::move(receipts));
}

std::optional<ActionTarget> Agent::FindTarget(const std::string& name) {
  const Workload* workload = sampler_->Find(name);
  if (workload == nullptr) return std::nullopt;
  ActionTarget target = TargetOf(*workload);
  target.mode = EffectiveMode(settings_.modes, mode_rules_, workload->identity);
  target.owner_refusal = mover_->MovingRefusal(name);
  if (target.owner_refusal.empty()) {
    target.owner_refusal = OwnerRefusal(*workload->cgroup, settings_.run_directory, units_status_);
  }
  AddKubeletsCpus(&target);
  if (demand_ != nullptr) {
    if (const auto burst = demand_->BurstOf(workload->identity.key)) target.cpu_foretold_cores = burst->peak;
  }
  if (auto verdict = scores_.verdicts.find(workload->identity.key); verdict != scores_.verdicts.end()) {
    target.slowdown_ratio = verdict->second.slowdown_ratio;
    target.slowdown_since_onset = verdict->second.slowdown_since_onset;
  }
  return target;
}

std::optional<ActionTarget> Agent::FindMovable(const std::string& name) {
  std::optional<ActionTarget> target = FindTarget(name);
  if (!target) return target;
  for (const v1::HeldAction& held : actuator_->held()) {
    if (held.action().workload() == name) target->held_levers.push_back(held.action().lever());
  }
  return target;
}

void Agent::AddKubeletsCpus(ActionTarget* target) {
  const KubeletCpus& kubelet = kubelet_.Look();
  target->pin_refusal = PinRefusal(target->name, kubelet);
  target->exclusive_cpus = kubelet.exclusive;
  const std::string problem(StdView(kubelet_.problem().message()));
  if (problem != told_of_kubelet_ && !problem.empty()) {
    Note("", "kubelet_unreadable", StrCat(problem, "; what was known of kubelet's CPUs before holds"));
  }
  told_of_kubelet_ = problem;
}

}  // namespace truce::agent
