#include "lab/observer.h"

#include "src/base/text.h"

namespace truce::lab {
namespace {

agent::SamplerOptions Watching(const std::string& procfs, const std::string& parent) {
  agent::SamplerOptions options;
  options.procfs = procfs;
  // Windows are short: what is read now and then would be smeared over several of them.
  options.slow_every = 1;
  agent::DiscoveryRule rule;
  rule.match = StrCat(parent, "/*");
  options.rules = {rule};
  return options;
}

}  // namespace

Observer::Observer(const std::string& procfs, const std::string& parent, const host::CgroupLayout& layout,
                   const Clock& clock, host::CounterService& counters, host::Traffic* traffic)
    : sampler_(Watching(procfs, parent), layout, clock, &counters, traffic) {}

std::optional<DatasetSample> Observer::Observe(const RunningProgram& program) {
  const agent::Workload* workload = Find(program);
  // The first tick of a workload has totals and no rates yet.
  if (workload == nullptr || !workload->sample.has(Reading::kCpuUsageCores)) return std::nullopt;
  DatasetSample sample;
  sample.readings = workload->sample;
  return sample;
}

}  // namespace truce::lab
