// Units of systemd as cgroups: which of them systemd owns, and what it is asked for instead of a write. systemd keeps
// the attributes of its units itself and writes them anew when it likes (a daemon-reload, a property of a neighbour),
// so those are changed by the properties that they come from. Pure but for looking at the cgroup's marks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

namespace truce::host {

// One property of systemd's resource control (systemd.resource-control(5)), with its value as D-Bus has it: t or ay.
struct UnitProperty {
  std::string name;
  std::variant<uint64_t, std::vector<uint8_t>> value;
  bool operator==(const UnitProperty&) const = default;
};

// The unit of the host's systemd that a cgroup belongs to by its path: "system.slice/_cpu.service" is cpu.service.
// nullopt when it is none: a name that is no unit's, or one below something else than slices, where a manager of its
// own rules (of a user, or in a container).
std::optional<std::string> UnitOf(std::string_view cgroup_path);

// Whether systemd runs here: it keeps RUN_DIRECTORY/systemd/system.
bool SystemdRuns(const std::string& run_directory);
// Whether some systemd owns this cgroup: it runs, and the cgroup has a unit's name and is not delegated.
bool SystemdOwns(const Cgroup& cgroup, const std::string& run_directory);

// Whether systemd has a property that writes this file of a unit, in a tree of that version (1 or 2).
bool SystemdWrites(std::string_view file, int version);

// What such a file of a cgroup2 tree says while its controller is not switched on for the unit, so that it is not
// there: "max 100000\n".
std::string ContentOfUnset(std::string_view file);

// What makes the file's content `value`. `period` is the content of cpu.cfs_period_us for cpu.cfs_quota_us, else not
// looked at. InvalidArgument for a value that the file can't have.
absl::StatusOr<std::vector<UnitProperty>> UnitPropertiesFor(std::string_view file, std::string_view value,
                                                            std::string_view period);

}  // namespace truce::host
