// What the drivers say of this host and of its workloads: each asked every minute on a thread of its own, because some
// of them ask others, and remembered, so that the tick thread never waits for them, and none for another.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/act/migrate/driver.h"
#include "src/base/clock.h"
#include "src/host/cgroup.h"

namespace truce::agent {

struct Readiness {
  absl::Status ready;
  absl::Status to_receive;
};

// Thread-safe, but for Stop.
class Scout {
 public:
  static constexpr absl::Duration kAgain = absl::Minutes(1);
  // Who has not answered for so long is not ready, until it answers. By the clock.
  static constexpr absl::Duration kDeadline = absl::Seconds(30);
  // So long the drivers have to say at once whether they are ready; who takes longer is heard later.
  static constexpr absl::Duration kFirstAnswer = absl::Seconds(2);

  // Returns when all drivers have said whether they are ready, or after `first_answer`. `clock` outlives the scout.
  Scout(const std::vector<std::shared_ptr<MigrationDriver>>& drivers, const host::CgroupLayout& layout,
        const Clock& clock, absl::Duration first_answer = kFirstAnswer);
  // Waits a few seconds for a driver that is just being asked; its thread keeps what it needs.
  ~Scout();
  Scout(const Scout&) = delete;
  Scout& operator=(const Scout&) = delete;

  // Names of the drivers that could move the workload, in their order; as it is known now. Has them asked when nothing
  // is known, or what is known is old.
  std::vector<std::string> DriversFor(const Movable& workload);
  // As of the last time that it was asked; Unavailable when it has not answered in time.
  Readiness ReadinessOf(const std::string& driver) const;
  // Has the drivers asked whether they are ready, when that is due.
  void Tick();
  // Ends its threads; waits at most so long for drivers that are just being asked.
  void Stop(absl::Duration patience);

 private:
  // One driver, and what is known by it.
  struct Desk;
  static void Serve(const std::shared_ptr<Desk>& desk);

  const Clock& clock_;
  // Each is shared with its thread, which the driver may hold longer than anybody waits.
  std::vector<std::shared_ptr<Desk>> desks_;
  bool stopped_ = false;
};

}  // namespace truce::agent
