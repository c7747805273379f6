#include "src/base/reading.h"

namespace truce {

std::string_view ReadingName(Reading reading) {
  static constexpr std::array<std::string_view, kReadingCount> kNames = {
      "cpu_usage_cores",
      "cpu_system_ratio",
      "cpu_throttled_ratio",
      "cpu_quota_cores",
      "cpu_allowed_count",
      "run_queue_wait_ratio",
      "context_switches_per_second",
      "psi_cpu_some_ratio",
      "psi_memory_some_ratio",
      "psi_memory_full_ratio",
      "psi_io_some_ratio",
      "psi_io_full_ratio",
      "memory_usage_bytes",
      "memory_working_set_bytes",
      "memory_limit_bytes",
      "page_faults_per_second",
      "major_faults_per_second",
      "disk_read_bytes_per_second",
      "disk_write_bytes_per_second",
      "disk_read_operations_per_second",
      "disk_write_operations_per_second",
      "disk_latency_seconds",
      "network_receive_bytes_per_second",
      "network_transmit_bytes_per_second",
      "task_count",
      "instructions_per_second",
      "cycles_per_second",
      "cycles_per_instruction",
      "llc_misses_per_kilo_instruction",
      "llc_references_per_kilo_instruction",
      "dram_fill_bytes_per_second",
      "counter_scale_factor",
      "host_steal_ratio",
      "host_cpu_busy_ratio",
  };
  return kNames[static_cast<size_t>(reading)];
}

}  // namespace truce
