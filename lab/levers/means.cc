#include "lab/levers/means.h"

#include <algorithm>
#include <utility>

namespace truce::lab {

std::string LockDirectory(const LeversOptions& options) {
  return options.work_directory + "/levers-lock";
}

Means FindMeans(const LeversOptions& options, const std::vector<LeverPair>& pairs, const host::CgroupLayout& layout) {
  Means means;
  if (auto traffic = host::Traffic::Open(layout); traffic.ok()) means.traffic = *std::move(traffic);
  const bool needs_classes = std::any_of(pairs.begin(), pairs.end(),
                                         [](const LeverPair& pair) { return pair.lever == v1::LEVER_CACHE_CLASS; });
  if (!needs_classes) return means;
  auto lock = agent::LockHost({options.cgroup_root, LockDirectory(options), options.procfs, options.run_directory});
  means.no_resctrl = lock.status();
  if (!lock.ok()) return means;
  means.alone = *std::move(lock);
  auto resctrl = host::Resctrl::Open({.sysfs = options.sysfs, .procfs = options.procfs});
  means.no_resctrl = resctrl.status();
  if (resctrl.ok()) means.resctrl = *std::move(resctrl);
  return means;
}

}  // namespace truce::lab
