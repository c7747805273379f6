// What happens once per sampling interval: leases end, are measured, and are kept true to what was written. See
// leased_actuator.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "agent/act/leased_actuator.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_host.h"

namespace truce::agent {
namespace {

// A rewrite that lasted this many times its wait is taken to hold, and the count of rewrites begins anew.
constexpr int kSettledWaits = 10;

const EnactedFile* Find(const std::vector<EnactedFile>& files, const PlannedFile& planned) {
  for (const EnactedFile& file : files) {
    if (file.name == planned.control.Name() && file.inode == host::ControlInode(planned.control)) return &file;
  }
  return nullptr;
}

}  // namespace

void LeasedActuator::Tick(const TargetLookup& targets) {
  for (const std::string& owner : book_.NewestFirst()) {
    Lease& lease = *book_.Find(owner);
    if (clock_.Monotonic() >= lease.deadline) {
      End(owner, v1::RECEIPT_OUTCOME_EXPIRED, "its lease was not renewed in time");
      continue;
    }
    const std::optional<ActionTarget> target = targets(lease.action.workload());
    if (StillAllowed(lease, target) && Helps(lease, target, targets) && Watch(lease)) Advance(lease, *target);
  }
  RetryRestores();
  // What the disk did not take stays in memory; the next tick tries again.
  (void)journal_->Flush();
}

bool LeasedActuator::StillAllowed(Lease& lease, const std::optional<ActionTarget>& target) {
  const std::string owner = lease.owner;
  if (!target || target->instance != lease.instance) {
    End(owner, v1::RECEIPT_OUTCOME_WORKLOAD_GONE, "the workload went away or is no longer watched");
    return false;
  }
  // The next desired set would say the same, yet it may not come.
  if (target->workload_class == v1::WORKLOAD_CLASS_CRITICAL && !IsBoost(lease.action)) {
    End(owner, v1::RECEIPT_OUTCOME_RELEASED, "the workload is critical now");
    return false;
  }
  if (const auto problem = PinProblem(lease.action, *target)) {
    End(owner, v1::RECEIPT_OUTCOME_RELEASED, *problem);
    return false;
  }
  if (target->mode != v1::MODE_ENFORCE) {
    End(owner, v1::RECEIPT_OUTCOME_RELEASED, "the workload is no longer in mode enforce");
    return false;
  }
  return true;
}

bool LeasedActuator::Helps(Lease& lease, const std::optional<ActionTarget>& target, const TargetLookup& targets) {
  const absl::Duration now = clock_.Monotonic();
  const auto victim = lease.action.victim().empty() ? std::nullopt : targets(lease.action.victim());
  lease.measurement.Observe(now, victim ? victim->slowdown_ratio : std::nullopt, UseOf(*target, lease.action.lever()));
  if (lease.measurement.Judge(now, options_.help_window, options_.help_ratio) != Measurement::Help::kDidNot)
    return true;
  futile_.Add(lease.action, now + options_.futile_backoff);
  const std::string detail =
      absl::StrFormat("the slowdown of %s did not fall by %g %% of the %.3f that it was before; not tried again for %s",
                      lease.action.victim(), 100 * options_.help_ratio, lease.measurement.slowdown_before().value_or(0),
                      absl::FormatDuration(options_.futile_backoff));
  End(std::string(lease.owner), v1::RECEIPT_OUTCOME_REVERTED, detail);
  return false;
}

bool LeasedActuator::Watch(Lease& lease) {
  const auto plan = Plan(InForce(lease), lease.path, lease.instance);
  if (absl::IsNotFound(plan.status())) {
    End(std::string(lease.owner), v1::RECEIPT_OUTCOME_WORKLOAD_GONE, std::string(StdView(plan.status().message())));
    return false;
  }
  if (!plan.ok()) {
    // The host changed under the action (a CPU went offline, a parent was bound). What was written is still in the file
    // and still has its lease, so all that can be done is to say so.
    const std::string problem(StdView(plan.status().message()));
    if (lease.watch.told != problem) ledger_.AddEvent("action_failed", lease.action.workload(), problem);
    lease.watch.told = problem;
    return true;
  }
  ForgetVanished(lease, *plan);
  const bool grown = std::any_of(plan->files.begin(), plan->files.end(),
                                 [&](const PlannedFile& file) { return Find(lease.files, file) == nullptr; });
  if (!grown && !plan->only_newcomers) return WatchResets(lease, *plan);
  // A nested cgroup was made since; it would outlive the pin, or escape it. Or threads came, which is daily life and
  // told by nobody but the log.
  const absl::Status status = Reenact(lease, *plan);
  if (status.ok() && grown) {
    ledger_.AddEvent(
        "action_extended", lease.action.workload(),
        StrCat(Describe(lease.action), " now holds ", lease.files.size(), " files, since a nested cgroup was made"));
  } else if (!status.ok() && lease.watch.told != StdView(status.message())) {
    lease.watch.told = std::string(StdView(status.message()));
    ledger_.AddEvent("action_failed", lease.action.workload(), lease.watch.told);
  }
  return true;
}

// Nested cgroups come and go while their parent is pinned. There is nothing to restore of those that went.
void LeasedActuator::ForgetVanished(Lease& lease, const LeverPlan& plan) {
  if (lease.files.size() <= plan.files.size()) return;
  std::vector<JournalEntry> vanished;
  for (const JournalEntry& entry : journal_->OutstandingOf(lease.owner)) {
    const auto cgroup = host::Cgroup::Open(layout_, entry.path);
    const bool there = cgroup.ok() && host::ControlInode({cgroup->get(), entry.controller, entry.file}) == entry.inode;
    if (!there && (cgroup.ok() || absl::IsNotFound(cgroup.status()))) vanished.push_back(entry);
  }
  journal_->Close(vanished);
  for (const JournalEntry& entry : vanished) {
    std::erase_if(lease.files, [&](const EnactedFile& file) {
      return file.name == EntryName(entry, layout_) && file.inode == entry.inode;
    });
  }
}

absl::Status LeasedActuator::Reenact(Lease& lease, const LeverPlan& plan) {
  const std::string held_action =
      HeldActionOf(lease.action, lease.applied_at, lease.deadline - clock_.Monotonic()).SerializeAsString();
  TRUCE_ASSIGN_OR_RETURN(lease.files, Enact(plan, lease.owner, held_action, writer_, *journal_));
  return absl::OkStatus();
}

// A plan with writes means that the files don't hold what was written: somebody else set them.
bool LeasedActuator::WatchResets(Lease& lease, const LeverPlan& plan) {
  ResetWatch& watch = lease.watch;
  const absl::Duration now = clock_.Monotonic();
  const absl::Duration wait = options_.reapply_backoff * (int64_t{1} << std::min(watch.rewrites, 20));
  if (plan.writes.empty()) {
    watch.rewrite_at = absl::InfiniteDuration();
    if (now - watch.last_rewrite > kSettledWaits * wait) watch.rewrites = 0;
    return true;
  }
  if (watch.rewrite_at == absl::InfiniteDuration()) {
    if (watch.rewrites >= options_.reapply_limit) {
      GiveUp(lease, plan);
      return false;
    }
    watch.rewrite_at = now + wait;
    ledger_.AddEvent(
        "control_reset", lease.action.workload(),
        StrCat(plan.writes[0].control.Name(), " was set by somebody else; written again in ",
               absl::FormatDuration(wait), ", ", options_.reapply_limit - watch.rewrites, " times at most"));
    return true;
  }
  if (now < watch.rewrite_at) return true;
  ++watch.rewrites;
  watch.last_rewrite = now;
  watch.rewrite_at = absl::InfiniteDuration();
  const absl::Status status = Reenact(lease, plan);
  if (!status.ok()) ledger_.AddEvent("action_failed", lease.action.workload(), std::string(StdView(status.message())));
  return true;
}

// The next step of a squeeze, or of a quota that follows, unless somebody else has set the control: that goes first,
// with patience.
void LeasedActuator::Advance(Lease& lease, const ActionTarget& target) {
  const absl::Duration now = clock_.Monotonic();
  if (lease.watch.rewrite_at != absl::InfiniteDuration()) return;
  absl::Status status;
  if (lease.follower) {
    status = FollowDemand(lease, target);
  } else if (lease.squeeze.bound_bytes && now - lease.squeezed_at >= options_.squeeze.step_interval) {
    lease.squeezed_at = now;
    status = TakeStep(lease, target);
  }
  if (status.ok()) return;
  if (lease.watch.told != StdView(status.message())) {
    lease.watch.told = std::string(StdView(status.message()));
    ledger_.AddEvent("action_failed", lease.action.workload(), lease.watch.told);
  }
}

absl::Status LeasedActuator::FollowDemand(Lease& lease, const ActionTarget& target) {
  const QuotaFollower before = *lease.follower;
  CpuDemand demand{.used = target.cpu_usage_cores, .throttled_ratio = target.cpu_throttled_ratio.value_or(0)};
  if (!lease.action.follow().reactive()) demand.foretold = target.cpu_foretold_cores;
  if (lease.follower->Update(clock_.Monotonic(), demand) == before.quota_cores()) return absl::OkStatus();
  const auto plan = Plan(InForce(lease), lease.path, lease.instance);
  const absl::Status status = plan.ok() ? Reenact(lease, *plan) : plan.status();
  if (!status.ok()) lease.follower = before;
  return status;
}

absl::Status LeasedActuator::TakeStep(Lease& lease, const ActionTarget& target) {
  TRUCE_ASSIGN_OR_RETURN(const MemoryState memory, MemoryToSqueeze(target));
  const auto next = NextSqueeze(lease.action.memory_high_bytes(), lease.squeeze, memory, options_.squeeze);
  if (!next || next->bound_bytes == lease.squeeze.bound_bytes) return absl::OkStatus();
  const Squeeze before = std::exchange(lease.squeeze, *next);
  const auto plan = Plan(InForce(lease), lease.path, lease.instance);
  const absl::Status status = plan.ok() ? Reenact(lease, *plan) : plan.status();
  if (!status.ok()) lease.squeeze = before;
  return status;
}

// Somebody else insists, so the files that they set are theirs; the others are restored.
void LeasedActuator::GiveUp(Lease& lease, const LeverPlan& plan) {
  std::vector<JournalEntry> theirs;
  for (const PlannedWrite& write : plan.writes) {
    // Of a class only those threads are theirs that they took out of it; restoring puts the others back.
    if (write.control.file == host::kCacheClass) continue;
    const JournalEntry* entry =
        journal_->Find(write.control.controller, write.control.cgroup->path(), write.control.file);
    if (entry != nullptr) theirs.push_back(*entry);
  }
  journal_->Close(theirs);
  futile_.Add(lease.action, clock_.Monotonic() + options_.futile_backoff);
  const std::string detail = StrCat(plan.writes[0].control.Name(), " was set by somebody else again after ",
                                    lease.watch.rewrites, " rewrites; it is left to them");
  ledger_.AddEvent("control_given_up", lease.action.workload(), detail);
  End(std::string(lease.owner), v1::RECEIPT_OUTCOME_REVERTED, detail);
}

}  // namespace truce::agent
