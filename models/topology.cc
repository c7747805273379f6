#include "models/topology.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "src/base/text.h"

namespace truce {
namespace {

// What the CPUs are part of, by `part`; -1 - id for those that the topology does not know.
std::set<int> PartsOf(const Topology& topology, const std::vector<int>& cpus, int Topology::Cpu::*part) {
  std::set<int> parts;
  for (const int id : cpus) {
    const Topology::Cpu* cpu = topology.Find(id);
    parts.insert(cpu == nullptr ? -1 - id : cpu->*part);
  }
  return parts;
}

// Share of `cpus` that are part of something in `parts`.
float ShareIn(const Topology& topology, const std::vector<int>& cpus, int Topology::Cpu::*part,
              const std::set<int>& parts) {
  if (cpus.empty()) return 0;
  const auto shared = std::count_if(cpus.begin(), cpus.end(), [&](int id) {
    const Topology::Cpu* cpu = topology.Find(id);
    return parts.contains(cpu == nullptr ? -1 - id : cpu->*part);
  });
  return static_cast<float>(shared) / static_cast<float>(cpus.size());
}

}  // namespace

std::string Topology::Text() const {
  std::string text;
  for (const Cpu& cpu : cpus) {
    StrAppend(&text, text.empty() ? "" : ",", cpu.id, ":", cpu.core, ":", cpu.llc, ":", cpu.node);
  }
  return text;
}

absl::StatusOr<Topology> Topology::Parse(std::string_view text) {
  Topology topology;
  for (const absl::string_view entry : absl::StrSplit(AbslView(text), ',', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(entry, ':');
    Cpu cpu;
    if (words.size() != 4 || !absl::SimpleAtoi(words[0], &cpu.id) || !absl::SimpleAtoi(words[1], &cpu.core) ||
        !absl::SimpleAtoi(words[2], &cpu.llc) || !absl::SimpleAtoi(words[3], &cpu.node)) {
      return absl::InvalidArgumentError(StrCat("'", StdView(entry), "' is no CPU as id:core:llc:node"));
    }
    topology.cpus.push_back(cpu);
  }
  std::sort(topology.cpus.begin(), topology.cpus.end(), [](const Cpu& a, const Cpu& b) { return a.id < b.id; });
  return topology;
}

const Topology::Cpu* Topology::Find(int id) const {
  const auto found =
      std::lower_bound(cpus.begin(), cpus.end(), id, [](const Cpu& cpu, int wanted) { return cpu.id < wanted; });
  return found == cpus.end() || found->id != id ? nullptr : &*found;
}

PairContext ShareOf(const Topology& topology, const std::vector<int>& victim, const std::vector<int>& aggressor) {
  PairContext context;
  const std::set<int> victims(victim.begin(), victim.end());
  const std::set<int> aggressors(aggressor.begin(), aggressor.end());
  const auto share = [](const std::set<int>& of, const std::set<int>& in) {
    if (of.empty()) return 0.0F;
    const auto shared = std::count_if(of.begin(), of.end(), [&](int cpu) { return in.contains(cpu); });
    return static_cast<float>(shared) / static_cast<float>(of.size());
  };
  context.cpus_of_victim = share(victims, aggressors);
  context.cpus_of_aggressor = share(aggressors, victims);
  std::vector<int> apart;
  for (const int cpu : victim) {
    if (!aggressors.contains(cpu)) apart.push_back(cpu);
  }
  const std::set<int> cores = PartsOf(topology, aggressor, &Topology::Cpu::core);
  if (!victim.empty()) {
    context.siblings_of_victim = ShareIn(topology, apart, &Topology::Cpu::core, cores) *
                                 static_cast<float>(apart.size()) / static_cast<float>(victim.size());
  }
  context.llc_of_victim =
      ShareIn(topology, victim, &Topology::Cpu::llc, PartsOf(topology, aggressor, &Topology::Cpu::llc));
  context.node_of_victim =
      ShareIn(topology, victim, &Topology::Cpu::node, PartsOf(topology, aggressor, &Topology::Cpu::node));
  return context;
}

}  // namespace truce
