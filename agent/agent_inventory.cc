// What the agent says of its host once, in its hello: the inventory, what is missing there, and what changes of it
// while it runs. The rest of the class is in agent.cc.
#include <google/protobuf/util/time_util.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "agent/agent.h"
#include "agent/sense/host_topology.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {

using google::protobuf::util::TimeUtil;

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

void Agent::SetMissing(const std::string& name, const std::string& reason, const std::string& remedy) {
  auto& missing = *inventory_.mutable_missing();
  const auto known = std::find_if(missing.begin(), missing.end(), [&](const auto& one) { return one.name() == name; });
  if (known == missing.end() ? reason.empty() : known->reason() == reason && known->remedy() == remedy) return;
  inventory_changed_ = true;
  if (known != missing.end()) missing.erase(known);
  if (reason.empty()) return;
  v1::MissingCapability& one = *inventory_.add_missing();
  one.set_name(name);
  one.set_reason(reason);
  one.set_remedy(remedy);
}

void Agent::FollowInventory() {
  // A file that is rewritten all the time must not keep the agent from its controller: a stream that lasted for more
  // than a minute comes back at once.
  constexpr absl::Duration kAgain = absl::Seconds(90);
  if (!inventory_changed_ || clock_.Monotonic() - inventory_told_at_ < kAgain) return;
  inventory_told_at_ = clock_.Monotonic();
  TellInventory();
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
  inventory_changed_ = false;
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

}  // namespace truce::agent
