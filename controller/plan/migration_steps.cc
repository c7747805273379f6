#include "controller/plan/migration_steps.h"

#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr auto kUnknown = v1::MIGRATION_PRESENCE_UNSPECIFIED;
constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;

bool IsMoveOver(const v1::MigrationStatus& source) {
  return source.step() >= v1::MIGRATION_STEP_MOVE && IsOver(source, source.step());
}

std::string Because(const v1::MigrationStatus& status) {
  return status.reason().empty() ? std::string(", and did not say why") : StrCat(": ", status.reason());
}

// "web-1 says that it is stopped there", "web-2 does not answer".
std::string Say(const std::string& host, const v1::MigrationStatus& status, bool late) {
  const std::string name = host.empty() ? std::string("the other host, which nobody named,") : host;
  switch (PresenceIn(status)) {
    case kAbsent:
      return StrCat(name, " says that nothing of it is there");
    case kStopped:
      return StrCat(name, " says that it is stopped there");
    case kRunning:
      return StrCat(name, " says that it runs there");
    default:
      return late ? StrCat(name, " does not answer") : StrCat(name, " can't tell");
  }
}

class Stepper {
 public:
  Stepper(MigrationEntry& entry, const StepContext& context)
      : entry_(entry), migration_(entry.migration), context_(context), now_(context.now.monotonic) {}

  bool Step() {
    if (entry_.recovering) return Recover();
    switch (migration_.phase()) {
      case v1::MIGRATION_PHASE_RESERVING:
        return Reserve();
      case v1::MIGRATION_PHASE_MOVING:
        return Move();
      case v1::MIGRATION_PHASE_VERIFYING:
        return Verify();
      case v1::MIGRATION_PHASE_FINISHING:
        return entry_.second_half ? Leave() : Settle();
      case v1::MIGRATION_PHASE_ROLLING_BACK:
        return entry_.second_half ? Resume() : Drop();
      default:
        return false;
    }
  }

 private:
  bool Enter(v1::MigrationPhase phase, std::string detail) {
    migration_.set_phase(phase);
    if (!detail.empty()) migration_.set_detail(std::move(detail));
    SetTime(context_.now.wall, migration_.mutable_changed_at());
    entry_.phase_since = now_;
    entry_.second_half = false;
    return true;
  }
  bool TakeBack(std::string why) { return Enter(v1::MIGRATION_PHASE_ROLLING_BACK, std::move(why)); }
  bool Uncertain(std::string_view why) {
    return Enter(
        v1::MIGRATION_PHASE_UNCERTAIN,
        StrCat(why, "; ", Say(migration_.source_host(), migration_.source(), SourceLate()),
               WithoutTarget() ? std::string()
                               : StrCat(", ", Say(migration_.target_host(), migration_.target(), TargetLate())),
               ": look there, and let it run on one of them"));
  }
  bool SecondHalf() {
    entry_.second_half = true;
    entry_.phase_since = now_;
    return true;
  }

  bool WithoutTarget() const { return ChoosesTarget(migration_.driver()); }
  bool Waited(absl::Duration limit) const { return now_ - entry_.phase_since >= limit; }
  bool IsSilent(const HostSign& sign) const { return !sign.connected && now_ - sign.lost_at >= context_.lease; }
  bool Late(const HostSign& sign, absl::Duration limit) const {
    return Waited(limit) && (sign.connected || IsSilent(sign));
  }
  bool SourceLate() const { return Late(context_.source, kStepLimit); }
  bool TargetLate() const { return Late(context_.target, kStepLimit); }
  v1::MigrationPresence Source() const { return PresenceIn(migration_.source()); }
  v1::MigrationPresence Target() const { return WithoutTarget() ? kAbsent : PresenceIn(migration_.target()); }
  void SawOnTarget() {
    migration_.set_may_have_run_on_target(true);
    migration_.set_seen_on_target(true);
  }
  // Whether the workload does not run on the source, and won't before it is ordered to.
  bool IsStoppedOnSource() const { return Source() == kStopped || (Source() == kUnknown && migration_.move_done()); }

