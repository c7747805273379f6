#include "controller/plan/pack/moves.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce::controller::pack {
namespace {

// A price so many temperatures high is never paid.
constexpr double kNever = 40;
// Of so many that are drawn, the largest is exchanged for others.
constexpr int kDrawnForSize = 3;

std::vector<double> SizesOf(const Problem& problem) {
  const size_t resources = problem.resources();
  std::vector<double> capacity(resources);
  for (size_t i = 0; i < problem.capacity.size(); ++i) {
    capacity[i % resources] += static_cast<double>(problem.capacity[i]);
  }
  std::vector<double> sizes(problem.workloads());
  for (size_t i = 0; i < problem.demand.size(); ++i) {
    double& size = sizes[i / resources];
    size = std::max(size, static_cast<double>(problem.demand[i]) / std::max(capacity[i % resources], 1.0));
  }
  return sizes;
}

}  // namespace

Moves::Moves(Packing& packing, Random& random, std::vector<int32_t> free)
    : packing_(packing),
      random_(random),
      exchange_(packing, random),
      convoy_(packing, random),
      free_(std::move(free)),
      hosts_(static_cast<uint32_t>(packing.problem().hosts())),
      shares_(SharesOf(packing.problem(), convoy_.IsOfUse())),
      size_(SizesOf(packing.problem())) {}

Moves::Shares Moves::SharesOf(const Problem& problem, bool has_needs) {
  const bool has_transient =
      std::any_of(problem.transient.begin(), problem.transient.end(), [](uint8_t one) { return one != 0; });
  Shares shares = {.exchange = 0.1, .chain_home = 0, .chain = 0.5, .home = 0, .swap = 0.1, .convoy = 0};
  if (has_transient) {
    shares = {.exchange = 0.1, .chain_home = 0.3, .chain = 0.12, .home = 0.35, .swap = 0.03, .convoy = 0};
  }
  if (has_needs) shares.convoy = 0.02;
  return shares;
}

int32_t Moves::LargeWorkload() {
  int32_t largest = AnyWorkload();
  for (int i = 1; i < kDrawnForSize; ++i) {
    const int32_t other = AnyWorkload();
    if (size_[static_cast<size_t>(other)] > size_[static_cast<size_t>(largest)]) largest = other;
  }
  return largest;
}

int64_t Moves::Most(double temperature) {
  if (temperature <= 0) return 0;
  return static_cast<int64_t>(std::min(-temperature * std::log(random_.Unit()), 1e18));
}

bool Moves::Accepts(int64_t price, double temperature) {
  if (price <= 0) return true;
  if (static_cast<double>(price) > kNever * temperature) return false;
  return price <= Most(temperature);
}

void Moves::TryShift(int32_t workload, int32_t host, double temperature) {
  if (packing_.at(workload) == host) return;
  const int64_t price = packing_.PriceOfShift(workload, host);
  if (price != Packing::kForbidden && Accepts(price, temperature)) packing_.Shift(workload, host, price);
}

void Moves::TryChain(int32_t one, int32_t other, int32_t host, double temperature) {
  const int32_t place = packing_.at(other);
  if (packing_.at(one) == place || host == place) return;
  const int64_t price = packing_.PriceOfChain(one, other, host);
  if (price != Packing::kForbidden && Accepts(price, temperature)) packing_.Chain(one, other, host, price);
}

void Moves::Step(double temperature) {
  double drawn = random_.Unit();
  if ((drawn -= shares_.exchange) <= 0) {
    const int32_t workload = LargeWorkload();
    const int32_t host = AnyHost();
    if (packing_.at(workload) != host) exchange_.Try(workload, host, Most(temperature));
    return;
  }
  const int32_t workload = AnyWorkload();
  if ((drawn -= shares_.convoy) <= 0) {
    const int32_t host = AnyHost();
    if (packing_.at(workload) != host) convoy_.Try(workload, host, Most(temperature));
    return;
  }
  if ((drawn -= shares_.chain_home) <= 0) {
    const int32_t other = AnyWorkload();
    TryChain(workload, other, packing_.home(other), temperature);
  } else if ((drawn -= shares_.chain) <= 0) {
    TryChain(workload, AnyWorkload(), AnyHost(), temperature);
  } else if ((drawn -= shares_.swap) <= 0) {
    TryChain(workload, AnyWorkload(), packing_.at(workload), temperature);
  } else if ((drawn -= shares_.home) <= 0) {
    TryShift(workload, packing_.home(workload), temperature);
  } else {
    TryShift(workload, AnyHost(), temperature);
  }
}

double Moves::MeanUphill() {
  double sum = 0;
  int count = 0;
  for (int i = 0; i < 20'000 && count < 2'000; ++i) {
    const int32_t workload = AnyWorkload();
    const int32_t host = AnyHost();
    if (host == packing_.at(workload)) continue;
    const int64_t price = packing_.PriceOfShift(workload, host);
    if (price == Packing::kForbidden || price <= 0) continue;
    sum += static_cast<double>(price);
    ++count;
  }
  return count == 0 ? 1 : sum / count;
}

}  // namespace truce::controller::pack
