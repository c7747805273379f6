// A driver that a test plays: a small world that says where each workload stands on this host, what each call comes to,
// and which calls wait until they are let go. The world outlives drivers, as a host outlives agents.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver.h"
#include "src/base/text.h"

namespace truce::agent {

class FakeWorld {
 public:
  // The next calls of `step` fail with this; OK ends that.
  void Fail(const std::string& step, absl::Status status) {
    const absl::MutexLock lock(&mutex_);
    failures_[step] = std::move(status);
  }
  // Calls of `step` wait until Release, or, in a move, until they are cancelled.
  void Block(const std::string& step) {
    const absl::MutexLock lock(&mutex_);
    blocked_.insert(step);
  }
  void Release(const std::string& step) {
    const absl::MutexLock lock(&mutex_);
    blocked_.erase(step);
  }
  // A move that can't be called off any more.
  void SetDeaf(bool deaf) {
    const absl::MutexLock lock(&mutex_);
    deaf_ = deaf;
  }
  bool deaf() const {
    const absl::MutexLock lock(&mutex_);
    return deaf_;
  }
  // Called at the beginning of each call, in the driver's thread.
  void SetHook(std::function<void(std::string_view step)> hook) {
    const absl::MutexLock lock(&mutex_);
    hook_ = std::move(hook);
  }
  void Put(const std::string& migration, v1::MigrationPresence where) {
    const absl::MutexLock lock(&mutex_);
    where_[migration] = where;
  }
  v1::MigrationPresence Where(const std::string& migration) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = where_.find(migration);
    return found == where_.end() ? v1::MIGRATION_PRESENCE_UNSPECIFIED : found->second;
  }
  // Where it stands once it was settled, whatever that said.
  void SetSettlesTo(v1::MigrationPresence where) {
    const absl::MutexLock lock(&mutex_);
    settles_to_ = where;
  }
  v1::MigrationPresence settles_to() const {
    const absl::MutexLock lock(&mutex_);
    return settles_to_;
  }
  // Whether the driver can prove that it is here for good.
  void SetArrived(bool arrived) {
    const absl::MutexLock lock(&mutex_);
    arrived_ = arrived;
  }
  bool arrived() const {
    const absl::MutexLock lock(&mutex_);
    return arrived_;
  }
  // Every call but "ready" and "can_move", in its order: "move m1".
  std::vector<std::string> calls() const {
    const absl::MutexLock lock(&mutex_);
    return calls_;
  }
  // The same without looks, which are taken as often as need be.
  std::vector<std::string> changes() const {
    std::vector<std::string> changes = calls();
    std::erase_if(changes, [](const std::string& call) { return call.starts_with("look "); });
    return changes;
  }
  int Count(const std::string& call) const {
    const std::vector<std::string> all = calls();
    return static_cast<int>(std::count(all.begin(), all.end(), call));
  }
  int at_a_time() const {
    const absl::MutexLock lock(&mutex_);
    return most_at_a_time_;
  }
  int asked(const std::string& step) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = asked_.find(step);
    return found == asked_.end() ? 0 : found->second;
  }
  void SetMovable(bool movable) {
    const absl::MutexLock lock(&mutex_);
    movable_ = movable;
  }
  // Something was done that would let the workload run twice, or end one that runs.
  std::vector<std::string> offences() const {
    const absl::MutexLock lock(&mutex_);
    return offences_;
  }

 private:
  friend class FakeDriver;

  absl::Status Call(const std::string& step, const std::string& migration,
                    const std::atomic<bool>* cancelled = nullptr) {
    std::function<void(std::string_view)> hook;
    {
      const absl::MutexLock lock(&mutex_);
      if (step == "ready" || step == "can_move") {
        ++asked_[step];
      } else {
        calls_.push_back(StrCat(step, " ", migration));
      }
      most_at_a_time_ = std::max(most_at_a_time_, ++at_a_time_);
      hook = hook_;
    }
    if (hook) hook(step);
    const auto may_go = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return !blocked_.contains(step) || (cancelled != nullptr && *cancelled && !deaf_);
    };
    const absl::MutexLock lock(&mutex_);
    // A wish to cancel wakes nobody up, so it is looked at now and then.
    while (!mutex_.AwaitWithTimeout(absl::Condition(&may_go), absl::Milliseconds(2))) {
    }
    --at_a_time_;
    const auto failure = failures_.find(step);
    return failure == failures_.end() ? absl::OkStatus() : failure->second;
  }
  void Offend(const std::string& what) {
    const absl::MutexLock lock(&mutex_);
    offences_.push_back(what);
  }

  mutable absl::Mutex mutex_;
  std::map<std::string, absl::Status> failures_;
  std::set<std::string> blocked_;
  bool deaf_ = false;
  bool movable_ = true;
  v1::MigrationPresence settles_to_ = v1::MIGRATION_PRESENCE_RUNNING;
  bool arrived_ = false;
  std::function<void(std::string_view)> hook_;
  std::map<std::string, v1::MigrationPresence> where_;
  std::vector<std::string> calls_;
  std::map<std::string, int> asked_;
  std::vector<std::string> offences_;
  int at_a_time_ = 0;
  int most_at_a_time_ = 0;
};

