// Migrations of the fleet: which are proposed, how far each is, and what each host is ordered next. Pure: statuses and
// time go in, orders and ended migrations come out. ControllerCore owns one behind its lock.
//
//   planner ─► Propose ─► [operator or MODE_ENFORCE] Begin ─► RESERVING ─► MOVING ─► VERIFYING ─► FINISHING ─► MOVED
//                                                                 └───────────┴─────────┴─► ROLLING_BACK ─► ROLLED_BACK
//
// The target is asked to drop what came before the source is told to let it run again, so that it never runs on both.
// Whoever does not answer in time is waited for as long as a lease lives beyond its last sign of life; when it is still
// not known where the workload runs, the migration ends UNCERTAIN and an operator is told.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/moment.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Not thread-safe.
class Migrations {
 public:
  static constexpr absl::Duration kReserveLimit = absl::Minutes(2);
  static constexpr absl::Duration kMoveLimit = absl::Minutes(15);
  static constexpr absl::Duration kStepLimit = absl::Minutes(2);  // of every other step
  static constexpr absl::Duration kProposalAge = absl::Minutes(10);  // one that is not repeated is withdrawn
  static constexpr size_t kMostEnded = 1000;

  // `id_prefix` makes ids unique over restarts of the controller.
  explicit Migrations(std::string id_prefix) : id_prefix_(std::move(id_prefix)) {}

  // Adds or renews a proposal for the workload; `migration` has no id yet. Returns it as it stands.
  const v1::Migration& Propose(v1::Migration migration, Moment now);
  // Begins a proposal, or a migration that an operator asks for. FailedPrecondition with the reason when the workload
  // or either host has one under way, or when the hour's budget of a host or the fleet is spent.
  absl::StatusOr<v1::Migration> Begin(v1::Migration migration, const v1::Policy& policy, Moment now);
  // What a host says; also its silence: `connected` false.
  void OnStatuses(std::string_view host, const google::protobuf::RepeatedPtrField<v1::MigrationStatus>& statuses,
                  Moment now);
  void OnLost(std::string_view host, Moment now);
  // Moves every migration on as far as it can go. Called after statuses and once a second.
  void Tick(Moment now);
  // On hold nothing begins; what is under way is taken back where that is possible.
  void Hold(std::string_view host, std::string_view why, Moment now);
  // What the host is ordered now.
  void FillOrders(std::string_view host, const v1::Policy& policy, v1::DesiredSet* desired) const;
  // Whether the workload is under way or was moved here lately: the planner leaves it alone.
  bool IsBusy(std::string_view host, std::string_view workload, Moment now) const;

  // Those that ended since the last call, in their last state.
  std::vector<v1::Migration> TakeEnded();
  // Hosts whose orders changed since the last call, and so must be sent their desired set.
  std::vector<std::string> TakeChangedHosts();
  // Proposed, under way and ended (the newest kMostEnded), oldest first.
  std::vector<v1::Migration> List() const;

 private:
  struct Entry {
    v1::Migration migration;
    Moment created;
    absl::Duration phase_since;
    bool source_silent = false;
    bool target_silent = false;
    bool hold = false;
  };

  const std::string id_prefix_;
  uint64_t next_id_ = 1;
  std::map<std::string, Entry, std::less<>> open_;
  std::deque<v1::Migration> ended_;
  std::vector<v1::Migration> just_ended_;
  std::vector<std::string> changed_hosts_;
  // When migrations began, by host ("" for the fleet), within the last hour.
  std::map<std::string, std::deque<absl::Duration>, std::less<>> began_;
};

}  // namespace truce::controller
