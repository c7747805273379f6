// How a lease ends: restore, receipt, and the retries of what could not be restored. See leased_actuator.h.
#include <algorithm>
#include <set>

#include "agent/act/leased_actuator.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using Result = RestoredFile::Result;

constexpr absl::Duration kLongestRetry = absl::Minutes(5);

bool Has(const std::vector<RestoredFile>& files, Result result) {
  return std::any_of(files.begin(), files.end(), [&](const RestoredFile& file) { return file.result == result; });
}

std::string Failures(const std::vector<RestoredFile>& files) {
  std::string failures;
  for (const RestoredFile& file : files) {
    if (file.result != Result::kFailed) continue;
    StrAppend(&failures, failures.empty() ? "" : "; ", StdView(file.status.message()));
  }
  return failures;
}

v1::ControlChange* ChangeOf(v1::Receipt* receipt, const std::string& file) {
  for (v1::ControlChange& change : *receipt->mutable_changes()) {
    if (change.file() == file) return &change;
  }
  v1::ControlChange* change = receipt->add_changes();
  change->set_file(file);
  return change;
}

// For events: the stable word and the words for people.
std::string OutcomeWords(v1::ReceiptOutcome outcome) {
  switch (outcome) {
    case v1::RECEIPT_OUTCOME_RELEASED:
      return "released";
    case v1::RECEIPT_OUTCOME_EXPIRED:
      return "expired";
    case v1::RECEIPT_OUTCOME_REVERTED:
      return "reverted";
    case v1::RECEIPT_OUTCOME_HELD:
      return "ended by hold";
    case v1::RECEIPT_OUTCOME_SHUTDOWN:
      return "ended by shutdown";
    case v1::RECEIPT_OUTCOME_WORKLOAD_GONE:
      return "ended, the workload is gone";
    case v1::RECEIPT_OUTCOME_RESTORE_FAILED:
      return "ended, but not restored";
    default:
      return "ended";
  }
}

}  // namespace

void LeasedActuator::End(const std::string& owner, v1::ReceiptOutcome outcome, const std::string& detail) {
  const Lease lease = book_.Remove(owner);
  v1::Receipt receipt;
  *receipt.mutable_action() = lease.action;
  receipt.set_outcome(outcome);
  receipt.set_detail(detail);
  SetTimestamp(lease.applied_at, receipt.mutable_applied_at());
  lease.measurement.FillReceipt(&receipt);
  for (const EnactedFile& file : lease.files) {
    v1::ControlChange* change = ChangeOf(&receipt, file.name);
    change->set_original(file.original);
    change->set_written(file.written);
  }
  Settle(owner, std::move(receipt), RestoreEntries(journal_->OutstandingOf(owner), layout_, writer_, *journal_));
}

// Writes the receipt of a lease whose files were just restored, as well as that went.
void LeasedActuator::Settle(const std::string& owner, v1::Receipt receipt, const std::vector<RestoredFile>& files) {
  for (const RestoredFile& file : files) {
    v1::ControlChange* change = ChangeOf(&receipt, EntryName(file.entry, layout_));
    change->set_original(file.entry.original);
    change->set_restored(file.content);
  }
  const std::string& workload = receipt.action().workload();
  if (Has(files, Result::kFailed)) {
    receipt.set_outcome(v1::RECEIPT_OUTCOME_RESTORE_FAILED);
    receipt.set_detail(StrCat(receipt.detail(), receipt.detail().empty() ? "" : "; ", Failures(files)));
    RetryLater(owner, workload, files);
  } else if (!files.empty() && !Has(files, Result::kRestored)) {
    receipt.set_outcome(v1::RECEIPT_OUTCOME_WORKLOAD_GONE);
  }
  SetTimestamp(clock_.Now(), receipt.mutable_ended_at());
  ledger_.AddEvent("action_released", workload,
                   StrCat(Describe(receipt.action()), " ", OutcomeWords(receipt.outcome()),
                          receipt.detail().empty() ? "" : ": ", receipt.detail()));
  ledger_.AddReceipt(std::move(receipt));
}

