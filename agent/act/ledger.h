// Receipts and events on their way to the controller. Bounded: an agent that can't reach its controller must not grow.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "src/base/clock.h"
#include "truce/v1/types.pb.h"

namespace truce::agent {

// Not thread-safe. `clock` outlives it.
class Ledger {
 public:
  explicit Ledger(const Clock& clock) : clock_(clock) {}
  // Also logs the event: warnings for what an operator should look at, information for the rest.
  void AddEvent(const std::string& kind, const std::string& workload, const std::string& message);
  void AddReceipt(v1::Receipt receipt);
  // What was added since the last call, oldest first. Beyond 4096 of a kind the oldest are dropped.
  std::vector<v1::Event> TakeEvents();
  std::vector<v1::Receipt> TakeReceipts();

 private:
  const Clock& clock_;
  std::deque<v1::Event> events_;
  std::deque<v1::Receipt> receipts_;
};

// To and from the wire.
void SetTimestamp(absl::Time time, google::protobuf::Timestamp* wire);
void SetDuration(absl::Duration duration, google::protobuf::Duration* wire);

}  // namespace truce::agent
