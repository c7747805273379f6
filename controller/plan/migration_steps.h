// One migration's way from step to step: what its hosts said, how they are heard and the time go in; its next phase and
// what each host is ordered come out. Pure; Migrations (migrations.h) owns the entries.
//
//   RESERVING ─► MOVING ─► VERIFYING ─► FINISHING ──► MOVED          each of the last three in two halves:
//       │          │         │  ▲ ▲         │                          VERIFYING     the source looks, then the target
//       └──────────┴─────────┴──┼─┼─────────┴► ROLLING_BACK            FINISHING     the target settles, then the
//                    restored ──┘ └── adopted       └► ROLLED_BACK                   source removes what is left
//                                                                      ROLLING_BACK  the target drops what came, then
//   UNCERTAIN: where nothing below is certain                                        the source lets it run again
//
// What is certain:
//  - Until the source is ordered to move it, it runs there.
//  - A host that looked after the source's move was over and saw it run, runs it; the other one then does not, because
//    drivers let one run only when they are told that the other doesn't (MigrationOrder).
//  - Who said MOVE done has stopped it, and won't let it run again before it is ordered to.
//  - A target that said ROLL_BACK done has nothing of it.
//  - The source removes nothing before the target said that it runs there, or can prove that it
//    did.
//  - Nothing is moved before the source holds no action on it any more: what was taken from it would travel with it.
// Once it may have run on the target nothing leads back: what the source still has may be older. That is stored with
// the migration (Migration.may_have_run_on_target), as a controller that starts anew must know it too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "controller/fleet/moment.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Limits of one phase or half. Who is not connected is waited for longer: until a lease has run out since it was last
// heard.
inline constexpr absl::Duration kReserveLimit = absl::Minutes(2);
inline constexpr absl::Duration kMoveLimit = absl::Minutes(15);
inline constexpr absl::Duration kStepLimit = absl::Minutes(2);  // of every other step

// How a host is heard.
struct HostSign {
  // Since this controller began.
  bool spoke = false;
  bool connected = false;
  absl::Duration lost_at = -absl::InfiniteDuration();
};

struct MigrationEntry {
  // With what its hosts said last.
  v1::Migration migration;
  // Monotonic, as all times here. When its phase, or the second half of it, began.
  absl::Duration phase_since;
  // When it was proposed last.
  absl::Duration proposed_at;
  bool second_half = false;
  // Of an earlier life of the controller: its hosts go on with what they are at until all have said what that is.
  bool recovering = false;
  // Nobody knew of it until a host spoke of it.
  bool adopted = false;
  // What a host said since this controller began.
  bool source_spoke_of_it = false;
  bool target_spoke_of_it = false;
  // Actions are held, or wanted, on the workload at the source: they are released before it is moved.
  bool acted_on = false;
  // Why it is taken back if it can be; empty: it isn't.
  std::string hold;
  // The source was seen at the move; it can't have refused it any more.
  bool move_began = false;
  // The target was asked to look although the source's move may not have been over.
  bool looked_early = false;
};

struct StepContext {
  const HostSign& source;
  const HostSign& target;
  // How long an order lives (Policy.lease_time_to_live).
  absl::Duration lease;
  Moment now;
};

// Whether its hosts have work to do: between begun and ended.
bool IsUnderWay(v1::MigrationPhase phase);
bool HasEnded(v1::MigrationPhase phase);
// Whether somebody else chooses the target: no host is asked to receive it.
bool ChoosesTarget(std::string_view driver);
// Whether a target must say where it receives it; of an operator's own program (command) that is not known.
bool NeedsEndpoint(std::string_view driver);

// Moves it on by one phase or half if it can go there; to be called until it returns false.
bool Advance(MigrationEntry& entry, const StepContext& context);
// What the host in that role is ordered now; nullopt for nothing.
std::optional<v1::MigrationStep> StepOf(const MigrationEntry& entry, v1::MigrationRole role);
// What is still to be done on a host after the end: the source of one that moved removes what is left, the target of
// one that was taken back what came. nullopt where that is done, or not certain to be right.
std::optional<std::pair<v1::MigrationRole, v1::MigrationStep>> OwedAfter(const v1::Migration& ended);
// Whether the status answers the step, well or badly.
bool IsOver(const v1::MigrationStatus& status, v1::MigrationStep step);
// Where the workload stands on the host, once that looked.
v1::MigrationPresence PresenceIn(const v1::MigrationStatus& status);

}  // namespace truce::controller
