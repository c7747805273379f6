// What a class of cache and memory bandwidth allows: reading and writing the kernel's schemata, choosing ways of a
// cache, and the name of the group that has the class. Pure; resctrl.h asks the kernel.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace truce::host {

// The resources that Truce bounds, by the kernel's names. Code and data have caches of their own when the file system
// is mounted with cdp.
inline constexpr std::string_view kCacheResources[] = {"L3", "L3CODE", "L3DATA"};
inline constexpr std::string_view kBandwidthResource = "MB";

// By resource, then by domain (the id of a last-level cache): a mask of ways, or a bandwidth in the host's unit.
using Schemata = std::map<std::string, std::map<int, uint64_t>>;

// A group's file "schemata"; resources that Truce does not bound (L2, SMBA) are left out. InvalidArgument when a line
// is no schema.
absl::StatusOr<Schemata> ParseSchemata(std::string_view text);
// The same on one line, as Truce tells a class: "L3:0=f0;1=f0 MB:0=50;1=50".
absl::StatusOr<Schemata> ParseClass(std::string_view text);
std::string FormatClass(const Schemata& schemata);
// What is written to the kernel: a line for each resource.
std::string FormatSchemata(const Schemata& schemata);

bool IsCache(std::string_view resource);

// The name of the group with this class, always the same for the same class: "truce-L3-f0-MB-50". Where a resource has
// several values it has a hash in their place.
std::string GroupName(const Schemata& schemata);
inline constexpr std::string_view kGroupPrefix = "truce-";

// The ways that a group of somebody's holds alone, by domain: those marked E (exclusive) or P (pseudo-locked) in a
// cache's bit_usage, whose first character is the highest way.
std::map<int, uint64_t> TakenWays(std::string_view bit_usage);

// The highest `ways` neighbouring bits within `usable`, without those of `shared` where that can be; nullopt when there
// are not so many in a row.
std::optional<uint64_t> ChooseWays(uint64_t usable, uint64_t shared, int ways);

// So many of `total` ways are `ratio` of them: rounded up, at least `least`.
int WaysFor(double ratio, int total, int least);
// The next step up from `value`, at least `least`.
uint64_t RoundUp(uint64_t value, uint64_t step, uint64_t least);

}  // namespace truce::host
