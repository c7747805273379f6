#include "src/host/writer_host.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

bool IsBalloons(const ControlFile& control) {
  return control.file == kBalloon || control.file == kBalloonState;
}

}  // namespace

ControlFile BalloonControl(Cgroup* cgroup, std::string_view file) {
  for (const Controller controller : {Controller::kMemory, Controller::kUnified, Controller::kCpu}) {
    if (cgroup->has(controller)) return {cgroup, controller, std::string(file)};
  }
  return {cgroup, Controller::kMemory, std::string(file)};
}

std::optional<BalloonState> ParseBalloonState(std::string_view text) {
  const auto actual = FlatKeyed(text, "actual_bytes");
  const auto maximum = FlatKeyed(text, "maximum_bytes");
  if (!actual || !maximum) return std::nullopt;
  return BalloonState{*actual, *maximum, FlatKeyed(text, "guest_total_bytes"),
                      FlatKeyed(text, "guest_available_bytes")};
}

absl::StatusOr<std::string> HostControlWriter::Read(const ControlFile& control) {
  if (control.file == kCacheClass) return ReadCacheClass(control);
  if (IsBalloons(control)) return ReadBalloon(control);
  if (control.file != kNetworkCap) {
    auto content = files_.Read(control);
    return absl::IsNotFound(content.status()) && IsUnset(control) ? ContentOfUnset(control.file) : content;
  }
  Traffic* const traffic = options_.traffic;
  if (traffic == nullptr) return absl::NotFoundError(StrCat("there is no ", control.Name(), " on this host"));
  TRUCE_ASSIGN_OR_RETURN(const std::optional<uint64_t> cap, traffic->Cap(*control.cgroup));
  return cap ? StrCat(*cap, "\n") : std::string("max\n");
}

absl::Status HostControlWriter::Write(const ControlFile& control, std::string_view value) {
  if (IsBalloons(control)) return WriteBalloon(control, value);
  const bool of_unit = IsOfUnit(control);
  if (control.file.starts_with("io.max") && SystemdOwns(*control.cgroup, options_.run_directory)) {
    // Also how a refused action is undone, which must not fail.
    TRUCE_ASSIGN_OR_RETURN(const std::string content, files_.Read(control));
    if (SameControlValue(control.file, content, value)) return absl::OkStatus();
    return absl::FailedPreconditionError(StrCat("systemd keeps the limits of ", control.cgroup->path(),
                                                " on disks by the names of device nodes, and would write ",
                                                control.Name(),
                                                " anew; set Delegate=yes on the unit to let Truce bound it"));
  }
  const bool is_class = control.file == kCacheClass;
  if (control.file != kNetworkCap && !is_class && !of_unit) return files_.Write(control, value);
  TRUCE_ASSIGN_OR_RETURN(const std::string before, Read(control));
  const bool same = SameControlValue(control.file, before, value);
  const bool several = is_class && value.find(kBetweenClasses) != std::string_view::npos;
  // A class is put even so: whose threads somebody else took out of it may hold it yet.
  if (same && !of_unit && (!is_class || several)) return absl::OkStatus();
  TRUCE_RETURN_IF_ERROR(of_unit    ? WriteOfUnit(control, value)
                        : is_class ? WriteCacheClass(control, several ? kDefaultClass : value)
                                   : WriteNetworkCap(control, value));
  if (!same) spdlog::info("control {}: '{}' -> '{}'", control.Name(), TrimControl(before), TrimControl(value));
  return absl::OkStatus();
}

bool HostControlWriter::IsOfUnit(const ControlFile& control) const {
  return SystemdWrites(control.file, control.cgroup->version(control.controller)) &&
         SystemdOwns(*control.cgroup, options_.run_directory);
}

bool HostControlWriter::IsUnset(const ControlFile& control) {
  if (!IsOfUnit(control) || control.cgroup->version(control.controller) != 2 || !control.cgroup->StillThere()) {
    return false;
  }
  // A file that is missing although its controller is on is one that this kernel does not have.
  const auto on = files_.Read({control.cgroup, control.controller, "cgroup.controllers"});
  if (!on.ok()) return true;
  std::string_view rest = *on;
  for (std::string_view word = NextWord(&rest); !word.empty(); word = NextWord(&rest)) {
    if (word == ControllerName(control.controller)) return false;
  }
  return true;
}

absl::Status HostControlWriter::WriteOfUnit(const ControlFile& control, std::string_view value) {
  const auto unit = UnitOf(control.cgroup->path());
  if (options_.units == nullptr || !unit) {
    return absl::FailedPreconditionError(StrCat("systemd owns ", control.Name(), " and can't be asked to change it"));
  }
  std::string period;
  if (control.file == "cpu.cfs_quota_us") {
    TRUCE_ASSIGN_OR_RETURN(period, files_.Read({control.cgroup, control.controller, "cpu.cfs_period_us"}));
  }
  TRUCE_ASSIGN_OR_RETURN(const std::vector<UnitProperty> properties, UnitPropertiesFor(control.file, value, period));
  TRUCE_RETURN_IF_ERROR(options_.units->SetProperties(*unit, properties));
  return WaitForUnit(control, value);
}

