// ModelRollout: kept over a restart, and shown.
#include <algorithm>
#include <utility>

#include "controller/fleet/moment.h"
#include "controller/learn/rollout.h"
#include "controller/learn/rollout_words.h"
#include "models/weights/model_bytes.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kStoreInterval = absl::Minutes(5);
// Rows of models that were rolled back, and of those that agents came with.
constexpr size_t kListedRolledBack = 20;
constexpr size_t kListedOwn = 16;

v1::ModelStatus StatusOf(const v1::RolloutModel& model, v1::ModelRole role) {
  v1::ModelStatus status;
  status.set_kind(v1::MODEL_KIND_DEMAND);
  status.set_sha256(model.sha256());
  status.set_version(model.version());
  status.set_role(role);
  if (model.has_since()) *status.mutable_since() = model.since();
  status.set_why(model.why());
  return status;
}

// What lies in the future was noted by a clock that was ahead; what comes now must still be newer.
void Read(const v1::LossSeries& wire, absl::Time now, LossSeries* series) {
  *series = LossSeries::FromWire(wire, series->width(), series->most());
  series->EndBy(now);
}

std::vector<std::pair<std::string, uint32_t>> TheMost(const std::map<std::string, uint32_t>& hosts, size_t most) {
  std::vector<std::pair<std::string, uint32_t>> sorted(hosts.begin(), hosts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (sorted.size() > most) sorted.resize(most);
  return sorted;
}

}  // namespace

v1::RolloutState ModelRollout::State() const {
  v1::RolloutState state;
  state.set_kind(v1::MODEL_KIND_DEMAND);
  state.set_phase(phase_);
  *state.mutable_champion() = champion_;
  if (challenger_) *state.mutable_challenger() = *challenger_;
  if (previous_) *state.mutable_previous() = *previous_;
  for (const std::string& host : canary_) state.add_canary_hosts(host);
  *state.mutable_trial_now() = trial_now_.ToWire();
  *state.mutable_trial_before() = trial_before_.ToWire();
  *state.mutable_control_now() = control_now_.ToWire();
  *state.mutable_control_before() = control_before_.ToWire();
  for (const v1::RolloutModel& model : rolled_back_) *state.add_rolled_back() = model;
  return state;
}

std::optional<v1::RolloutState> ModelRollout::TakeChanged() {
  const bool due = phase_ != v1::ROLLOUT_PHASE_SETTLED && now_ - stored_at_ >= kStoreInterval;
  if (!std::exchange(changed_, false) && !due) return std::nullopt;
  stored_at_ = now_;
  return State();
}

void ModelRollout::Restore(const v1::RolloutState& state, Moment now) {
  if (state.kind() != v1::MODEL_KIND_DEMAND) return;
  Hear(now);
  for (const v1::RolloutModel& model : state.rolled_back()) {
    if (IsSha256(model.sha256()) && rolled_back_.size() < kMostRolledBack) rolled_back_.push_back(model);
  }
  // The model when its file is there, or it is what each agent came with.
  const auto find = [&](bool has, const v1::RolloutModel& model) -> std::optional<v1::RolloutModel> {
    if (!has) return std::nullopt;
    if (model.sha256().empty()) return model;
    auto bytes = library_.Get(model.sha256());
    if (bytes.ok()) {
      bytes_[model.sha256()] = std::make_shared<const std::string>(*std::move(bytes));
      return model;
    }
    changed_ = true;
    Tell("", "model_rolled_back",
         StrCat(SayModel(model), " can't be sent any more: ", StdView(bytes.status().message())));
    return std::nullopt;
  };
  previous_ = find(state.has_previous(), state.previous());
  const auto champion = find(state.has_champion(), state.champion());
  challenger_ = find(state.has_challenger(), state.challenger());
  champion_ = champion.value_or(previous_.value_or(v1::RolloutModel()));
  if (!champion) previous_.reset();
  const bool canary = challenger_ && state.phase() == v1::ROLLOUT_PHASE_CANARY && champion;
  const bool watched = champion && !champion->sha256().empty() && state.phase() == v1::ROLLOUT_PHASE_WATCHED;
  if (!canary) challenger_.reset();
  if (!canary && !watched) return;
  phase_ = state.phase();
  began_ = std::min(now_, ToTime((canary ? *challenger_ : champion_).since()));
  if (canary) canary_.insert(state.canary_hosts().begin(), state.canary_hosts().end());
  for (const std::string& host : canary_) hosts_[host].away_since = now_;
  Read(state.trial_now(), now_, &trial_now_);
  Read(state.trial_before(), now_, &trial_before_);
  Read(state.control_now(), now_, &control_now_);
  Read(state.control_before(), now_, &control_before_);
}

std::map<std::string, uint32_t> ModelRollout::HostsByModel() const {
  std::map<std::string, uint32_t> hosts;
  for (const auto& [_, state] : hosts_) {
    if (state.connected && state.knows) ++hosts[state.in_use];
  }
  return hosts;
}

std::vector<std::pair<std::string, uint32_t>> ModelRollout::MostUsed(size_t most) const {
  return TheMost(HostsByModel(), most);
}

std::vector<v1::ModelStatus> ModelRollout::List() const {
  std::map<std::string, uint32_t> hosts = HostsByModel();
  std::map<std::string, uint32_t> own;
  uint32_t with_own = 0;
  for (const auto& [_, state] : hosts_) {
    if (!state.connected || !state.knows || state.sent) continue;
    ++with_own;
    if (!state.in_use.empty()) ++own[state.in_use];
  }
  std::vector<v1::ModelStatus> list;
  const auto add = [&](const v1::RolloutModel& model, v1::ModelRole role) {
    v1::ModelStatus& status = list.emplace_back(StatusOf(model, role));
    status.set_host_count(model.sha256().empty() ? with_own : hosts[model.sha256()]);
  };
  add(champion_, v1::MODEL_ROLE_CHAMPION);
  if (challenger_) add(*challenger_, v1::MODEL_ROLE_CHALLENGER);
  if (previous_) add(*previous_, v1::MODEL_ROLE_PREVIOUS);
  for (const auto& [sha256, _] : TheMost(own, kListedOwn)) {
    v1::RolloutModel model;
    model.set_sha256(sha256);
    model.set_why("agents came with it, or their hosts' operators put it there");
    add(model, v1::MODEL_ROLE_OWN);
  }
  for (size_t i = 0; i < std::min(rolled_back_.size(), kListedRolledBack); ++i) {
    add(rolled_back_[rolled_back_.size() - 1 - i], v1::MODEL_ROLE_ROLLED_BACK);
  }
  return list;
}

}  // namespace truce::controller
