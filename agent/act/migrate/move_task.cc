#include "agent/act/migrate/move_task.h"

#include <system_error>
#include <utility>

#include "src/base/text.h"

namespace truce::agent {
namespace {

constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;

class Runner {
 public:
  Runner(MoveTaskInput& input, MoveControl& control)
      : input_(input), driver_(*input.driver), order_(input.order), memory_(input.memory), control_(control) {}

  MoveTaskResult Run() {
    switch (input_.task) {
      case MoveTask::kRecall:
        result_.status = Recall();
        break;
      case MoveTask::kMove:
        result_.status = Keep(driver_.Move(order_, memory_, control_), &result_.outcome);
        break;
      case MoveTask::kPlan:
        result_.status = Keep(driver_.Plan(order_), &result_.memory);
        break;
      case MoveTask::kReserve:
        result_.status = Reserve();
        break;
      case MoveTask::kLook:
        result_.status = Look();
        break;
      case MoveTask::kWithdraw:
        result_.status = Withdraw();
        break;
      case MoveTask::kFinish:
        result_.status = IsSource() ? Leave() : Settle();
        break;
      case MoveTask::kRollBack:
        result_.status = IsSource() ? Resume() : Drop();
        break;
    }
    return std::move(result_);
  }

 private:
  template <typename T>
  static absl::Status Keep(absl::StatusOr<T> value, T* kept) {
    if (value.ok()) *kept = *std::move(value);
    return value.status();
  }

  bool IsSource() const { return order_.role() == v1::MIGRATION_ROLE_SOURCE; }
  v1::MigrationPresence where() const { return result_.presence.where; }

  absl::Status Look() {
    result_.presence = {};
    auto presence = driver_.Look(order_, memory_);
    if (!presence.ok()) return presence.status();
    if (presence->where == v1::MIGRATION_PRESENCE_UNSPECIFIED) {
      return absl::UnavailableError(StrCat("the driver ", driver_.name(), " can't tell where it stands"));
    }
    result_.presence = *std::move(presence);
    return absl::OkStatus();
  }
  // What it was good for stands anyhow.
  absl::Status LookAgain() {
    (void)Look();
    return absl::OkStatus();
  }

  absl::Status Recall() {
    if (!driver_.CanMove(input_.workload)) {
      return absl::FailedPreconditionError(
          StrCat("the driver ", driver_.name(), " can't move ", input_.workload.workload));
    }
    return Keep(driver_.Recall(order_, input_.workload), &result_.memory);
  }

  absl::Status Reserve() {
    auto reservation = driver_.Reserve(order_, memory_);
    if (!reservation.ok()) return reservation.status();
    result_.memory = std::move(reservation->memory);
    result_.endpoint = std::move(reservation->endpoint);
    return absl::OkStatus();
  }

  absl::Status Withdraw() {
    absl::Status looked = Look();
    if (!looked.ok() || where() == kRunning) return looked;
    absl::Status dropped = driver_.Drop(order_, memory_);
    return dropped.ok() ? LookAgain() : dropped;
  }

  absl::Status Leave() {
    absl::Status looked = Look();
    if (!looked.ok()) return looked;
    if (where() == kRunning) {
      return absl::FailedPreconditionError(
          "it runs here, and what runs is not removed; look where it runs, and stop one");
    }
    absl::Status left = driver_.Leave(order_, memory_);
    return left.ok() ? LookAgain() : left;
  }

  absl::Status Settle() {
    absl::Status looked = Look();
    if (!looked.ok()) return looked;
    if (where() == kAbsent) return absl::FailedPreconditionError("nothing of it came to this host");
    absl::Status settled = driver_.Settle(order_, memory_);
    (void)LookAgain();
    return settled;
  }

  absl::Status Resume() {
    absl::Status looked = Look();
    if (!looked.ok() || where() == kRunning) return looked;
    if (where() != kStopped) {
      return absl::FailedPreconditionError("nothing of it is left on this host that could be let run again");
    }
    absl::Status resumed = driver_.Resume(order_, memory_);
    if (!resumed.ok()) return resumed;
    looked = Look();
    if (!looked.ok() || where() == kRunning) return looked;
    return absl::UnavailableError("it was told to run again and does not run yet");
  }

  absl::Status Drop() {
    absl::Status looked = Look();
    if (!looked.ok()) return looked;
    if (where() == kRunning) {
      return absl::FailedPreconditionError("it runs here by now, and what runs is not dropped");
    }
    absl::Status dropped = driver_.Drop(order_, memory_);
    if (!dropped.ok()) return dropped;
    looked = Look();
    if (!looked.ok() || where() == kAbsent) return looked;
    return absl::UnavailableError("it was dropped and something of it is still here");
  }

  MoveTaskInput& input_;
  MigrationDriver& driver_;
  const v1::MigrationOrder& order_;
  const DriverMemory& memory_;
  MoveControl& control_;
  MoveTaskResult result_;
};

}  // namespace

MoveTaskResult RunMoveTask(MoveTaskInput& input, MoveControl& control) {
  return Runner(input, control).Run();
}

MoveTaskThread::MoveTaskThread(MoveTaskInput input, bool cancelled)
    : task_(input.task), state_(std::make_shared<State>()) {
  state_->input = std::move(input);
  state_->control.cancelled = cancelled;
  try {
    thread_ = std::thread([state = state_] {
      state->result = RunMoveTask(state->input, state->control);
      state->done.Notify();
    });
  } catch (const std::system_error& error) {
    const std::string reason =
        StrCat("there is no thread for it: ", error.what(), "; see TasksMax= of the agent's unit");
    // A move that an earlier run began may go on by itself; any other did not begin.
    const bool begins = task_ == MoveTask::kMove && !cancelled;
    state_->result.status = begins ? absl::ResourceExhaustedError(reason) : absl::UnavailableError(reason);
    state_->done.Notify();
  }
}

MoveTaskThread::~MoveTaskThread() {
  if (thread_.joinable()) thread_.join();
}

MoveTaskResult MoveTaskThread::Take() {
  if (thread_.joinable()) thread_.join();
  return std::move(state_->result);
}

void MoveTaskThread::Abandon() {
  if (thread_.joinable()) thread_.detach();
}

}  // namespace truce::agent
