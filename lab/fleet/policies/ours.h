// Truce's placing in the simulated fleet: a workload goes where it slows and is slowed least, by what signatures say
// and by the class of who suffers, and where the forecast leaves CPU time for it (pack::HostIndex); every hour the
// worst is put right by moves (pack::Anneal, pack::OrderMoves).
//
//   price of v beside a on a host = weight of v's class x sum over r of suffers(v, r) x hurts(a, r) / mean hurts(r)
//                                   x a's p95 / CPUs of the host
//
// A workload that wasn't signed yet counts with the mean of its application, and one of an application that nothing is
// known of, with the mean of all.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "controller/plan/pack/host_index.h"
#include "controller/plan/pack/problem.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/policies/ledger.h"

namespace truce::lab::fleet {

struct OursOptions {
  std::string name = "truce";
  double overcommit = 2;
  // Without: CPU time and room alone count.
  bool pairs = true;
  // Without: what runs stays where it is.
  bool rebalances = true;
  // Of a slowdown, by class.
  double class_weights[kClasses] = {1, 0.25, 0.05};
  // What a host with all of its room in use costs more than an empty one.
  double fullness = 0.02;
  // How far figures of signatures count beyond their mean over all workloads, as a power: 1 all, 0 nothing.
  double trust = 1;
  // Of a host's CPUs, what the sum of its workloads' p95 stays below.
  double most_p95_ratio = 0.9;
  // Of one core more than that, and of a move, in slowdowns of a critical workload.
  double core_cost = 0.3;
  double move_cost = 0.005;
  // Hosts that are planned together, and changes that are tried for each of their workloads.
  size_t hosts_together = 60;
  int64_t tries = 200;
  uint64_t seed = 1;
};

class Ours final : public Placer {
 public:
  explicit Ours(OursOptions options);
  std::string_view name() const override { return options_.name; }
  void OnHosts(const std::vector<HostFacts>& hosts) override;
  void OnArrival(const Request& request, size_t host) override;
  void OnMoved(const Move& move) override;
  void OnDeparture(int64_t workload) override;
  void OnReport(const HostReport& report) override;
  absl::StatusOr<std::optional<size_t>> Place(const Request& request) override;
  absl::StatusOr<std::vector<Move>> Rebalance(const MoveBudget& budget) override;

 private:
  // Where the sum of p95 stands in PlaceResources, after CPUs and memory that are asked for.
  static constexpr size_t kP95 = 2;
  // Means of what was reported of an application.
  struct Seen {
    Signature signature;
    double signatures = 0;
    // p95 as a part of what a workload may use.
    double used = 0;
    double readings = 0;
  };
  // What is believed of a workload; its signature is Trusted.
  struct Believed {
    bool is_signed = false;
    Signature signature;
    double p95_cores = 0;
  };
  Believed Guess(const Request& request) const;
  // suffers with class weight and mean hurts in it, and hurts with use.
  Effects Suffers(const Request& request, const Believed& believed) const;
  static Effects Hurts(const Believed& believed);
  // What is said, drawn towards the mean over all workloads as far as it is not to be trusted.
  Signature Trusted(Signature said) const;
  void Refresh(size_t host);
  // What all on the host suffer, weighted.
  double CostOf(size_t host) const;
  // Hosts dealt out so that each of the bunches has some that suffer much and some that don't.
  std::vector<std::vector<size_t>> Bunches() const;
  controller::pack::Problem MakeProblem(const std::vector<size_t>& hosts, std::vector<int64_t>* workloads,
                                        controller::pack::Assignment* before) const;
  // Adds at most `most` moves between the hosts to `moves`, and makes them in `then`.
  absl::Status Plan(const std::vector<size_t>& hosts, int32_t most, Ledger* then, std::vector<Move>* moves);

  const OursOptions options_;
  Ledger ledger_;
  controller::pack::HostIndex index_;
  absl::flat_hash_map<int64_t, Believed> believed_;
  std::vector<Seen> applications_;
  Seen all_;
  uint64_t plans_ = 0;
};

}  // namespace truce::lab::fleet
