// Pressure stall information. On a host without PSI the readings are missing and run-queue wait takes cpu's place.
#include "agent/sense/collectors.h"

namespace truce::agent {
namespace {

void SetRatio(Sample& sample, Reading reading, RateOf& rate, const std::optional<uint64_t>& total_us,
              absl::Duration now) {
  if (!total_us) return;
  if (auto per_second = rate.Update(*total_us, now)) sample.set(reading, std::min(1.0, *per_second * 1e-6));
}

}  // namespace

void CollectPressure(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  WorkloadTotals& totals = workload.totals;
  if (auto text = cgroup.Read(host::Controller::kUnified, "cpu.pressure", context.buffer); text.ok()) {
    const host::PressureTotals pressure = host::ParsePressure(*text);
    SetRatio(sample, Reading::kPsiCpuSomeRatio, totals.psi_cpu_some, pressure.some_us, context.now);
  }
  if (auto text = cgroup.Read(host::Controller::kUnified, "memory.pressure", context.buffer); text.ok()) {
    const host::PressureTotals pressure = host::ParsePressure(*text);
    SetRatio(sample, Reading::kPsiMemorySomeRatio, totals.psi_memory_some, pressure.some_us, context.now);
    SetRatio(sample, Reading::kPsiMemoryFullRatio, totals.psi_memory_full, pressure.full_us, context.now);
  }
  if (auto text = cgroup.Read(host::Controller::kUnified, "io.pressure", context.buffer); text.ok()) {
    const host::PressureTotals pressure = host::ParsePressure(*text);
    SetRatio(sample, Reading::kPsiIoSomeRatio, totals.psi_io_some, pressure.some_us, context.now);
    SetRatio(sample, Reading::kPsiIoFullRatio, totals.psi_io_full, pressure.full_us, context.now);
  }
}

}  // namespace truce::agent