  bool Recover() {
    const bool all_spoke = !migration_.source_host().empty() && context_.source.spoke &&
                           (WithoutTarget() || (!migration_.target_host().empty() && context_.target.spoke));
    if (!all_spoke && !Waited(kStepLimit + context_.lease)) return false;
    entry_.recovering = false;
    entry_.phase_since = now_;
    const bool still_moves = migration_.phase() == v1::MIGRATION_PHASE_MOVING && entry_.source_spoke_of_it &&
                             migration_.source().step() == v1::MIGRATION_STEP_MOVE;
    if (still_moves) return true;
    if (Target() == kRunning) SawOnTarget();
    // What was stored may be older than what became of it: only what hosts said since then counts.
    if (!entry_.source_spoke_of_it) migration_.clear_source();
    if (!entry_.target_spoke_of_it) migration_.clear_target();
    if (Target() == kRunning) SawOnTarget();
    // What the target saw, or will say that it saw, may be older than the end of the source's move.
    entry_.looked_early = !entry_.target_spoke_of_it || migration_.target().step() >= v1::MIGRATION_STEP_VERIFY;
    migration_.set_move_ordered(true);
    // The last steps tell what had been decided.
    if (IsAt(v1::MIGRATION_STEP_ROLL_BACK)) return Enter(v1::MIGRATION_PHASE_ROLLING_BACK, "");
    if (IsAt(v1::MIGRATION_STEP_FINISH)) return Enter(v1::MIGRATION_PHASE_FINISHING, "");
    if (migration_.phase() == v1::MIGRATION_PHASE_RESERVING || migration_.phase() == v1::MIGRATION_PHASE_MOVING) {
      return Enter(v1::MIGRATION_PHASE_VERIFYING, "the controller was started anew meanwhile");
    }
    return true;
  }
  bool IsAt(v1::MigrationStep step) const {
    return migration_.source().step() == step || migration_.target().step() == step;
  }

  bool Reserve() {
    if (!entry_.hold.empty()) return TakeBack(entry_.hold);
    const v1::MigrationStatus& target = migration_.target();
    const bool answered = !WithoutTarget() && IsOver(target, v1::MIGRATION_STEP_RESERVE);
    if (answered && target.progress() != v1::MIGRATION_PROGRESS_DONE) {
      return TakeBack(StrCat(migration_.target_host(), " can't receive it", Because(target)));
    }
    // Nothing was moved yet, so it is not this one.
    if (answered && target.presence() == kRunning) {
      return TakeBack(StrCat(migration_.target_host(), " says that it runs there already, before it was moved"));
    }
    if (answered && target.endpoint().empty() && NeedsEndpoint(migration_.driver())) {
      return TakeBack(StrCat(migration_.target_host(), " does not say where it receives it"));
    }
    if ((answered || WithoutTarget()) && context_.source.connected && !entry_.acted_on) {
      migration_.set_move_ordered(true);
      return Enter(v1::MIGRATION_PHASE_MOVING, "");
    }
    if (entry_.acted_on && Late(context_.source, kReserveLimit)) {
      return TakeBack(StrCat(migration_.source_host(), " did not release within ",
                             absl::FormatDuration(absl::Trunc(now_ - entry_.phase_since, absl::Seconds(1))),
                             " what it holds on it, so the move was not begun"));
    }
    if (!answered && !WithoutTarget() && Late(context_.target, kReserveLimit)) {
      return TakeBack(StrCat(migration_.target_host(), " did not get ready within ",
                             absl::FormatDuration(absl::Trunc(now_ - entry_.phase_since, absl::Seconds(1)))));
    }
    if (!context_.source.connected && Late(context_.source, kReserveLimit)) {
      return TakeBack(StrCat(migration_.source_host(), " is not connected, so the move was not begun"));
    }
    return false;
  }

