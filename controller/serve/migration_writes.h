// Which phases of migrations are on disk: a host is ordered nothing that a controller which starts anew would not find
// in its store. Pure bookkeeping; ControllerCore owns one behind its lock and does the writing (core_migrations.cc).
//
//   phase changes ─► Begin ─► Store::Add ─► OnStored ─► the new step is ordered
//                      ▲                        │ refused
//                      └────── Due ◄────────────┘          until then: the step that was ordered before, or none
//
// What a store refuses for kPatience is not waited for: RESERVE and MOVE are never ordered (Stuck: the migration is
// taken back), while VERIFY, FINISH and ROLL_BACK are, because a workload may stand still meanwhile, and what hosts are
// at they say to the next controller too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

// Not thread-safe.
class MigrationWrites {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(30);
  static constexpr absl::Duration kAgain = absl::Seconds(2);

  // It is about to be written in this state. Returns the write's number, which names it in OnStored.
  uint64_t Begin(const v1::Migration& migration, absl::Duration now);
  // A write is over. True when the migration is on disk in its last state, and may go on.
  bool OnStored(const std::string& migration_id, uint64_t number, const absl::Status& status, absl::Duration now);
  // Those whose last write was refused a while ago, in their last state: to be written again.
  std::vector<v1::Migration> Due(absl::Duration now) const;
  // Ids of those that are not on disk for so long that they must not begin.
  std::vector<std::string> Stuck(absl::Duration now) const;
  // One that is not on disk, the first time that it is asked for since it last was; nullptr afterwards.
  const v1::Migration* TakeUntold(const std::string& migration_id);
  // Takes back from `desired` what may not be ordered yet, and remembers what is ordered. Of migrations that
  // `only_renewed` says yes to, hosts are ordered what they are at anyhow: that is never taken back, or they would
  // think it over. Of what is not `open` any more nothing is remembered: what its hosts still owe waits for nobody.
  using Predicate = std::function<bool(const std::string& migration_id)>;
  void HoldBack(absl::Duration now, const Predicate& only_renewed, const Predicate& open, v1::DesiredSet* desired);
  // How many steps are remembered.
  size_t remembered() const { return ordered_.size(); }

 private:
  struct Unstored {
    v1::Migration migration;
    uint64_t number = 0;
    // When the first write began that was not followed by a stored one.
    absl::Duration since;
    // When the last one was refused; infinite while it is on its way.
    absl::Duration refused_at = absl::InfiniteDuration();
    bool told = false;
  };

  std::map<std::string, Unstored> unstored_;
  // The step that was ordered last.
  std::map<std::pair<std::string, v1::MigrationRole>, v1::MigrationStep> ordered_;
  uint64_t next_ = 1;
};

}  // namespace truce::controller
