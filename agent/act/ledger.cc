#include "agent/act/ledger.h"

#include <spdlog/spdlog.h>

#include <iterator>
#include <utility>

namespace truce::agent {
namespace {

constexpr size_t kMostKept = 4096;

template <typename T>
void Push(std::deque<T>* queue, T item) {
  if (queue->size() == kMostKept) queue->pop_front();
  queue->push_back(std::move(item));
}

template <typename T>
std::vector<T> TakeAll(std::deque<T>* queue) {
  std::vector<T> taken(std::make_move_iterator(queue->begin()), std::make_move_iterator(queue->end()));
  queue->clear();
  return taken;
}

bool NeedsAttention(const std::string& kind) {
  return kind == "restore_failed" || kind == "journal_damaged" || kind == "control_reset" ||
         kind == "control_given_up" || kind == "action_failed" || kind == "migration_failed" ||
         kind == "migration_unattended";
}

}  // namespace

void Ledger::AddEvent(const std::string& kind, const std::string& workload, const std::string& message) {
  v1::Event event;
  SetTimestamp(clock_.Now(), event.mutable_occurred_at());
  event.set_kind(kind);
  event.set_workload(workload);
  event.set_message(message);
  spdlog::log(NeedsAttention(kind) ? spdlog::level::warn : spdlog::level::info, "{} {}: {}", kind,
              workload.empty() ? "host" : workload, message);
  Push(&events_, std::move(event));
}

void Ledger::AddReceipt(v1::Receipt receipt) {
  Push(&receipts_, std::move(receipt));
}

std::vector<v1::Event> Ledger::TakeEvents() {
  return TakeAll(&events_);
}

std::vector<v1::Receipt> Ledger::TakeReceipts() {
  return TakeAll(&receipts_);
}

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* wire) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  wire->set_seconds(seconds);
  wire->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void SetDuration(absl::Duration duration, google::protobuf::Duration* wire) {
  absl::Duration rest;
  wire->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  wire->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

}  // namespace truce::agent