  bool Move() {
    const v1::MigrationStatus& source = migration_.source();
    const bool at_move = source.step() == v1::MIGRATION_STEP_MOVE;
    if (at_move && source.progress() == v1::MIGRATION_PROGRESS_WORKING) entry_.move_began = true;
    if (at_move && source.progress() == v1::MIGRATION_PROGRESS_DONE) {
      migration_.set_move_done(true);
      return Enter(v1::MIGRATION_PHASE_VERIFYING, "");
    }
    if (at_move && source.progress() == v1::MIGRATION_PROGRESS_REFUSED && !entry_.move_began) {
      migration_.set_move_ordered(false);
      return TakeBack(StrCat(migration_.source_host(), " does not move it", Because(source)));
    }
    if (IsMoveOver(source)) {
      return Enter(v1::MIGRATION_PHASE_VERIFYING, StrCat("the move did not succeed", Because(source)));
    }
    if (!entry_.hold.empty()) return Enter(v1::MIGRATION_PHASE_VERIFYING, entry_.hold);
    if (IsSilent(context_.source)) {
      return Enter(v1::MIGRATION_PHASE_VERIFYING,
                   StrCat(migration_.source_host(), " fell silent while it moved it; its order has run out"));
    }
    if (context_.source.connected && Waited(kMoveLimit)) {
      return Enter(v1::MIGRATION_PHASE_VERIFYING,
                   StrCat("the move was not done within ", absl::FormatDuration(kMoveLimit)));
    }
    return false;
  }

  bool Verify() {
    if (!entry_.second_half) {
      if (IsMoveOver(migration_.source())) return SecondHalf();
      if (!SourceLate()) return false;
      entry_.looked_early = true;
      return SecondHalf();
    }
    const v1::MigrationPresence target = Target();
    if (target == kRunning) SawOnTarget();
    if (Source() == kRunning && target == kRunning) return Uncertain("both hosts say that it runs there");
    if (Source() == kRunning) {
      if (target == kUnknown && !TargetLate()) return false;
      return TakeBack(StrCat("it still runs on ", migration_.source_host(), BecauseOfSource()));
    }
    if (target == kRunning) {
      if (Source() == kUnknown && !SourceLate()) return false;
      return Enter(v1::MIGRATION_PHASE_FINISHING, "");
    }
    const bool source_known = Source() != kUnknown || (migration_.move_done() && SourceLate());
    if (!source_known || target == kUnknown) {
      const bool late = (!source_known && SourceLate()) || (target == kUnknown && TargetLate());
      return late && Uncertain("nobody can say for certain where it runs");
    }
    return VerifyStopped(target);
  }

  // It runs on neither host, for certain, or as far as anybody may have looked too early.
  bool VerifyStopped(v1::MigrationPresence target) {
    const bool may_have_arrived = target == kStopped && entry_.looked_early;
    const bool can_go_back =
        IsStoppedOnSource() && !may_have_arrived && !migration_.may_have_run_on_target() && !WithoutTarget();
    const bool has_arrived = migration_.move_done() && (target == kStopped || WithoutTarget());
    if (has_arrived && (entry_.hold.empty() || !can_go_back)) return Enter(v1::MIGRATION_PHASE_FINISHING, "");
    if (can_go_back) {
      return TakeBack(entry_.hold.empty() ? StrCat("it did not arrive on ", migration_.target_host(), BecauseOfSource())
                                          : entry_.hold);
    }
    return Uncertain("it seems to run nowhere");
  }

  // What the source said of a move that did not succeed, where the detail doesn't say it yet.
  std::string BecauseOfSource() const {
    return migration_.detail().empty() ? std::string() : StrCat(" (", migration_.detail(), ")");
  }

  bool Settle() {
    if (WithoutTarget()) return SecondHalf();
    const v1::MigrationStatus& target = migration_.target();
    if (IsOver(target, v1::MIGRATION_STEP_FINISH)) {
      const bool done = target.progress() == v1::MIGRATION_PROGRESS_DONE;
      const v1::MigrationPresence presence = target.presence();
      if (presence == kRunning || target.arrived()) SawOnTarget();
      // It may have ended, or been paused by its owner, since it was seen.
      const bool may_leave = done || presence == kRunning || target.arrived() || presence == kUnknown;
      if (migration_.seen_on_target() && may_leave) {
        if (!done) {
          migration_.set_detail(
              StrCat(migration_.target_host(), " could not undo what was only for the migration", Because(target)));
        }
        return SecondHalf();
      }
      // It was let run, and nobody saw that it does.
      if (done) migration_.set_may_have_run_on_target(true);
      if (!done && presence != kUnknown) {
        if (!migration_.may_have_run_on_target() && IsStoppedOnSource()) {
          return TakeBack(StrCat(migration_.target_host(), " could not let it run", Because(target)));
        }
        return Uncertain(StrCat(migration_.target_host(), " could not let it run", Because(target)));
      }
    }
    return TargetLate() && Uncertain(StrCat(migration_.target_host(), " does not say that it runs there"));
  }

