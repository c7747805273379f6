#include "agent/act/leased_actuator.h"

#include <algorithm>
#include <set>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_host.h"

namespace truce::agent {
namespace {

// More than any controller wants of one host; a longer set is nonsense and is refused whole.
constexpr int kMostActions = 4096;
// After this a full disk or a spent budget of changes may have room again, and who was busy may be free.
constexpr absl::Duration kExhaustedBackoff = absl::Seconds(10);

v1::ActionResult ResultOf(const v1::LeasedAction& action, v1::ActionState state, std::string reason = "") {
  v1::ActionResult result;
  result.set_lease_id(action.lease_id());
  result.set_state(state);
  result.set_reason(std::move(reason));
  return result;
}

}  // namespace

LeasedActuator::LeasedActuator(const ActuatorOptions& options, const host::CgroupLayout& layout, const Clock& clock,
                               host::ControlWriter& writer, std::unique_ptr<Journal> journal)
    : options_(options),
      layout_(layout),
      clock_(clock),
      writer_(writer),
      journal_(std::move(journal)),
      ledger_(clock),
      brake_(options.changes_per_minute) {}

v1::DesiredSetResult LeasedActuator::Apply(const v1::DesiredSet& desired, const TargetLookup& targets) {
  v1::DesiredSetResult result;
  result.set_version(desired.version());
  result.set_nonce(desired.nonce());
  if (desired.hold()) (void)RestoreAll(v1::RECEIPT_OUTCOME_HELD);  // what fails is told by events and tried again
  if (desired.actions_size() > kMostActions) {
    result.set_reason(StrCat("the set has ", desired.actions_size(), " actions; at most ", kMostActions, " are taken"));
    return result;
  }
  const std::vector<Judged> judged = JudgeAll(desired, targets);
  ReleaseUnwanted(judged);
  result.set_accepted(true);
  for (const Judged& one : judged) {
    v1::ActionResult outcome = CarryOut(one, targets);
    if (outcome.state() == v1::ACTION_STATE_REFUSED) result.set_accepted(false);
    *result.add_results() = std::move(outcome);
  }
  told_ = std::exchange(telling_, {});
  return result;
}

std::vector<LeasedActuator::Judged> LeasedActuator::JudgeAll(const v1::DesiredSet& desired,
                                                             const TargetLookup& targets) {
  std::vector<Judged> judged;
  std::set<std::string> owners;
  std::set<std::string> lease_ids;
  for (const v1::LeasedAction& action : desired.actions()) {
    Judged one{.action = &action, .owner = OwnerOf(action), .target = targets(action.workload())};
    const bool new_owner = owners.insert(one.owner).second;
    const bool new_lease = lease_ids.insert(action.lease_id()).second;
    const GuardFacts facts{.hold = desired.hold(),
                           .target = one.target,
                           .duplicate = !new_owner || !new_lease,
                           .futile_for = futile_.Left(action, clock_.Monotonic())};
    one.verdict = Decide(action, facts, options_);
    judged.push_back(std::move(one));
  }
  return judged;
}

// Before anything new is applied, so that a set can move a control from one workload to another.
void LeasedActuator::ReleaseUnwanted(const std::vector<Judged>& judged) {
  std::map<std::string, const Judged*> by_owner;
  for (const Judged& one : judged) by_owner.emplace(one.owner, &one);
  for (const std::string& owner : book_.NewestFirst()) {
    const Lease& lease = *book_.Find(owner);
    const auto found = by_owner.find(owner);
    if (found == by_owner.end()) {
      End(owner, v1::RECEIPT_OUTCOME_RELEASED, "the controller released it");
      continue;
    }
    const Judged& one = *found->second;
    if (one.verdict.kind == Verdict::Kind::kRefuse && !one.verdict.keeps_held) {
      End(owner, v1::RECEIPT_OUTCOME_RELEASED, one.verdict.reason);
    } else if (one.verdict.kind == Verdict::Kind::kAdvise) {
      End(owner, v1::RECEIPT_OUTCOME_RELEASED, "its mode is advise now");
    } else if (one.target->instance != lease.instance) {
      End(owner, v1::RECEIPT_OUTCOME_WORKLOAD_GONE, "the workload was removed and made again");
    }
  }
}

v1::ActionResult LeasedActuator::CarryOut(const Judged& judged, const TargetLookup& targets) {
  const v1::LeasedAction& action = *judged.action;
  absl::Status status;
  switch (judged.verdict.kind) {
    case Verdict::Kind::kRefuse:
      status = absl::FailedPreconditionError(judged.verdict.reason);
      break;
    case Verdict::Kind::kAdvise:
      status = Plan(action, judged.target->cgroup->path(), judged.target->instance).status();
      if (status.ok()) Advised(action);
      break;
    case Verdict::Kind::kApply:
      status = ApplyOne(judged, targets);
      break;
  }
  Keep(judged, status);
  if (!status.ok()) {
    const std::string reason(StdView(status.message()));
    const auto told = told_.find(action.lease_id());
    if (told == told_.end() || told->second != reason) {
      ledger_.AddEvent("action_refused", action.workload(), StrCat(Describe(action), " refused: ", reason));
    }
    telling_[action.lease_id()] = reason;
    v1::ActionResult refused = ResultOf(action, v1::ACTION_STATE_REFUSED, reason);
    const absl::Duration retry_after = RetryAfter(judged, status);
    if (retry_after > absl::ZeroDuration()) SetDuration(retry_after, refused.mutable_retry_after());
    return refused;
  }
  return ResultOf(action,
                  judged.verdict.kind == Verdict::Kind::kAdvise ? v1::ACTION_STATE_ADVISED : v1::ACTION_STATE_APPLIED);
}

// The brake and a full disk pass by themselves; the guard says which of its own refusals do.
absl::Duration LeasedActuator::RetryAfter(const Judged& judged, const absl::Status& refusal) const {
  // Somebody who did not answer in time, such as a systemd that reloads, may a moment later.
  if (absl::IsUnavailable(refusal)) return kExhaustedBackoff;
  if (!absl::IsResourceExhausted(refusal)) return judged.verdict.retry_after;
  return std::clamp(brake_.NextIn(clock_.Monotonic()), kExhaustedBackoff,
                    std::max(kExhaustedBackoff, options_.futile_backoff));
}

// The lease lives on as long as the controller wants it and the guard lets it, also when its newest value could not be
// applied and an older one stays in force.
void LeasedActuator::Keep(const Judged& judged, const absl::Status& applied) {
  Lease* lease = book_.Find(judged.owner);
  const bool may = judged.verdict.kind == Verdict::Kind::kApply || judged.verdict.keeps_held;
  if (lease == nullptr || !may || lease->action.lease_id() != judged.action->lease_id()) return;
  lease->deadline = clock_.Monotonic() + judged.verdict.time_to_live;
  if (applied.ok()) lease->action = *judged.action;
}

void LeasedActuator::Advised(const v1::LeasedAction& action) {
  const std::string advice = StrCat("in enforce mode this would be applied: ", Describe(action),
                                    action.victim().empty() ? "" : " to protect ", action.victim());
  const auto told = told_.find(action.lease_id());
  if (told == told_.end() || told->second != advice) ledger_.AddEvent("action_advised", action.workload(), advice);
  telling_[action.lease_id()] = advice;
}

absl::StatusOr<LeverPlan> LeasedActuator::Plan(const v1::LeasedAction& action, const std::string& path,
                                               uint64_t instance) {
  TRUCE_ASSIGN_OR_RETURN(LeverPlan plan, PlanLever(action, path, {layout_, writer_, *journal_, options_.resctrl}));
  if (plan.cgroups[0]->instance() != instance) {
    return absl::NotFoundError(StrCat(path, " went away and another cgroup has its name now"));
  }
  return plan;
}

absl::Status LeasedActuator::ApplyOne(const Judged& judged, const TargetLookup& targets) {
  const v1::LeasedAction& action = *judged.action;
  const absl::Duration now = clock_.Monotonic();
  Lease* lease = book_.Find(judged.owner);
  const bool same_lease = lease != nullptr && lease->action.lease_id() == action.lease_id();
  // A renewal. What somebody else reset meanwhile is the next tick's business, which has the patience for it.
  if (same_lease && SameLeverValue(lease->action, action) && lease->action.victim() == action.victim())
    return absl::OkStatus();

  const std::string path = judged.target->cgroup->path();
  v1::LeasedAction step = action;
  Squeeze squeeze;
  if (action.lever() == v1::LEVER_MEMORY_SQUEEZE) {
    TRUCE_ASSIGN_OR_RETURN(squeeze, FirstSqueeze(action, *judged.target, lease));
    step.set_memory_high_bytes(*squeeze.bound_bytes);
  }
  const std::optional<QuotaFollower> follower = FollowerFor(action, lease);
  if (follower) step.set_quota_cores(follower->quota_cores());
  TRUCE_ASSIGN_OR_RETURN(const LeverPlan plan, Plan(step, path, judged.target->instance));
  if (!brake_.Take(now)) {
    return absl::ResourceExhaustedError(StrCat("this host makes at most ", options_.changes_per_minute,
                                               " changes a minute (guard.changes_per_minute)"));
  }
  const Measurement measurement = MeasurementFor(action, *judged.target, targets, lease);
  const bool continues = same_lease && lease->action.victim() == action.victim();
  const absl::Time applied_at = continues ? lease->applied_at : clock_.Now();
  const std::string held_action = HeldActionOf(action, applied_at, judged.verdict.time_to_live).SerializeAsString();
  auto files = Enact(plan, judged.owner, held_action, writer_, *journal_);
  if (!files.ok()) {
    if (lease == nullptr && !journal_->OutstandingOf(judged.owner).empty()) {
      RetryLater(judged.owner, action.workload(), {});
    }
    return files.status();
  }
  retries_.erase(judged.owner);
  const std::string before = lease == nullptr ? "" : Describe(lease->action);
  if (continues) {
    lease->action = action;
    lease->files = *std::move(files);
    lease->squeeze = squeeze;
    lease->squeezed_at = now;
    lease->follower = follower;
    lease->measurement.ValueChanged(now);
    ledger_.AddEvent("action_changed", action.workload(), StrCat(Describe(action), " instead of ", before));
    return absl::OkStatus();
  }
  if (lease != nullptr) Replace(judged.owner, action);
  book_.Add({.action = action,
             .owner = judged.owner,
             .path = path,
             .instance = judged.target->instance,
             .deadline = now + judged.verdict.time_to_live,
             .applied_at = applied_at,
             .files = *std::move(files),
             .measurement = measurement,
             .squeeze = squeeze,
             .squeezed_at = now,
             .follower = follower});
  ledger_.AddEvent("action_applied", action.workload(),
                   StrCat(Describe(action), before.empty() ? "" : " instead of ", before,
                          action.victim().empty() ? "" : ", to protect ", action.victim(),
                          action.reason().empty() ? "" : ": ", action.reason()));
  return absl::OkStatus();
}

WorkloadUse LeasedActuator::UseOf(const ActionTarget& target, v1::Lever lever) {
  WorkloadUse use{.cores = target.cpu_usage_cores};
  if (target.memory.usage_bytes) use.memory_bytes = static_cast<double>(*target.memory.usage_bytes);
  if (lever == v1::LEVER_DISK_CAP) use.bytes_per_second = target.disk_bytes_per_second;
  if (lever == v1::LEVER_NETWORK_CAP) use.bytes_per_second = target.network_transmit_bytes_per_second;
  use.instructions_per_second = target.instructions_per_second;
  return use;
}

v1::LeasedAction LeasedActuator::InForce(const Lease& lease) {
  v1::LeasedAction action = lease.action;
  if (lease.squeeze.bound_bytes) action.set_memory_high_bytes(*lease.squeeze.bound_bytes);
  if (lease.follower) action.set_quota_cores(lease.follower->quota_cores());
  return action;
}

// One with the same bounds goes on from where its predecessor came to; another begins with all that it may have.
std::optional<QuotaFollower> LeasedActuator::FollowerFor(const v1::LeasedAction& action, const Lease* lease) {
  if (!action.has_follow()) return std::nullopt;
  if (lease != nullptr && lease->follower && SameLeverValue(lease->action, action)) return lease->follower;
  return QuotaFollower({.least_cores = action.follow().least_cores(),
                        .most_cores = action.follow().most_cores(),
                        .headroom_ratio = action.follow().headroom_ratio()});
}

// A successor goes on from where its predecessor came to.
absl::StatusOr<Squeeze> LeasedActuator::FirstSqueeze(const v1::LeasedAction& action, const ActionTarget& target,
                                                     const Lease* lease) {
  const Squeeze from = lease == nullptr ? Squeeze{} : lease->squeeze;
  TRUCE_ASSIGN_OR_RETURN(const MemoryState memory, MemoryToSqueeze(target));
  const auto squeeze = NextSqueeze(action.memory_high_bytes(), from, memory, options_.squeeze);
  if (squeeze) return *squeeze;
  const bool known = memory.usage_bytes && memory.working_set_bytes;
  return absl::FailedPreconditionError(
      known ? StrCat(target.name, " waits for memory too much already, so it is not squeezed")
            : StrCat("how much memory ", target.name, " uses and works with is not known, so it is not squeezed; its ",
                     "cgroup needs the memory controller"));
}

absl::StatusOr<MemoryState> LeasedActuator::MemoryToSqueeze(const ActionTarget& target) {
  const auto state = writer_.Read(host::BalloonControl(target.cgroup, host::kBalloonState));
  if (absl::IsNotFound(state.status())) return target.memory;
  TRUCE_RETURN_IF_ERROR(state.status());
  const auto machine = host::ParseBalloonState(*state);
  if (!machine) return absl::InternalError(StrCat("'", *state, "' does not say what memory the machine has"));
  return MemoryOfMachine(*machine, target.memory);
}

Measurement LeasedActuator::MeasurementFor(const v1::LeasedAction& action, const ActionTarget& target,
                                           const TargetLookup& targets, const Lease* replaced) const {
  // A successor that protects the same victim is measured against the time before the first of them: by now the victim
  // may be well because of what is being replaced.
  if (replaced != nullptr && replaced->action.victim() == action.victim()) {
    Measurement measurement = replaced->measurement;
    measurement.ValueChanged(clock_.Monotonic());
    return measurement;
  }
  const auto victim = action.victim().empty() ? std::nullopt : targets(action.victim());
  const VictimSlowdown slowdown = victim ? VictimSlowdown{victim->slowdown_ratio, victim->slowdown_since_onset}
                                         : VictimSlowdown{};
  return Measurement(clock_.Monotonic(), options_.verdict_age, slowdown, UseOf(target, action.lever()));
}

// The new value is written already, over the old one; only the receipt of the old lease is left to write.
void LeasedActuator::Replace(const std::string& owner, const v1::LeasedAction& successor) {
  const Lease lease = book_.Remove(owner);
  v1::Receipt receipt;
  *receipt.mutable_action() = lease.action;
  receipt.set_outcome(v1::RECEIPT_OUTCOME_REPLACED);
  SetTimestamp(lease.applied_at, receipt.mutable_applied_at());
  SetTimestamp(clock_.Now(), receipt.mutable_ended_at());
  lease.measurement.FillReceipt(&receipt);
  for (const EnactedFile& file : lease.files) {
    v1::ControlChange& change = *receipt.add_changes();
    change.set_file(file.name);
    change.set_original(file.original);
    change.set_written(file.written);
  }
  receipt.set_detail(StrCat("replaced by lease ", successor.lease_id(), ", ", Describe(successor)));
  ledger_.AddReceipt(std::move(receipt));
}

}  // namespace truce::agent
