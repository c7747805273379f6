#include "agent/act/lease_book.h"

#include <algorithm>

#include "agent/act/ledger.h"
#include "agent/act/lever_values.h"
#include "src/base/text.h"

namespace truce::agent {

std::string OwnerOf(const v1::LeasedAction& action) {
  return StrCat(LeverName(action.lever()), " ", action.workload());
}

v1::HeldAction HeldActionOf(const v1::LeasedAction& action, absl::Time applied_at, absl::Duration remaining) {
  v1::HeldAction held;
  *held.mutable_action() = action;
  SetTimestamp(applied_at, held.mutable_applied_at());
  SetDuration(std::max(remaining, absl::ZeroDuration()), held.mutable_remaining());
  return held;
}

Lease* LeaseBook::Find(std::string_view owner) {
  const auto found = leases_.find(owner);
  return found == leases_.end() ? nullptr : &found->second;
}

Lease& LeaseBook::Add(Lease lease) {
  lease.order = next_order_++;
  const std::string owner = lease.owner;
  return leases_.emplace(owner, std::move(lease)).first->second;
}

Lease LeaseBook::Remove(std::string_view owner) {
  const auto found = leases_.find(owner);
  Lease lease = std::move(found->second);
  leases_.erase(found);
  return lease;
}

std::vector<const Lease*> LeaseBook::InOrder() const {
  std::vector<const Lease*> leases;
  for (const auto& [owner, lease] : leases_) leases.push_back(&lease);
  std::sort(leases.begin(), leases.end(), [](const Lease* a, const Lease* b) { return a->order < b->order; });
  return leases;
}

std::vector<std::string> LeaseBook::NewestFirst() const {
  std::vector<std::string> owners;
  for (const Lease* lease : InOrder()) owners.push_back(lease->owner);
  std::reverse(owners.begin(), owners.end());
  return owners;
}

std::vector<v1::HeldAction> LeaseBook::Held(absl::Duration now) const {
  std::vector<v1::HeldAction> held;
  for (const Lease* lease : InOrder())
    held.push_back(HeldActionOf(lease->action, lease->applied_at, lease->deadline - now));
  return held;
}

}  // namespace truce::agent
