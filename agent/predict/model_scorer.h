// Scores pairs with the interference model (models/interference/model.h).
//
//   every tick:       each workload's newest sample ─► one LSTM step ─► its fingerprint
//   every scoring:    fingerprints x what each pair shares ─► P(slowdown >= 5 %), severity, resource, confidence
//
// A tick costs one step per workload, whatever the number of pairs. Memory grows with the number of workloads that live
// at once, and with the square of the number of distinct CPU sets. Tick thread only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/profile/profiler.h"
#include "models/interference/model_file.h"
#include "models/interference/signature.h"
#include "models/topology.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

struct ModelScorerOptions {
  // A victim below this many cores, now and usually, is unknown.
  double least_victim_cores = 0.25;
  // Nor is one known that was seen for fewer samples than this.
  uint64_t least_samples = 60;
  // An aggressor with fewer samples than this has no fingerprint yet.
  uint64_t least_steps = 3;
  // Pairs below this score are not told.
  double report_floor = 1;
  // A workload is at work when it uses this many cores.
  double busy_cores = 0.05;
};

// What the model says of one ordered pair.
struct ModelScore {
  uint64_t victim = 0;
  uint64_t aggressor = 0;
  // P(the aggressor alone slows the victim by 5 % or more), calibrated.
  double probability = 0;
  // Expected log(1 + slowdown), and half the width of the interval around it that holds 80 % of all cases.
  float log_slowdown = 0;
  float reach = 0;
  // 0-1: how usual the two are, times how often the model is right with the readings that this host has.
  double confidence = 0;
  v1::Resource resource = v1::RESOURCE_UNSPECIFIED;

  // The expected slowdown, as a fraction.
  double severity() const;
};

class ModelScorer {
 public:
  ModelScorer(ModelFile file, Topology topology, ModelScorerOptions options);

  // One step for every workload whose profile has a new sample; newcomers start afresh, those that went away are
  // forgotten.
  void Tick(const Profiles& profiles);
  // Steps through what the profiles hold of the last samples, for a model that takes over from another.
  void CatchUp(const Profiles& profiles);
  // Every ordered pair (victim, aggressor) that stands out or is `wanted`, in no particular order; valid until the next
  // call.
  const std::vector<ModelScore>& Score(const Profiles& profiles,
                                       const std::set<std::pair<uint64_t, uint64_t>>& wanted = {});
  // Once after each scoring: signatures of a few workloads at work, so that each has a new one every five minutes.
  // By key.
  std::map<uint64_t, v1::Signature> Sign(const Profiles& profiles);
  // The fingerprint of a workload, and how usual it is, 0-1; null when it has none.
  struct View {
    Row fingerprint;
    double familiarity = 0;
  };
  std::optional<View> Find(uint64_t key) const;

  const std::string& version() const { return file_.version; }
  const ModelFile& file() const { return file_; }

 private:
  static std::array<int, kFeatureGroupCount> AllMissing() {
    std::array<int, kFeatureGroupCount> all{};
    all.fill(1'000'000);
    return all;
  }
  struct Slot {
    uint64_t key = 0;
    uint64_t steps = 0;
    // Of the last sample taken.
    absl::Duration sampled_at = -absl::InfiniteDuration();
    size_t cpu_set = 0;
    // The round from which a new signature is due.
    uint64_t sign_at = 0;
    bool victim = false;
    // A bit per FeatureGroup that its samples lack.
    unsigned missing = 0;
    // By FeatureGroup; begins as missing.
    std::array<int, kFeatureGroupCount> samples_since_seen = AllMissing();
    double familiarity = 0;
  };

  bool MayBeSigned(const Profile& profile) const;
  void Drop(size_t slot);
  void AddSlots(const Profiles& profiles);
  // The sample of `age` ticks ago of a profile as a row of inputs_.
  void Take(const Profile& profile, size_t age, size_t slot);
  // One step for everybody whose sample of `age` ticks ago is newer than the last one taken.
  void StepAll(const Profiles& profiles, size_t age);
  // Everybody as the company of a victim on those CPUs.
  const Company& CompanyOn(size_t cpu_set);
  size_t CpuSet(const std::vector<int>& cpus);
  const PairContext& SharesOf(size_t victim_set, size_t aggressor_set);
  // Forgets CPU sets that nobody has any more, when there are many.
  void PruneCpuSets(const Profiles& profiles);
  double Accuracy(unsigned missing);

  ModelFile file_;
  SignatureMaker signatures_;
  const Topology topology_;
  const ModelScorerOptions options_;
  std::vector<Slot> slots_;
  std::map<uint64_t, size_t> slot_of_;
  // One row per slot.
  Rows inputs_;
  Rows fingerprints_;
  Rows memory_;
  Rows as_victims_;
  Rows as_aggressors_;
  // Scratch.
  Rows stepped_fingerprints_;
  Rows stepped_memory_;
  PairEffects effects_;
  Eigen::VectorXf distances_;
  // Distinct CPU sets, and what a victim on one shares with an aggressor on another.
  std::vector<std::vector<int>> cpu_sets_;
  std::map<std::vector<int>, size_t> cpu_set_of_;
  std::map<std::pair<size_t, size_t>, PairContext> shares_;
  // By the victim's CPU set: all slots as its company, and whether that was made in this scoring.
  struct Neighbourhood {
    bool made = false;
    Company company;
  };
  std::vector<Neighbourhood> neighbourhoods_;
  Rows contexts_;
  std::map<unsigned, double> accuracy_;
  // Calls of Sign.
  uint64_t round_ = 0;
  std::vector<ModelScore> scores_;
};

}  // namespace truce::agent
