#include "controller/plan/cpu_split.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "src/base/text.h"

namespace truce::controller {
namespace {

// CPU ids by a key of theirs, in the key's order.
template <typename Key>
std::vector<std::vector<uint32_t>> Group(const std::vector<v1::Cpu>& cpus, Key key) {
  std::map<decltype(key(cpus.front())), std::vector<uint32_t>> groups;
  for (const auto& cpu : cpus) groups[key(cpu)].push_back(cpu.id());
  std::vector<std::vector<uint32_t>> ordered;
  for (auto& [_, ids] : groups) {
    std::sort(ids.begin(), ids.end());
    ordered.push_back(std::move(ids));
  }
  return ordered;
}

// Takes whole groups from the end as long as `need` CPUs are left.
std::vector<uint32_t> TakeFromEnd(const std::vector<std::vector<uint32_t>>& groups, size_t total, size_t need) {
  std::vector<uint32_t> taken;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    if (total - taken.size() < need + group->size()) break;
    taken.insert(taken.end(), group->begin(), group->end());
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

}  // namespace

std::optional<std::vector<uint32_t>> CpusForGivers(const std::vector<v1::Cpu>& cpus, int victims_need) {
  if (cpus.size() < 2) return std::nullopt;
  const size_t need = std::clamp<size_t>(static_cast<size_t>(std::max(victims_need, 1)), 1, cpus.size() - 1);
  const auto cores = Group(cpus, [](const v1::Cpu& cpu) { return std::tuple(cpu.numa_node(), cpu.llc(), cpu.core()); });
  std::vector<uint32_t> taken = TakeFromEnd(cores, cpus.size(), need);
  // The victims need so much that no whole core is left to give: better a core of the givers' own when there are
  // several, else half a core, than no separation.
  if (taken.empty() && cores.size() > 1) taken = cores.back();
  if (taken.empty()) taken = {cores.back().back()};
  return taken;
}

std::optional<std::vector<uint32_t>> LlcDomainsForGivers(const std::vector<v1::Cpu>& cpus, int victims_need) {
  const auto domains = Group(cpus, [](const v1::Cpu& cpu) { return std::pair(cpu.numa_node(), cpu.llc()); });
  if (domains.size() < 2) return std::nullopt;
  std::vector<uint32_t> taken = TakeFromEnd(domains, cpus.size(), static_cast<size_t>(std::max(victims_need, 1)));
  if (taken.empty()) return std::nullopt;
  return taken;
}

std::string CpuList(std::vector<uint32_t> cpus) {
  std::sort(cpus.begin(), cpus.end());
  std::string list;
  for (size_t i = 0; i < cpus.size();) {
    size_t end = i;
    while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1) ++end;
    StrAppend(&list, list.empty() ? "" : ",", cpus[i]);
    if (end > i) StrAppend(&list, "-", cpus[end]);
    i = end + 1;
  }
  return list;
}

}  // namespace truce::controller
