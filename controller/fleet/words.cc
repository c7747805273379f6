#include "controller/fleet/words.h"

namespace truce::controller {

std::string_view ResourceWord(v1::Resource resource) {
  switch (resource) {
    case v1::RESOURCE_CPU:
      return "CPU time";
    case v1::RESOURCE_LLC:
      return "last-level cache";
    case v1::RESOURCE_MEMORY_BANDWIDTH:
      return "memory bandwidth";
    case v1::RESOURCE_MEMORY:
      return "memory";
    case v1::RESOURCE_DISK:
      return "disk";
    case v1::RESOURCE_NETWORK:
      return "network";
    default:
      return "an unknown resource";
  }
}

std::string_view DiagnosisWord(v1::Diagnosis diagnosis) {
  switch (diagnosis) {
    case v1::DIAGNOSIS_HEALTHY:
      return "healthy";
    case v1::DIAGNOSIS_OWN_QUOTA:
      return "throttled by its own CPU quota";
    case v1::DIAGNOSIS_STEAL:
      return "robbed of CPU time by the hypervisor";
    case v1::DIAGNOSIS_NEIGHBOUR:
      return "hurt by a neighbour";
    case v1::DIAGNOSIS_SELF:
      return "slower than its baseline with no neighbour that explains it";
    case v1::DIAGNOSIS_UNKNOWN:
      return "not known: too few samples or too little CPU use to say";
    default:
      return "not diagnosed";
  }
}

int ClassRank(v1::WorkloadClass workload_class) {
  switch (workload_class) {
    case v1::WORKLOAD_CLASS_CRITICAL:
      return 3;
    case v1::WORKLOAD_CLASS_BEST_EFFORT:
      return 1;
    default:
      return 2;
  }
}

std::string_view LastElement(std::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

bool NamesWorkload(const v1::Workload& workload, std::string_view query) {
  if (query.empty()) return false;
  return workload.name() == query || LastElement(workload.name()) == query || workload.application() == query;
}

}  // namespace truce::controller
