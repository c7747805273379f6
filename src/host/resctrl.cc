#include "src/host/resctrl.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {
namespace {

// Who is born while a pass moves the others has the class of its parent, so each pass finds far fewer than the last.
constexpr int kMostPasses = 20;

}  // namespace

absl::StatusOr<CacheMembership> Resctrl::Look(const Cgroup& cgroup) {
  CacheMembership membership;
  TRUCE_ASSIGN_OR_RETURN(const Places places, Find(cgroup, &membership.foreign));
  const auto holder = holders_.find(cgroup.path());
  std::set<std::string> groups;
  for (const auto& [thread, group] : places) groups.insert(group);
  if (groups.empty()) groups.insert(holder == holders_.end() ? "" : holder->second.group);
  std::string content;
  for (const std::string& group : groups) {
    std::string text(kDefaultClass);
    if (!group.empty()) {
      const auto schemata = SchemataOf(group);
      if (!schemata.ok() && !absl::IsNotFound(schemata.status())) return schemata.status();
      if (schemata.ok()) text = FormatClass(*schemata);  // without it the group is gone, and everybody of it in default
    }
    StrAppend(&content, content.empty() ? "" : kBetweenClasses, text);
  }
  membership.content = content + "\n";
  if (holder == holders_.end()) return membership;

  std::set<int>& known = holder->second.known;
  std::erase_if(known, [&](int thread) { return !places.contains(thread); });
  bool outside = false;
  bool taken_out = false;
  for (const auto& [thread, group] : places) {
    if (group == holder->second.group) {
      known.insert(thread);
    } else {
      outside = true;
      taken_out = taken_out || known.contains(thread);
    }
  }
  membership.only_newcomers = outside && !taken_out;
  return membership;
}

absl::Status Resctrl::Put(const Cgroup& cgroup, std::string_view cache_class) {
  const std::string_view wanted = TrimControl(cache_class);
  if (wanted == kDefaultClass) return PutIntoDefault(cgroup);
  TRUCE_ASSIGN_OR_RETURN(const Schemata schemata, ParseClass(wanted));
  return PutIntoClass(cgroup, schemata);
}

absl::Status Resctrl::PutIntoClass(const Cgroup& cgroup, const Schemata& wanted) {
  std::string foreign;
  TRUCE_RETURN_IF_ERROR(Find(cgroup, &foreign).status());
  if (!foreign.empty()) {
    return absl::FailedPreconditionError(StrCat("threads of ", cgroup.path(), " are in the group ", foreign,
                                                " of resctrl, which somebody else manages; Truce leaves them alone"));
  }
  const std::string group = GroupName(wanted);
  bool made = false;
  TRUCE_RETURN_IF_ERROR(MakeGroup(group, wanted, &made));
  Places moved;
  if (absl::Status status = MoveAll(cgroup, group, &moved); !status.ok()) {
    MoveBack(moved);
    if (made) RemoveUnneeded(group);
    return status;
  }
  Holder& holder = holders_[cgroup.path()];
  const std::string before = std::exchange(holder.group, group);
  if (before != group) holder.known.clear();
  for (const auto& [thread, _] : moved) holder.known.insert(thread);
  if (!before.empty() && before != group) RemoveUnneeded(before);
  return absl::OkStatus();
}

absl::Status Resctrl::PutIntoDefault(const Cgroup& cgroup) {
  Places moved;
  if (absl::Status status = MoveAll(cgroup, "", &moved); !status.ok()) {
    MoveBack(moved);
    return status;
  }
  std::set<std::string> left;
  for (const auto& [_, group] : moved) left.insert(group);
  if (const auto holder = holders_.find(cgroup.path()); holder != holders_.end()) {
    left.insert(holder->second.group);
    holders_.erase(holder);
  }
  for (const std::string& group : left) RemoveUnneeded(group);
  return absl::OkStatus();
}

void Resctrl::Forget(std::string_view path) {
  const auto holder = holders_.find(path);
  if (holder == holders_.end()) return;
  const std::string group = holder->second.group;
  holders_.erase(holder);
  RemoveUnneeded(group);
}

