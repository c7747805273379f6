// VMs that ask for NUMA nodes, on servers of two nodes: what `pack --format huawei` packs, whoever reads it and whoever
// packs it. Plain numbers; CPUs are virtual ones, memory is in the unit of the files (GB).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace truce::lab {

struct Room {
  int32_t cpus = 0;
  int32_t ram = 0;
  bool Holds(const Room& other) const { return other.cpus <= cpus && other.ram <= ram; }
  bool operator==(const Room&) const = default;
};

inline constexpr int32_t kNone = -1;

struct NumaServer {
  // What is free of each node, before anything is placed.
  std::array<Room, 2> nodes;
  // What fails together with it.
  int32_t domain = 0;
};

enum class Strategy { kFree, kAffinity, kAntiAffinity, kFaultDomain };

struct VmRequest {
  // Of each node that it is on.
  Room per_node;
  // Half of it on each node of one server; otherwise all of it on one node.
  bool on_both = false;
  Strategy strategy = Strategy::kFree;
  // Of NumaProblem::groups, or kNone.
  int32_t group = kNone;
  // kFaultDomain only: of its server.
  int32_t domain = kNone;

  Room Whole() const {
    const int32_t nodes = on_both ? 2 : 1;
    return {nodes * per_node.cpus, nodes * per_node.ram};
  }
};

struct VmGroup {
  Strategy strategy = Strategy::kFree;
  // As in the file.
  int64_t number = 0;
  // Requests, in their order.
  std::vector<int32_t> members;
};

struct NumaProblem {
  std::vector<NumaServer> servers;
  std::vector<VmRequest> requests;
  std::vector<VmGroup> groups;
  int32_t domains = 1;
};

// Bits of Place::nodes.
inline constexpr uint8_t kNode1 = 1;
inline constexpr uint8_t kNode2 = 2;
inline constexpr uint8_t kBothNodes = 3;

// Where a request is; kNone: nowhere.
struct Place {
  int32_t server = kNone;
  uint8_t nodes = 0;
  bool operator==(const Place&) const = default;
};
// By request.
using Plan = std::vector<Place>;

// Indices and sizes of containers are unsigned, numbers in plans are not.
inline size_t At(int32_t index) {
  return static_cast<size_t>(index);
}

}  // namespace truce::lab
