#include "controller/learn/drifts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/learn/acted_on.h"
#include "controller/learn/drift_words.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// What the newest report weighs in a demand as it is now, and at least in what is usual of it.
constexpr float kNewest = 0.35F;
constexpr float kNewestOfUsual = 1.0F / 120;
// A workload that was not in its host's report for so long is forgotten. Looked for every ten minutes.
constexpr double kForgetSeconds = 3600;
constexpr double kSweepSeconds = 600;

double SecondsOf(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}
absl::Time TimeOf(double seconds) {
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

// Its readings say what others do to it.
bool IsDisturbed(v1::Diagnosis diagnosis) {
  return diagnosis == v1::DIAGNOSIS_NEIGHBOUR || diagnosis == v1::DIAGNOSIS_STEAL ||
         diagnosis == v1::DIAGNOSIS_OWN_QUOTA;
}

void Follow(float value, float weight, float* mean) {
  *mean = *mean < 0 ? value : *mean + weight * (value - *mean);
}

std::optional<double> Known(float mean) {
  if (mean < 0) return std::nullopt;
  return mean;
}

std::string KeyOf(std::string_view application, std::string_view cpu_model, uint32_t size_bucket) {
  return StrCat(application, "\n", cpu_model, "\n", size_bucket);
}

}  // namespace

Drifts::Baseline& Drifts::BaselineOf(const HostState& host, const v1::WorkloadReport& report, const Sample& sample,
                                     Watched* watched) {
  const double cpus =
      std::clamp<double>(sample.value_or(Reading::kCpuAllowedCount, host.inventory.cpus_size()), 1, 1 << 20);
  const uint32_t bucket = static_cast<uint32_t>(std::bit_width(static_cast<uint32_t>(cpus))) - 1;
  watched->key = KeyOf(report.workload().application(), host.inventory.cpu_model(), bucket);
  std::unique_ptr<Baseline>& found = baselines_[watched->key];
  if (found == nullptr) {
    found = std::make_unique<Baseline>();
    found->application = report.workload().application();
    found->cpu_model = host.inventory.cpu_model();
    found->size_bucket = bucket;
    found->stored_at = TimeOf(seconds_);
  }
  Baseline& baseline = *found;
  baseline.learned_at = TimeOf(seconds_);
  if (baselines_.size() > kMostBaselines) {
    const auto oldest = std::min_element(baselines_.begin(), baselines_.end(), [](const auto& a, const auto& b) {
      return a.second->learned_at < b.second->learned_at;
    });
    if (oldest->second.get() != &baseline) baselines_.erase(oldest);
  }
  return baseline;
}

void Drifts::Hear(Moment now) {
  seconds_ = std::max(seconds_, SecondsOf(time_.Hear(now)));
}

// What was at `seconds`, for people.
absl::Time Drifts::OnWall(double seconds) const {
  return time_.OnWall(TimeOf(seconds));
}

std::vector<DriftNews> Drifts::Observe(const HostState& host, Moment now) {
  Hear(now);
  const auto acted_on = ActedOn(host);
  std::vector<DriftNews> news;
  Host& own = hosts_[host.name];
  for (const auto& report : host.report.workloads()) {
    if (report.workload().application().empty()) continue;
    Watched& watched = own.workloads[report.workload().name()];
    ObserveOne(host, report, acted_on.contains(report.workload().name()), seconds_, &watched, &news);
  }
  if (seconds_ - own.swept_at >= kSweepSeconds) Sweep(seconds_, &own);
  return news;
}

