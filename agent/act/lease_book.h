// The leases in force on this host, one per workload and lever. Says who holds what until when; what ends a lease, and
// how, is the actuator's business.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "agent/act/enact.h"
#include "agent/act/measure.h"
#include "agent/act/squeeze.h"
#include "models/demand/quota_follower.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// Watches whether somebody else resets the controls of a lease.
struct ResetWatch {
  // Rewrites that did not last.
  int rewrites = 0;
  // When the next rewrite is due (Clock::Monotonic); infinite while the controls are ours.
  absl::Duration rewrite_at = absl::InfiniteDuration();
  absl::Duration last_rewrite = -absl::InfiniteDuration();
  // The last problem told, so that it is told once.
  std::string told;
};

struct Lease {
  // As the controller sent it last, with the value that is in force.
  v1::LeasedAction action;
  // OwnerOf(action): its name in the book and in the journal.
  std::string owner;
  // The cgroup and its instance.
  std::string path;
  uint64_t instance = 0;
  // Clock::Monotonic.
  absl::Duration deadline;
  absl::Time applied_at;
  std::vector<EnactedFile> files;
  Measurement measurement;
  ResetWatch watch;
  // LEVER_MEMORY_SQUEEZE: how far it has come on the way to the action's value, and since when.
  Squeeze squeeze;
  absl::Duration squeezed_at;
  // LEVER_CPU_QUOTA that follows the demand: what it is now.
  std::optional<QuotaFollower> follower;
  // Rises in the order of application; set by the book.
  uint64_t order = 0;
};

// "cpu_quota system.slice/redis.service": what a lease and its journal entries are known by.
std::string OwnerOf(const v1::LeasedAction& action);

// Not thread-safe.
class LeaseBook {
 public:
  // nullptr when there is none. Valid until it is removed.
  Lease* Find(std::string_view owner);
  Lease& Add(Lease lease);
  // Takes it out.
  Lease Remove(std::string_view owner);
  // Owners, last applied first: the order in which leases are ended.
  std::vector<std::string> NewestFirst() const;
  size_t size() const { return leases_.size(); }
  // As the wire wants them, in the order of application.
  std::vector<v1::HeldAction> Held(absl::Duration now) const;

 private:
  std::vector<const Lease*> InOrder() const;

  std::map<std::string, Lease, std::less<>> leases_;
  uint64_t next_order_ = 1;
};

// The held action of the journal and the wire.
v1::HeldAction HeldActionOf(const v1::LeasedAction& action, absl::Time applied_at, absl::Duration remaining);

}  // namespace truce::agent
