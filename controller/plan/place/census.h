// Which applications run on which hosts, for the rules of placing. Not thread-safe.
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
  // Replaces what is known of the host; `applications` has one entry a workload, with the CPU that is set aside for it.
  void Put(int32_t host, std::vector<std::pair<std::string, double>> applications);
  // Workloads of the application on the host.
  int32_t On(int32_t host, std::string_view application) const;
  // CPU that is set aside for a workload of the application, in the mean; 0 when there are none.
  double MeanCores(std::string_view application) const;
  // By host, those with any; nullptr when there are none.
  const absl::flat_hash_map<int32_t, int32_t>* HostsOf(std::string_view application) const;

 private:
  struct Application {
    absl::flat_hash_map<int32_t, int32_t> hosts;
    int64_t workloads = 0;
    // Thousandths, so that what is added and taken away is the same.
    int64_t millicores = 0;
  };
  static int64_t Millicores(double cores);

  absl::flat_hash_map<std::string, Application> all_;
  absl::flat_hash_map<int32_t, std::vector<std::pair<std::string, double>>> on_;
};

}  // namespace truce::controller
