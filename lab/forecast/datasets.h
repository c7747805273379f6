// Published traces that forecasts are measured on, as who has them keeps them below one directory: bitbrains/,
// planetlab/, crane/. None of them comes with Truce.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/forecast/series.h"

namespace truce::lab {

// Series of one kind that were recorded together.
struct Recording {
  // "cpu", "memory", ...
  std::string target;
  std::string unit;
  // Which day of several it is; empty where there is only one recording.
  std::string day;
  // In the order of their names, or of their lines.
  std::vector<Series> series;
};

// bitbrains/: GWA-T-12 (Shen, van Beek, Iosup, CCGRID 2015), a CSV of each VM, packed (.tar, .tar.xz, ...) or not, with
// the header ts_s,cores,cpu_prov_mhz,cpu_mhz,mem_prov_kb,mem_kb,disk_r_kbs,disk_w_kbs,net_rx_kbs,net_tx_kbs; every
// 300 s. Recordings cpu (percent of what was provisioned; missing where that is nothing), memory, disk_read,
// disk_write, network_received and network_sent. Of several lines of one moment the first counts: one of the VMs has
// two recordings under one name.
absl::StatusOr<std::vector<Recording>> ReadBitbrains(const std::string& directory);

// planetlab/: CPU percent of VMs, a day in each file, lines of vm,t0..t287; every 300 s. A recording of each file, in
// the order of their names, which are the days.
absl::StatusOr<std::vector<Recording>> ReadPlanetLab(const std::string& directory);
// One such file's text; `file` is its name, for messages and the day.
absl::StatusOr<Recording> ParsePlanetLabDay(std::string_view file, std::string_view text);

// crane/: one series in each file, lines of ts,value. One recording.
absl::StatusOr<std::vector<Recording>> ReadCrane(const std::string& directory);

// The sets there are to ask for.
const std::vector<std::string>& ForecastSets();
// One of them, below `directory`. NotFound, with what was looked for and where, when it is not there; InvalidArgument
// with file and line when it reads otherwise.
absl::StatusOr<std::vector<Recording>> ReadForecastSet(std::string_view set, const std::string& directory);

}  // namespace truce::lab
