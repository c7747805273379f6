#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_join.h"
#include "agent/act/migrate/drivers.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using Maker = std::unique_ptr<MigrationDriver> (*)(const MigrationSettings& settings);

std::unique_ptr<MigrationDriver> MakeLibvirt(const MigrationSettings& settings) {
  return MakeLibvirtDriver(settings);
}

constexpr std::array<std::pair<const char*, Maker>, 5> kMakers = {{{"libvirt", MakeLibvirt},
                                                                   {"qemu", MakeQemuDriver},
                                                                   {"podman", MakePodmanDriver},
                                                                   {"kubernetes", MakeKubernetesDriver},
                                                                   {"command", MakeCommandDriver}}};

std::string Names() {
  return absl::StrJoin(kMakers, ", ", [](std::string* out, const auto& maker) { *out += maker.first; });
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<MigrationDriver>>> MakeMigrationDrivers(const MigrationSettings& settings) {
  std::vector<std::unique_ptr<MigrationDriver>> drivers;
  for (const std::string& name : settings.drivers) {
    const auto maker =
        std::find_if(kMakers.begin(), kMakers.end(), [&name](const auto& one) { return name == one.first; });
    if (maker == kMakers.end()) {
      return absl::InvalidArgumentError(StrCat("'", name, "' is not one of ", Names()));
    }
    for (const auto& other : drivers) {
      if (other->name() == name) return absl::InvalidArgumentError(StrCat("'", name, "' is there twice"));
    }
    drivers.push_back(maker->second(settings));
  }
  return drivers;
}

absl::Status CheckProgram(const std::string& key, const std::string& program) {
  if (program.empty()) return absl::FailedPreconditionError(StrCat(key, " is not set"));
  if (program[0] != '/') return absl::FailedPreconditionError(StrCat(key, ": ", program, " is not an absolute path"));
  if (access(program.c_str(), X_OK) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(key, ": ", program, " can't be run: ", std::strerror(errno),
                                              "; install it, or let the agent's user run it"));
}

}  // namespace truce::agent
