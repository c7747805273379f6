// The agent's control writer: cgroup files as CgroupControlWriter has them, and behind the same names what is not
// written so; journal, proof and restore are the same for all.
//
//   units of systemd   by the properties that their files come from (unit_control.h), which outlive the cgroup of a
//   unit
//                      that is started anew. A controller that is not switched on for the unit has no files; they read
//                      as what would be in them.
//   network_cap        in a cgroup's directory of the cgroup2 tree: bytes that it may send in a second, or "max". Kept
//                      by the agent's own BPF programs (traffic.h), so it ends with the agent, and `truce-agent
//                      restore` finds it gone.
//   cache_class        in the tree that lists the cgroup's threads: the class of cache and memory bandwidth that they
//                      are in, or "default" (resctrl.h). It outlives the agent. To write several classes, as they are
//                      read where threads are in several, puts them into default.
//   balloon_bytes      of a cgroup that a virtual machine runs in, in the tree that BalloonControl says: bytes of
//                      memory that the machine may keep, kept by its hypervisor (balloon.h). It reads as what was asked
//                      for, though the guest may take a while to get there, until somebody else asks for another size
//                      or the guest takes memory back: then as what the guest has. A process that has asked for nothing
//                      yet, such as `truce-agent restore`, reads what the guest has, and writes always ask.
//   balloon_state      of the same, read only: lines of actual_bytes, maximum_bytes, and where the guest tells,
//                      guest_total_bytes and guest_available_bytes.
//
// The last two are not there (NotFound) where no machine runs; one that can't be asked is another error.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/host/balloon.h"
#include "src/host/resctrl.h"
#include "src/host/traffic.h"
#include "src/host/unit_manager.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {

inline constexpr std::string_view kNetworkCap = "network_cap";
inline constexpr std::string_view kCacheClass = "cache_class";
inline constexpr std::string_view kBalloon = "balloon_bytes";
inline constexpr std::string_view kBalloonState = "balloon_state";

// One of the two in the cgroup, by a tree that has the cgroup: memory's, or else the unified one or cpu's.
ControlFile BalloonControl(Cgroup* cgroup, std::string_view file);
// The content of balloon_state; nullopt when it is none.
std::optional<BalloonState> ParseBalloonState(std::string_view text);

struct HostControlWriterOptions {
  // Outlives the writer; null where it can't be had: then there is no network_cap.
  Traffic* traffic = nullptr;
  // Outlives the writer; null where it can't be had: then there is no cache_class,
  Resctrl* resctrl = nullptr;
  // and this is why, as Resctrl::Open said it.
  absl::Status no_resctrl;
  // Outlives the writer; null: then no cgroup has a balloon.
  Balloons* balloons = nullptr;
  // Outlives the writer; null where systemd can't be asked: then its units are not changed.
  UnitManager* units = nullptr;
  // Where systemd would be found.
  std::string run_directory = "/run";
  // systemd answers before it writes; so long it may take.
  absl::Duration unit_patience = absl::Seconds(2);
};

// Not thread-safe.
class HostControlWriter final : public ControlWriter {
 public:
  explicit HostControlWriter(HostControlWriterOptions options) : options_(std::move(options)) {}

  absl::StatusOr<std::string> Read(const ControlFile& control) override;
  // Also asks systemd for what the file of a unit holds already: a property that it did not come from may differ.
  absl::Status Write(const ControlFile& control, std::string_view value) override;
  bool Outlives(const ControlFile& control) const override { return IsOfUnit(control); }
  absl::StatusOr<bool> Forget(const std::string& path, Controller controller, const std::string& file,
                              std::string_view value) override;

 private:
  bool IsOfUnit(const ControlFile& control) const;
  bool WasTold(const std::string& unit) const;
  // Whether the file is not there because systemd has not switched its controller on for the unit.
  bool IsUnset(const ControlFile& control);
  absl::Status WriteOfUnit(const ControlFile& control, std::string_view value);
  absl::Status WaitForUnit(const ControlFile& control, std::string_view value);
  absl::Status WriteNetworkCap(const ControlFile& control, std::string_view value);
  absl::StatusOr<std::string> ReadCacheClass(const ControlFile& control);
  absl::Status WriteCacheClass(const ControlFile& control, std::string_view value);
  absl::StatusOr<std::string> ReadBalloon(const ControlFile& control);
  absl::Status WriteBalloon(const ControlFile& control, std::string_view value);

  const HostControlWriterOptions options_;
  CgroupControlWriter files_;
};

}  // namespace truce::host
