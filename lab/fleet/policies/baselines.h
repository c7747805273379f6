// Policies that others use, by what they score a host with. All choose the feasible host (ledger.h) with the highest
// score, the first of equals, and never move what runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lab/fleet/placer.h"

namespace truce::lab::fleet {

// Of hosts that can take it the first.
std::unique_ptr<Placer> MakeFirstFit(double overcommit);
// The one with the least left of CPUs and memory, as parts of what it has, afterwards.
std::unique_ptr<Placer> MakeBestFit(double overcommit);
// The one whose free CPUs and memory point most the way that the request does: the largest dot product of both, each as
// a part of the host's (Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for vector bin packing", Microsoft Research
// 2011; their weights by average demand are left at 1, as parts of a host are alike).
std::unique_ptr<Placer> MakeDotProduct(double overcommit);
// Any, each as probable.
std::unique_ptr<Placer> MakeRandomSpread(double overcommit, uint64_t seed);
// The one with the most left of what may be asked for, CPUs and memory on average: NodeResourcesFit with LeastAllocated
// of the Kubernetes scheduler.
std::unique_ptr<Placer> MakeLeastAllocated(double overcommit);
// The one with the least risk by what hosts use: LoadVariationRiskBalancing of Trimaran,
// kubernetes-sigs/scheduler-plugins, pkg/trimaran/loadvariationriskbalancing. Risk of CPU and memory: (mean + margin x
// stddev ^ (1 / sensitivity)) / 2, as parts of the host's, with margin and sensitivity 1 as shipped; the mean includes
// what the request asks for, and, as Trimaran's TargetLoadPacking has it and to its advantage, what was placed since
// the host last reported. The larger risk counts.
std::unique_ptr<Placer> MakeRiskBalancing(double overcommit);

// What there is, by name, and one of it; nullptr for a name that is none.
std::vector<std::string> BaselineNames();
std::unique_ptr<Placer> MakeBaseline(std::string_view name, double overcommit, uint64_t seed);

}  // namespace truce::lab::fleet
