// Host-wide readings: steal and utilisation from /proc/stat, device latency from /proc/diskstats.
#include <fcntl.h>

#include "agent/sense/collectors.h"
#include "src/base/text.h"

namespace truce::agent {

using host::FirstNumber;
using host::NextWord;

void HostCollector::Collect(absl::Duration now, host::ReadBuffer& buffer) {
  steal_ratio_.reset();
  busy_ratio_.reset();
  if (auto text = host::ReadWholeAt(AT_FDCWD, (procfs_ + "/stat").c_str(), buffer);
      text.ok() && text->starts_with("cpu ")) {
    // "cpu user nice system idle iowait irq softirq steal guest guest_nice"; guest is part of user.
    std::string_view line = text->substr(4, text->find('\n') - 4);
    uint64_t field[8] = {};
    uint64_t all = 0;
    for (uint64_t& value : field) {
      value = static_cast<uint64_t>(FirstNumber(NextWord(&line)).value_or(0));
      all += value;
    }
    const auto all_rate = all_.Update(all, now);
    const auto steal_rate = steal_.Update(field[7], now);
    const auto idle_rate = idle_.Update(field[3] + field[4], now);
    if (all_rate && *all_rate > 0) {
      if (steal_rate) steal_ratio_ = *steal_rate / *all_rate;
      if (idle_rate) busy_ratio_ = std::max(0.0, 1.0 - *idle_rate / *all_rate - steal_ratio_.value_or(0));
    }
  }
  device_latency_.clear();
  if (auto text = host::ReadWholeAt(AT_FDCWD, (procfs_ + "/diskstats").c_str(), buffer); text.ok()) {
    host::ForEachLine(*text, [this](std::string_view line) {
      const std::string_view major = NextWord(&line);
      const std::string_view minor = NextWord(&line);
      NextWord(&line);
      // reads, reads merged, sectors read, ms reading, writes, writes merged, sectors written, ms writing
      uint64_t field[8] = {};
      for (uint64_t& value : field) value = static_cast<uint64_t>(FirstNumber(NextWord(&line)).value_or(0));
      const DeviceTotals current{field[0] + field[4], field[3] + field[7]};
      if (current.operations == 0) return;
      auto [entry, is_new] = device_totals_.try_emplace(StrCat(major, ":", minor), current);
      DeviceTotals& previous = entry->second;
      if (!is_new && current.operations > previous.operations && current.milliseconds >= previous.milliseconds) {
        device_latency_[entry->first] = static_cast<double>(current.milliseconds - previous.milliseconds) * 1e-3 /
                                        static_cast<double>(current.operations - previous.operations);
      }
      previous = current;
    });
  }
}

}  // namespace truce::agent
