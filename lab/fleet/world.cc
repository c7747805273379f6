#include "lab/fleet/world.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

constexpr HostFacts kHostTypes[] = {{32, 192, 0}, {48, 256, 0}, {32, 128, 0}};
// Hosts that fail together; fewer in a fleet that would else have fewer domains than kLeastDomains.
constexpr size_t kRack = 20;
constexpr size_t kLeastDomains = 6;
// CPUs of flavours and how often they are asked for; GiB for each CPU likewise.
constexpr double kFlavours[] = {1, 2, 4, 8};
constexpr double kFlavourOdds[] = {0.4, 0.3, 0.2, 0.1};
constexpr double kMemory[] = {2, 4};
constexpr double kMemoryOdds[] = {0.65, 0.35};
// Of what runs, by class; best effort's jobs are shorter, so that more of them come.
constexpr double kClassShare[kClasses] = {0.3, 0.4, 0.3};
// Lifetimes are log-normal: medians, and the standard deviation of the logarithm (Cortez et al., "Resource Central",
// SOSP 2017: most VMs live for minutes to hours, most core-hours belong to those of days).
constexpr double kMedianHours[kClasses] = {24, 12, 1.5};
constexpr double kLifetimes = 1.6;
// Workloads of a service, all of which come and go together, and over how many domains they are.
constexpr int kReplicas[] = {1, 2, 3, 5};
constexpr double kReplicaOdds[] = {0.55, 0.15, 0.2, 0.1};
constexpr int32_t kSpread = 3;
// Popularity of the n-th application of a class: 1 / n^kZipf.
constexpr double kZipf = 0.8;
constexpr double kWarmUpHours = 2;
constexpr size_t kDaysOfAClass = 600;
constexpr size_t kMeetings = 4'000;
// Of a workload's signature, beyond its application's.
constexpr double kSaid = 0.1;

template <size_t N>
size_t Draw(const double (&odds)[N], std::mt19937_64& random) {
  return std::discrete_distribution<size_t>(std::begin(odds), std::end(odds))(random);
}

// Who arrives: applications of a class by popularity, flavour of the application, services of several workloads.
class Arrivals {
 public:
  Arrivals(World* world, std::mt19937_64& random) : world_(*world), random_(random) {
    const size_t count = world_.truth.applications();
    for (size_t a = 0; a < count; ++a) {
      const size_t c = a % kClasses;
      applications_[c].push_back(static_cast<int32_t>(a));
      popularity_[c].push_back(1 / std::pow(static_cast<double>(applications_[c].size()), kZipf));
      memory_per_cpu_.push_back(kMemory[Draw(kMemoryOdds, random_)]);
    }
  }

  // Those that run when the fleet is in balance, and those that come later.
  void Run() {
    const double running = world_.options.workloads_per_host * static_cast<double>(world_.options.hosts);
    const int32_t measured = world_.steps - world_.warm_up_steps;
    for (size_t c = 0; c < kClasses; ++c) {
      const double share = running * kClassShare[c];
      for (double there = 0; there < share;) {
        // A moment finds long lives more often: the logarithm is larger by its variance.
        const double whole = Lifetime(c, kLifetimes * kLifetimes);
        const double rest = whole * Uniform();
        const auto begins = static_cast<int32_t>(Uniform() * world_.warm_up_steps);
        there += Service(c, begins, world_.warm_up_steps + std::max(1, static_cast<int32_t>(rest * kStepsOfAnHour)));
      }
      const double mean_hours = kMedianHours[c] * std::exp(kLifetimes * kLifetimes / 2);
      const double coming = share * measured / kStepsOfAnHour / mean_hours;
      for (double came = 0; came < coming;) {
        const int32_t begins = world_.warm_up_steps + static_cast<int32_t>(Uniform() * measured);
        came += Service(c, begins, begins + std::max(1, static_cast<int32_t>(Lifetime(c, 0) * kStepsOfAnHour)));
      }
    }
    std::stable_sort(world_.lives.begin(), world_.lives.end(),
                     [](const Life& a, const Life& b) { return a.begins < b.begins; });
    for (size_t i = 0; i < world_.lives.size(); ++i) world_.lives[i].request.workload = static_cast<int64_t>(i);
  }

 private:
  double Uniform() { return std::uniform_real_distribution<double>()(random_); }
  double Normal() { return std::normal_distribution<double>()(random_); }
  double Lifetime(size_t c, double later) { return kMedianHours[c] * std::exp(kLifetimes * Normal() + later); }

