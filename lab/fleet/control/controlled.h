// Truce in the simulated fleet: this plays the agents and the scheduler of a real controller, which sees nothing but
// their messages. Agents report, the scheduler asks for a host (Place) and keeps the rules that all policies keep
// (ledger.h), of which the controller knows nothing: where its choice breaks one, it gives the reservation back and
// takes the best host that doesn't (ScoreHosts, Reserve). Moves are what the controller advises.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lab/fleet/control/link.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/policies/ledger.h"
#include "truce/v1/agent.pb.h"

namespace truce::lab::fleet {

struct ControlledOptions {
  std::string name = "truce";
  double overcommit = 2;
  // What agents say of interference: of each workload; of each what is said of the average one; nothing.
  enum class Signatures { kOwn, kAverage, kNone } signatures = Signatures::kOwn;
  // Without: what runs stays where it is.
  bool rebalances = true;
};

class Controlled final : public Placer {
 public:
  Controlled(ControlledOptions options, std::unique_ptr<ControllerLink> link);
  std::string_view name() const override { return options_.name; }
  void OnHosts(const std::vector<HostFacts>& hosts) override;
  void OnArrival(const Request& request, size_t host) override;
  void OnMoved(const Move& move) override;
  void OnDeparture(int64_t workload) override;
  void OnReport(const HostReport& report) override;
  absl::StatusOr<std::optional<size_t>> Place(const Request& request) override;
  absl::StatusOr<std::vector<Move>> Rebalance(const MoveBudget& budget) override;

 private:
  // A mean of what was reported.
  struct Seen {
    double value = 0;
    double readings = 0;
    void Add(double newest);
  };
  v1::WorkloadReport Describe(const HostFacts& host, const Request& request, const WorkloadReport& said);
  v1::Signature Sign(const HostFacts& host, const Signature& said, double cores);
  // What the scheduler tells of a workload: it sizes CPU by what those of its application were foretold to use at most.
  v1::WorkloadDescription Ask(const Request& request) const;
  absl::StatusOr<size_t> HostOf(const std::string& name) const;
  // The best host that keeps the rules of all policies, reserved.
  absl::StatusOr<std::optional<size_t>> PlaceByRules(const Request& request,
                                                     const v1::WorkloadDescription& description);
  void Drop(size_t host, int64_t workload);
  void Send(size_t host);
  // Of hosts that have changed since they reported.
  void SendChanged();
  void Note(const absl::Status& status) { status_.Update(status); }

  const ControlledOptions options_;
  const std::unique_ptr<ControllerLink> link_;
  Ledger ledger_;
  // The first that went wrong; told by the next call that can.
  absl::Status status_;
  // By host: its last report.
  std::vector<v1::Report> reports_;
  std::vector<bool> changed_;
  absl::flat_hash_map<std::string, size_t> host_by_name_;
  // Of its flavour, what a workload of an application is foretold to use at most; and of all.
  std::vector<Seen> used_;
  Seen used_by_all_;
  // By resource, what average neighbours suffer from average workloads, in what is signed; and the other way round.
  std::array<Seen, kEffects> hurts_;
  std::array<Seen, kEffects> suffers_;
};

}  // namespace truce::lab::fleet
