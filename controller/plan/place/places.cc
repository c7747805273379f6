#include "controller/plan/place/places.h"

#include <algorithm>
#include <utility>

#include "controller/plan/place/pricing.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Hosts are sorted anew when they have reported so often, in the mean, that their bounds may have got loose.
constexpr size_t kReportsPerArrange = 20;
// Hosts that are copied or scored under one lock.
constexpr size_t kAtOnce = 64;
// Between two redraws of effects for each application: one takes about a microsecond of each.
constexpr absl::Duration kRedrawRest = absl::Milliseconds(1);
// Sizes change without a signature, too.
constexpr absl::Duration kRedrawAnyway = absl::Seconds(50);

}  // namespace

Places::Places(PlacesOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), index_({.fullness = 1}), reservations_(options_.instance) {}

int32_t Places::NumberOf(const std::string& host) {
  const auto [it, added] = numbers_.try_emplace(host, static_cast<int32_t>(entries_.size()));
  if (added) {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->name = host;
    entries_.back()->picture.closed = "nothing is known of it";
  }
  return it->second;
}

std::optional<int32_t> Places::Find(std::string_view host) const {
  const auto it = numbers_.find(AbslView(host));
  return it == numbers_.end() ? std::nullopt : std::optional(it->second);
}

void Places::OnHost(const HostState& host, const DriftOf& drift_of) {
  HostPicture picture = PictureOf(host, drift_of, options_.set_aside);
  absl::MutexLock lock(&mutex_);
  const int32_t number = NumberOf(host.name);
  reservations_.Arrived(number, picture.residents);
  entries_[static_cast<size_t>(number)]->picture = std::move(picture);
  RedrawWhenDue();
  Refresh(number);
  if (index_.changes() > kReportsPerArrange * (index_.hosts() + kAtOnce)) index_.Arrange();
}

void Places::OnSignature(const std::string& application, const v1::Signature& signature) {
  absl::MutexLock lock(&mutex_);
  known_.Learn(application, signature);
  RedrawWhenDue();
}

void Places::RedrawWhenDue() {
  const absl::Duration now = clock_.Monotonic();
  const bool due = now >= redraw_at_ + (known_.stale() ? absl::ZeroDuration() : kRedrawAnyway);
  if (known_.empty() || !(due || known_.outgrown())) return;
  known_.Redraw([this](std::string_view application) {
    mutex_.AssertHeld();
    return KnownEffects::Size{census_.MeanCores(application), census_.Weight(application)};
  });
  redraw_at_ = now + static_cast<int64_t>(known_.effects().known.size()) * kRedrawRest;
}

void Places::SetComing(const std::map<std::string, pack::PlaceResources, std::less<>>& coming) {
  absl::MutexLock lock(&mutex_);
  std::map<int32_t, pack::PlaceResources> next;
  for (const auto& [host, demand] : coming) next[NumberOf(host)] = demand;
  for (const int32_t host : expecting_) next.try_emplace(host);
  expecting_.clear();
  for (const auto& [host, demand] : next) {
    if (demand != pack::PlaceResources{}) expecting_.push_back(host);
    Entry& entry = *entries_[static_cast<size_t>(host)];
    if (entry.coming == demand) continue;
    entry.coming = demand;
    Refresh(host);
  }
}

void Places::Refresh(int32_t host) {
  Entry& entry = *entries_[static_cast<size_t>(host)];
  HostSum sum(entry.picture, options_.reserve_ratio);
  std::vector<Census::Counted> applications;
  const auto add = [&](const Resident& resident) {
    mutex_.AssertHeld();
    sum.Add(resident, EffectsOfApplication(resident.application));
    if (resident.application.empty()) return;
    // Nobody uses more than there is, whatever is said.
    applications.emplace_back(resident.application,
                              std::min(resident.demand[kPlaceCpuCores], entry.picture.capacity[kPlaceCpuCores]));
  };
  sum.Add(entry.coming);
  for (const Resident& resident : entry.picture.residents) add(resident);
  for (const Reservations::Reservation* one : reservations_.On(host)) add(one->resident);
  entry.state = sum.state();
  index_.Put(host, entry.state);
  census_.Put(host, std::move(applications));
}

void Places::Expire() {
  std::vector<int32_t> hosts = reservations_.Expire(clock_.Monotonic());
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  for (const int32_t host : hosts) Refresh(host);
}

PlacesSnapshot Places::Snapshot() {
  PlacesSnapshot snapshot;
  snapshot.reserve_ratio = options_.reserve_ratio;
  {
    absl::MutexLock lock(&mutex_);
    snapshot.effects = known_.effects();
  }
  for (size_t begin = 0;; begin += kAtOnce) {
    absl::MutexLock lock(&mutex_);
    Expire();
    if (begin >= entries_.size()) break;
    for (size_t i = begin; i < std::min(begin + kAtOnce, entries_.size()); ++i) {
      const Entry& entry = *entries_[i];
      PlacesSnapshot::Host& host = snapshot.hosts.emplace_back();
      host.name = entry.name;
      host.picture = entry.picture;
      host.coming = entry.coming;
      for (const Reservations::Reservation* one : reservations_.On(static_cast<int32_t>(i))) {
        host.picture.residents.push_back(one->resident);
        ++host.reserved;
      }
      for (const Resident& one : host.picture.residents) host.effects.push_back(EffectsOfApplication(one.application));
    }
  }
  std::sort(snapshot.hosts.begin(), snapshot.hosts.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return snapshot;
}

size_t Places::reservations() {
  absl::MutexLock lock(&mutex_);
  Expire();
  return reservations_.size();
}

}  // namespace truce::controller
