#include "controller/plan/place/demands.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "models/drift/behaviour.h"
#include "src/base/short_bytes.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// What the controller knows of how full the host is; 1 where it doesn't: then nobody grows by a guess.
double UtilisationOf(const HostState& host, v1::Resource resource) {
  if (resource == v1::RESOURCE_CPU) return host.summary.cpu_busy_ratio.value_or(1);
  if (resource == v1::RESOURCE_MEMORY && host.inventory.memory_bytes() > 0) {
    return host.summary.memory_used_bytes / static_cast<double>(host.inventory.memory_bytes());
  }
  return 1;
}

// What the workload may have at most: its own limit or the host's.
std::optional<double> MostOf(const HostState& host, const v1::WorkloadReport& report, v1::Resource resource) {
  const v1::Readings& readings = report.readings();
  if (resource == v1::RESOURCE_CPU) {
    double most = std::max(1, host.inventory.cpus_size());
    if (readings.has_cpu_allowed_count()) most = std::min(most, readings.cpu_allowed_count());
    // Its own quota only: one of ours follows from this, and must not bound it.
    const bool ours = std::any_of(host.held.begin(), host.held.end(), [&](const v1::HeldAction& held) {
      return held.action().workload() == report.workload().name() && held.action().lever() == v1::LEVER_CPU_QUOTA;
    });
    if (!ours && readings.has_cpu_quota_cores()) most = std::min(most, readings.cpu_quota_cores());
    return most;
  }
  if (resource == v1::RESOURCE_MEMORY) {
    double most = static_cast<double>(host.inventory.memory_bytes());
    if (most <= 0) return std::nullopt;
    if (readings.has_memory_limit_bytes()) most = std::min(most, readings.memory_limit_bytes());
    return most;
  }
  return std::nullopt;
}

// The name of a resource's demand in what is learned of drifts.
std::string_view DriftDemand(v1::Resource resource) {
  switch (resource) {
    case v1::RESOURCE_CPU:
      return DemandName(static_cast<size_t>(Demand::kCpu));
    case v1::RESOURCE_MEMORY:
      return DemandName(static_cast<size_t>(Demand::kMemory));
    case v1::RESOURCE_DISK:
      return DemandName(static_cast<size_t>(Demand::kDisk));
    default:
      return DemandName(static_cast<size_t>(Demand::kNetwork));
  }
}

// The largest increase that earlier drifts like this one were followed by.
std::optional<double> DriftFactor(const v1::DriftStatus* drift, v1::Resource resource) {
  if (drift == nullptr || !drift->drifting()) return std::nullopt;
  std::optional<double> factor;
  for (const v1::PredictedIncrease& one : drift->predictions()) {
    if (one.demand() == DriftDemand(resource)) factor = std::max(factor.value_or(0), 1 + one.increase_factor());
  }
  return factor;
}

double Foretold(const v1::DemandForecast& forecast, int step, SetAside set_aside) {
  switch (set_aside) {
    case SetAside::kPeak:
      return forecast.peak_p95(step);
    case SetAside::kP50:
      return forecast.p50(step);
    case SetAside::kP90:
      return forecast.p90(step);
    case SetAside::kP95:
      return forecast.p95(step);
    case SetAside::kP99:
      return forecast.p99(step);
  }
  return forecast.peak_p95(step);
}

std::string Words(v1::Resource resource, double amount) {
  if (resource == v1::RESOURCE_CPU) return absl::StrFormat("%.2f cores", amount);
  return StrCat(ShortBytes(amount), resource == v1::RESOURCE_MEMORY ? "" : "/s");
}

std::string Say(v1::Resource resource, const AdjustedDemand& adjusted) {
  std::string text = StrCat("peak p95 of ", Words(resource, adjusted.forecast));
  for (const auto& [part, why] : {std::pair(adjusted.by_risk, "risk"), std::pair(adjusted.by_surprise, "surprise"),
                                  std::pair(adjusted.by_drift, "drift")}) {
    if (part > 0) StrAppend(&text, " + ", Words(resource, part), " by ", why);
  }
  if (adjusted.limited) StrAppend(&text, ", limited to ", Words(resource, adjusted.demand));
  return text;
}

}  // namespace

AdjustedDemand AdjustedDemandOf(const HostState& host, const v1::WorkloadReport& report,
                                const v1::DemandForecast& forecast, double risk, const v1::DriftStatus* drift,
                                SetAside set_aside) {
  DemandOutlook outlook{.newest = forecast.newest(), .risk = risk, .surprised = forecast.has_widened_for()};
  if (const int last = forecast.ahead_seconds_size() - 1; last >= 0) {
    outlook.peak_p95 = Foretold(forecast, last, set_aside);
    outlook.spread = forecast.p95(last) - forecast.p50(last);
  }
  outlook.drift_factor = DriftFactor(drift, forecast.resource());
  outlook.utilisation = UtilisationOf(host, forecast.resource());
  return Adjust(outlook, {.most = MostOf(host, report, forecast.resource())});
}

std::vector<v1::DemandStatus> ViewDemands(const HostState& host, const v1::WorkloadReport& report, double risk,
                                          const v1::DriftStatus* drift) {
  std::vector<v1::DemandStatus> statuses;
  for (const v1::DemandForecast& forecast : report.forecasts()) {
    const AdjustedDemand adjusted = AdjustedDemandOf(host, report, forecast, risk, drift);
    v1::DemandStatus& status = statuses.emplace_back();
    *status.mutable_forecast() = forecast;
    status.set_adjusted_demand(adjusted.demand);
    status.set_detail(Say(forecast.resource(), adjusted));
  }
  return statuses;
}

}  // namespace truce::controller
