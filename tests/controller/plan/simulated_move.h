// Two hosts and a workload that is moved between them, as MigrationOrder and the agent's drivers promise it, for the
// tests of Migrations. What really happens to the workload is known here, so that a test can see what nobody may see:
// that it runs twice, or nowhere.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "absl/time/time.h"
#include "controller/fleet/moment.h"
#include "truce/v1/agent.pb.h"

namespace truce::controller {

// How the hosts and their driver behave. Times are in ticks.
struct MoveManners {
  // The target runs it as soon as the last byte is there (a live migration); else only once it is told to FINISH.
  bool live = true;
  int reserve_ticks = 1;
  int move_ticks = 3;
  // From the point of no return to the end of the move; the workload runs nowhere meanwhile. Long where it is stopped
  // first and copied then.
  int standstill_ticks = 1;
  int step_ticks = 0;
  enum class Move { kWorks, kRefused, kFailsEarly, kFailsStopped, kFailsArrived };
  Move move = Move::kWorks;
  bool reserve_refused = false;
  bool settle_fails = false;
  bool drop_fails = false;
  bool leave_fails = false;
  bool resume_fails = false;
  // VERIFY cancels a move that has not passed the point of no return; else it waits for the end.
  bool verify_cancels = true;
  // A step that comes after a later one is done all the same; else ignored.
  bool goes_back = false;
};

struct Unsafe : std::logic_error {
  using std::logic_error::logic_error;
};

// The truth: what is where.
struct MovedWorkload {
  bool runs_on_source = true;
  bool runs_on_target = false;
  // A stopped copy that could run.
  bool copy_on_source = false;
  bool copy_on_target = false;
  bool reserved = false;

  void Check() const {
    if (runs_on_source && runs_on_target) throw Unsafe("it runs on both hosts");
  }
  bool runs() const { return runs_on_source || runs_on_target; }
};

// What a host does with its orders; the same for source and target, by the order's role.
class SimulatedHost {
 public:
  SimulatedHost(v1::MigrationRole role, const MoveManners& manners, MovedWorkload* truth)
      : role_(role), manners_(manners), truth_(truth) {}

  void Take(const v1::DesiredSet& desired, absl::Duration now) {
    const v1::MigrationOrder* mine = nullptr;
    for (const v1::MigrationOrder& order : desired.migrations()) {
      if (order.role() == role_) mine = &order;
    }
    if (mine == nullptr) {
      Expire();
      // What has come to an end is forgotten.
      if (status_.has_value() && status_->progress() != v1::MIGRATION_PROGRESS_WORKING && !moving_) status_.reset();
      return;
    }
    deadline_ = now + ToDuration(mine->time_to_live());
    if (!status_.has_value() || status_->migration_id() != mine->migration_id()) {
      status_.emplace();
      status_->set_migration_id(mine->migration_id());
      status_->set_role(role_);
      status_->set_driver("simulated");
      Begin(mine->step());
    } else if (mine->step() == status_->step()) {
      // Done once; but what was lost by an earlier run, or dropped, is done anew.
      if (again_) Begin(mine->step());
    } else if (mine->step() > status_->step() || manners_.goes_back) {
      Begin(mine->step());
    }
  }

  void Tick(absl::Duration now) {
    if (now >= deadline_) Expire();
    if (moving_) MoveOn();
    if (status_.has_value() && status_->progress() == v1::MIGRATION_PROGRESS_WORKING && !moving_ && --left_ < 0) Do();
  }

  // The agent ends and comes back with its journal.
  void Restart() {
    deadline_ = -absl::InfiniteDuration();
    if (role_ == v1::MIGRATION_ROLE_TARGET && !truth_->runs_on_target && !IsAt(v1::MIGRATION_STEP_FINISH)) DropIt();
    if (moving_ && !passed_) Cancel();
    if (status_.has_value() && status_->progress() == v1::MIGRATION_PROGRESS_WORKING && !moving_) again_ = true;
  }

  google::protobuf::RepeatedPtrField<v1::MigrationStatus> Statuses() const {
    google::protobuf::RepeatedPtrField<v1::MigrationStatus> statuses;
    if (status_.has_value()) *statuses.Add() = *status_;
    return statuses;
  }

 private:
  bool IsAt(v1::MigrationStep step) const { return status_.has_value() && status_->step() == step; }
  bool is_source() const { return role_ == v1::MIGRATION_ROLE_SOURCE; }

  void Begin(v1::MigrationStep step) {
    again_ = false;
    if (moving_ && step != v1::MIGRATION_STEP_MOVE && !passed_ && manners_.verify_cancels) Cancel();
    status_->set_step(step);
    status_->set_progress(v1::MIGRATION_PROGRESS_WORKING);
    status_->clear_presence();
    status_->clear_reason();
    left_ = step == v1::MIGRATION_STEP_RESERVE ? manners_.reserve_ticks : manners_.step_ticks;
    if (step != v1::MIGRATION_STEP_MOVE) return;
    if (manners_.move == MoveManners::Move::kRefused || !truth_->runs_on_source) {
      End(v1::MIGRATION_PROGRESS_REFUSED);
    } else {
      moving_ = true;
      passed_ = false;
      left_ = manners_.move_ticks;
    }
  }

  // An order that is not renewed ends as its step says.
  void Expire() {
    if (moving_ && !passed_) Cancel();
    if (!is_source() && !truth_->runs_on_target && !IsAt(v1::MIGRATION_STEP_FINISH)) DropIt();
  }