void LeasedActuator::RetryLater(const std::string& owner, const std::string& workload,
                                const std::vector<RestoredFile>& files) {
  Retry& retry = retries_[owner];
  retry.workload = workload;
  const absl::Duration wait = options_.reapply_backoff * (int64_t{1} << std::min(retry.attempts, 20));
  ++retry.attempts;
  retry.next = clock_.Monotonic() + std::min(wait, kLongestRetry);
  ledger_.AddEvent(
      "restore_failed", workload,
      StrCat(owner, " is not wholly restored, next try in ", absl::FormatDuration(std::min(wait, kLongestRetry)),
             files.empty() ? "" : ": ", Failures(files)));
}

// What the journal has beyond the leases in force is what could not be restored.
std::vector<v1::HeldAction> LeasedActuator::held() const {
  std::vector<v1::HeldAction> all = book_.Held(clock_.Monotonic());
  std::set<std::string> owners;
  for (const v1::HeldAction& held : all) owners.insert(OwnerOf(held.action()));
  for (const JournalEntry& entry : journal_->Outstanding()) {
    if (!owners.insert(entry.owner).second) continue;
    v1::HeldAction& held = all.emplace_back();
    const std::string* held_action = journal_->HeldActionOf(entry.owner);
    // Without its lease record its name still says which lever it was, and on what.
    if (held_action == nullptr || !held.ParseFromString(*held_action)) {
      held.Clear();
      const size_t space = entry.owner.find(' ');
      held.mutable_action()->set_lever(EnumFromWord<v1::Lever>(entry.owner.substr(0, space)));
      if (space != std::string::npos) held.mutable_action()->set_workload(entry.owner.substr(space + 1));
    }
    held.clear_remaining();
    held.set_unrestored(true);
  }
  return all;
}

void LeasedActuator::RetryRestores() {
  std::vector<std::string> due;
  for (const auto& [owner, retry] : retries_) {
    if (clock_.Monotonic() >= retry.next) due.push_back(owner);
  }
  for (const std::string& owner : due) {
    const std::string workload = retries_[owner].workload;
    const auto files = RestoreEntries(journal_->OutstandingOf(owner), layout_, writer_, *journal_);
    if (Has(files, Result::kFailed)) {
      RetryLater(owner, workload, files);
      continue;
    }
    retries_.erase(owner);
    ledger_.AddEvent("restore_done", workload, StrCat(owner, " is restored at last"));
  }
}

absl::Status LeasedActuator::RestoreAll(v1::ReceiptOutcome outcome) {
  for (const std::string& owner : book_.NewestFirst()) End(owner, outcome, "");
  // The last chance on the way out: what is waiting for its turn gets it now.
  for (auto& [owner, retry] : retries_) retry.next = clock_.Monotonic();
  RetryRestores();
  (void)journal_->Flush();
  if (journal_->empty()) return absl::OkStatus();
  std::string names;
  for (const JournalEntry& entry : journal_->Outstanding()) {
    StrAppend(&names, names.empty() ? "" : ", ", EntryName(entry, layout_));
  }
  return absl::UnavailableError(
      StrCat("not restored: ", names, "; they stay in the journal, `truce-agent restore` tries again"));
}

void LeasedActuator::Recover() {
  for (const std::string& problem : journal_->problems()) ledger_.AddEvent("journal_damaged", "", problem);
  std::map<std::string, std::string> held_actions;
  std::vector<std::string> newest_first;
  std::vector<JournalEntry> entries = journal_->Outstanding();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    const std::string* held_action = journal_->HeldActionOf(entry->owner);
    if (!held_actions.emplace(entry->owner, held_action == nullptr ? "" : *held_action).second) continue;
    newest_first.push_back(entry->owner);
  }
  if (!entries.empty()) {
    ledger_.AddEvent("journal_restored", "",
                     StrCat("an earlier run ended without restoring ", entries.size(), " files; doing it now"));
  }
  for (const std::string& owner : newest_first) {
    v1::HeldAction held;
    v1::Receipt receipt;
    // Without its lease record the action is still restored; its receipt just says less.
    if (held.ParseFromString(held_actions[owner])) {
      *receipt.mutable_action() = held.action();
      *receipt.mutable_applied_at() = held.applied_at();
    }
    receipt.set_outcome(v1::RECEIPT_OUTCOME_SHUTDOWN);
    receipt.set_detail("the agent ended badly while this was in force; restored at its next start");
    Settle(owner, std::move(receipt), RestoreEntries(journal_->OutstandingOf(owner), layout_, writer_, *journal_));
  }
  (void)journal_->Flush();
}

}  // namespace truce::agent
