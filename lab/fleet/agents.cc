#include "lab/fleet/agents.h"

#include <algorithm>
#include <cmath>

namespace truce::lab::fleet {
namespace {

// Of a new reading in the mean and the variance: half an hour's half-life.
constexpr double kNewest = 0.11;
// Of a normal variable's 95th percentile.
constexpr double kP95Deviations = 1.645;
// A workload is signed when it has been seen for so many steps, and not again: what it does to others stays.
constexpr int32_t kSignedAfter = 2;

}  // namespace

Agents::Agents(const World& world, const Knowledge& knowledge, size_t hosts)
    : world_(world), watched_(world.lives.size()), used_(hosts) {
  for (size_t a = 0; a < knowledge.averages.size(); ++a) {
    said_.push_back(knowledge.Said(a));
    said_.back().usual = knowledge.mean_hurts;
  }
}

void Agents::See(const Life& life, double used_cores) {
  Watched& watched = watched_[static_cast<size_t>(life.request.workload)];
  ++watched.steps;
  const double newest = std::max(kNewest, 1.0 / watched.steps);
  const double off = used_cores - watched.mean;
  watched.mean = static_cast<float>(watched.mean + newest * off);
  watched.variance = static_cast<float>((1 - newest) * (watched.variance + newest * off * off));
  watched.last = static_cast<float>(used_cores);
}

double Agents::P95(const Life& life) const {
  const Watched& watched = watched_[static_cast<size_t>(life.request.workload)];
  return std::min(life.request.cpus, watched.mean + kP95Deviations * std::sqrt(static_cast<double>(watched.variance)));
}

HostReport Agents::Report(size_t host, const std::vector<int64_t>& lives) {
  HostReport report;
  report.host = host;
  double used = 0;
  for (const int64_t number : lives) {
    const Life& life = world_.lives[static_cast<size_t>(number)];
    const Watched& watched = watched_[static_cast<size_t>(number)];
    WorkloadReport& workload = report.workloads.emplace_back();
    workload.workload = number;
    workload.cpu_cores = watched.last;
    workload.cpu_p95_cores = P95(life);
    workload.memory_gib = life.request.memory_gib;
    used += workload.cpu_cores;
    report.memory_gib += workload.memory_gib;
    if (watched.steps != kSignedAfter) continue;
    Signature& signature = workload.signature.emplace(said_[static_cast<size_t>(life.request.application)]);
    for (double& one : signature.hurts) one *= life.pressure_factor * life.said_factor;
    for (double& one : signature.suffers) one *= life.sensitivity_factor * life.said_factor;
  }
  std::vector<double>& hour = used_[host];
  if (hour.size() == kStepsOfAnHour) hour.erase(hour.begin());
  hour.push_back(used);
  double squares = 0;
  for (const double one : hour) report.cpu_mean_cores += one / static_cast<double>(hour.size());
  for (const double one : hour) squares += (one - report.cpu_mean_cores) * (one - report.cpu_mean_cores);
  report.cpu_stddev_cores = std::sqrt(squares / static_cast<double>(hour.size()));
  return report;
}

}  // namespace truce::lab::fleet
