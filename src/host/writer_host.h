// The agent's control writer: cgroup files as CgroupControlWriter has them, and beside them what the kernel keeps no
// file for, as if it were one: so that journal, proof and restore are the same for all.
//
//   network_cap   in a cgroup's directory of the cgroup2 tree: bytes that it may send in a second, or "max". Kept by
//   the
//                 agent's own BPF programs (traffic.h), so it ends with the agent, and `truce-agent restore` finds it
//                 gone.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/traffic.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {

inline constexpr std::string_view kNetworkCap = "network_cap";

// Not thread-safe.
class HostControlWriter final : public ControlWriter {
 public:
  // `traffic` outlives this; null where it can't be had: then there is no network_cap.
  explicit HostControlWriter(Traffic* traffic) : traffic_(traffic) {}

  absl::StatusOr<std::string> Read(const ControlFile& control) override;
  absl::Status Write(const ControlFile& control, std::string_view value) override;

 private:
  CgroupControlWriter files_;
  Traffic* const traffic_;
};

}  // namespace truce::host
