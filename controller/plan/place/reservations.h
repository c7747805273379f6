// What schedulers were promised and no report shows yet. Not thread-safe; Places has one behind its lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/plan/place/resident.h"

namespace truce::controller {

class Reservations {
 public:
  struct Reservation {
    int32_t host = 0;
    Resident resident;
    absl::Duration until;
  };

  // `prefix` makes ids unique over restarts of the controller.
  explicit Reservations(std::string prefix) : prefix_(std::move(prefix)) {}

  // Returns its id.
  std::string Add(int32_t host, Resident resident, absl::Duration until);
  // What it was; nullopt when there is none by that id.
  std::optional<Reservation> Remove(const std::string& id);
  // Ends those of the host whose workload is one of `reported`, and returns whether there were any. A name that is the
  // last element of a full name means it too.
  bool Arrived(int32_t host, const std::vector<Resident>& reported);
  // Hosts of reservations that ended by time; a host may come twice.
  std::vector<int32_t> Expire(absl::Duration now);
  // Of the host; in no order.
  std::vector<const Reservation*> On(int32_t host) const;
  size_t size() const { return all_.size(); }

 private:
  using Id = uint64_t;
  std::string Name(Id id) const;
  std::optional<Id> Number(const std::string& name) const;
  void Erase(Id id);

  const std::string prefix_;
  Id next_ = 1;
  absl::flat_hash_map<Id, Reservation> all_;
  absl::flat_hash_map<int32_t, std::vector<Id>> by_host_;
  std::set<std::pair<absl::Duration, Id>> by_time_;
};

// Answers to questions with an id, so that one that is asked again gets the same. Not thread-safe.
class Answers {
 public:
  static constexpr absl::Duration kMemory = absl::Minutes(10);
  // The newest so many; older ones are forgotten before their time.
  static constexpr size_t kMost = 50'000;

  // What was answered to this question before, serialized. InvalidArgument when another question had the id.
  absl::StatusOr<std::optional<std::string>> Find(const std::string& id, uint64_t question, absl::Duration now);
  void Remember(const std::string& id, uint64_t question, std::string answer, absl::Duration now);

 private:
  struct Answer {
    uint64_t question = 0;
    std::string answer;
  };
  void Forget(absl::Duration now);

  absl::flat_hash_map<std::string, Answer> answers_;
  std::deque<std::pair<absl::Duration, std::string>> order_;
};

}  // namespace truce::controller
