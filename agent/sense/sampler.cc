#include "agent/sense/sampler.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "src/base/text.h"

namespace truce::agent {

Sampler::Sampler(SamplerOptions options, const host::CgroupLayout& layout, const Clock& clock,
                 host::CounterService* counters, host::Traffic* traffic)
    : options_(std::move(options)),
      layout_(layout),
      clock_(clock),
      counters_(counters),
      traffic_(traffic),
      discovery_(layout, options_.rules),
      host_(options_.procfs) {
  struct stat space {};
  if (stat((options_.procfs + "/self/ns/net").c_str(), &space) == 0) own_network_namespace_ = space.st_ino;
  online_cpus_ = static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

void Sampler::Tick() {
  const absl::Duration now = clock_.Monotonic();
  const absl::Duration interval = tick_ == 0 ? absl::ZeroDuration() : now - previous_tick_;
  previous_tick_ = now;
  host_.Collect(now, buffer_);
  arrived_.clear();
  departed_.clear();
  const bool discover = std::exchange(discover_now_, false);
  if (discover || tick_ % static_cast<uint64_t>(options_.slow_every) == 0) Discover(now);
  if (counters_ != nullptr) counters_->Govern(now);

  const CollectContext context{
      now, options_.procfs, buffer_, online_cpus_, own_network_namespace_, host_.device_latency(), traffic_};
  bool any_pressure = workloads_.empty();
  for (auto& [key, workload] : workloads_) {
    // Spread the slow reads over the round, but read a newcomer at once.
    const bool slow = (key + tick_) % static_cast<uint64_t>(options_.slow_every) == 0 ||
                      workload->sample.interval == absl::ZeroDuration();
    workload->sample = Sample();
    workload->sample.taken_at = now;
    workload->sample.interval = interval;
    SampleOne(*workload, context, slow);
    any_pressure = any_pressure || workload->sample.has(Reading::kPsiCpuSomeRatio);
  }
  // Right after the start no rate exists yet, which says nothing about PSI.
  if (tick_ > 1) has_pressure_ = any_pressure;
  ++tick_;
}

void Sampler::SampleOne(Workload& workload, const CollectContext& context, bool slow) {
  Sample& sample = workload.sample;
  CollectCpu(workload, context, sample);
  CollectPressure(workload, context, sample);
  // Without PSI, run-queue wait is the only sign of waiting for CPU, so it is read on every tick.
  if (!has_pressure_) CollectThreads(workload, context, sample);
  if (slow) {
    workload.slow = Sample();
    CollectCpuLimits(workload, context, workload.slow);
    CollectMemory(workload, context, workload.slow);
    CollectDisk(workload, context, workload.slow);
    CollectNetwork(workload, context, workload.slow);
    if (has_pressure_) CollectThreads(workload, context, workload.slow);
  }
  for (size_t i = 0; i < kReadingCount; ++i) {
    const auto reading = static_cast<Reading>(i);
    if (workload.slow.has(reading) && !sample.has(reading)) sample.set(reading, workload.slow.value(reading));
  }
  sample.set(Reading::kHostStealRatio, host_.steal_ratio());
  sample.set(Reading::kHostCpuBusyRatio, host_.busy_ratio());
  SampleCounters(workload, sample);
}

void Sampler::SampleCounters(Workload& workload, Sample& sample) {
  if (counters_ == nullptr) return;
  const auto counted = counters_->Read(workload.identity.key);
  if (!counted) return;
  const double seconds = absl::ToDoubleSeconds(counted->enabled);
  if (seconds <= 0) return;
  auto per_second = [seconds](const std::optional<double>& count) {
    return count ? std::optional<double>(*count / seconds) : std::nullopt;
  };
  sample.set(Reading::kInstructionsPerSecond, per_second(counted->instructions));
  sample.set(Reading::kCyclesPerSecond, per_second(counted->cycles));
  sample.set(Reading::kDramFillBytesPerSecond, per_second(counted->dram_fill_bytes));
  sample.set(Reading::kCounterScaleFactor, counted->scale_factor);
  if (counted->context_switches) sample.set(Reading::kContextSwitchesPerSecond, per_second(counted->context_switches));
  // Ratios to instructions mean nothing when hardly any ran.
  constexpr double kFewestInstructions = 1e4;
  if (counted->instructions && *counted->instructions >= kFewestInstructions) {
    const double instructions = *counted->instructions;
    if (counted->cycles) sample.set(Reading::kCyclesPerInstruction, *counted->cycles / instructions);
    if (counted->llc_misses)
      sample.set(Reading::kLlcMissesPerKiloInstruction, *counted->llc_misses * 1e3 / instructions);
    if (counted->llc_references) {
      sample.set(Reading::kLlcReferencesPerKiloInstruction, *counted->llc_references * 1e3 / instructions);
    }
  }
}

void Sampler::Discover(absl::Duration /*now*/) {
  int unnamable = 0;
  const absl::StatusOr<std::vector<DiscoveredWorkload>> walked = discovery_.Walk(&unnamable);
  if (!walked.ok()) {
    // Go on with the workloads that are known.
    left_out_reason_ = std::string(StdView(walked.status().message()));
    spdlog::warn("looking for workloads: {}", left_out_reason_);
    return;
  }
  const std::vector<DiscoveredWorkload>& found = *walked;
  left_out_ = unnamable;
  left_out_reason_ = unnamable > 0 ? "a cgroup whose name is no UTF-8" : "";

  std::set<std::string> there;
  for (const DiscoveredWorkload& workload : found) there.insert(workload.path);
  std::vector<uint64_t> gone;
  for (const auto& [key, workload] : workloads_) {
    if (!there.contains(workload->identity.name) || !workload->cgroup->StillThere()) gone.push_back(key);
  }
  for (uint64_t key : gone) Remove(key);

  for (const DiscoveredWorkload& candidate : found) {
    if (by_name_.contains(candidate.path)) continue;
    if (static_cast<int>(workloads_.size()) >= options_.most_workloads) {
      ++left_out_;
      left_out_reason_ = StrCat("more than discovery.most_workloads = ", options_.most_workloads, " workloads");
      continue;
    }
    auto cgroup = host::Cgroup::Open(layout_, candidate.path);
    if (!cgroup.ok()) {
      if (absl::IsNotFound(cgroup.status())) continue;  // went away since the walk
      ++left_out_;
      left_out_reason_ = std::string(cgroup.status().message());
      continue;
    }
    auto workload = std::make_unique<Workload>();
    WorkloadIdentity& identity = workload->identity;
    identity.key = next_key_++;
    identity.name = candidate.path;
    identity.instance = (*cgroup)->instance();
    identity.kind = candidate.rule->kind;
    identity.application = candidate.application;
    identity.tenant = candidate.tenant;
    identity.workload_class = candidate.rule->workload_class;
    identity.priority = candidate.rule->priority;
    identity.mode_ceiling = candidate.rule->mode_ceiling;
    identity.levers = candidate.rule->levers;
    identity.first_seen = clock_.Now();
    workload->cgroup = *std::move(cgroup);
    if (counters_ != nullptr) {
      const int directory = workload->cgroup->directory_fd(host::Controller::kPerfEvent);
      if (directory >= 0) {
        if (absl::Status status = counters_->Track(identity.key, directory); !status.ok()) {
          spdlog::debug("not counting {}: {}", identity.name, std::string(status.message()));
        }
      }
    }
    if (traffic_ != nullptr) {
      if (absl::Status status = traffic_->Watch(*workload->cgroup); !status.ok()) {
        spdlog::debug("not counting the traffic of {}: {}", identity.name, std::string(status.message()));
      }
    }
    by_name_[identity.name] = identity.key;
    arrived_.push_back(identity.name);
    workloads_.emplace(identity.key, std::move(workload));
  }
}

void Sampler::Remove(uint64_t key) {
  const auto entry = workloads_.find(key);
  departed_.push_back(entry->second->identity.name);
  by_name_.erase(entry->second->identity.name);
  if (counters_ != nullptr) counters_->Untrack(key);
  if (traffic_ != nullptr) traffic_->Forget(host::Traffic::IdOf(*entry->second->cgroup));
  workloads_.erase(entry);
}

Workload* Sampler::Find(const std::string& name) {
  const auto entry = by_name_.find(name);
  return entry == by_name_.end() ? nullptr : workloads_.at(entry->second).get();
}

}  // namespace truce::agent
