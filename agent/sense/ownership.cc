#include "agent/sense/ownership.h"

#include "src/base/text.h"
#include "src/host/unit_control.h"

namespace truce::agent {

std::string OwnerRefusal(const host::Cgroup& cgroup, const std::string& run_directory, const absl::Status& units) {
  if (!host::SystemdOwns(cgroup, run_directory)) return "";
  if (!host::UnitOf(cgroup.path())) {
    return StrCat("the controls of ", cgroup.path(), " belong to a systemd of their own, which is not asked; set ",
                  "Delegate=yes on the unit to let Truce change them");
  }
  if (units.ok()) return "";
  return StrCat("systemd owns the controls of ", cgroup.path(), ", and ", StdView(units.message()),
                "; or set Delegate=yes on the unit");
}

}  // namespace truce::agent
