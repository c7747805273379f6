// Which applications run on which hosts, and how large their workloads are. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace truce::controller {

class Census {
 public:
  // A workload's application, and the CPU that is set aside for it; 0 cores: nobody knows.
  using Counted = std::pair<std::string, double>;

  // Replaces what is known of the host.
  void Put(int32_t host, std::vector<Counted> workloads);
  // Workloads of the application on the host.
  int32_t On(int32_t host, std::string_view application) const;
  // CPU that is set aside for a workload of the application, in the mean over those of which it is known; 0 without.
  double MeanCores(std::string_view application) const;
  // In how much of the fleet it runs: each host counts as one, and its applications share that alike, so that no host
  // has more of a say than another.
  double Weight(std::string_view application) const;
  // By host, those with any; nullptr when there are none.
  const absl::flat_hash_map<int32_t, int32_t>* HostsOf(std::string_view application) const;

 private:
  struct Application {
    absl::flat_hash_map<int32_t, int32_t> hosts;
    // Those whose size is known, and thousandths of all their cores: whole, so that what is added and taken away is the
    // same.
    int64_t sized = 0;
    int64_t millicores = 0;
    // In kWhole-ths of a host.
    int64_t weight = 0;

    void Count(double cores, int64_t sign);
  };

  static constexpr int64_t kWhole = 1'000'000'000;
  // Adds or takes away the host's say of each of its applications; they are sorted, and there.
  void Weigh(const std::vector<Counted>& workloads, int64_t sign);

  absl::flat_hash_map<std::string, Application> all_;
  // By application, then by cores.
  absl::flat_hash_map<int32_t, std::vector<Counted>> on_;
};

}  // namespace truce::controller
