#include "agent/agent.h"

#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_join.h"
#include "agent/act/migrate/driver.h"
#include "agent/agent_models.h"
#include "agent/link/report.h"
#include "agent/sense/host_topology.h"
#include "agent/sense/ownership.h"
#include "agent/target.h"
#include "src/base/enum_words.h"
#include "src/base/shipped.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_host.h"

namespace truce::agent {
namespace {

using google::protobuf::util::TimeUtil;

// The readable statistics of a report cover this much; the window itself may be longer.
constexpr size_t kSummarySamples = 60;
// Events kept between two reports.
constexpr size_t kMostEvents = 1000;
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

  inventory_options_ = {settings_.procfs, settings_.sysfs, settings_.host, TRUCE_VERSION};
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
    const std::string file =
        settings_.model_file.empty() ? ShippedPath("models/interference.truce") : settings_.model_file;
    ModelScorerOptions options;
    options.least_victim_cores = settings_.evidence.least_victim_cores;
    options.least_samples = static_cast<uint64_t>(settings_.profiler.least_samples);
    options.report_floor = settings_.evidence.report_floor;
    options.busy_cores = settings_.profiler.busy_cores;
    model_ = std::make_unique<ModelSlot>(file, TopologyOf(inventory_), options);
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

void Agent::Keep(std::vector<v1::Event> events) {
  for (v1::Event& event : events) {
    if (events_.size() < kMostEvents)
      events_.push_back(std::move(event));
    else
      ++events_dropped_;
  }
}

void Agent::Note(const std::string& workload, const char* kind, std::string message) {
  std::vector<v1::Event> events(1);
  v1::Event& event = events[0];
  *event.mutable_occurred_at() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(clock_.Now()));
  event.set_workload(workload);
  event.set_kind(kind);
  event.set_message(std::move(message));
  Keep(std::move(events));
}

void Agent::NoteArrivals() {
  for (const std::string& name : sampler_->departed()) Note(name, "workload_departed", StrCat(name, " went away"));
  for (const std::string& name : sampler_->arrived()) Note(name, "workload_arrived", StrCat(name, " appeared"));
}

absl::Status Agent::OpenResctrl() {
  auto resctrl = host::Resctrl::Open({.sysfs = settings_.sysfs, .procfs = settings_.procfs});
  if (resctrl.ok()) {
    resctrl_ = *std::move(resctrl);
    *inventory_.mutable_cache_control() = resctrl_->control();
    return absl::OkStatus();
  }
  SetMissing("resctrl", std::string(StdView(resctrl.status().message())), "until then there is no cache_class");
  return resctrl.status();
}

void Agent::AskForUnits() {
  constexpr absl::Duration kAgain = absl::Minutes(1);
  const bool first = units_asked_at_ == absl::ZeroDuration();
  if (!first && (units_status_.ok() || clock_.Monotonic() - units_asked_at_ < kAgain)) return;
  units_asked_at_ = clock_.Monotonic();
  if (!host::SystemdRuns(settings_.run_directory)) return;
  const std::string before(StdView(units_status_.message()));
  units_status_ = units_.Check();
  const std::string reason(StdView(units_status_.message()));
  if (reason == before) return;
  SetMissing("systemd", reason, "until then the units of systemd that are not delegated are watched and not changed");
  if (units_status_.ok()) Note("", "systemd_answers", "systemd can be asked to change its units now");
  if (!first) TellInventory();
}

void Agent::FollowDrivers() {
  if (mover_->ReadyDrivers() == ready_drivers_ && mover_->MissingDrivers() == missing_drivers_) return;
  NoteDrivers();
  Note("", "migration_drivers_changed",
       StrCat("workloads can come to this host by ",
              ready_drivers_.empty() ? "nothing" : absl::StrJoin(ready_drivers_, ", "), " now"));
  TellInventory();
}

void Agent::NoteDrivers() {
  ready_drivers_ = mover_->ReadyDrivers();
  missing_drivers_ = mover_->MissingDrivers();
  inventory_.clear_migration_drivers();
  for (const std::string& name : ready_drivers_) inventory_.add_migration_drivers(name);
  std::string missing;
  for (const auto& [name, reason] : missing_drivers_) {
    spdlog::warn("migration by {}: {}", name, reason);
    StrAppend(&missing, missing.empty() ? "" : "; ", name, ": ", reason);
  }
  SetMissing("migration", missing, "until then nothing comes to this host that way");
}

// Those who may not be moved are not asked about.
std::vector<std::string> Agent::MigrationDriversFor(const Workload& workload) {
  const WorkloadIdentity& identity = workload.identity;
  const auto& levers = identity.levers;
  if (std::find(levers.begin(), levers.end(), v1::LEVER_MIGRATE) == levers.end()) return {};
  return mover_->DriversFor({identity.name, identity.kind, identity.application, workload.cgroup.get()});
}

void Agent::SetMissing(const std::string& name, const std::string& reason, const std::string& remedy) {
  auto& missing = *inventory_.mutable_missing();
  missing.erase(std::remove_if(missing.begin(), missing.end(), [&](const auto& one) { return one.name() == name; }),
                missing.end());
  if (reason.empty()) return;
  v1::MissingCapability& one = *inventory_.add_missing();
  one.set_name(name);
  one.set_reason(reason);
  one.set_remedy(remedy);
}

void Agent::FollowCpus() {
  const auto online = host::OnlineCpus(settings_.sysfs);
  if (!online.ok()) return;
  std::vector<int> known;
  for (const v1::Cpu& cpu : inventory_.cpus()) known.push_back(static_cast<int>(cpu.id()));
  if (known == *online) return;
  auto inventory = host::TakeInventory(inventory_options_, *layout_, counters_->status());
  if (!inventory.ok()) return;
  *inventory_.mutable_cpus() = std::move(*inventory->mutable_cpus());
  Note("", "cpus_changed",
       StrCat("the host has the CPUs ", host::FormatCpuList(*online), " now, and had ", host::FormatCpuList(known)));
  if (model_ != nullptr) model_->SetTopology(TopologyOf(inventory_));
  TellInventory();
}

void Agent::TellInventory() {
  if (link_ == nullptr) return;
  link_->SetHello(BuildHello());
  link_->Reconnect();
}

v1::Hello Agent::BuildHello() const {
  v1::Hello hello;
  hello.set_protocol_version(kProtocolVersion);
  *hello.mutable_inventory() = inventory_;
  hello.set_mode(settings_.modes.initial);
  hello.set_mode_ceiling(settings_.modes.ceiling);
  for (v1::HeldAction& held : actuator_->held()) *hello.add_held() = std::move(held);
  hello.set_desired_set_version(desired_version_);
  *hello.mutable_report_interval() =
      TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(settings_.score_interval));
  *hello.mutable_slow_interval() = TimeUtil::NanosecondsToDuration(
      absl::ToInt64Nanoseconds(settings_.sampler.slow_every * settings_.sample_interval));
  for (v1::MigrationStatus& status : mover_->statuses()) *hello.add_migrations() = std::move(status);
  for (v1::ModelInUse& model : models_->ForHello()) *hello.add_models() = std::move(model);
  return hello;
}

