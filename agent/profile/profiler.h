// Keeps every workload's fingerprint: its window of samples and the baselines of its signals. Fed once a tick, asked by
// the scorer. Tick thread only.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/profile/signals.h"
#include "agent/profile/window.h"
#include "agent/sense/sampler.h"
#include "models/baseline.h"

namespace truce::agent {

struct ProfilerOptions {
  // Samples kept per workload.
  int window_samples = 300;
  // A workload with fewer samples than this is unknown.
  int least_samples = 60;
  // Samples beyond mean + this many standard deviations are not learned. Wider than the outlier threshold of the
  // scorer: cutting off a normal spread at 2 sigma would make it shrink by itself.
  double learn_sigmas = 3;
  // A workload whose signal stays beyond that for so many samples in a row has changed for good: its baseline follows.
  int adapt_after_samples = 1800;
  // A workload that uses fewer cores is not at work.
  double busy_cores = 0.05;
  // How many samples old a workload's list of CPUs may be (SamplerOptions::slow_every).
  int slow_every = 5;
  // Baselines remember about so many samples.
  double baseline_memory = 600;
};

// What is known of one workload.
struct Profile {
  explicit Profile(const ProfilerOptions& options);

  WorkloadIdentity identity;
  Window window;
  // CPUs that it may run on when no action of ours holds it: what it shares with others says what they would do to each
  // other if it were let go. Empty: all.
  std::vector<int> free_cpus;
  // Samples that carried a usage reading, over the workload's whole life.
  uint64_t samples_seen = 0;
  std::array<Baseline, kSignalCount> signals;
  // Samples in a row in which a signal was too far off to be learned.
  std::array<int, kSignalCount> beyond{};
  // Samples in a row in which it was at work, at about the level of the last one or above, and no action of ours held
  // it: what its neighbours bore meanwhile, they bear.
  uint64_t busy_samples = 0;
  // Its mean use in those samples, in cores.
  double busy_level_cores = 0;
  // Samples since an action of ours held it last; many when none ever did.
  int samples_since_held = 1'000'000;
  // Usual CPU use in quiet times: a victim that is starved uses little just because it is starved.
  Baseline usage;

  const Baseline& signal(Signal which) const { return signals[static_cast<size_t>(which)]; }
};

// By workload key.
using Profiles = std::map<uint64_t, std::unique_ptr<Profile>>;

class Profiler {
 public:
  explicit Profiler(ProfilerOptions options) : options_(options) {}
  // Takes the sampler's newest samples and forgets workloads that went away.
  void Tick(const Sampler& sampler);
  const Profiles& profiles() const { return profiles_; }
  const ProfilerOptions& options() const { return options_; }
  // Adds one sample to a profile, which need not be one of profiles().
  void Learn(Profile& profile, const Sample& sample) const;

 private:
  void NoteFreedom(const Workload& workload, Profile& profile) const;
  const ProfilerOptions options_;
  Profiles profiles_;
};

}  // namespace truce::agent
