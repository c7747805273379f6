// Migrations of the fleet: which are proposed, how far each is, and what each host is ordered next. Pure: statuses and
// time go in, orders and ended migrations come out. ControllerCore owns one behind its lock.
//
//   planner ─► Propose ─► [operator or MODE_ENFORCE] Begin ─► RESERVING ─► MOVING ─► VERIFYING ─► FINISHING ─► MOVED
//                                                                 └───────────┴─────────┴─► ROLLING_BACK ─► ROLLED_BACK
//
// The target is asked to drop what came before the source is told to let it run again, so that it never runs on both.
// Whoever does not answer in time is waited for as long as a lease lives beyond its last sign of life; when it is still
// not known where the workload runs, the migration ends UNCERTAIN and an operator is told. Which step follows which,
// and why that is safe, migration_steps.h says.
//
// A controller that starts anew knows its migrations from the store (Restore), and learns from each host how far that
// is before it orders anything else. What the store does not know and a host speaks of is adopted: looked at on both
// hosts and brought to its end.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/fleet/moment.h"
#include "controller/plan/migration_steps.h"
#include "controller/plan/place/resident.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Not thread-safe.
class Migrations {
 public:
  static constexpr absl::Duration kProposalAge = absl::Minutes(10);  // one that is not repeated is withdrawn
  static constexpr size_t kMostEnded = 1000;
  // Of migrations that nobody knew of: more are nonsense.
  static constexpr size_t kMostAdopted = 1000;
  // A workload that was moved is left alone so long; one whose move did not succeed is not moved again.
  static constexpr absl::Duration kRest = absl::Minutes(30);
  // How long a host that was away is told to remove what is left on it.
  static constexpr absl::Duration kOwed = absl::Hours(24);

  // `id_prefix` makes ids unique over restarts of the controller.
  explicit Migrations(std::string id_prefix) : id_prefix_(std::move(id_prefix)) {}

  // What was stored, before anything else: those under way and the newest that ended, in any order.
  void Restore(std::vector<v1::Migration> stored, Moment now);
  // Adds or renews a proposal for the workload; `migration` has no id yet. Returns it as it stands.
  const v1::Migration& Propose(v1::Migration migration, Moment now);
  // Begins a proposal, or a migration that an operator asks for. FailedPrecondition with the reason when the workload
  // or either host has one under way, or when the hour's budget of a host or the fleet is spent.
  absl::StatusOr<v1::Migration> Begin(v1::Migration migration, const v1::Policy& policy, Moment now);
  // Whether Begin would, and why not.
  absl::Status MayBegin(const v1::Migration& migration, const v1::Policy& policy, Moment now) const;
  // All that a host says, in a hello or a report.
  void OnStatuses(std::string_view host, const google::protobuf::RepeatedPtrField<v1::MigrationStatus>& statuses,
                  Moment now);
  void OnLost(std::string_view host, Moment now);
  // Moves every migration on as far as it can go. Called after statuses and once a second.
  void Tick(const v1::Policy& policy, Moment now);
  // Whether actions are held or wanted on the workload at its source; it is not moved before they are released.
  void SetActedOn(std::string_view migration_id, bool acted_on);
  // Takes it back if it can be: it must not go on, because of `why`.
  void Stop(std::string_view migration_id, std::string_view why);
  // Takes up one that ended UNCERTAIN: both hosts are ordered to look again, and where their answers agree it is
  // brought to its end. What it was let run once is not forgotten: nothing of the source's is let run again unless it
  // runs. NotFound for an id that is not remembered; FailedPrecondition when it did not end UNCERTAIN, or when another
  // migration has to do with either host.
  absl::StatusOr<v1::Migration> Verify(std::string_view migration_id, std::string_view who, Moment now);
  // The same without doing it: as it would stand.
  absl::StatusOr<v1::Migration> MayVerify(std::string_view migration_id, std::string_view who, Moment now) const;
  // On hold nothing begins; what is under way is taken back where that is possible. The host "" is the fleet.
  void Hold(std::string_view host, std::string_view why, Moment now);
  // What the host is ordered now.
  void FillOrders(std::string_view host, const v1::Policy& policy, v1::DesiredSet* desired) const;
  // Whether the workload is under way or was moved here lately: the planner leaves it alone.
  bool IsBusy(std::string_view host, std::string_view workload, Moment now) const;
  // Whether a move of it lately ended otherwise: it is not moved again so soon.
  bool WasTriedLately(std::string_view host, std::string_view workload, Moment now) const;
  // What is proposed or under way for the workload, as the one that is moved; nullptr for nothing.
  const v1::Migration* Find(std::string_view host, std::string_view workload) const;
  // One that is proposed or under way; nullptr when there is none of the id.
  const v1::Migration* Get(std::string_view migration_id) const;
  // Whether it is of an earlier life of the controller, and its hosts are ordered to go on with what they are at.
  bool IsRecovering(std::string_view migration_id) const;
  // Those that the source is not ordered to move yet.
  std::vector<const v1::Migration*> Reserving() const;
  // What hosts must keep free for what is on its way to them.
  std::map<std::string, pack::PlaceResources, std::less<>> Reserved() const;

