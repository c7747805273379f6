#include "controller/fleet/moment.h"

#include <cstdint>

namespace truce::controller {

absl::Time EvenTime::Hear(Moment now) {
  if (!first_) first_ = now;
  const absl::Time even = first_->wall + (now.monotonic - first_->monotonic);
  ahead_ = now.wall - even;
  return even;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

void SetDuration(absl::Duration value, google::protobuf::Duration* duration) {
  duration->set_seconds(absl::IDivDuration(value, absl::Seconds(1), &value));
  duration->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(value)));
}

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

void SetTime(absl::Time value, google::protobuf::Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(value);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(value - absl::FromUnixSeconds(seconds))));
}

}  // namespace truce::controller
