// Whether a migration may begin on this host, whatever the controller says. Pure decisions on facts that the mover
// brings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/act/actuator.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// An order that is not renewed within this ends, however long a time it asks for.
inline constexpr absl::Duration kLongestOrder = absl::Minutes(5);

// How long the order holds from now; zero when it doesn't say so sensibly.
absl::Duration TimeToLive(const v1::MigrationOrder& order);

// What is wrong with the order itself; nullopt when it makes sense.
std::optional<std::string> BadOrder(const v1::MigrationOrder& order);

// What both sides must know besides the order.
struct MoveFacts {
  bool hold = false;
  v1::Mode mode_ceiling = v1::MODE_OBSERVE;
  // Drivers of this host's configuration.
  std::vector<std::string> configured;
  // What the order's driver lacks here.
  absl::Status ready;
  // Migrations that this host is at, and how many it may be at.
  int under_way = 0;
  int most_at_a_time = 0;
  // Migrations that are not over and that nobody is at.
  int left_over = 0;
  // Id of another migration of the same workload that is not over here.
  std::string other_migration;
};

// Why the workload must not be moved; nullopt when it may. `target` is the workload of the order's name that lives now.
std::optional<std::string> RefusalOfWorkload(const v1::MigrationOrder& order,
                                             const std::optional<ActionTarget>& target);
// Why the source must not begin to move it; checks all of the above too, and that no action is held on it.
std::optional<std::string> RefusalToSend(const v1::MigrationOrder& order, const MoveFacts& facts,
                                         const std::optional<ActionTarget>& target);

// The host's memory.
struct MoveRoom {
  // nullopt: the host doesn't say.
  std::optional<uint64_t> total_bytes;
  std::optional<uint64_t> available_bytes;
  // Promised to migrations that have not come yet.
  uint64_t reserved_bytes = 0;
  double least_free_ratio = 0;
};
// MemTotal and MemAvailable of `procfs`/meminfo.
MoveRoom ReadRoom(const std::string& procfs);
// Why the target must not get ready for it.
std::optional<std::string> RefusalToReceive(const v1::MigrationOrder& order, const MoveFacts& facts,
                                            const MoveRoom& room);

}  // namespace truce::agent