void Drifts::ObserveOne(const HostState& host, const v1::WorkloadReport& report, bool acted_on, double seconds,
                        Watched* watched, std::vector<DriftNews>* news) {
  const Sample sample = SampleOf(report.readings());
  const Demands demands = MakeDemands(sample);
  watched->seen_at = seconds;
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (!demands[i].has_value()) continue;
    Follow(static_cast<float>(*demands[i]), kNewest, &watched->now[i]);
    if (!watched->watch.drifting()) Follow(static_cast<float>(*demands[i]), kNewestOfUsual, &watched->usual[i]);
  }
  FollowOutcomes(seconds, watched);
  if (acted_on || IsDisturbed(report.diagnosis())) return;
  Baseline& baseline = BaselineOf(host, report, sample, watched);
  const std::string& name = report.workload().name();
  switch (watched->watch.Observe(seconds, MakeBehaviour(sample), &baseline.shared)) {
    case DriftWatch::News::kNone:
      return;
    case DriftWatch::News::kBegan:
      Begin(host, report, baseline, watched);
      news->push_back(
          {name, "drift",
           absl::StrFormat("%s on host %s has left its usual ways: %s (magnitude %.1f, for %.0f s)", name, host.name,
                           SayShifts(watched->watch.Shifts()), watched->watch.Magnitude(baseline.shared),
                           seconds - watched->watch.began_seconds())});
      return;
    case DriftWatch::News::kCameBack:
      --drifting_;
      news->push_back({name, "drift_ended", StrCat(name, " on host ", host.name, " is back to its usual ways")});
      return;
    case DriftWatch::News::kAdopted:
      --drifting_;
      watched->usual = watched->now;
      news->push_back({name, "drift_ended",
                       StrCat(name, " on host ", host.name, " has kept to its new ways; they count as usual now")});
      return;
  }
}

void Drifts::Begin(const HostState& host, const v1::WorkloadReport& report, const Baseline& baseline,
                   Watched* watched) {
  ++drifting_;
  v1::DriftEpisode episode;
  episode.set_episode_id(StrCat(instance_, "-drift-", ++episodes_begun_));
  episode.set_application(report.workload().application());
  episode.set_host(host.name);
  episode.set_workload(report.workload().name());
  SetTime(OnWall(watched->watch.began_seconds()), episode.mutable_began_at());
  SetTime(OnWall(watched->watch.detected_seconds()), episode.mutable_detected_at());
  episode.set_magnitude(watched->watch.Magnitude(baseline.shared));
  for (const auto& shift : watched->watch.Shifts()) *episode.add_shifts() = ShiftOnWire(shift);
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (!(watched->usual[i] >= LeastDemand(i))) continue;
    auto* change = episode.add_demands();
    change->set_demand(std::string(DemandName(i)));
    change->set_usual(watched->usual[i]);
    change->set_at_detection(watched->now[i]);
  }
  watched->episode = episode.episode_id();
  watched->next_outcome = 0;
  dirty_episodes_.insert(episode.episode_id());
  episodes_.Put(std::move(episode));
}

void Drifts::FollowOutcomes(double seconds, Watched* watched) {
  if (watched->episode.empty()) return;
  const double after = seconds - watched->watch.detected_seconds();
  if (after < kOutcomeSeconds[watched->next_outcome]) return;
  const v1::DriftEpisode* known = episodes_.Find(watched->episode);
  if (known != nullptr) {
    v1::DriftEpisode episode = *known;
    for (auto& change : *episode.mutable_demands()) {
      for (size_t i = 0; i < kDemandCount; ++i) {
        if (change.demand() != DemandName(i)) continue;
        auto* outcome = change.add_outcomes();
        SetDuration(absl::Seconds(kOutcomeSeconds[watched->next_outcome]), outcome->mutable_after());
        outcome->set_change_factor(std::max(0.0F, watched->now[i]) / change.usual());
      }
    }
    dirty_episodes_.insert(watched->episode);
    episodes_.Put(std::move(episode));
  }
  // After a time without reports later ones may be due as well; they are looked at with the next report.
  if (known == nullptr || ++watched->next_outcome == kOutcomeSeconds.size()) watched->episode.clear();
}

void Drifts::Sweep(double seconds, Host* host) {
  host->swept_at = seconds;
  for (auto it = host->workloads.begin(); it != host->workloads.end();) {
    const bool gone = seconds - it->second.seen_at > kForgetSeconds;
    if (gone && it->second.watch.drifting()) --drifting_;
    const auto here = it++;
    if (gone) host->workloads.erase(here);
  }
}

