// Which lever against which contention: the cheapest that is expected to work, as receipts have taught. Thompson
// sampling (Thompson 1933; Russo et al., "A Tutorial on Thompson Sampling", 2018) over a model in two layers: what a
// lever recovers for a resource and a class of giver, and how a pair of applications differs from that.
//
//   table   mean recovery of (resource, lever, class): begins at a prior that counts as so many pairs
//   pair    N(table's mean, spread of pairs), narrowed by the pair's own receipts
//   choice  the largest draw of recovery - price of the class x cost; the mean instead of a draw for a critical victim
//
// A draw stands until the pair has taught something more or its period is over: asked twice, the arbiter says the same,
// and a lever that is not worth it is not tried after all because somebody asked often enough.
//
// Pure: the draws follow from the seed. Not thread-safe: the controller's core owns one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "truce/v1/types.pb.h"

namespace truce::controller {

struct ArbiterOptions {
  // A prior counts as much as so many pairs.
  double prior_pairs = 8;
  // Standard deviations: of pairs about their table's mean, and of a receipt about its pair.
  double pair_deviation = 0.25;
  double receipt_deviation = 0.2;
  // A pair remembers about so many receipts per lever: workloads change.
  double most_receipts = 20;
  // Of each resource, lever and class; those that taught nothing for the longest time are forgotten.
  size_t most_pairs = 4096;
  // What a whole loss of the giver's work weighs against a whole recovery of the victim's.
  double standard_price = 0.5;
  double best_effort_price = 0.15;
  // Draws are so much narrower than what is known (Chapelle and Li, "An Empirical Evaluation of Thompson Sampling",
  // 2011): somebody's work is at stake in each.
  double exploration = 0.5;
  // Less than this is not worth an action.
  double least_worth = 0.05;
  uint64_t seed = 1;
};

// Between whom, and by what it would be ended.
struct Contention {
  std::string victim_application;
  std::string giver_application;
  v1::Resource resource = v1::RESOURCE_UNSPECIFIED;
  v1::WorkloadClass giver_class = v1::WORKLOAD_CLASS_STANDARD;
  // A critical victim is no place for experiments.
  bool victim_critical = false;
};

// What is expected of a lever in a contention. Shares of the victim's slowdown that goes, and of the giver's work that
// goes with it.
struct Expectation {
  double recovery = 0;
  // Standard deviation of what is known of the recovery.
  double deviation = 0;
  double cost = 0;
  // recovery - price x cost.
  double worth = 0;
  // Receipts of this very pair that it rests on.
  int receipts = 0;
};

class Arbiter {
 public:
  explicit Arbiter(const ArbiterOptions& options = {}) : options_(options) {}

  // The lever to try, among `usable`; nullopt when none is expected to be worth it. Draws are made anew in each
  // `period`, which the caller counts. One receipt of a pair puts other levers before, and does not rule one out that
  // helps others: something else may have happened meanwhile, and a critical victim, which nothing is tried on, would
  // never get it again.
  std::optional<v1::Lever> Choose(const Contention& contention, const std::vector<v1::Lever>& usable,
                                  int64_t period) const;
  Expectation Expect(const Contention& contention, v1::Lever lever) const;

  // What a receipt measured: the share of the victim's slowdown that went (negative: it got worse) and the share of the
  // giver's work that went. Values beyond what can be (NaN too), and harm beyond a quarter, are cut off or ignored.
  void Learn(const Contention& contention, v1::Lever lever, double recovery, double cost);
  // Whether a receipt is about two workloads of these applications, either way round.
  bool HaveContended(const std::string& one, const std::string& other) const;

 private:
  struct Mean {
    double weight = 0;
    double mean = 0;
    void Add(double value, double most_weight);
  };
  struct Pair {
    Mean recovery;
    Mean cost;
    int receipts = 0;
    uint64_t learned_at = 0;
  };
  // The pairs that taught it, and the sums of their means.
  struct Row {
    std::map<std::pair<std::string, std::string>, Pair> pairs;
    double recovery = 0;
    double cost = 0;
  };
  using RowKey = std::tuple<v1::Resource, v1::Lever, v1::WorkloadClass>;

  // A draw from N(0, 1) that is the same each time for the same arguments.
  double Draw(const Contention& contention, v1::Lever lever, int receipts, int64_t period) const;

  std::map<RowKey, Row> table_;
  uint64_t learned_ = 0;
  const ArbiterOptions options_;
};

// The levers that are of use against contention for a resource; LEVER_MIGRATE, which is none of leases, isn't among
// them.
std::vector<v1::Lever> LeversFor(v1::Resource resource);
// What is expected of a lever before anything was learned (recovery and cost); nullopt when it is of no use against the
// resource.
std::optional<std::pair<double, double>> PriorOf(v1::Resource resource, v1::Lever lever);

}  // namespace truce::controller
