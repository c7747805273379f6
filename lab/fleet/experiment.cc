#include "lab/fleet/experiment.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "lab/fleet/control/controlled.h"
#include "lab/fleet/control/in_process.h"
#include "lab/fleet/control/through_grpc.h"
#include "lab/fleet/jobs.h"
#include "lab/fleet/policies/baselines.h"
#include "lab/fleet/simulation.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

constexpr std::string_view kOurs = "truce";
constexpr std::string_view kThroughGrpc = "truce-grpc";
constexpr std::string_view kNoSignatures = "truce-no-signatures";
constexpr std::string_view kNoPairs = "truce-no-pairs";
constexpr std::string_view kNoMoves = "truce-no-moves";
// For each workload, what a controller behind gRPC has for an advice.
constexpr absl::Duration kAdviceTime = absl::Microseconds(100);
constexpr double kWaitingTolerance = 0.001;
// To so much of all hosts the fewest are found.
constexpr double kHostsTolerance = 0.02;
// Fewer than this part is not looked for.
constexpr double kFewest = 0.5;

bool IsOther(std::string_view policy) {
  const std::vector<std::string> others = BaselineNames();
  return std::find(others.begin(), others.end(), policy) != others.end();
}

class Experiment {
 public:
  Experiment(const FleetOptions& options, ShutdownSignals& signals, std::ostream& progress)
      : signals_(signals), progress_(progress) {
    result_.options = options;
    if (result_.options.policies.empty()) result_.options.policies = PolicyNames();
    worlds_.resize(static_cast<size_t>(options.seeds));
  }

  absl::StatusOr<FleetResult> Run() {
    TRUCE_RETURN_IF_ERROR(CheckNames());
    TRUCE_RETURN_IF_ERROR(MakeWorlds());
    TRUCE_RETURN_IF_ERROR(RunPolicies());
    TRUCE_RETURN_IF_ERROR(FindFewest());
    return std::move(result_);
  }

 private:
  const FleetOptions& options() const { return result_.options; }

  absl::Status CheckNames() const {
    const std::vector<std::string> names = PolicyNames();
    for (const std::string& policy : options().policies) {
      if (std::find(names.begin(), names.end(), policy) != names.end()) continue;
      return absl::InvalidArgumentError(StrCat("there is no policy '", policy, "'"));
    }
    if (!(options().move_ratio >= 0 && options().move_ratio <= 1) || !(options().world.truth.bias >= 0)) {
      return absl::InvalidArgumentError("the part that may be moved is 0 to 1, and the bias of pairs 0 or more");
    }
    if (options().seeds < 1 || options().knowledge.empty() || !(options().overcommit > 0)) {
      return absl::InvalidArgumentError("at least one seed and one knowledge are needed, and an overcommit above 0");
    }
    return absl::OkStatus();
  }

  absl::Status MakeWorlds() {
    std::vector<Job> jobs;
    for (size_t i = 0; i < worlds_.size(); ++i) {
      jobs.push_back({StrCat("the world of seed ", options().world.seed + i), [this, i]() -> absl::Status {
                        WorldOptions own = options().world;
                        own.seed += i;
                        TRUCE_ASSIGN_OR_RETURN(worlds_[i], MakeWorld(own));
                        return absl::OkStatus();
                      }});
    }
    TRUCE_RETURN_IF_ERROR(RunAll(jobs));
    for (const World& world : worlds_) {
      result_.worlds.push_back({world.real.error, world.real_marks, world.perfect_marks, world.meetings});
    }
    return absl::OkStatus();
  }

  absl::Status RunPolicies() {
    for (const std::string& policy : options().policies) {
      if (!UsesSignatures(policy)) {
        result_.rows.push_back({policy, "", {}});
        continue;
      }
      for (const std::string& knowledge : options().knowledge) result_.rows.push_back({policy, knowledge, {}});
    }
    std::vector<Job> jobs;
    for (Row& row : result_.rows) {
      row.outcomes.resize(worlds_.size());
      for (size_t i = 0; i < worlds_.size(); ++i) {
        jobs.push_back({StrCat(row.policy, " ", row.knowledge, row.knowledge.empty() ? "" : " ", "in world ", i + 1),
                        [this, &row, i]() -> absl::Status {
                          TRUCE_ASSIGN_OR_RETURN(row.outcomes[i],
                                                 Simulate(i, row.policy, row.knowledge, options().world.hosts));
                          return absl::OkStatus();
                        }});
      }
    }
    return RunAll(jobs);
  }

  absl::Status FindFewest() {
    if (!FindBest(result_, 0)) return absl::OkStatus();
    for (const std::string& knowledge : options().knowledge) {
      if (FindOurs(result_, knowledge) == nullptr) continue;
      result_.fewest.push_back({knowledge, std::vector<double>(worlds_.size())});
    }
    std::vector<Job> jobs;
    for (FewestHosts& fewest : result_.fewest) {
      for (size_t i = 0; i < worlds_.size(); ++i) {
        jobs.push_back({StrCat("fewest hosts, ", fewest.knowledge, " in world ", i + 1),
                        [this, &fewest, i] { return Bisect(i, fewest.knowledge, &fewest.hosts[i]); }});
      }
    }
    return RunAll(jobs);
  }

