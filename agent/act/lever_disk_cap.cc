// LEVER_DISK_CAP: bounds bytes and operations on block devices, through io.max or blkio.throttle.*. See lever.h.
#include <array>
#include <optional>

#include "absl/strings/numbers.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/control_line.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

using host::Controller;

// One of the four bounds, by the names that cgroup v2 and v1 have for it.
struct Bound {
  const char* word;
  const char* v1_file;
  bool (v1::DiskCap::*has)() const;
  uint64_t (v1::DiskCap::*get)() const;
};
constexpr std::array<Bound, 4> kBounds = {{
    {"rbps", "blkio.throttle.read_bps_device", &v1::DiskCap::has_read_bytes_per_second,
     &v1::DiskCap::read_bytes_per_second},
    {"wbps", "blkio.throttle.write_bps_device", &v1::DiskCap::has_write_bytes_per_second,
     &v1::DiskCap::write_bytes_per_second},
    {"riops", "blkio.throttle.read_iops_device", &v1::DiskCap::has_read_operations_per_second,
     &v1::DiskCap::read_operations_per_second},
    {"wiops", "blkio.throttle.write_iops_device", &v1::DiskCap::has_write_operations_per_second,
     &v1::DiskCap::write_operations_per_second},
}};

// The lower of what is wanted and what was there.
std::optional<uint64_t> Lower(const Bound& bound, const v1::DiskCap& cap, std::optional<uint64_t> before) {
  if (!(cap.*bound.has)()) return before;
  const uint64_t wanted = (cap.*bound.get)();
  return before && *before < wanted ? before : wanted;
}

absl::Status Unreadable(const host::ControlFile& control, std::string_view line) {
  return absl::FailedPreconditionError(StrCat("'", line, "' in ", control.Name(), " is no bound on a device"));
}

using Limits = std::array<std::optional<uint64_t>, kBounds.size()>;

// "8:0 rbps=1048576 wbps=max riops=max wiops=max"; an empty line is no bounds.
absl::StatusOr<Limits> ParseV2(const host::ControlFile& control, std::string_view line) {
  Limits limits;
  std::string_view rest = line;
  host::NextWord(&rest);  // the device
  for (std::string_view word = host::NextWord(&rest); !word.empty(); word = host::NextWord(&rest)) {
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) return Unreadable(control, line);
    const std::string_view value = word.substr(equals + 1);
    for (size_t i = 0; i < kBounds.size(); ++i) {
      uint64_t number = 0;
      if (word.substr(0, equals) != kBounds[i].word || value == "max") continue;
      if (!absl::SimpleAtoi(AbslView(value), &number)) return Unreadable(control, line);
      limits[i] = number;
    }
  }
  return limits;
}

absl::Status PlanDeviceV2(const v1::DiskCap& cap, host::Cgroup* cgroup, const LeverContext& context, LeverPlan* plan) {
  const host::ControlFile control{cgroup, Controller::kIo, host::ControlLineName("io.max", cap.device())};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
  TRUCE_ASSIGN_OR_RETURN(const Limits before, ParseV2(control, OriginalOf(control, content, context)));
  std::string line = cap.device();
  for (size_t i = 0; i < kBounds.size(); ++i) {
    const auto limit = Lower(kBounds[i], cap, before[i]);
    StrAppend(&line, " ", kBounds[i].word, "=", limit ? StrCat(*limit) : "max");
  }
  AddFile(control, content, line, context, plan);
  return absl::OkStatus();
}

// "8:0 1048576"; an empty line is no bound.
absl::StatusOr<std::optional<uint64_t>> ParseV1(const host::ControlFile& control, std::string_view line) {
  std::string_view rest = line;
  host::NextWord(&rest);
  const std::string_view value = host::NextWord(&rest);
  if (value.empty()) return std::optional<uint64_t>();
  uint64_t number = 0;
  if (!absl::SimpleAtoi(AbslView(value), &number)) return Unreadable(control, line);
  return std::optional<uint64_t>(number);
}

absl::Status PlanDeviceV1(const v1::DiskCap& cap, host::Cgroup* cgroup, const LeverContext& context, LeverPlan* plan) {
  for (const Bound& bound : kBounds) {
    if (!(cap.*bound.has)()) continue;
    const host::ControlFile control{cgroup, Controller::kIo, host::ControlLineName(bound.v1_file, cap.device())};
    TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(control, context));
    TRUCE_ASSIGN_OR_RETURN(const auto before, ParseV1(control, OriginalOf(control, content, context)));
    AddFile(control, content, StrCat(cap.device(), " ", *Lower(bound, cap, before)), context, plan);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LeverPlan> PlanDiskCap(const v1::LeasedAction& action, const std::string& path,
                                      const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(host::Cgroup * cgroup, OpenFirst(path, context, &plan));
  const bool v1_tree = IsV1(Controller::kIo, context);
  for (const v1::DiskCap& cap : action.disk_caps()) {
    TRUCE_RETURN_IF_ERROR(v1_tree ? PlanDeviceV1(cap, cgroup, context, &plan)
                                  : PlanDeviceV2(cap, cgroup, context, &plan));
  }
  return plan;
}

}  // namespace truce::agent
