#include "lab/consolidate/dvfs.h"

namespace truce::lab {

std::optional<size_t> Dvfs::PlaceNew(const Cloud& cloud, size_t vm) {
  for (size_t host = 0; host < cloud.centre().hosts.size(); ++host) {
    if (cloud.Suits(vm, host)) return host;
  }
  return std::nullopt;
}

}  // namespace truce::lab
