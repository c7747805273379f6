#include "agent/predict/demand_watch.h"

#include <google/protobuf/util/time_util.h>

#include <cmath>

#include "absl/strings/str_format.h"
#include "models/drift/behaviour.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kCpu = static_cast<size_t>(Demand::kCpu);
// In the order of Demand.
constexpr std::array<v1::Resource, kDemandCount> kResources = {v1::RESOURCE_CPU, v1::RESOURCE_MEMORY, v1::RESOURCE_DISK,
                                                               v1::RESOURCE_NETWORK};
// Smaller changes are nobody's business: cores, bytes, bytes per second.
constexpr std::array<double, kDemandCount> kLeastJumps = {0.05, 16e6, 1e6, 1e6};
// More events than a host can mean in one report's time.
constexpr size_t kMostEvents = 1'000;

std::string Words(v1::Resource resource, double value) {
  if (resource == v1::RESOURCE_CPU) return absl::StrFormat("%.2f cores", value);
  return absl::StrFormat("%.1f MB%s", value / 1e6, resource == v1::RESOURCE_MEMORY ? "" : "/s");
}

const char* Name(v1::Resource resource) {
  switch (resource) {
    case v1::RESOURCE_CPU:
      return "CPU use";
    case v1::RESOURCE_MEMORY:
      return "working set";
    case v1::RESOURCE_DISK:
      return "disk traffic";
    default:
      return "network traffic";
  }
}

double Seconds(absl::Duration duration) {
  return absl::ToDoubleSeconds(duration);
}

}  // namespace

DemandWatch::Slot::Slot()
    : series{DemandSeries(kLeastJumps[0]), DemandSeries(kLeastJumps[1]), DemandSeries(kLeastJumps[2]),
             DemandSeries(kLeastJumps[3])} {
  widened_until.fill(-absl::InfiniteDuration());
}

void DemandWatch::UseModel(MakeDemandForecaster make, std::string model_sha256) {
  maker_ = std::make_shared<const Maker>(Maker{std::move(make), std::move(model_sha256)});
}

void DemandWatch::Tick(const Profiles& profiles) {
  if (maker_ == nullptr) return;
  ++round_;
  renewals_left_ = options_.renewed_per_tick;
  for (const auto& [key, profile] : profiles) {
    std::unique_ptr<Slot>& slot = slots_[key];
    if (slot == nullptr) {
      slot = std::make_unique<Slot>();
      slot->maker = maker_;
    }
    slot->seen = round_;
    Take(*profile, slot.get());
  }
  std::erase_if(slots_, [this](const auto& entry) { return entry.second->seen != round_; });
  forecasters_.clear();
  for (const auto& [_, slot] : slots_) {
    for (const DemandSeries& series : slot->series) {
      if (series.forecaster() != nullptr) forecasters_.push_back(series.forecaster());
    }
  }
  refits_.Run(forecasters_);
}

void DemandWatch::Take(const Profile& profile, Slot* slot) {
  if (profile.window.size() == 0) return;
  const Sample& sample = profile.window.back(0);
  if (sample.taken_at > slot->sampled_at) {
    slot->sampled_at = sample.taken_at;
    const Demands demands = MakeDemands(sample);
    for (size_t i = 0; i < kResources.size(); ++i) {
      if (demands[i]) slot->series[i].Add(*demands[i]);
    }
    slot->rhythm.Observe(demands[kCpu].value_or(std::nan("")));
  }
  // Workloads take turns: 997 is prime, so that keys in a row fall apart.
  const double step_seconds = Seconds(options_.step);
  const double phase = std::fmod(static_cast<double>(profile.identity.key) * 997, step_seconds);
  const auto step = static_cast<int64_t>(std::floor((Seconds(clock_.Monotonic()) + phase) / step_seconds));
  if (slot->step == 0) slot->step = step;
  if (step == slot->step) return;
  slot->step = step;
  EndStep(profile, slot);
}

void DemandWatch::EndStep(const Profile& profile, Slot* slot) {
  ++steps_;
  if (slot->maker != maker_ && renewals_left_ > 0) {
    --renewals_left_;
    slot->maker = maker_;
    for (DemandSeries& series : slot->series) series.Renew();
  }
  const double now = Seconds(clock_.Monotonic());
  for (size_t i = 0; i < kResources.size(); ++i) {
    DueByHorizon& due = due_[{slot->maker->model_sha256, profile.identity.application, i}];
    Tell(profile, i, slot->series[i].EndStep(now, Seconds(options_.step), slot->maker->make, &due), slot);
  }
  slot->fresh = true;
  slot->made_at = clock_.Now();
}

