// Who is on a host and what is set aside for each, as placing sees it: from a host's last report. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "controller/fleet/fleet.h"
#include "controller/plan/pack/host_index.h"
#include "controller/plan/place/demands.h"
#include "truce/v1/drift.pb.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

// Where a resource stands in pack::PlaceResources; bytes and operations are per second but those of memory.
enum PlaceResource : size_t {
  kPlaceCpuCores,
  kPlaceMemoryBytes,
  kPlaceDiskBytes,
  kPlaceDiskOperations,
  kPlaceNetworkBytes,
  kPlaceResourceCount
};
static_assert(kPlaceResourceCount <= pack::kMostPlaceResources);

// A workload on a host, or one that is expected there.
struct Resident {
  // Its full name there; of a reservation the name that it will have, empty when nobody said.
  std::string workload;
  std::string application;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_UNSPECIFIED;
  int32_t priority = 0;
  // What is set aside for it.
  pack::PlaceResources demand{};
  // Whether somebody may move it and can (CheckMovable of plan/move.h says why not).
  bool movable = false;
};

// A host with those on it.
struct HostPicture {
  // A resource of which nobody knows how much there is has 0, and is taken for endless.
  pack::PlaceResources capacity{};
  std::vector<Resident> residents;
  // Of each NUMA node.
  struct Node {
    double cpu_cores = 0;
    double memory_bytes = 0;
  };
  std::vector<Node> nodes;
  std::string fault_domain;
  double worst_score = 0;
  double worst_score_of_critical = 0;
  // Why nothing may be placed there; empty when it may.
  std::string closed;
};

// The drift of a workload of the host; nullopt when none is known.
using DriftOf = std::function<std::optional<v1::DriftStatus>(std::string_view workload)>;

// CPU and memory: the adjusted demand where the agent foretells one, else the 95th percentile of use, else use. Disk
// and network: the same without adjustment. `drift_of` may be empty.
HostPicture PictureOf(const HostState& host, const DriftOf& drift_of, SetAside set_aside = SetAside::kPeak);

// InvalidArgument for a demand that is negative or not a number, or rules that contradict each other.
absl::Status CheckDescription(const v1::WorkloadDescription& workload);
// As if it were on its host already.
Resident ResidentOf(const v1::WorkloadDescription& workload);

}  // namespace truce::controller
