#include "controller/plan/arbiter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "src/base/text.h"

namespace truce::controller {
namespace {

struct Prior {
  v1::Resource resource;
  v1::Lever lever;
  double recovery;
  double cost;
};

// Guesses, to be put right by receipts: the order in which levers are tried first is that of recovery less price times
// cost. A pin costs the giver the CPUs that the victims need, a weight only what they use, and a cache class only what
// it would have gained from cache that others need.
constexpr Prior kPriors[] = {
    {v1::RESOURCE_CPU, v1::LEVER_CPU_PIN, 0.85, 0.4},
    {v1::RESOURCE_CPU, v1::LEVER_CPU_WEIGHT, 0.6, 0.4},
    {v1::RESOURCE_CPU, v1::LEVER_CPU_QUOTA, 0.7, 0.5},
    {v1::RESOURCE_CPU, v1::LEVER_CPU_IDLE, 0.65, 0.5},
    {v1::RESOURCE_LLC, v1::LEVER_CACHE_CLASS, 0.6, 0.1},
    {v1::RESOURCE_LLC, v1::LEVER_CPU_PIN, 0.6, 0.4},
    {v1::RESOURCE_LLC, v1::LEVER_CPU_QUOTA, 0.5, 0.5},
    {v1::RESOURCE_MEMORY_BANDWIDTH, v1::LEVER_CACHE_CLASS, 0.55, 0.2},
    {v1::RESOURCE_MEMORY_BANDWIDTH, v1::LEVER_CPU_PIN, 0.5, 0.4},
    {v1::RESOURCE_MEMORY_BANDWIDTH, v1::LEVER_CPU_QUOTA, 0.5, 0.5},
    {v1::RESOURCE_MEMORY, v1::LEVER_MEMORY_SQUEEZE, 0.6, 0.2},
    {v1::RESOURCE_MEMORY, v1::LEVER_CPU_QUOTA, 0.3, 0.5},
    {v1::RESOURCE_DISK, v1::LEVER_DISK_CAP, 0.7, 0.5},
    {v1::RESOURCE_DISK, v1::LEVER_CPU_QUOTA, 0.3, 0.5},
    {v1::RESOURCE_NETWORK, v1::LEVER_NETWORK_CAP, 0.7, 0.5},
    // Another host is out of reach for good; what is left is what other neighbours do. It is no lever among the others:
    // what a move costs is reckoned for each (move.h).
    {v1::RESOURCE_CPU, v1::LEVER_MIGRATE, 0.9, 0},
    {v1::RESOURCE_LLC, v1::LEVER_MIGRATE, 0.9, 0},
    {v1::RESOURCE_MEMORY_BANDWIDTH, v1::LEVER_MIGRATE, 0.9, 0},
    {v1::RESOURCE_MEMORY, v1::LEVER_MIGRATE, 0.9, 0},
    {v1::RESOURCE_DISK, v1::LEVER_MIGRATE, 0.9, 0},
    {v1::RESOURCE_NETWORK, v1::LEVER_MIGRATE, 0.9, 0},
};

double Square(double value) {
  return value * value;
}

}  // namespace

std::optional<std::pair<double, double>> PriorOf(v1::Resource resource, v1::Lever lever) {
  for (const Prior& prior : kPriors) {
    if (prior.resource == resource && prior.lever == lever) return std::pair(prior.recovery, prior.cost);
  }
  return std::nullopt;
}

std::vector<v1::Lever> LeversFor(v1::Resource resource) {
  std::vector<v1::Lever> levers;
  for (const Prior& prior : kPriors) {
    if (prior.resource == resource && prior.lever != v1::LEVER_MIGRATE) levers.push_back(prior.lever);
  }
  return levers;
}

void Arbiter::Mean::Add(double value, double most_weight) {
  weight = std::min(weight + 1, most_weight);
  mean += (value - mean) / weight;
}

Expectation Arbiter::Expect(const Contention& contention, v1::Lever lever) const {
  Expectation expectation;
  const auto prior = PriorOf(contention.resource, lever);
  if (!prior) return expectation;
  // The table: the prior as so many pairs, and every pair that taught anything as one.
  double pairs = options_.prior_pairs;
  double recovery = prior->first * pairs;
  double cost = prior->second * pairs;
  Pair own;
  const auto found = table_.find({contention.resource, lever, contention.giver_class});
  if (found != table_.end()) {
    const Row& row = found->second;
    const auto pair = row.pairs.find({contention.victim_application, contention.giver_application});
    if (pair != row.pairs.end()) own = pair->second;
    pairs += static_cast<double>(row.pairs.size()) - (own.receipts > 0 ? 1 : 0);
    recovery += row.recovery - own.recovery.mean;
    cost += row.cost - own.cost.mean;
  }
  // Normal with known deviations: precisions add (Gelman et al., "Bayesian Data Analysis", 2.5).
  const double before = 1 / (Square(options_.pair_deviation) * (1 + 1 / pairs));
  const double seen = own.recovery.weight / Square(options_.receipt_deviation);
  expectation.recovery = (before * recovery / pairs + seen * own.recovery.mean) / (before + seen);
  expectation.deviation = 1 / std::sqrt(before + seen);
  expectation.cost = (cost / pairs + own.cost.weight * own.cost.mean) / (1 + own.cost.weight);
  const double price =
      contention.giver_class == v1::WORKLOAD_CLASS_BEST_EFFORT ? options_.best_effort_price : options_.standard_price;
  expectation.worth = expectation.recovery - price * expectation.cost;
  expectation.receipts = own.receipts;
  return expectation;
}

double Arbiter::Draw(const Contention& contention, v1::Lever lever, int receipts, int64_t period) const {
  const std::string key =
      StrCat(contention.victim_application, "\n", contention.giver_application, "\n", contention.resource, " ",
             contention.giver_class, " ", lever, " ", receipts, " ", period, " ", options_.seed);
  std::mt19937_64 random(std::hash<std::string>{}(key));
  return std::normal_distribution<double>()(random);
}

std::optional<v1::Lever> Arbiter::Choose(const Contention& contention, const std::vector<v1::Lever>& usable,
                                         int64_t period) const {
  Contention anybody = contention;
  anybody.victim_application.clear();
  anybody.giver_application.clear();
  std::optional<v1::Lever> best;
  std::optional<v1::Lever> second_chance;
  double most = options_.least_worth;
  for (const v1::Lever lever : usable) {
    if (!PriorOf(contention.resource, lever)) continue;
    const Expectation expectation = Expect(contention, lever);
    const bool once = expectation.receipts == 1;
    if (once && !second_chance && Expect(anybody, lever).worth > options_.least_worth) second_chance = lever;
    double worth = expectation.worth;
    if (!contention.victim_critical) {
      worth += options_.exploration * expectation.deviation * Draw(contention, lever, expectation.receipts, period);
    }
    if (worth <= most) continue;
    most = worth;
    best = lever;
  }
  return best ? best : second_chance;
}

void Arbiter::Learn(const Contention& contention, v1::Lever lever, double recovery, double cost) {
  if (!std::isfinite(recovery) || !PriorOf(contention.resource, lever)) return;
  Row& row = table_[{contention.resource, lever, contention.giver_class}];
  Pair& pair = row.pairs[{contention.victim_application, contention.giver_application}];
  row.recovery -= pair.recovery.mean;
  row.cost -= pair.cost.mean;
  // A victim may get worse beyond any measure for reasons of its own; that must not outweigh all the times that a lever
  // helped.
  constexpr double kWorst = -0.25;
  pair.recovery.Add(std::clamp(recovery, kWorst, 1.0), options_.most_receipts);
  if (std::isfinite(cost)) pair.cost.Add(std::clamp(cost, 0.0, 1.0), options_.most_receipts);
  row.recovery += pair.recovery.mean;
  row.cost += pair.cost.mean;
  ++pair.receipts;
  pair.learned_at = ++learned_;
  if (row.pairs.size() <= options_.most_pairs) return;
  const auto oldest = std::min_element(row.pairs.begin(), row.pairs.end(), [](const auto& a, const auto& b) {
    return a.second.learned_at < b.second.learned_at;
  });
  row.recovery -= oldest->second.recovery.mean;
  row.cost -= oldest->second.cost.mean;
  row.pairs.erase(oldest);
}

bool Arbiter::HaveContended(const std::string& one, const std::string& other) const {
  return std::any_of(table_.begin(), table_.end(), [&](const auto& row) {
    return row.second.pairs.contains({one, other}) || row.second.pairs.contains({other, one});
  });
}

}  // namespace truce::controller
