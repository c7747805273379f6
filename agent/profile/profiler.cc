#include "agent/profile/profiler.h"

#include <algorithm>

namespace truce::agent {
namespace {

// A workload that uses so many times what it used on average has begun something else.
constexpr double kRise = 2;
// The mean covers about 1 / this samples.
constexpr double kLevelWeight = 1.0 / 30;

}  // namespace

Profile::Profile(const ProfilerOptions& options)
    : window(static_cast<size_t>(options.window_samples)), usage(options.baseline_memory) {
  for (Signal which : kSignals) {
    signals[static_cast<size_t>(which)] = Baseline(options.baseline_memory, SignalFloor(which));
  }
}

void Profiler::Tick(const Sampler& sampler) {
  // Both maps are ordered by key and keys only grow, so one pass keeps them equal.
  auto profile = profiles_.begin();
  for (const auto& [key, workload] : sampler.workloads()) {
    while (profile != profiles_.end() && profile->first < key) profile = profiles_.erase(profile);
    if (profile == profiles_.end() || profile->first != key) {
      profile = profiles_.emplace_hint(profile, key, std::make_unique<Profile>(options_));
      profile->second->identity = workload->identity;
    }
    NoteFreedom(*workload, *profile->second);
    Learn(*profile->second, workload->sample);
    ++profile;
  }
  profiles_.erase(profile, profiles_.end());
}

// Right after an action was taken back, the list of CPUs is still that which the action left it.
void Profiler::NoteFreedom(const Workload& workload, Profile& profile) const {
  const Sample& sample = workload.sample;
  const double used = sample.value_or(Reading::kCpuUsageCores, 0);
  const bool busy = !sample.under_action && used >= options_.busy_cores;
  const bool rose = used > kRise * profile.busy_level_cores;
  profile.busy_samples = !busy ? 0 : rose ? 1 : profile.busy_samples + 1;
  if (profile.busy_samples <= 1) profile.busy_level_cores = busy ? used : 0;
  if (busy) {
    const double weight = std::max(1.0 / static_cast<double>(profile.busy_samples), kLevelWeight);
    profile.busy_level_cores += weight * (used - profile.busy_level_cores);
  }
  profile.samples_since_held = sample.under_action ? 0 : std::min(profile.samples_since_held, 1'000'000) + 1;
  if (profile.samples_since_held > options_.slow_every && profile.free_cpus != workload.cpus) {
    profile.free_cpus = workload.cpus;
  }
}

void Profiler::Learn(Profile& profile, const Sample& sample) const {
  profile.window.Add(sample);
  if (!sample.has(Reading::kCpuUsageCores)) return;
  ++profile.samples_seen;
  const bool settled = profile.samples_seen > static_cast<uint64_t>(options_.least_samples) / 2;
  // Time in which the workload was throttled by its own quota or the host was robbed says nothing about what is usual.
  const bool disturbed =
      sample.value_or(Reading::kCpuThrottledRatio, 0) > 0.05 || sample.value_or(Reading::kHostStealRatio, 0) > 0.05;
  bool quiet = !disturbed;
  for (Signal which : kSignals) {
    const auto value = SignalValue(which, sample);
    if (!value || disturbed) continue;
    Baseline& baseline = profile.signals[static_cast<size_t>(which)];
    int& beyond = profile.beyond[static_cast<size_t>(which)];
    if (settled && baseline.count() > 0 && *value > baseline.Threshold(options_.learn_sigmas)) {
      quiet = false;
      if (++beyond <= options_.adapt_after_samples) continue;
    } else {
      beyond = 0;
    }
    baseline.Learn(*value);
  }
  if (quiet) profile.usage.Learn(sample.value(Reading::kCpuUsageCores));
}

}  // namespace truce::agent