  bool Leave() {
    if (!WithoutTarget() && Source() == kRunning) return Uncertain("both hosts say that it runs there");
    const v1::MigrationStatus& source = migration_.source();
    if (IsOver(source, v1::MIGRATION_STEP_FINISH)) {
      return Enter(v1::MIGRATION_PHASE_MOVED,
                   source.progress() == v1::MIGRATION_PROGRESS_DONE
                       ? std::string()
                       : StrCat(migration_.source_host(), " could not remove what is left of it", Because(source)));
    }
    if (!SourceLate()) return false;
    return Enter(v1::MIGRATION_PHASE_MOVED,
                 StrCat(migration_.source_host().empty() ? std::string("the source") : migration_.source_host(),
                        " did not say that it removed what is left of it"));
  }

  bool Drop() {
    if (WithoutTarget()) return SecondHalf();
    const v1::MigrationStatus& target = migration_.target();
    const bool runs_on_source = !migration_.move_ordered() || Source() == kRunning;
    if (target.step() != v1::MIGRATION_STEP_ROLL_BACK && Target() == kRunning) {
      if (migration_.move_ordered()) return TurnedOutToRun();
      return Uncertain("it was not moved yet and turned out to run on the target");
    }
    if (IsOver(target, v1::MIGRATION_STEP_ROLL_BACK)) {
      const bool done = target.progress() == v1::MIGRATION_PROGRESS_DONE;
      const v1::MigrationPresence presence = target.presence();
      if (presence == kAbsent || (done && presence == kUnknown)) return SecondHalf();
      if (presence == kRunning && migration_.move_ordered()) return TurnedOutToRun();
      if (runs_on_source && presence != kRunning) {
        StrAppend(migration_.mutable_detail(), "; ", migration_.target_host(), " could not remove what came",
                  Because(target));
        return SecondHalf();
      }
    }
    if (!TargetLate()) return false;
    if (!runs_on_source) {
      return Uncertain(
          StrCat("it was to be taken back, and ", migration_.target_host(), " does not say that it removed what came"));
    }
    StrAppend(migration_.mutable_detail(), "; ", migration_.target_host(),
              " did not say that it removed what came, which ends by itself");
    return SecondHalf();
  }

  // What was to be dropped runs there, and so was not dropped.
  bool TurnedOutToRun() {
    SawOnTarget();
    if (Source() == kRunning) return Uncertain("both hosts say that it runs there");
    if (Source() == kUnknown && !migration_.move_done()) {
      return SourceLate() && Uncertain("it was to be taken back and turned out to run on the target");
    }
    return Enter(v1::MIGRATION_PHASE_FINISHING,
                 StrCat("it was to be taken back, and runs on ", migration_.target_host(), " already"));
  }

  bool Resume() {
    if (!migration_.move_ordered()) return Enter(v1::MIGRATION_PHASE_ROLLED_BACK, "");
    const v1::MigrationStatus& source = migration_.source();
    if (IsOver(source, v1::MIGRATION_STEP_ROLL_BACK)) {
      const bool done = source.progress() == v1::MIGRATION_PROGRESS_DONE;
      if (source.presence() == kRunning || (done && source.presence() == kUnknown)) {
        return Enter(v1::MIGRATION_PHASE_ROLLED_BACK, "");
      }
    }
    if (!SourceLate()) return false;
    if (Source() == kRunning) return Enter(v1::MIGRATION_PHASE_ROLLED_BACK, "");
    return Uncertain(StrCat(migration_.source_host(), " does not say that it lets it run again",
                            source.reason().empty() ? std::string() : StrCat(" (", source.reason(), ")")));
  }

  MigrationEntry& entry_;
  v1::Migration& migration_;
  const StepContext& context_;
  const absl::Duration now_;
};

}  // namespace

bool Advance(MigrationEntry& entry, const StepContext& context) {
  return Stepper(entry, context).Step();
}

}  // namespace truce::controller
