// What moves did: once one has ended, its victim is watched on the source for a minute, and then its receipt is
// written, as if it had been an action. So `get receipts` and `explain` show it and the arbiter learns how much a move
// helps. Pure; ControllerCore owns one.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/moment.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// What the receipt of this end is known by (LeasedAction.lease_id): the migration's id; with "/1" and so on after it
// was looked at again (VerifyMigration).
std::string ReceiptIdOf(const v1::Migration& migration);

// Not thread-safe.
class MoveReceipts {
 public:
  // An agent's slowdown is a mean over the last samples: at first it still shows what was before.
  static constexpr absl::Duration kSettle = absl::Seconds(15);
  static constexpr absl::Duration kWatch = absl::Seconds(60);

  // MOVED is watched for its victim first, if that stayed behind; the others have their receipt at once. WITHDRAWN has
  // none.
  void OnEnded(const v1::Migration& migration, Moment now);
  void OnReport(const HostState& host, Moment now);
  // Receipts that are ready, each with the source as its host.
  std::vector<v1::ReceiptRecord> Take(Moment now);

 private:
  struct Watched {
    v1::Migration migration;
    absl::Duration since;
    double slowdowns = 0;
    int reports = 0;
  };
  std::vector<Watched> watched_;
  std::vector<v1::ReceiptRecord> ready_;
};

}  // namespace truce::controller
