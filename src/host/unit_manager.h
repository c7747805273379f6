// systemd, asked over D-Bus to change its units. A seam: HostControlWriter calls it, tests have one of their own.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/host/unit_control.h"

namespace truce::host {

// Not thread-safe.
class UnitManager {
 public:
  virtual ~UnitManager() = default;
  // Sets properties of a unit until the next boot, in their order. systemd may write the cgroup's files a little later.
  // PermissionDenied, NotFound (no such unit) or InvalidArgument: nothing was set. Any other error: it may still be.
  virtual absl::Status SetProperties(const std::string& unit, const std::vector<UnitProperty>& properties) = 0;
};

// The system bus, or systemd's own socket where there is none and the caller is root. Connects for each call, which
// takes milliseconds: there are few. A bus that does not answer in time is not asked again for a while, so that whoever
// waits here, an agent's tick, is not held up at each lease.
class SystemBus final : public UnitManager {
 public:
  absl::Status SetProperties(const std::string& unit, const std::vector<UnitProperty>& properties) override;
  // Whether this process may set properties, by setting none.
  absl::Status Check() { return SetProperties("-.slice", {}); }

 private:
  absl::Time quiet_until_ = absl::InfinitePast();
};

}  // namespace truce::host
