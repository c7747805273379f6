// The actuator: ties guard, levers, journal, writer and lease book together. Opened by OpenActuator (actuator.h); tests
// open it with a disk of their own.
//
//   leased_actuator.cc        Apply: judge each action, release what is not wanted, carry out the rest
//   leased_actuator_tick.cc   Tick: expiry, workloads that went, measuring, resets, new nested cgroups
//   leased_actuator_end.cc    how a lease ends: restore, receipt, retries of what could not be restored
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/act/actuator.h"
#include "agent/act/disk.h"
#include "agent/act/guard.h"
#include "agent/act/journal.h"
#include "agent/act/lease_book.h"
#include "agent/act/ledger.h"
#include "agent/act/lever.h"
#include "agent/act/restore.h"

namespace truce::agent {

// Not thread-safe: the agent's tick thread owns it. Its destructor restores nothing; call RestoreAll before.
class LeasedActuator final : public Actuator {
 public:
  LeasedActuator(const ActuatorOptions& options, const host::CgroupLayout& layout, const Clock& clock,
                 host::ControlWriter& writer, std::unique_ptr<Journal> journal);

  // Restores what an earlier run left in the journal and writes its receipts. Called once, before anything else.
  void Recover();

  v1::DesiredSetResult Apply(const v1::DesiredSet& desired, const TargetLookup& targets) override;
  void Tick(const TargetLookup& targets) override;
  absl::Status RestoreAll(v1::ReceiptOutcome outcome) override;
  std::vector<v1::HeldAction> held() const override;
  std::vector<v1::Receipt> TakeReceipts() override { return ledger_.TakeReceipts(); }
  std::vector<v1::Event> TakeEvents() override { return ledger_.TakeEvents(); }

 private:
  // One action of a desired set and what the guard says of it.
  struct Judged {
    const v1::LeasedAction* action = nullptr;
    std::string owner;
    std::optional<ActionTarget> target;
    Verdict verdict;
  };
  // Files whose restore failed; the journal knows which, by owner.
  struct Retry {
    std::string workload;
    int attempts = 0;
    absl::Duration next;
  };

  // Apply.
  std::vector<Judged> JudgeAll(const v1::DesiredSet& desired, const TargetLookup& targets);
  void ReleaseUnwanted(const std::vector<Judged>& judged);
  v1::ActionResult CarryOut(const Judged& judged, const TargetLookup& targets);
  absl::Duration RetryAfter(const Judged& judged, const absl::Status& refusal) const;
  absl::Status ApplyOne(const Judged& judged, const TargetLookup& targets);
  void Keep(const Judged& judged, const absl::Status& applied);
  void Advised(const v1::LeasedAction& action);
  absl::StatusOr<LeverPlan> Plan(const v1::LeasedAction& action, const std::string& path, uint64_t instance);
  Measurement MeasurementFor(const v1::LeasedAction& action, const ActionTarget& target, const TargetLookup& targets,
                             const Lease* replaced) const;
  void Replace(const std::string& owner, const v1::LeasedAction& successor);

  static WorkloadUse UseOf(const ActionTarget& target, v1::Lever lever);
  // What of the action is in force: all of it, or a step on the way.
  static v1::LeasedAction InForce(const Lease& lease);
  static std::optional<QuotaFollower> FollowerFor(const v1::LeasedAction& action, const Lease* lease);
  absl::StatusOr<Squeeze> FirstSqueeze(const v1::LeasedAction& action, const ActionTarget& target, const Lease* lease);
  // The target's memory, or its guest's where a virtual machine runs in it.
  absl::StatusOr<MemoryState> MemoryToSqueeze(const ActionTarget& target);

  // Tick. Each returns whether the lease goes on.
  bool StillAllowed(Lease& lease, const std::optional<ActionTarget>& target);
  bool Helps(Lease& lease, const std::optional<ActionTarget>& target, const TargetLookup& targets);
  bool Watch(Lease& lease);
  bool WatchResets(Lease& lease, const LeverPlan& plan);
  void Advance(Lease& lease, const ActionTarget& target);
  absl::Status FollowDemand(Lease& lease, const ActionTarget& target);
  absl::Status TakeStep(Lease& lease, const ActionTarget& target);
  void ForgetVanished(Lease& lease, const LeverPlan& plan);
  absl::Status Reenact(Lease& lease, const LeverPlan& plan);
  void GiveUp(Lease& lease, const LeverPlan& plan);
  void RetryRestores();

  // Ending.
  void End(const std::string& owner, v1::ReceiptOutcome outcome, const std::string& detail);
  void Settle(const std::string& owner, v1::Receipt receipt, const std::vector<RestoredFile>& files);
  void RetryLater(const std::string& owner, const std::string& workload, const std::vector<RestoredFile>& files);

  const ActuatorOptions options_;
  const host::CgroupLayout& layout_;
  const Clock& clock_;
  host::ControlWriter& writer_;
  const std::unique_ptr<Journal> journal_;
  LeaseBook book_;
  Ledger ledger_;
  RateBrake brake_;
  FutileMemory futile_;
  std::map<std::string, Retry> retries_;  // by owner
  // What the last set was told, by lease, so that an event is written once and not at every renewal.
  std::map<std::string, std::string> told_;
  std::map<std::string, std::string> telling_;
};

// OpenActuator of actuator.h with the disk handed in; `disk` outlives the actuator.
absl::StatusOr<std::unique_ptr<Actuator>> OpenActuatorOn(Disk& disk, const ActuatorOptions& options,
                                                         const host::CgroupLayout& layout, const Clock& clock,
                                                         host::ControlWriter& writer);

}  // namespace truce::agent