  // Those that ended since the last call, in their last state.
  std::vector<v1::Migration> TakeEnded();
  // Those to be stored: their phase changed since the last call. Proposals are not stored: the planner repeats them.
  std::vector<v1::Migration> TakeChanged();
  // Hosts whose orders changed since the last call, and so must be sent their desired set.
  std::vector<std::string> TakeChangedHosts();
  // Proposed, under way and ended (the newest kMostEnded), oldest first.
  std::vector<v1::Migration> List() const;
  // Of those the ones that have not ended, in no order.
  std::vector<v1::Migration> Open() const;

 private:
  using Entries = std::map<std::string, MigrationEntry, std::less<>>;
  // An order to a host that was away when the migration ended.
  struct Owed {
    v1::Migration migration;
    v1::MigrationRole role;
    v1::MigrationStep step;
    absl::Duration until;
  };
  struct Rest {
    absl::Duration until;
    bool moved = false;
  };

  void OnStatus(std::string_view host, const v1::MigrationStatus& status, Moment now);
  MigrationEntry* Adopt(const v1::MigrationStatus& status, Moment now);
  // Takes it over as far as the status says who it is about. False when it is about somebody else.
  static bool Belongs(std::string_view host, const v1::MigrationStatus& status, MigrationEntry* entry);
  void LearnHostOfEnded(std::string_view host, const v1::MigrationStatus& status);
  void DropOwed(std::string_view host, const google::protobuf::RepeatedPtrField<v1::MigrationStatus>& statuses);
  const HostSign& SignOf(std::string_view host) const;
  Entries::iterator End(Entries::iterator it, Moment now);
  void Remember(const v1::Migration& ended, Moment now, absl::Duration age);
  // The workload's proposal, or end().
  Entries::iterator ProposalOf(const v1::Migration& migration);
  // Whether either of its hosts has one under way.
  absl::Status CheckNoOther(const v1::Migration& migration) const;
  size_t BegunIn(std::string_view host, Moment now) const;
  std::string NewId();

  std::string id_prefix_;
  uint64_t next_id_ = 1;
  Entries open_;
  std::deque<v1::Migration> ended_;
  std::multimap<std::string, Owed, std::less<>> owed_;
  // (host, workload): names on a source where the move did not succeed, or on a target where it did.
  std::map<std::pair<std::string, std::string>, Rest> rests_;
  std::map<std::string, HostSign, std::less<>> signs_;
  std::vector<v1::Migration> just_ended_;
  std::set<std::string> changed_;
  std::vector<v1::Migration> changed_ended_;
  std::set<std::string> changed_hosts_;
  // When migrations began, by host ("" for the fleet), within the last hour.
  std::map<std::string, std::deque<absl::Duration>, std::less<>> began_;
};

}  // namespace truce::controller