  void Cancel() {
    moving_ = false;
    if (IsAt(v1::MIGRATION_STEP_MOVE)) End(v1::MIGRATION_PROGRESS_FAILED);
  }

  void DropIt() {
    const bool had = truth_->reserved || truth_->copy_on_target;
    truth_->reserved = truth_->copy_on_target = false;
    if (!IsAt(v1::MIGRATION_STEP_RESERVE)) return;
    if (had || status_->progress() == v1::MIGRATION_PROGRESS_WORKING) {
      End(v1::MIGRATION_PROGRESS_FAILED);
      again_ = true;
    }
  }

  void MoveOn() {
    if (--left_ >= 0) return;
    if (!passed_) {
      if (manners_.move == MoveManners::Move::kFailsEarly) {
        Cancel();
        return;
      }
      passed_ = true;
      truth_->runs_on_source = false;
      truth_->copy_on_source = true;
      left_ = manners_.standstill_ticks;
      return;
    }
    moving_ = false;
    const bool arrives = truth_->reserved && manners_.move != MoveManners::Move::kFailsStopped;
    if (arrives) {
      truth_->copy_on_target = true;
      truth_->reserved = false;
      if (manners_.live) truth_->runs_on_target = true;
      truth_->Check();
    } else if (manners_.move != MoveManners::Move::kFailsStopped) {
      // The other end is gone: it runs here as before.
      truth_->runs_on_source = true;
      truth_->copy_on_source = false;
    }
    const bool works = arrives && manners_.move == MoveManners::Move::kWorks;
    if (IsAt(v1::MIGRATION_STEP_MOVE)) {
      End(works ? v1::MIGRATION_PROGRESS_DONE : v1::MIGRATION_PROGRESS_FAILED);
    } else {
      left_ = manners_.step_ticks;
    }
  }

  void Do() {
    switch (status_->step()) {
      case v1::MIGRATION_STEP_RESERVE:
        truth_->reserved = !manners_.reserve_refused;
        status_->set_endpoint("b:1");
        End(truth_->reserved ? v1::MIGRATION_PROGRESS_DONE : v1::MIGRATION_PROGRESS_REFUSED);
        return;
      case v1::MIGRATION_STEP_VERIFY:
        End(v1::MIGRATION_PROGRESS_DONE);
        break;
      case v1::MIGRATION_STEP_FINISH:
        End(is_source() ? Leave() : Settle());
        break;
      case v1::MIGRATION_STEP_ROLL_BACK:
        End(is_source() ? Resume() : Drop());
        break;
      default:
        return;
    }
    status_->set_presence(Look());
  }

  v1::MigrationPresence Look() const {
    const bool runs = is_source() ? truth_->runs_on_source : truth_->runs_on_target;
    const bool has = is_source() ? truth_->copy_on_source : truth_->copy_on_target || truth_->reserved;
    return runs ? v1::MIGRATION_PRESENCE_RUNNING : has ? v1::MIGRATION_PRESENCE_STOPPED : v1::MIGRATION_PRESENCE_ABSENT;
  }

  v1::MigrationProgress Settle() {
    if (truth_->runs_on_target) return v1::MIGRATION_PROGRESS_DONE;
    if (!truth_->copy_on_target || manners_.settle_fails) return v1::MIGRATION_PROGRESS_FAILED;
    truth_->runs_on_target = true;
    truth_->Check();
    return v1::MIGRATION_PROGRESS_DONE;
  }
  v1::MigrationProgress Leave() {
    if (!truth_->runs_on_target) throw Unsafe("the source removes what is left while it does not run on the target");
    if (truth_->runs_on_source) throw Unsafe("the source removes what still runs");
    if (manners_.leave_fails) return v1::MIGRATION_PROGRESS_FAILED;
    truth_->copy_on_source = false;
    return v1::MIGRATION_PROGRESS_DONE;
  }
  v1::MigrationProgress Drop() {
    if (truth_->runs_on_target) throw Unsafe("the target drops what runs there");
    if (manners_.drop_fails) return v1::MIGRATION_PROGRESS_FAILED;
    truth_->reserved = truth_->copy_on_target = false;
    return v1::MIGRATION_PROGRESS_DONE;
  }
  v1::MigrationProgress Resume() {
    if (truth_->runs_on_source) return v1::MIGRATION_PROGRESS_DONE;
    // What is still there may come to run: only a target that has dropped it can't.
    if (truth_->runs_on_target || truth_->copy_on_target || truth_->reserved) {
      throw Unsafe("the source lets it run while the target has it");
    }
    if (!truth_->copy_on_source || manners_.resume_fails) return v1::MIGRATION_PROGRESS_FAILED;
    truth_->runs_on_source = true;
    truth_->copy_on_source = false;
    return v1::MIGRATION_PROGRESS_DONE;
  }

  void End(v1::MigrationProgress progress) {
    status_->set_progress(progress);
    if (progress != v1::MIGRATION_PROGRESS_DONE) status_->set_reason("the test says so");
  }

  const v1::MigrationRole role_;
  const MoveManners& manners_;
  MovedWorkload* const truth_;
  // Survives a restart, as the agent's journal.
  std::optional<v1::MigrationStatus> status_;
  bool moving_ = false;
  bool passed_ = false;
  bool again_ = false;
  int left_ = 0;
  absl::Duration deadline_ = -absl::InfiniteDuration();
};

}  // namespace truce::controller
