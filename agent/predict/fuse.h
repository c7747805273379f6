// The one place where evidence and model become one score per pair. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/predict/model_scorer.h"
#include "agent/predict/scores.h"

namespace truce::agent {

enum class ScoreFrom { kBoth, kEvidence, kModel };

struct FuseOptions {
  ScoreFrom from = ScoreFrom::kBoth;
  // A model that is less sure of itself than this is not heard: evidence goes on alone.
  double least_confidence = 0.4;
  // Pairs below this score are not reported.
  double report_floor = 1;
  // Of the pairs that the model alone scores, the highest so many of each victim are reported, and of the whole host. A
  // report must stay small on a host with many workloads. Pairs above the floor that have evidence, or whose aggressor
  // is held by us, are always reported.
  size_t most_per_victim = 16;
  size_t most_pairs = 4000;
  // Samples that make a baseline.
  uint64_t least_samples = 60;
};

// What the fusion knows of a workload beside its verdict.
struct FuseWorkload {
  std::string name;
  // An action of ours holds it: that its neighbours are well says nothing.
  bool under_action = false;
  // For how many samples in a row it has been at work at its present level, held by nobody (Profile::busy_samples); and
  // how many were seen of it at all.
  uint64_t busy_samples = 0;
  uint64_t samples_seen = 0;
};

// Evidence and model as probabilities, each with a confidence, are pooled as logits weighted by confidence (logarithmic
// opinion pool; Genest and Zidek 1986). What evidence says of a pair:
//   it was scored                            that score, its confidence
//   the aggressor is held back by us         nothing
//   the victim suffers, not from this one    2 %, confidence 0.5; and 50 % at most come out, whatever the model says
//   the victim is well                       5 %, confidence 0.3 when the aggressor has just begun, or begun to use
//   more
//                                            (what will come need not show yet), up to 0.9 when the victim was well
//                                            beside it for 30 samples, and then 50 % at most; but 0.3 when the victim
//                                            has no baseline from before that
// Nothing is said of a victim that is unknown, throttled by its own quota or robbed by the hypervisor, nor what is no
// number. The resource is the one that evidence saw, where it did. With kEvidence, the scores are the evidence's.
Scores Fuse(Scores evidence, const std::vector<ModelScore>& model, const std::map<uint64_t, FuseWorkload>& workloads,
            const FuseOptions& options, absl::Time now);

}  // namespace truce::agent
