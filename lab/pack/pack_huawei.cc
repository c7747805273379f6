#include "lab/pack/pack_huawei.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <utility>

#include "lab/pack/affinity.h"
#include "lab/pack/fill_by_price.h"
#include "lab/pack/huawei.h"
#include "lab/pack/online.h"
#include "lab/pack/plan_check.h"
#include "lab/pack/server_bound.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// After which the bound hardly grows any more.
constexpr int kBoundSteps = 1'500;

void Add(FigureTable* table, std::string name, double value, std::string unit = "",
         std::optional<Target> target = std::nullopt) {
  table->Add({std::move(name), value, std::move(unit), std::nullopt, target});
}

int64_t Placed(const Plan& plan) {
  return std::count_if(plan.begin(), plan.end(), [](const Place& place) { return place.server != kNone; });
}

std::set<int32_t> ServersOf(const Plan& plan) {
  std::set<int32_t> servers;
  for (const Place& place : plan) {
    if (place.server != kNone) servers.insert(place.server);
  }
  return servers;
}

void AddUnplaced(const std::string& who, const Unplaced& why, FigureTable* table) {
  Add(table, StrCat(who, ": not placed"), static_cast<double>(why.Sum()));
  const auto of_it = [&](std::string_view reason, int64_t count) {
    if (count > 0) Add(table, StrCat(who, ": of these ", reason), static_cast<double>(count));
  };
  of_it("larger than any server", why.fit_nowhere);
  of_it("more than servers to keep them apart", why.beyond_servers);
  of_it("room only beside their anti-affinity group", why.kept_apart);
  of_it("room only away from their affinity group", why.kept_together);
  of_it("no room left", why.no_room);
}

// How full the servers in use are, of what they had free.
void AddFill(const std::string& who, const NumaProblem& problem, const Plan& plan, FigureTable* table) {
  const std::set<int32_t> servers = ServersOf(plan);
  double cpus = 0;
  double ram = 0;
  for (const int32_t server : servers) {
    for (const Room& node : problem.servers[At(server)].nodes) {
      cpus += node.cpus;
      ram += node.ram;
    }
  }
  double asked_cpus = 0;
  double asked_ram = 0;
  for (size_t r = 0; r < plan.size(); ++r) {
    if (plan[r].server == kNone) continue;
    asked_cpus += problem.requests[r].Whole().cpus;
    asked_ram += problem.requests[r].Whole().ram;
  }
  Add(table, StrCat(who, ": servers used"), static_cast<double>(servers.size()));
  if (servers.empty()) return;
  Add(table, StrCat(who, ": CPUs of these given"), 100 * asked_cpus / std::max(cpus, 1.0), "%");
  Add(table, StrCat(who, ": memory of these given"), 100 * asked_ram / std::max(ram, 1.0), "%");
}

struct Attempt {
  std::string policy;
  std::function<Plan()> make;
};

std::vector<Attempt> Attempts(const NumaProblem& problem, const std::vector<int32_t>& limits,
                              const RuinOptions& options) {
  const auto in_order = [&problem, &limits](Rule rule, bool by_size) {
    return [&problem, &limits, rule, by_size] {
      Placement placement(problem, limits);
      PlaceInOrder(rule, by_size ? LargestFirst(problem, limits) : AsListed(problem), limits, &placement);
      return placement.plan();
    };
  };
  return {
      {"first-fit", in_order(Rule::kFirstFit, false)},
      {"best-fit", in_order(Rule::kBestFit, false)},
      {"ours-online", in_order(Rule::kOurs, false)},
      {"first-fit by size", in_order(Rule::kFirstFit, true)},
      {"best-fit by size", in_order(Rule::kBestFit, true)},
      {"ours", [&problem, &limits, &options] { return PackBatch(problem, limits, options).plan; }},
  };
}

}  // namespace

Ruined PackBatch(const NumaProblem& problem, const std::vector<int32_t>& affinity_limits, const RuinOptions& options) {
  Placement placement(problem, affinity_limits);
  const std::vector<int32_t> by_size = LargestFirst(problem, affinity_limits);
  std::vector<int32_t> grouped;
  std::copy_if(by_size.begin(), by_size.end(), std::back_inserter(grouped),
               [&](int32_t request) { return problem.requests[At(request)].strategy == Strategy::kAffinity; });
  PlaceInOrder(Rule::kOurs, grouped, affinity_limits, &placement);
  FillByPrice(&placement);
  PlaceInOrder(Rule::kOurs, by_size, affinity_limits, &placement);
  return RuinAndRecreate(problem, affinity_limits, placement.plan(), options);
}

absl::StatusOr<FigureTable> PackHuawei(const HuaweiFiles& files, const RuinOptions& options) {
  TRUCE_ASSIGN_OR_RETURN(const NumaProblem problem, ReadHuaweiProblem(files.servers, files.requests));
  const std::vector<int32_t> limits = AffinityLimits(problem);
  const auto requests = static_cast<int64_t>(problem.requests.size());
  const int64_t never = CanNeverBePlaced(problem);
  FigureTable table;
  Add(&table, "servers", static_cast<double>(problem.servers.size()));
  Add(&table, "requests", static_cast<double>(requests));
  Add(&table, "requests that could be placed, at most", static_cast<double>(requests - never));
  std::string written;
  size_t used = 0;
  for (const Attempt& attempt : Attempts(problem, limits, options)) {
    const auto begun = std::chrono::steady_clock::now();
    const Plan made = attempt.make();
    const absl::Duration spent = absl::FromChrono(std::chrono::steady_clock::now() - begun);
    // What is judged is what would be read from the file.
    std::string text = HuaweiPlanText(made);
    TRUCE_ASSIGN_OR_RETURN(const Plan plan, ParseHuaweiPlan(files.output, text, problem));
    const BrokenRules broken = CheckPlan(problem, plan);
    const bool ours = attempt.policy == "ours";
    const Unplaced why = WhyUnplaced(problem, plan);
    Add(&table, StrCat(attempt.policy, ": placed"), static_cast<double>(Placed(plan)), "",
        ours ? std::optional(AtLeast(static_cast<double>(requests - never))) : std::nullopt);
    AddUnplaced(attempt.policy, why, &table);
    Add(&table, StrCat(attempt.policy, ": rules broken"), static_cast<double>(broken.Sum()), "", AtMost(0));
    AddFill(attempt.policy, problem, plan, &table);
    Add(&table, StrCat(attempt.policy, ": time"), absl::ToDoubleSeconds(spent), "s");
    if (ours) used = ServersOf(plan).size();
    if (attempt.policy != files.policy) continue;
    if (broken.Sum() > 0) {
      return absl::InternalError(StrCat("the plan of ", attempt.policy, " breaks a rule: ", broken.example));
    }
    written = std::move(text);
  }
  Add(&table, "servers that all requests need, at least by sums", static_cast<double>(BoundBySums(problem)));
  Add(&table, "servers that all requests need, at least by loads",
      static_cast<double>(BoundByLoads(problem, static_cast<int64_t>(used), kBoundSteps)));
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(files.output, written, 0644, IfExists::kReplace));
  return table;
}

}  // namespace truce::lab
