// What the agent says at each scoring: the report, and the events that it carries. The rest of the class is in
// agent.cc.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "agent/link/report.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using google::protobuf::util::TimeUtil;

// The readable statistics of a report cover this much; the window itself may be longer.
constexpr size_t kSummarySamples = 60;
// Events kept between two reports.
constexpr size_t kMostEvents = 1000;

}  // namespace

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

// Those who may not be moved are not asked about.
std::vector<std::string> Agent::MigrationDriversFor(const Workload& workload) {
  const WorkloadIdentity& identity = workload.identity;
  const auto& levers = identity.levers;
  if (std::find(levers.begin(), levers.end(), v1::LEVER_MIGRATE) == levers.end()) return {};
  return mover_->DriversFor({identity.name, identity.kind, identity.application, workload.cgroup.get()});
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

}  // namespace truce::agent
