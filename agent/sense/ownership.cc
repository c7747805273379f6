#include "agent/sense/ownership.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "src/base/text.h"

namespace truce::agent {

std::string OwnerRefusal(const host::Cgroup& cgroup, const std::string& run_directory) {
  struct stat status {};
  if (stat((run_directory + "/systemd/system").c_str(), &status) != 0) return "";
  const std::string& path = cgroup.path();
  if (!path.ends_with(".service") && !path.ends_with(".scope") && !path.ends_with(".slice")) return "";
  for (host::Controller controller : {host::Controller::kUnified, host::Controller::kCpu}) {
    const int directory = cgroup.directory_fd(controller);
    if (directory < 0) continue;
    for (const char* mark : {"user.delegate", "trusted.delegate"}) {
      char value = '0';
      if (fgetxattr(directory, mark, &value, 1) == 1 && value == '1') return "";
    }
  }
  return StrCat("systemd owns the controls of ", path, "; set Delegate=yes on the unit to let Truce change them");
}

}  // namespace truce::agent
