// Which of a fleet's workloads are looked at when there are more than can be: each application gets its share, and what
// an application doesn't use of it is shared by the others (max-min fairness). Within an application those with the
// lowest hash of their names are in (bottom-k sampling: Cohen and Kaplan, "Summarizing data using bottom-k sketches",
// PODC 2007), so that each is as likely as any other, and one that is in stays in as others come and go. Plain; one
// thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace truce::controller {

class FairSample {
 public:
  explicit FairSample(size_t most) : most_(most) {}
  FairSample(FairSample&&) = default;
  FairSample& operator=(FairSample&&) = default;

  // A workload's place in the order of all, the same for ever. Two that share all 64 bits count as one; of a million
  // workloads that happens in one fleet of thirty million.
  static uint64_t Rank(std::string_view host, std::string_view workload);

  struct Answer {
    bool in = false;
    // Who is out for it.
    std::optional<uint64_t> out;
  };
  // Whether the workload, which is not in yet, is in from now on.
  Answer Offer(uint64_t rank, std::string_view application);
  void Remove(uint64_t rank);

  size_t size() const { return application_.size(); }
  size_t SizeOf(std::string_view application) const;

 private:
  using Members = std::map<std::string, std::set<uint64_t>, std::less<>>;

  void Add(uint64_t rank, std::string_view application);

  size_t most_;
  Members members_;
  std::map<uint64_t, Members::iterator> application_;
  // Applications by how many they have in.
  std::set<std::pair<size_t, std::string>> sizes_;
};

}  // namespace truce::controller
