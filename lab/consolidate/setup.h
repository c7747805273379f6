// What a simulated data centre consists of: the set-up of Beloglazov and Buyya, "Optimal online deterministic
// algorithms and adaptive heuristics for energy and performance efficient dynamic consolidation of virtual machines in
// cloud data centers", Concurrency and Computation: Practice and Experience 24(13), 2012, section 6.1.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::lab {

inline constexpr double kStepSeconds = 300;
inline constexpr double kDaySeconds = 86'400;

struct HostType {
  double core_mips = 0;
  int cores = 0;
  double memory_mb = 0;
  double network_mbit = 0;
  // At 0, 10, ... 100 % of its CPUs; SPECpower.
  std::array<double, 11> watts{};

  double mips() const { return core_mips * cores; }
  // Between two tenths on a straight line. `used` is 0 to 1.
  double Watts(double used) const;
};

struct VmType {
  // One core.
  double mips = 0;
  double memory_mb = 0;
};

// A VM and what it asks of its CPU, 0 to 1, every kStepSeconds.
struct VmTrace {
  std::string name;
  VmType type;
  std::vector<double> used;

  // At a moment, between two steps on a straight line, in MIPS.
  double RequestedMips(double seconds) const;
};

struct DataCentre {
  std::vector<HostType> hosts;
  std::vector<VmTrace> vms;
};

// Hosts alternate HP ProLiant ML110 G4 and G5; VMs are of four types by quarters of the list.
std::vector<HostType> PlanetLabHosts(size_t count);

// From a day of PlanetLab: lines of vm,t0..t287 in percent, sorted by name; may be compressed. Errors name the file and
// the line.
absl::StatusOr<DataCentre> ReadPlanetLabCentre(const std::string& file, size_t hosts);

}  // namespace truce::lab