std::optional<v1::DriftStatus> Drifts::Status(const HostState& host, std::string_view workload,
                                              bool with_episodes) const {
  const auto own = hosts_.find(host.name);
  if (own == hosts_.end()) return std::nullopt;
  const auto found = own->second.workloads.find(AbslView(workload));
  if (found == own->second.workloads.end()) return std::nullopt;
  const Watched& watched = found->second;
  const DriftWatch& watch = watched.watch;
  v1::DriftStatus status;
  status.set_drifting(watch.drifting());
  status.set_learned_count(static_cast<uint32_t>(watch.learned()));
  status.set_significance(watch.significance());
  const auto baseline = baselines_.find(watched.key);
  if (baseline != baselines_.end()) status.set_magnitude(watch.Magnitude(baseline->second->shared));
  if (!watch.drifting()) return status;
  SetTime(OnWall(watch.began_seconds()), status.mutable_began_at());
  for (const auto& shift : watch.Shifts()) *status.add_shifts() = ShiftOnWire(shift);
  if (!with_episodes || baseline == baselines_.end()) return status;
  DriftMove move{watch.Move(), {}};
  for (size_t i = 0; i < kDemandCount; ++i) {
    move.demands[i] = DemandMove(i, Known(watched.usual[i]), Known(watched.now[i]));
  }
  const auto near = episodes_.Nearest(baseline->second->application, move, watched.episode);
  for (const auto& one : near) {
    auto* nearest = status.add_nearest();
    *nearest->mutable_episode() = *one.episode;
    nearest->set_distance(one.distance);
  }
  for (const auto& one : Episodes::Predict(near)) *status.add_predictions() = PredictionOnWire(host, one);
  return status;
}

void Drifts::Restore(const v1::ApplicationBaseline& stored, absl::Time now) {
  // What the store can't read comes without a name.
  if (stored.application().empty() || baselines_.size() >= kMostBaselines) return;
  // Weighed by a clock that went wrong it would never give way to what is learned now.
  if (ToTime(stored.last_learned_at()) > now + absl::Hours(1)) return;
  auto baseline = std::make_unique<Baseline>();
  baseline->application = stored.application();
  baseline->cpu_model = stored.cpu_model();
  baseline->size_bucket = stored.size_bucket();
  baseline->shared = {RobustMoments::FromWire(stored.levels()), RobustMoments::FromWire(stored.swings())};
  baseline->learned_at = baseline->stored_at = ToTime(stored.last_learned_at());
  baselines_[KeyOf(stored.application(), stored.cpu_model(), stored.size_bucket())] = std::move(baseline);
}

void Drifts::Restore(v1::DriftEpisode episode) {
  episodes_.Put(std::move(episode));
}

std::vector<v1::ApplicationBaseline> Drifts::TakeBaselines(Moment now, size_t most) {
  Hear(now);
  const absl::Time even = TimeOf(seconds_);
  std::vector<v1::ApplicationBaseline> taken;
  for (auto& [_, baseline] : baselines_) {
    if (taken.size() >= most) break;
    if (baseline->learned_at <= baseline->stored_at || even - baseline->stored_at < kStoreBaseline) continue;
    baseline->stored_at = even;
    auto& wire = taken.emplace_back();
    wire.set_application(baseline->application);
    wire.set_cpu_model(baseline->cpu_model);
    wire.set_size_bucket(baseline->size_bucket);
    *wire.mutable_levels() = baseline->shared.levels.ToWire();
    *wire.mutable_swings() = baseline->shared.swings.ToWire();
    SetTime(baseline->learned_at, wire.mutable_last_learned_at());
  }
  return taken;
}

std::vector<v1::DriftEpisode> Drifts::TakeEpisodes() {
  std::vector<v1::DriftEpisode> taken;
  for (const std::string& id : std::exchange(dirty_episodes_, {})) {
    if (const auto* episode = episodes_.Find(id)) taken.push_back(*episode);
  }
  return taken;
}

}  // namespace truce::controller
