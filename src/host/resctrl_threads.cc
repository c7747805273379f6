// Which threads a cgroup has, and in which groups of resctrl they are. See resctrl.h.
#include <dirent.h>

#include <algorithm>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/resctrl.h"
#include "src/host/writer_nested.h"

namespace truce::host {
namespace {

// The numbers at the beginnings of the lines.
std::set<int> Numbers(std::string_view text) {
  std::set<int> numbers;
  ForEachLine(text, [&numbers](std::string_view line) {
    // 0 stands for one of another PID namespace.
    if (const auto number = FirstNumber(line); number && *number > 0) numbers.insert(static_cast<int>(*number));
  });
  return numbers;
}

// Names of the directories in `path`, sorted.
std::vector<std::string> Directories(const std::string& path) {
  std::vector<std::string> names;
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Controller ThreadTree(const Cgroup& cgroup) {
  for (const Controller controller :
       {Controller::kUnified, Controller::kCpu, Controller::kMemory, Controller::kCpuset, Controller::kIo}) {
    if (cgroup.has(controller)) return controller;
  }
  return Controller::kPids;
}

absl::StatusOr<std::set<int>> ThreadsOf(const Cgroup& cgroup) {
  const Controller tree = ThreadTree(cgroup);
  const int directory = cgroup.directory_fd(tree);
  if (directory < 0) return absl::NotFoundError(StrCat(cgroup.path(), " is in none of the trees that list threads"));
  const std::string list = cgroup.version(tree) == 1 ? "tasks" : "cgroup.threads";
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> nested, NestedCgroups(cgroup, tree));
  ReadBuffer buffer;
  TRUCE_ASSIGN_OR_RETURN(const std::string_view own, ReadWholeAt(directory, list.c_str(), buffer));
  std::set<int> threads = Numbers(own);
  for (const std::string& path : nested) {
    const std::string below = path.substr(cgroup.path().empty() ? 0 : cgroup.path().size() + 1);
    const auto text = ReadWholeAt(directory, StrCat(below, "/", list).c_str(), buffer);
    if (absl::IsNotFound(text.status())) continue;
    if (!text.ok()) return text.status();
    threads.merge(Numbers(*text));
  }
  return threads;
}

std::vector<std::string> Resctrl::Groups() const {
  std::vector<std::string> groups = Directories(base_);
  std::erase_if(groups,
                [](const std::string& name) { return name == "info" || name == "mon_groups" || name == "mon_data"; });
  return groups;
}

absl::StatusOr<Resctrl::Places> Resctrl::Find(const Cgroup& cgroup, std::string* foreign) const {
  TRUCE_ASSIGN_OR_RETURN(std::set<int> threads, ThreadsOf(cgroup));
  Places places;
  const auto take = [&](const std::string& group, const std::string& file) {
    const auto text = ReadFile(file);
    if (absl::IsNotFound(text.status())) return absl::OkStatus();  // it was removed since
    if (!text.ok()) return text.status();
    for (const int thread : Numbers(*text)) {
      if (threads.erase(thread) > 0) places[thread] = group;
    }
    return absl::OkStatus();
  };
  for (const std::string& group : Groups()) {
    // A locked group gives its class away, so its list may be that of another one.
    const std::string mode = ReadFile(PathOf(group, "mode")).value_or("");
    if (mode.starts_with("pseudo-lock")) continue;
    TRUCE_RETURN_IF_ERROR(take(group, PathOf(group, "tasks")));
  }
  // Who is nowhere has ended meanwhile.
  if (!threads.empty()) TRUCE_RETURN_IF_ERROR(take("", PathOf("", "tasks")));
  std::erase_if(places, [&](const auto& place) {
    if (place.second.empty() || place.second.starts_with(kGroupPrefix)) return false;
    *foreign = place.second;
    return true;
  });
  // Those who count the threads of the default class would lose them.
  for (const std::string& group : Directories(PathOf("mon_groups", ""))) {
    const std::string name = StrCat("mon_groups/", group);
    const std::set<int> counted = Numbers(ReadFile(PathOf(name, "tasks")).value_or(""));
    const bool any = std::any_of(counted.begin(), counted.end(), [&](int thread) { return places.contains(thread); });
    if (any && foreign->empty()) *foreign = name;
  }
  return places;
}

}  // namespace truce::host
