// Takes the agent's own samples of the running programs, once a second, beside their own speed. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/sense/sampler.h"
#include "lab/dataset.h"
#include "lab/running_program.h"
#include "src/base/clock.h"
#include "src/host/cgroup.h"
#include "src/host/counters.h"

namespace truce::lab {

class Observer {
 public:
  // Watches the cgroups below `parent`. `layout`, `clock`, `counters` and `traffic`, which may be null, outlive it.
  Observer(const std::string& procfs, const std::string& parent, const host::CgroupLayout& layout, const Clock& clock,
           host::CounterService& counters, host::Traffic* traffic = nullptr);
  // The program is new in the tree; look for it at the next tick.
  void Expect() { sampler_.DiscoverAtNextTick(); }
  void Tick() { sampler_.Tick(); }
  // The last tick's sample of a program; nullopt while it is not found yet.
  std::optional<DatasetSample> Observe(const RunningProgram& program);
  // The program as the agent would hold it; null while it is not found yet.
  const agent::Workload* Find(const RunningProgram& program) { return sampler_.Find(program.workload()); }
  // Of the whole host in the last tick.
  std::optional<double> steal_ratio() const { return sampler_.host().steal_ratio(); }
  std::optional<double> busy_ratio() const { return sampler_.host().busy_ratio(); }

 private:
  agent::Sampler sampler_;
};

}  // namespace truce::lab