  absl::Status Bisect(size_t i, const std::string& knowledge, double* fewest) {
    const BestOfOthers best = *FindBest(result_, i);
    const auto all = static_cast<double>(options().world.hosts);
    const auto is_as_good = [&](const Outcome& outcome) {
      return outcome.critical().Mean() <= best.mean && outcome.critical().Quantile(0.99) <= best.p99 &&
             outcome.WaitingRatio() <= best.waiting_ratio + kWaitingTolerance;
    };
    *fewest = all;
    // It is no better than the others even on all of them.
    if (!is_as_good(FindOurs(result_, knowledge)->outcomes[i])) return absl::OkStatus();
    double low = kFewest * all;
    while (*fewest - low > std::max(1.0, kHostsTolerance * all)) {
      const auto hosts = static_cast<size_t>((low + *fewest) / 2);
      TRUCE_ASSIGN_OR_RETURN(const Outcome outcome, Simulate(i, kOurs, knowledge, hosts));
      (is_as_good(outcome) ? *fewest : low) = static_cast<double>(hosts);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Outcome> Simulate(size_t i, std::string_view policy, std::string_view knowledge, size_t hosts) {
    const World& world = worlds_[i];
    const Knowledge& known = knowledge == kPerfect ? world.perfect : world.real;
    TRUCE_ASSIGN_OR_RETURN(
        const std::unique_ptr<Placer> placer,
        MakePolicy(policy, {.overcommit = options().overcommit,
                            .seed = world.options.seed,
                            .workloads = world.options.workloads_per_host * static_cast<double>(hosts),
                            .move_ratio = options().move_ratio}));
    return Simulation(world, known, {hosts, options().move_ratio, &stop_}, *placer).Run();
  }

  absl::Status RunAll(const std::vector<Job>& jobs) {
    return RunJobs(jobs, options().threads, signals_, &stop_, progress_);
  }

  ShutdownSignals& signals_;
  std::ostream& progress_;
  FleetResult result_;
  std::vector<World> worlds_;
  std::atomic<bool> stop_ = false;
};

}  // namespace

std::vector<std::string> PolicyNames() {
  std::vector<std::string> names = BaselineNames();
  for (const std::string_view name : {kNoPairs, kNoSignatures, kNoMoves, kThroughGrpc, kOurs}) names.emplace_back(name);
  return names;
}

bool UsesSignatures(std::string_view policy) {
  return policy == kOurs || policy == kNoMoves || policy == kThroughGrpc;
}

absl::StatusOr<std::unique_ptr<Placer>> MakePolicy(std::string_view name, const PolicyOptions& options) {
  if (IsOther(name)) return MakeBaseline(name, options.overcommit, options.seed);
  ControlledOptions own{.name = std::string(name), .overcommit = options.overcommit};
  if (name == kThroughGrpc) {
    TRUCE_ASSIGN_OR_RETURN(
        auto link,
        LinkThroughGrpc({.advice_time = options.workloads * kAdviceTime,
                         .most_moves = std::max(1, static_cast<int>(options.move_ratio * options.workloads))}));
    return std::make_unique<Controlled>(std::move(own), std::move(link));
  }
  if (name == kNoSignatures) {
    // All applications are taken for the average one: what is left are classes, use and room.
    own.signatures = ControlledOptions::Signatures::kAverage;
  } else if (name == kNoPairs) {
    own.signatures = ControlledOptions::Signatures::kNone;
  } else if (name == kNoMoves) {
    own.rebalances = false;
  } else if (name != kOurs) {
    return absl::InvalidArgumentError(StrCat("there is no policy '", name, "'"));
  }
  TRUCE_ASSIGN_OR_RETURN(auto link, LinkInProcess({.seed = options.seed}));
  return std::make_unique<Controlled>(std::move(own), std::move(link));
}

const Row* FindOurs(const FleetResult& result, std::string_view knowledge) {
  for (const Row& row : result.rows) {
    if (row.policy == kOurs && row.knowledge == knowledge) return &row;
  }
  return nullptr;
}

std::optional<BestOfOthers> FindBest(const FleetResult& result, size_t seed) {
  std::optional<BestOfOthers> best;
  for (const Row& row : result.rows) {
    if (!IsOther(row.policy)) continue;
    const Outcome& outcome = row.outcomes[seed];
    const double mean = outcome.critical().Mean();
    const double p99 = outcome.critical().Quantile(0.99);
    if (!best) best = BestOfOthers{mean, p99, outcome.WaitingRatio(), row.policy};
    if (mean < best->mean) best->policy = row.policy;
    best->mean = std::min(best->mean, mean);
    best->p99 = std::min(best->p99, p99);
    best->waiting_ratio = std::min(best->waiting_ratio, outcome.WaitingRatio());
  }
  return best;
}

absl::StatusOr<FleetResult> RunFleet(const FleetOptions& options, ShutdownSignals& signals, std::ostream& progress) {
  return Experiment(options, signals, progress).Run();
}

}  // namespace truce::lab::fleet