class FakeDriver final : public MigrationDriver {
 public:
  explicit FakeDriver(FakeWorld& world, std::string name = "fake") : world_(world), name_(std::move(name)) {}

  std::string_view name() const override { return name_; }
  absl::Status Ready() override { return world_.Call("ready", ""); }
  absl::Status ReadyToReceive() override {
    const absl::MutexLock lock(&world_.mutex_);
    const auto failure = world_.failures_.find("ready_to_receive");
    return failure == world_.failures_.end() ? absl::OkStatus() : failure->second;
  }
  bool CanMove(const Movable& workload) override {
    (void)world_.Call("can_move", workload.workload);
    const absl::MutexLock lock(&world_.mutex_);
    return world_.movable_ && workload.cgroup != nullptr;
  }

  absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) override {
    if (absl::Status status = world_.Call("recall", order.migration_id()); !status.ok()) return status;
    return StrCat("memory of ", workload.workload, " ", workload.kind);
  }
  absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& order) override {
    if (absl::Status status = world_.Call("plan", order.migration_id()); !status.ok()) return status;
    return StrCat("plan of ", order.migration_id());
  }
  absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) override {
    const std::string& id = order.migration_id();
    if (plan != StrCat("plan of ", id)) world_.Offend(StrCat("reserve without its plan: ", plan));
    if (absl::Status status = world_.Call("reserve", id); !status.ok()) return status;
    world_.Put(id, v1::MIGRATION_PRESENCE_STOPPED);
    return Reservation{.endpoint = StrCat("fake:", id), .memory = StrCat("memory of ", id)};
  }
  absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& /*memory*/,
                                   MoveControl& control) override {
    const std::string& id = order.migration_id();
    control.moved_bytes = 1000;
    if (control.cancelled && world_.Where(id) == v1::MIGRATION_PRESENCE_STOPPED) {
      (void)world_.Call("move", id, &control.cancelled);
      return MoveOutcome{.moved_bytes = 2000};
    }
    if (absl::Status status = world_.Call("move", id, &control.cancelled); !status.ok()) return status;
    if (control.cancelled && !world_.deaf()) return absl::CancelledError("told to stop");
    world_.Put(id, v1::MIGRATION_PRESENCE_STOPPED);
    return MoveOutcome{.downtime = absl::Milliseconds(120), .moved_bytes = 2000};
  }
  absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& /*memory*/) override {
    if (absl::Status status = world_.Call("look", order.migration_id()); !status.ok()) return status;
    return Presence{
        .where = world_.Where(order.migration_id()), .workload = "here/web.service", .arrived = world_.arrived()};
  }
  absl::Status Leave(const v1::MigrationOrder& order, const DriverMemory& /*memory*/) override {
    return End("leave", order, v1::MIGRATION_PRESENCE_ABSENT);
  }
  absl::Status Settle(const v1::MigrationOrder& order, const DriverMemory& /*memory*/) override {
    if (absl::Status status = world_.Call("settle", order.migration_id()); !status.ok()) return status;
    world_.Put(order.migration_id(), world_.settles_to());
    return absl::OkStatus();
  }
  absl::Status Resume(const v1::MigrationOrder& order, const DriverMemory& /*memory*/) override {
    if (absl::Status status = world_.Call("resume", order.migration_id()); !status.ok()) return status;
    if (world_.Where(order.migration_id()) != v1::MIGRATION_PRESENCE_STOPPED)
      world_.Offend("resume of what isn't stopped");
    if (order.step() != v1::MIGRATION_STEP_ROLL_BACK) world_.Offend("resume without an order to roll back");
    world_.Put(order.migration_id(), v1::MIGRATION_PRESENCE_RUNNING);
    return absl::OkStatus();
  }
  absl::Status Drop(const v1::MigrationOrder& order, const DriverMemory& /*memory*/) override {
    return End("drop", order, v1::MIGRATION_PRESENCE_ABSENT);
  }

 private:
  absl::Status End(const std::string& step, const v1::MigrationOrder& order, v1::MigrationPresence where) {
    if (absl::Status status = world_.Call(step, order.migration_id()); !status.ok()) return status;
    if (world_.Where(order.migration_id()) == v1::MIGRATION_PRESENCE_RUNNING) world_.Offend(step + " of what runs");
    world_.Put(order.migration_id(), where);
    return absl::OkStatus();
  }

  FakeWorld& world_;
  const std::string name_;
};

}  // namespace truce::agent