void DemandWatch::Tell(const Profile& profile, size_t series, const DemandStep& step, Slot* slot) {
  const v1::Resource resource = kResources[series];
  const auto add = [&](const char* kind, std::string message) {
    if (events_.size() >= kMostEvents) return;
    v1::Event& event = events_.emplace_back();
    *event.mutable_occurred_at() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(clock_.Now()));
    event.set_workload(profile.identity.name);
    event.set_kind(kind);
    event.set_message(std::move(message));
  };
  if (step.left_band) {
    const bool told = slot->widened_until[series] > clock_.Monotonic();
    slot->widened_until[series] = clock_.Monotonic() + options_.widened;
    if (!told) {
      add("demand_jump",
          StrCat(Name(resource), " of ", Words(resource, step.value), ", and at most ", Words(resource, step.most),
                 " was foretold; its margin is wider for ", absl::FormatDuration(options_.widened)));
    }
  }
  if (step.anomaly) {
    add("anomaly", absl::StrFormat("%s of %s is unlike its own past (score %.2f)", Name(resource),
                                   Words(resource, step.value), step.anomaly_score));
  }
}

void DemandWatch::Fill(uint64_t key, v1::WorkloadReport* report) {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return;
  Slot& slot = *found->second;
  if (const auto burst = BurstOf(key)) {
    v1::BurstForecast& told = *report->add_bursts();
    const double sample = Seconds(options_.sample_interval);
    told.set_resource(v1::RESOURCE_CPU);
    *told.mutable_begins_in() =
        TimeUtil::NanosecondsToDuration(static_cast<int64_t>(1e9 * sample * std::max(burst->begins_in, 0.0)));
    told.set_peak(burst->peak);
    *told.mutable_period() = TimeUtil::NanosecondsToDuration(static_cast<int64_t>(1e9 * sample * burst->period));
    told.set_seen_count(static_cast<uint32_t>(burst->seen));
  }
  if (!std::exchange(slot.fresh, false)) return;
  for (size_t i = 0; i < kResources.size(); ++i) {
    const DemandSeries& series = slot.series[i];
    const Forecast* forecast = series.forecast();
    if (forecast == nullptr) continue;
    v1::DemandForecast& told = *report->add_forecasts();
    told.set_resource(kResources[i]);
    *told.mutable_made_at() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(slot.made_at));
    told.set_newest(static_cast<float>(series.newest()));
    for (const size_t horizon : kDemandHorizons) {
      const size_t step = horizon - 1;
      told.add_ahead_seconds(static_cast<float>(static_cast<double>(horizon) * Seconds(options_.step)));
      told.add_p50(static_cast<float>(forecast->Value(step, kToldMedian)));
      told.add_p90(static_cast<float>(forecast->Value(step, kToldMedian + 1)));
      told.add_p95(static_cast<float>(forecast->Value(step, kToldP95)));
      told.add_p99(static_cast<float>(forecast->Value(step, kToldP99)));
      told.add_peak_p95(static_cast<float>(forecast->Peak(step, kToldP95)));
    }
    told.set_anomaly_score_ratio(static_cast<float>(series.anomaly_score()));
    const absl::Duration widened = slot.widened_until[i] - clock_.Monotonic();
    if (widened > absl::ZeroDuration()) {
      *told.mutable_widened_for() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(widened));
    }
  }
}

void DemandWatch::EndErrors() {
  errors_ended_at_ = clock_.Monotonic();
  for (const auto& [key, due] : std::exchange(due_, {})) {
    if (waiting_.size() >= kMostWaiting && !waiting_.contains(key)) continue;
    DueByHorizon& sum = waiting_[key];
    for (size_t h = 0; h < due.size(); ++h) sum[h] += due[h];
  }
}

std::vector<v1::ForecastErrors> DemandWatch::TakeErrors() {
  if (clock_.Monotonic() - errors_ended_at_ >= options_.errors_interval) EndErrors();
  std::vector<v1::ForecastErrors> all;
  while (!waiting_.empty() && all.size() + kDemandHorizons.size() <= options_.most_errors) {
    auto next = waiting_.upper_bound(told_last_);
    if (next == waiting_.end()) next = waiting_.begin();
    ToWire(next->first, next->second, &all);
    told_last_ = next->first;
    waiting_.erase(next);
  }
  return all;
}

void DemandWatch::ToWire(const ErrorKey& key, const DueByHorizon& due, std::vector<v1::ForecastErrors>* all) const {
  const auto& [model_sha256, application, series] = key;
  for (size_t h = 0; h < due.size(); ++h) {
    if (due[h].count == 0) continue;
    v1::ForecastErrors& errors = all->emplace_back();
    errors.set_model_sha256(model_sha256);
    errors.set_application(application);
    errors.set_resource(kResources[series]);
    *errors.mutable_ahead() = TimeUtil::NanosecondsToDuration(static_cast<int64_t>(kDemandHorizons[h]) *
                                                              absl::ToInt64Nanoseconds(options_.step));
    errors.set_count(due[h].count);
    errors.set_loss_sum(due[h].loss);
    errors.set_naive_loss_sum(due[h].naive_loss);
    errors.set_squared_gain_sum(due[h].squared_gain);
    errors.set_above_p95_count(due[h].above_p95);
  }
}

std::optional<NextBurst> DemandWatch::BurstOf(uint64_t key) const {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return std::nullopt;
  return found->second->rhythm.Next(absl::FDivDuration(options_.burst_horizon, options_.sample_interval));
}

}  // namespace truce::agent
