// What the drivers say of this host and of its workloads: asked every minute on a thread of its own, because some of
// them ask others, and remembered, so that the tick thread never waits for them.
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

  // Asks the drivers whether they are ready before it returns. `clock` and `layout` outlive the scout.
  Scout(std::vector<std::shared_ptr<MigrationDriver>> drivers, const host::CgroupLayout& layout, const Clock& clock);
  ~Scout();
  Scout(const Scout&) = delete;
  Scout& operator=(const Scout&) = delete;

  // Names of the ready drivers that could move the workload, in their order; as it is known now. Has them asked when
  // nothing is known, or what is known is old.
  std::vector<std::string> DriversFor(const Movable& workload);
  // As of the last time that it was asked.
  Readiness ReadinessOf(const std::string& driver) const;
  // Has the drivers asked whether they are ready, when that is due.
  void Tick();
  // Ends its thread; waits at most so long for a driver that is just being asked.
  void Stop(absl::Duration patience);

 private:
  struct State;
  static void Serve(const std::shared_ptr<State>& state);

  const Clock& clock_;
  // Shared with the thread, which a driver may hold longer than anybody waits.
  std::shared_ptr<State> state_;
  bool stopped_ = false;
};

}  // namespace truce::agent
