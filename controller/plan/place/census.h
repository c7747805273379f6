// Which applications run on which hosts, for the rules of placing. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace truce::controller {

class Census {
 public:
  // Replaces what is known of the host; `applications` has one entry a workload.
  void Put(int32_t host, std::vector<std::string> applications);
  // Workloads of the application on the host.
  int32_t On(int32_t host, std::string_view application) const;
  // By host, those with any; nullptr when there are none.
  const absl::flat_hash_map<int32_t, int32_t>* HostsOf(std::string_view application) const;

 private:
  absl::flat_hash_map<std::string, absl::flat_hash_map<int32_t, int32_t>> hosts_;
  absl::flat_hash_map<int32_t, std::vector<std::string>> applications_;
};

}  // namespace truce::controller