// systemd keeps what it is told of a unit at run time in files below one of these.
bool HostControlWriter::WasTold(const std::string& unit) const {
  for (const char* kind : {"system.control", "transient"}) {
    const std::string directory = StrCat(options_.run_directory, "/systemd/", kind, "/", unit, ".d");
    if (access(directory.c_str(), F_OK) == 0) return true;
  }
  return false;
}

// A unit that is started anew has its properties of before.
absl::StatusOr<bool> HostControlWriter::Forget(const std::string& path, Controller controller, const std::string& file,
                                               std::string_view value) {
  (void)controller;
  if (file == kCacheClass && options_.resctrl != nullptr) options_.resctrl->Forget(path);
  const auto unit = UnitOf(path);
  const bool written = SystemdWrites(file, 2) || SystemdWrites(file, 1);
  if (options_.units == nullptr || !unit || !written || !WasTold(*unit)) return false;
  constexpr std::string_view kUsualPeriod = "100000";
  TRUCE_ASSIGN_OR_RETURN(const std::vector<UnitProperty> properties, UnitPropertiesFor(file, value, kUsualPeriod));
  const absl::Status done = options_.units->SetProperties(*unit, properties);
  if (done.ok()) spdlog::info("control {}/{}: the unit's property is '{}' again", path, file, TrimControl(value));
  // A transient unit goes with its cgroup, and its properties with it.
  if (absl::IsNotFound(done)) return false;
  TRUCE_RETURN_IF_ERROR(done);
  return true;
}

absl::Status HostControlWriter::WaitForUnit(const ControlFile& control, std::string_view value) {
  const absl::Time deadline = absl::Now() + options_.unit_patience;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const std::string content, Read(control));
    if (SameControlValue(control.file, content, value)) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(StrCat("systemd took '", TrimControl(value), "' for ", control.Name(),
                                           ", which still says '", TrimControl(content), "' after ",
                                           absl::FormatDuration(options_.unit_patience),
                                           "; see the journal of systemd (journalctl -b _PID=1)"));
    }
    absl::SleepFor(absl::Milliseconds(5));
  }
}

absl::Status HostControlWriter::WriteNetworkCap(const ControlFile& control, std::string_view value) {
  const std::string_view wanted = TrimControl(value);
  std::optional<uint64_t> cap;
  uint64_t number = 0;
  if (wanted != "max") {
    if (!absl::SimpleAtoi(AbslView(wanted), &number) || number == 0) return ControlWriteError(EINVAL, control, value);
    cap = number;
  }
  return options_.traffic->SetCap(*control.cgroup, cap);
}

absl::StatusOr<std::string> HostControlWriter::ReadCacheClass(const ControlFile& control) {
  if (options_.resctrl != nullptr) {
    TRUCE_ASSIGN_OR_RETURN(CacheMembership membership, options_.resctrl->Look(*control.cgroup));
    return std::move(membership.content);
  }
  // Anything else means that there may be something to restore, and that this can't be done.
  if (!options_.no_resctrl.ok() && !absl::IsFailedPrecondition(options_.no_resctrl)) return options_.no_resctrl;
  return absl::NotFoundError(StrCat("there is no ", control.Name(), " on this host"));
}

absl::Status HostControlWriter::WriteCacheClass(const ControlFile& control, std::string_view value) {
  return WithContext(options_.resctrl->Put(*control.cgroup, value),
                     StrCat("writing '", TrimControl(value), "' to ", control.Name()));
}

absl::StatusOr<std::string> HostControlWriter::ReadBalloon(const ControlFile& control) {
  if (options_.balloons == nullptr) return absl::NotFoundError(StrCat("there is no ", control.Name(), " here"));
  if (control.file == kBalloon) {
    TRUCE_ASSIGN_OR_RETURN(const uint64_t bytes, options_.balloons->Target(*control.cgroup));
    return StrCat(bytes, "\n");
  }
  TRUCE_ASSIGN_OR_RETURN(const BalloonState state, options_.balloons->Look(*control.cgroup));
  std::string text = StrCat("actual_bytes ", state.actual_bytes, "\nmaximum_bytes ", state.maximum_bytes, "\n");
  if (state.guest_total_bytes) StrAppend(&text, "guest_total_bytes ", *state.guest_total_bytes, "\n");
  if (state.guest_available_bytes) StrAppend(&text, "guest_available_bytes ", *state.guest_available_bytes, "\n");
  return text;
}

absl::Status HostControlWriter::WriteBalloon(const ControlFile& control, std::string_view value) {
  TRUCE_ASSIGN_OR_RETURN(const std::string before, ReadBalloon(control));
  uint64_t bytes = 0;
  if (control.file != kBalloon || !absl::SimpleAtoi(AbslView(TrimControl(value)), &bytes) || bytes == 0) {
    return ControlWriteError(EINVAL, control, value);
  }
  // Even when it reads so already: what a process before this one asked for may be under way.
  TRUCE_RETURN_IF_ERROR(
      WithContext(options_.balloons->Ask(*control.cgroup, bytes), StrCat("writing '", bytes, "' to ", control.Name())));
  if (!SameControlValue(control.file, before, value)) {
    spdlog::info("control {}: '{}' -> '{}'", control.Name(), TrimControl(before), TrimControl(value));
  }
  return absl::OkStatus();
}

}  // namespace truce::host
