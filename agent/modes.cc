#include "agent/modes.h"

#include <algorithm>

namespace truce::agent {

v1::Mode EffectiveMode(const ModeSettings& settings, const std::vector<v1::ModeRule>& rules,
                       const WorkloadIdentity& workload) {
  v1::Mode mode = settings.initial;
  int best = -1;
  for (const v1::ModeRule& rule : rules) {
    if (rule.mode() == v1::MODE_UNSPECIFIED || !v1::Mode_IsValid(rule.mode())) continue;
    int specific = 0;
    if (!rule.workload().empty()) {
      if (rule.workload() != workload.name && rule.workload() != workload.application) continue;
      specific = 4;
    } else if (rule.workload_class() != v1::WORKLOAD_CLASS_UNSPECIFIED) {
      if (rule.workload_class() != workload.workload_class) continue;
      specific = 2;
    }
    if (!rule.host().empty()) ++specific;
    if (specific >= best) {
      best = specific;
      mode = rule.mode();
    }
  }
  if (workload.mode_ceiling != v1::MODE_UNSPECIFIED) mode = std::min(mode, workload.mode_ceiling);
  return std::min(mode, settings.ceiling);
}

}  // namespace truce::agent