v1::Report Agent::BuildReport(const Scores& scores) {
  v1::Report report;
  *report.mutable_sampled_at() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(clock_.Now()));
  for (const auto& [key, workload] : sampler_->workloads()) {
    v1::WorkloadReport& entry = *report.add_workloads();
    ToWire(workload->identity, EffectiveMode(settings_.modes, mode_rules_, workload->identity),
           MigrationDriversFor(*workload), entry.mutable_workload());
    ToWire(workload->sample, entry.mutable_readings());
    if (auto profile = profiler_->profiles().find(key); profile != profiler_->profiles().end()) {
      Summarise(*profile->second, kSummarySamples, entry.mutable_fingerprint());
    }
    if (auto verdict = scores.verdicts.find(key); verdict != scores.verdicts.end()) {
      entry.set_diagnosis(verdict->second.diagnosis);
      entry.set_diagnosis_detail(verdict->second.detail);
      if (verdict->second.slowdown_ratio) entry.set_slowdown_ratio(*verdict->second.slowdown_ratio);
    }
    if (auto signature = signatures_.find(key); signature != signatures_.end()) {
      *entry.mutable_signature() = std::move(signature->second);
    }
    if (demand_ != nullptr) demand_->Fill(key, &entry);
  }
  for (const v1::PairScore& pair : scores.pairs) *report.add_pairs() = pair;
  for (v1::HeldAction& held : actuator_->held()) *report.add_held() = std::move(held);
  for (v1::MigrationStatus& status : mover_->statuses()) *report.add_migrations() = std::move(status);
  if (demand_ != nullptr) {
    for (v1::ForecastErrors& errors : demand_->TakeErrors()) *report.add_forecast_errors() = std::move(errors);
  }
  for (const v1::DeviceHeadroom& device : devices_->headrooms()) *report.add_devices() = device;
  *report.mutable_cost() = cost_;
  for (v1::Event& event : events_) *report.add_events() = std::move(event);
  if (events_dropped_ > 0) {
    v1::Event& event = *report.add_events();
    *event.mutable_occurred_at() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(clock_.Now()));
    event.set_kind("events_dropped");
    event.set_message(
        StrCat(events_dropped_, " more events came in one report's time than are kept, and were dropped"));
    events_dropped_ = 0;
  }
  return report;
}

}  // namespace truce::agent
