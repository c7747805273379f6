// Block I/O of a workload: v2's io.stat, or v1's blkio throttle statistics.
#include "agent/sense/collectors.h"

namespace truce::agent {
namespace {

using host::Controller;
using host::NextWord;

struct DiskTotals {
  uint64_t read_bytes = 0, write_bytes = 0, read_operations = 0, write_operations = 0;
  std::string busiest_device;
  uint64_t busiest_bytes = 0;

  void Consider(std::string_view device, uint64_t bytes) {
    if (bytes <= busiest_bytes) return;
    busiest_bytes = bytes;
    busiest_device = device;
  }
};

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." a device a line.
DiskTotals ParseIoStat(std::string_view text) {
  DiskTotals totals;
  host::ForEachLine(text, [&totals](std::string_view line) {
    const std::string_view device = NextWord(&line);
    uint64_t bytes = 0;
    for (std::string_view word = NextWord(&line); !word.empty(); word = NextWord(&line)) {
      const size_t equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view key = word.substr(0, equals);
      const auto value = host::FirstNumber(word.substr(equals + 1));
      if (!value || *value < 0) continue;
      const auto amount = static_cast<uint64_t>(*value);
      if (key == "rbytes") totals.read_bytes += amount, bytes += amount;
      if (key == "wbytes") totals.write_bytes += amount, bytes += amount;
      if (key == "rios") totals.read_operations += amount;
      if (key == "wios") totals.write_operations += amount;
    }
    totals.Consider(device, bytes);
  });
  return totals;
}

// "8:0 Read 123" and "8:0 Write 456" lines.
void ParseBlkio(std::string_view text, uint64_t* reads, uint64_t* writes, DiskTotals* devices) {
  host::ForEachLine(text, [&](std::string_view line) {
    const std::string_view device = NextWord(&line);
    const std::string_view what = NextWord(&line);
    const auto value = host::FirstNumber(NextWord(&line));
    if (!value || *value < 0) return;
    if (what == "Read") *reads += static_cast<uint64_t>(*value);
    if (what == "Write") *writes += static_cast<uint64_t>(*value);
    if (devices != nullptr && what == "Total") devices->Consider(device, static_cast<uint64_t>(*value));
  });
}

}  // namespace

void CollectDisk(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  DiskTotals totals;
  if (cgroup.version(Controller::kIo) == 2) {
    auto text = cgroup.ReadRarely(Controller::kIo, "io.stat", context.buffer);
    if (!text.ok()) return;
    totals = ParseIoStat(*text);
  } else {
    auto bytes = cgroup.ReadRarely(Controller::kIo, "blkio.throttle.io_service_bytes_recursive", context.buffer);
    if (!bytes.ok()) bytes = cgroup.ReadRarely(Controller::kIo, "blkio.throttle.io_service_bytes", context.buffer);
    if (!bytes.ok()) return;
    ParseBlkio(*bytes, &totals.read_bytes, &totals.write_bytes, &totals);
    auto operations = cgroup.ReadRarely(Controller::kIo, "blkio.throttle.io_serviced_recursive", context.buffer);
    if (!operations.ok()) operations = cgroup.ReadRarely(Controller::kIo, "blkio.throttle.io_serviced", context.buffer);
    if (operations.ok()) ParseBlkio(*operations, &totals.read_operations, &totals.write_operations, nullptr);
  }
  WorkloadTotals& previous = workload.totals;
  sample.set(Reading::kDiskReadBytesPerSecond, previous.read_bytes.Update(totals.read_bytes, context.now));
  sample.set(Reading::kDiskWriteBytesPerSecond, previous.write_bytes.Update(totals.write_bytes, context.now));
  sample.set(Reading::kDiskReadOperationsPerSecond,
             previous.read_operations.Update(totals.read_operations, context.now));
  sample.set(Reading::kDiskWriteOperationsPerSecond,
             previous.write_operations.Update(totals.write_operations, context.now));
  if (!totals.busiest_device.empty()) {
    workload.busiest_device = totals.busiest_device;
    if (auto latency = context.device_latency.find(workload.busiest_device); latency != context.device_latency.end()) {
      sample.set(Reading::kDiskLatencySeconds, latency->second);
    }
  }
}

}  // namespace truce::agent
