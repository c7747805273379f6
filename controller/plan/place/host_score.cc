#include "controller/plan/place/host_score.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "controller/plan/place/interference.h"
#include "controller/plan/place/resident.h"
#include "src/base/short_bytes.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

std::string Amount(size_t resource, double amount) {
  switch (resource) {
    case kPlaceCpuCores:
      return absl::StrFormat("%.2f cores", amount);
    case kPlaceMemoryBytes:
      return StrCat(ShortBytes(amount), " of memory");
    case kPlaceDiskBytes:
      return StrCat(ShortBytes(amount), "/s of disk traffic");
    case kPlaceDiskOperations:
      return absl::StrFormat("%.0f disk operations/s", amount);
    default:
      return StrCat(ShortBytes(amount), "/s of network traffic");
  }
}

// The resource that lacks; nullopt when there is room.
std::optional<std::string> Lacking(const HostVerdict& verdict) {
  for (size_t r = 0; r < kPlaceResourceCount; ++r) {
    const double asked = verdict.demand.demand[r];
    const double free = std::max(0.0, verdict.state.free[r]);
    if (asked > 0 && asked > free) return StrCat(Amount(r, free), " are free and ", Amount(r, asked), " are asked for");
  }
  return std::nullopt;
}

double FreeRatio(const HostVerdict& verdict, size_t resource) {
  const double capacity = verdict.state.capacity[resource];
  return capacity > 0 ? std::max(0.0, verdict.state.free[resource] - verdict.demand.demand[resource]) / capacity : 0;
}

std::string Why(const HostVerdict& verdict) {
  std::string why =
      absl::StrFormat("with it %.0f %% of the CPUs and %.0f %% of the memory stay free",
                      100 * FreeRatio(verdict, kPlaceCpuCores), 100 * FreeRatio(verdict, kPlaceMemoryBytes));
  if (verdict.slowdown.has_value()) {
    StrAppend(&why, absl::StrFormat("; it is expected to be slowed by %.1f %%, and those there by %.1f %% in all, "
                                    "weighted by class",
                                    100 * *verdict.slowdown, 100 * *verdict.neighbours_slowdown));
  }
  if (verdict.worst_score > 0) StrAppend(&why, absl::StrFormat("; the worst score there is %.0f", verdict.worst_score));
  return why;
}

// Falls with the price everywhere: no two hosts are alike that aren't.
double ScoreOf(double price) {
  return std::isfinite(price) ? 100 / (1 + std::max(0.0, price)) : 0;
}

}  // namespace

v1::HostScore Describe(const HostVerdict& verdict) {
  v1::HostScore score;
  score.set_host(verdict.host);
  score.set_free_cpu_cores(std::max(0.0, verdict.state.free[kPlaceCpuCores]));
  score.set_free_memory_bytes(static_cast<uint64_t>(std::max(0.0, verdict.state.free[kPlaceMemoryBytes])));
  score.set_worst_contention_score(verdict.worst_score);
  score.set_connected(verdict.closed.empty());
  if (verdict.slowdown.has_value()) score.set_slowdown_ratio(*verdict.slowdown);
  if (verdict.neighbours_slowdown.has_value()) score.set_neighbours_slowdown_ratio(*verdict.neighbours_slowdown);
  if (!verdict.closed.empty()) {
    score.set_reason(std::string(verdict.closed));
  } else if (auto lacking = Lacking(verdict)) {
    score.set_reason(*std::move(lacking));
  } else if (verdict.rule.has_value()) {
    score.set_reason(*verdict.rule);
  } else {
    score.set_fits(true);
    score.set_price(verdict.price);
    score.set_score(ScoreOf(verdict.price));
    score.set_reason(Why(verdict));
  }
  return score;
}

void Rank(std::vector<v1::HostScore>* scores) {
  std::sort(scores->begin(), scores->end(), [](const v1::HostScore& a, const v1::HostScore& b) {
    if (a.fits() != b.fits()) return a.fits();
    if (a.price() != b.price()) return a.price() < b.price();
    return a.host() < b.host();
  });
}

}  // namespace truce::controller
