// One instant on both clocks, and times as the wire has them. Every room of the controller is handed the time and never
// asks for it.
#pragma once

#include <optional>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "src/base/clock.h"

namespace truce::controller {

struct Moment {
  // For what people read and what goes over the wire.
  absl::Time wall;
  // For intervals and deadlines: never goes back or jumps.
  absl::Duration monotonic;
};

inline Moment MomentOf(const Clock& clock) {
  return {clock.Now(), clock.Monotonic()};
}

// Wall time that passes as evenly as the monotonic clock: a wall clock that is set, ahead or back, neither hurries nor
// stops what is timed by it.
class EvenTime {
 public:
  // What it is now: the wall's time when this is first asked. Never goes back.
  absl::Time Hear(Moment now);
  // The same moment by the wall clock as it was last heard, for people.
  absl::Time OnWall(absl::Time even) const { return even + ahead_; }

 private:
  std::optional<Moment> first_;
  // The wall clock's lead.
  absl::Duration ahead_;
};

absl::Duration ToDuration(const google::protobuf::Duration& duration);
void SetDuration(absl::Duration value, google::protobuf::Duration* duration);
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
void SetTime(absl::Time value, google::protobuf::Timestamp* timestamp);

}  // namespace truce::controller
