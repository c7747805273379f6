#include "agent/act/write_back.h"

#include <memory>
#include <string_view>
#include <utility>

#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/inventory.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_nested.h"

namespace truce::agent {
namespace {

using host::Controller;

constexpr char kCpus[] = "cpuset.cpus";
constexpr char kNothing[] = "\n";

// One that can't be looked at may be one; one that is gone, or without the file, is none.
bool HasPartition(const host::Cgroup& parent, host::ControlWriter& writer) {
  const auto paths = host::NestedCgroups(parent, Controller::kCpuset);
  if (!paths.ok()) return true;
  const size_t begin = parent.path().empty() ? 0 : parent.path().size() + 1;
  for (const std::string& path : *paths) {
    if (path.find('/', begin) != std::string::npos) continue;
    const auto cgroup = host::Cgroup::Open(parent.layout(), path);
    const auto partition = cgroup.ok() ? writer.Read({cgroup->get(), Controller::kCpuset, "cpuset.cpus.partition"})
                                       : absl::StatusOr<std::string>(cgroup.status());
    if (partition.ok() ? !partition->starts_with("member") : !absl::IsNotFound(partition.status())) return true;
  }
  return false;
}

// A list that leaves the cgroup what its parent has.
absl::StatusOr<std::string> ParentsCpus(const host::Cgroup& cgroup, host::ControlWriter& writer) {
  const auto path = ParentPath(cgroup.path());
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<host::Cgroup> parent,
                         host::Cgroup::Open(cgroup.layout(), path.value_or("")));
  if (!HasPartition(*parent, writer)) {
    if (auto possible = host::PossibleCpus(); possible.ok()) return possible;
  }
  const auto now = writer.Read({parent.get(), Controller::kCpuset, "cpuset.cpus.effective"});
  if (!now.ok() || host::TrimControl(*now).empty()) {
    return absl::FailedPreconditionError(StrCat("which CPUs ", cgroup.path(), " may have without a pin is not known"));
  }
  return std::string(host::TrimControl(*now));
}

bool IsAll(std::string_view cpus) {
  const auto possible = host::PossibleCpus();
  return possible.ok() && host::SameControlValue(kCpus, cpus, *possible);
}

// Of a unit, what systemd is to make of the control.
std::string OfUnit(const JournalEntry& entry) {
  return entry.file == kCpus && IsAll(entry.original) ? kNothing : entry.original;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> WriteBack(const host::ControlFile& control, const std::string& original,
                                                   host::ControlWriter& writer) {
  const bool of_unit = writer.Outlives(control);
  const bool v2_cpus = control.file == kCpus && control.cgroup->version(control.controller) == 2;
  const bool unbinds = v2_cpus && (host::TrimControl(original).empty() || (of_unit && IsAll(original)));
  bool is_bound = false;
  if (unbinds && of_unit) {
    TRUCE_ASSIGN_OR_RETURN(const std::string content, writer.Read(control));
    is_bound = !host::TrimControl(content).empty();
  }
  // systemd would fail in our place and tell nobody, so where a unit is bound it is not asked for that.
  if (!is_bound) {
    const std::string& value = unbinds ? kNothing : original;
    const absl::Status written = writer.Write(control, value);
    if (written.ok()) return std::vector<std::string>{value};
    if (!unbinds || !absl::IsResourceExhausted(written)) return written;
  }
  TRUCE_ASSIGN_OR_RETURN(const std::string cpus, ParentsCpus(*control.cgroup, writer));
  TRUCE_RETURN_IF_ERROR(writer.Write(control, cpus));
  if (of_unit) {
    TRUCE_RETURN_IF_ERROR(writer.Forget(control.cgroup->path(), control.controller, control.file, kNothing).status());
  }
  return std::vector<std::string>{cpus, kNothing};
}

absl::Status ForgetGone(const JournalEntry& entry, const host::CgroupLayout& layout, host::ControlWriter& writer) {
  if (const auto same = host::Cgroup::Open(layout, entry.path); same.ok()) {
    const host::ControlFile control{same->get(), entry.controller, entry.file};
    // The control alone is gone, and nobody but the kernel was asked for it.
    if (host::ControlInode(control) == entry.inode && !writer.Outlives(control)) return absl::OkStatus();
  }
  TRUCE_ASSIGN_OR_RETURN(const bool outlived, writer.Forget(entry.path, entry.controller, entry.file, OfUnit(entry)));
  if (!outlived) return absl::OkStatus();
  // Only now, since the unit may have been started with it until then.
  const auto cgroup = host::Cgroup::Open(layout, entry.path);
  if (!cgroup.ok()) return absl::IsNotFound(cgroup.status()) ? absl::OkStatus() : cgroup.status();
  const host::ControlFile control{cgroup->get(), entry.controller, entry.file};
  if (!writer.Outlives(control)) return absl::OkStatus();
  const absl::Status written = WriteBack(control, OfUnit(entry), writer).status();
  return absl::IsNotFound(written) ? absl::OkStatus() : written;
}

}  // namespace truce::agent