absl::Status Resctrl::MakeGroup(const std::string& group, const Schemata& schemata, bool* made) {
  const std::string path = PathOf(group, "");
  const int error = options_.files->MakeGroup(path);
  if (error != 0 && error != EEXIST) return Refused(error, StrCat("making ", path));
  *made = error == 0;
  const auto has = SchemataOf(group);
  if (has.ok() && *has == schemata) return absl::OkStatus();
  const int refused = options_.files->Write(PathOf(group, "schemata"), FormatSchemata(schemata));
  if (refused == 0) return absl::OkStatus();
  const absl::Status status =
      Refused(refused, StrCat("writing '", FormatClass(schemata), "' to ", PathOf(group, "schemata")));
  if (*made) RemoveUnneeded(group);
  return status;
}

absl::Status Resctrl::MoveAll(const Cgroup& cgroup, const std::string& group, Places* moved) {
  for (int pass = 0; pass < kMostPasses; ++pass) {
    std::string foreign;
    TRUCE_ASSIGN_OR_RETURN(Places places, Find(cgroup, &foreign));
    std::erase_if(places, [&](const auto& place) { return place.second == group; });
    if (places.empty()) return absl::OkStatus();
    for (const auto& [thread, from] : places) {
      TRUCE_RETURN_IF_ERROR(Move(thread, group));
      moved->emplace(thread, from);
    }
  }
  return absl::UnavailableError(StrCat(cgroup.path(), " makes threads faster than they can be put into a class"));
}

absl::Status Resctrl::Move(int thread, const std::string& group) {
  const std::string tasks = PathOf(group, "tasks");
  const int error = options_.files->Write(tasks, StrCat(thread));
  if (error == 0 || error == ESRCH) return absl::OkStatus();  // ESRCH: it ended
  return Refused(error, StrCat("writing '", thread, "' to ", tasks));
}

void Resctrl::MoveBack(const Places& moved) {
  for (const auto& [thread, group] : moved) {
    if (absl::Status status = Move(thread, group); !status.ok()) {
      spdlog::warn("putting thread {} back: {}", thread, StdView(status.message()));
    }
  }
}

// What is left in it are threads that have left the workloads that were put there, and go back to default.
void Resctrl::RemoveUnneeded(const std::string& group) {
  if (group.empty() || IsHeld(group)) return;
  const int error = options_.files->RemoveGroup(PathOf(group, ""));
  if (error == 0 || error == ENOENT) return;
  spdlog::warn("{}; it takes up one of the host's classes until it is needed again or the agent starts anew",
               StdView(Refused(error, StrCat("removing ", PathOf(group, ""))).message()));
}

bool Resctrl::IsHeld(const std::string& group) const {
  return std::any_of(holders_.begin(), holders_.end(),
                     [&](const auto& holder) { return holder.second.group == group; });
}

absl::Status Resctrl::Refused(int error, std::string_view doing) const {
  const std::string said = ReadInfo("last_cmd_status").value_or("");
  std::string reason;
  const std::string_view words = TrimControl(said);
  if (!words.empty() && words != "ok") reason = StrCat("; the kernel says: ", words);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  const absl::Status status = ErrnoStatus(error, doing);
  const char* remedy = "see the kernel's log";
  switch (error) {
    case ENOSPC:
      remedy = "all classes of this host are taken; remove groups from resctrl that nobody needs";
      break;
    case EBUSY:
      remedy = "the caches still remember who was counted there before; it may be tried again";
      break;
    case EINVAL:
      remedy = "compare it with info/ of resctrl";
      break;
    case EACCES:
    case EPERM:
      remedy = "the agent must run as root for this";
      break;
    case EROFS:
      remedy = "mount resctrl read-write for the agent (ReadWritePaths=/sys/fs/resctrl in its unit)";
      break;
    case ENOENT:
    case ENODEV:
      // Not NotFound: that would be the workload.
      return absl::FailedPreconditionError(
          StrCat(StdView(status.message()), reason, "; resctrl was unmounted, or somebody removed the group"));
    default:
      break;
  }
  return absl::Status(status.code(), AbslView(StrCat(StdView(status.message()), reason, "; ", remedy)));
}

}  // namespace truce::host
