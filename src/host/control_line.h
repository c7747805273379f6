// Control files that hold one line per device, such as io.max. One line of one of them is a control of its own and is
// called FILE[KEY]: "io.max[8:0]", "blkio.throttle.read_bps_device[8:0]". Pure.
#pragma once

#include <string>
#include <string_view>

namespace truce::host {

struct ControlLine {
  std::string file;
  // Empty: the whole file.
  std::string key;
};

// "io.max[8:0]" in its parts; any other name is that of a whole file.
ControlLine ParseControlLine(std::string_view name);
// "io.max[8:0]".
std::string ControlLineName(std::string_view file, std::string_view key);

// The line of `content` that begins with the key, as it stands there without its end; empty when there is none.
std::string_view FindLine(std::string_view content, std::string_view key);
// `content` with the key's line replaced, added, or left out when `line` is empty: what the kernel makes of a write.
std::string ReplaceLine(std::string_view content, std::string_view key, std::string_view line);
// What is written to the file so that the key's line goes away: "8:0 rbps=max wbps=max riops=max wiops=max", "8:0 0".
std::string LineThatResets(std::string_view file, std::string_view key);

}  // namespace truce::host
