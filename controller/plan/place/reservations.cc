#include "controller/plan/place/reservations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "controller/fleet/words.h"
#include "src/base/text.h"

namespace truce::controller {

std::string Reservations::Name(Id id) const {
  return StrCat(prefix_, "-r", id);
}

std::optional<Reservations::Id> Reservations::Number(const std::string& name) const {
  const std::string begin = prefix_ + "-r";
  Id id = 0;
  if (!name.starts_with(begin) || !absl::SimpleAtoi(name.substr(begin.size()), &id)) return std::nullopt;
  return Name(id) == name ? std::optional(id) : std::nullopt;
}

std::string Reservations::Add(int32_t host, Resident resident, absl::Duration until) {
  const Id id = next_++;
  all_.emplace(id, Reservation{host, std::move(resident), until});
  by_host_[host].push_back(id);
  by_time_.emplace(until, id);
  return Name(id);
}

void Reservations::Erase(Id id) {
  const auto it = all_.find(id);
  const auto on_host = by_host_.find(it->second.host);
  std::erase(on_host->second, id);
  if (on_host->second.empty()) by_host_.erase(on_host);
  by_time_.erase({it->second.until, id});
  all_.erase(it);
}

std::optional<Reservations::Reservation> Reservations::Remove(const std::string& id) {
  const auto number = Number(id);
  const auto it = number ? all_.find(*number) : all_.end();
  if (it == all_.end()) return std::nullopt;
  Reservation removed = it->second;
  Erase(*number);
  return removed;
}

bool Reservations::Arrived(int32_t host, const std::vector<Resident>& reported) {
  const auto on_host = by_host_.find(host);
  if (on_host == by_host_.end()) return false;
  std::vector<Id> arrived;
  for (const Id id : on_host->second) {
    const std::string& name = all_.at(id).resident.workload;
    const bool here = !name.empty() && std::any_of(reported.begin(), reported.end(), [&name](const Resident& one) {
      return one.workload == name || LastElement(one.workload) == name;
    });
    if (here) arrived.push_back(id);
  }
  for (const Id id : arrived) Erase(id);
  return !arrived.empty();
}

std::vector<int32_t> Reservations::Expire(absl::Duration now) {
  std::vector<int32_t> hosts;
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    const Id id = by_time_.begin()->second;
    hosts.push_back(all_.at(id).host);
    Erase(id);
  }
  return hosts;
}

std::vector<const Reservations::Reservation*> Reservations::On(int32_t host) const {
  std::vector<const Reservation*> there;
  if (const auto on_host = by_host_.find(host); on_host != by_host_.end()) {
    for (const Id id : on_host->second) there.push_back(&all_.at(id));
  }
  return there;
}

void Answers::Forget(absl::Duration now) {
  while (!order_.empty() && (order_.front().first <= now || order_.size() > kMost)) {
    answers_.erase(order_.front().second);
    order_.pop_front();
  }
}

absl::StatusOr<std::optional<std::string>> Answers::Find(const std::string& id, uint64_t question, absl::Duration now) {
  Forget(now);
  const auto it = answers_.find(id);
  if (id.empty() || it == answers_.end()) return std::nullopt;
  if (it->second.question == question) return it->second.answer;
  return absl::InvalidArgumentError(
      StrCat("request_id: \"", id, "\" was the id of another request; give every request an id of its own"));
}

void Answers::Remember(const std::string& id, uint64_t question, std::string answer, absl::Duration now) {
  if (id.empty()) return;
  answers_[id] = {question, std::move(answer)};
  order_.emplace_back(now + kMemory, id);
  Forget(now);
}

}  // namespace truce::controller
