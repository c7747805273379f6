// Bytes in and out of a workload: as our programs on its cgroup count them. Without those, of one that has a network
// namespace of its own (a container), since in the host's namespace the kernel keeps no count per cgroup.
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/sense/collectors.h"
#include "src/base/text.h"

namespace truce::agent {

void CollectNetwork(Workload& workload, const CollectContext& context, Sample& sample) {
  host::Cgroup& cgroup = *workload.cgroup;
  const auto set = [&](uint64_t received, uint64_t sent) {
    sample.set(Reading::kNetworkReceiveBytesPerSecond, workload.totals.receive_bytes.Update(received, context.now));
    sample.set(Reading::kNetworkTransmitBytesPerSecond, workload.totals.transmit_bytes.Update(sent, context.now));
  };
  if (context.traffic != nullptr) {
    if (const auto totals = context.traffic->Read(cgroup); totals.ok()) {
      set(totals->received_bytes, totals->sent_bytes);
      return;
    }
  }
  auto list = cgroup.ReadRarely(host::Controller::kUnified, "cgroup.procs", context.buffer);
  if (!list.ok()) list = cgroup.ReadRarely(host::Controller::kCpu, "cgroup.procs", context.buffer);
  if (!list.ok()) return;
  const auto process = host::FirstNumber(*list);
  if (!process) return;
  const std::string directory = StrCat(context.procfs, "/", *process);
  struct stat space {};
  if (stat((directory + "/ns/net").c_str(), &space) != 0 || space.st_ino == context.own_network_namespace) return;
  const auto text = host::ReadWholeAt(AT_FDCWD, (directory + "/net/dev").c_str(), context.buffer);
  if (!text.ok()) return;
  // "eth0: rx_bytes packets errs drop fifo frame compressed multicast tx_bytes ..."
  uint64_t received = 0;
  uint64_t sent = 0;
  host::ForEachLine(*text, [&](std::string_view line) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string_view name = line.substr(0, colon);
    if (host::NextWord(&name) == "lo") return;
    std::string_view rest = line.substr(colon + 1);
    for (int field = 0; field < 9; ++field) {
      const auto value = host::FirstNumber(host::NextWord(&rest));
      if (!value) return;
      if (field == 0) received += static_cast<uint64_t>(*value);
      if (field == 8) sent += static_cast<uint64_t>(*value);
    }
  });
  set(received, sent);
}

}  // namespace truce::agent