  // How many workloads it has.
  int Service(size_t c, int32_t begins, int32_t ends) {
    const size_t index = std::discrete_distribution<size_t>(popularity_[c].begin(), popularity_[c].end())(random_);
    const int32_t application = applications_[c][index];
    // Jobs of best effort stand alone.
    const int replicas =
        static_cast<WorkloadClass>(c) == WorkloadClass::kBestEffort ? 1 : kReplicas[Draw(kReplicaOdds, random_)];
    Life life;
    life.request.application = application;
    life.request.workload_class = static_cast<WorkloadClass>(c);
    life.request.cpus = kFlavours[Draw(kFlavourOdds, random_)];
    life.request.memory_gib = life.request.cpus * memory_per_cpu_[static_cast<size_t>(application)];
    life.request.group = replicas > 1 ? groups_++ : -1;
    life.request.spread = std::min(replicas, kSpread);
    life.begins = begins;
    life.ends = ends;
    const double factor = world_.options.truth.instance;
    for (int i = 0; i < replicas; ++i) {
      life.day = static_cast<int32_t>(Uniform() * static_cast<double>(world_.demands.days[c].size()));
      life.phase = static_cast<int32_t>(Uniform() * kStepsOfAnHour);
      life.pressure_factor = std::exp(factor * Normal() - factor * factor / 2);
      life.sensitivity_factor = std::exp(factor * Normal() - factor * factor / 2);
      life.said_factor = std::exp(kSaid * Normal() - kSaid * kSaid / 2);
      world_.lives.push_back(life);
    }
    return replicas;
  }

  World& world_;
  std::mt19937_64& random_;
  std::vector<int32_t> applications_[kClasses];
  std::vector<double> popularity_[kClasses];
  std::vector<double> memory_per_cpu_;
  int64_t groups_ = 0;
};

absl::Status Judge(World* world, std::mt19937_64& random) {
  const std::vector<Meeting> meetings = DrawMeetings(world->truth, kMeetings, random);
  world->perfect = Learn(world->truth, random);
  world->perfect_marks = MarksOf(world->perfect, meetings);
  world->real = world->perfect;
  TRUCE_ASSIGN_OR_RETURN(world->real_marks, Calibrate(meetings, kShippedMarks, &world->real));
  world->meetings = FactsOf(meetings);
  return absl::OkStatus();
}

}  // namespace

std::vector<HostFacts> MakeHosts(size_t hosts) {
  const size_t rack = std::clamp<size_t>(hosts / kLeastDomains, 1, kRack);
  std::vector<HostFacts> made;
  for (size_t i = 0; i < hosts; ++i) {
    HostFacts host = kHostTypes[i % std::size(kHostTypes)];
    host.domain = static_cast<int32_t>(i / rack);
    made.push_back(host);
  }
  return made;
}

double World::DemandCores(const Life& life, int32_t step) const {
  const Day& day = demands.days[static_cast<size_t>(life.request.workload_class)][static_cast<size_t>(life.day)];
  return life.request.cpus * static_cast<double>(day[static_cast<size_t>(life.phase + step) % day.size()]);
}

absl::StatusOr<World> MakeWorld(const WorldOptions& options) {
  const double workloads = options.workloads_per_host * static_cast<double>(options.hosts);
  if (options.hosts < 1 || !(options.hours > 0) || !(workloads >= 1) || workloads > 1e7) {
    return absl::InvalidArgumentError(StrCat("a fleet of ", options.hosts, " hosts with ", options.workloads_per_host,
                                             " workloads each for ", options.hours,
                                             " hours can't be simulated; one workload in all at least, ten million at "
                                             "most, and some time are needed"));
  }
  if (options.truth.applications < 2 * kClasses) {
    return absl::InvalidArgumentError(
        StrCat(options.truth.applications, " applications are too few; at least ", 2 * kClasses, " are needed"));
  }
  World world;
  world.options = options;
  // What is drawn for one purpose does not move what is drawn for another.
  std::mt19937_64 for_truth(options.seed * 3);
  std::mt19937_64 for_demands(options.seed * 3 + 1);
  std::mt19937_64 for_lives(options.seed * 3 + 2);
  world.hosts = MakeHosts(options.hosts);
  world.truth = DrawTruth(options.truth, for_truth);
  if (options.traces.empty()) {
    world.demands = MakeDemands(kDaysOfAClass, for_demands);
  } else {
    TRUCE_ASSIGN_OR_RETURN(world.demands, ReadDemands(options.traces));
  }
  world.warm_up_steps = static_cast<int32_t>(kWarmUpHours * kStepsOfAnHour);
  world.steps = world.warm_up_steps + static_cast<int32_t>(std::ceil(options.hours * kStepsOfAnHour));
  Arrivals(&world, for_lives).Run();
  TRUCE_RETURN_IF_ERROR(Judge(&world, for_truth));
  return world;
}

}  // namespace truce::lab::fleet
