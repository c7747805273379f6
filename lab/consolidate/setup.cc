#include "lab/consolidate/setup.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "lab/forecast/archive.h"
#include "lab/forecast/datasets.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr HostType kG4 = {1'860, 2, 4'096, 1'000, {86, 89.4, 92.6, 96, 99.5, 102, 106, 108, 112, 114, 117}};
constexpr HostType kG5 = {2'660, 2, 4'096, 1'000, {93.7, 97, 101, 105, 110, 116, 121, 125, 129, 133, 135}};
constexpr std::array<VmType, 4> kVmTypes = {VmType{2'500, 870}, {2'000, 1'740}, {1'000, 1'740}, {500, 613}};
constexpr size_t kSteps = 288;

}  // namespace

// In the order in which CloudSim's PowerModelSpecPower computes: hosts of a type and tenth differ in what a VM adds to
// them by rounding alone, and that decides where it goes.
double HostType::Watts(double used) const {
  const double share = std::clamp(used, 0.0, 1.0);
  const double below = std::floor(share * 10);
  const double from = watts[static_cast<size_t>(below)];
  const double to = watts[static_cast<size_t>(std::ceil(share * 10))];
  return from + (to - from) / 10 * (share - below / 10) * 100;
}

// In the order in which CloudSim's UtilizationModelPlanetLabInMemory computes.
double VmTrace::RequestedMips(double seconds) const {
  const size_t before = std::min(static_cast<size_t>(seconds / kStepSeconds), used.size() - 1);
  const size_t after = std::min(before + 1, used.size() - 1);
  const double slope = (used[after] - used[before]) / kStepSeconds;
  return (used[before] + slope * (seconds - static_cast<double>(before) * kStepSeconds)) * type.mips;
}

std::vector<HostType> PlanetLabHosts(size_t count) {
  std::vector<HostType> hosts;
  for (size_t i = 0; i < count; ++i) hosts.push_back(i % 2 == 0 ? kG4 : kG5);
  return hosts;
}

absl::StatusOr<DataCentre> ReadPlanetLabCentre(const std::string& file, size_t hosts) {
  DataCentre centre;
  centre.hosts = PlanetLabHosts(hosts);
  const absl::Status read = ReadPacked(file, [&](std::string_view name, std::string_view text) -> absl::Status {
    TRUCE_ASSIGN_OR_RETURN(const Recording day, ParsePlanetLabDay(name, text));
    for (const Series& series : day.series) {
      VmTrace& vm = centre.vms.emplace_back();
      vm.name = series.name;
      vm.used.assign(series.values.begin(), series.values.end());
      const bool sound = std::all_of(vm.used.begin(), vm.used.end(), [](double one) { return one >= 0 && one <= 100; });
      if (vm.used.size() != kSteps || !sound) {
        return absl::InvalidArgumentError(
            StrCat(name, ", VM ", vm.name, ": it must have ", kSteps, " values from 0 to 100"));
      }
      for (double& one : vm.used) one /= 100;
    }
    return absl::OkStatus();
  });
  TRUCE_RETURN_IF_ERROR(read);
  if (centre.vms.empty()) return absl::InvalidArgumentError(StrCat(file, ": there is no VM in it"));
  const size_t quarter = (centre.vms.size() + kVmTypes.size() - 1) / kVmTypes.size();
  for (size_t i = 0; i < centre.vms.size(); ++i) centre.vms[i].type = kVmTypes[i / quarter];
  return centre;
}

}  // namespace truce::lab
