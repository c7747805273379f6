// One instant on both clocks, and times as the wire has them. Every room of the controller is handed the time and never
// asks for it.
#pragma once

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

absl::Duration ToDuration(const google::protobuf::Duration& duration);
void SetDuration(absl::Duration value, google::protobuf::Duration* duration);
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
void SetTime(absl::Time value, google::protobuf::Timestamp* timestamp);

}  // namespace truce::controller
