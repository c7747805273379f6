// ModelRollout: what hosts say, and what they are offered.
#include "controller/learn/rollout.h"

#include <algorithm>
#include <utility>

#include "controller/learn/live_errors.h"
#include "controller/learn/rollout_words.h"
#include "models/weights/model_bytes.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// The last four hours of each.
constexpr absl::Duration kTrialSpan = absl::Minutes(1);
constexpr size_t kTrialSpans = 240;
constexpr absl::Duration kHostSpan = absl::Minutes(5);
constexpr size_t kHostSpans = 48;
// What people are told of a host's reason.
constexpr size_t kMostReason = 512;

const v1::ModelInUse* FindDemand(const google::protobuf::RepeatedPtrField<v1::ModelInUse>& models) {
  const auto found =
      std::find_if(models.begin(), models.end(), [](const auto& one) { return one.kind() == v1::MODEL_KIND_DEMAND; });
  return found == models.end() ? nullptr : &*found;
}

}  // namespace

ModelRollout::Host::Host() : champion(kHostSpan, kHostSpans) {}

ModelRollout::ModelRollout(RolloutOptions options, const ModelLibrary& library)
    : options_(options),
      library_(library),
      trial_now_(kTrialSpan, kTrialSpans),
      trial_before_(kHostSpan, kHostSpans),
      control_now_(kTrialSpan, kTrialSpans),
      control_before_(kHostSpan, kHostSpans) {}

const v1::RolloutModel& ModelRollout::WantedOn(const std::string& host) const {
  return challenger_ && IsCanary(host) ? *challenger_ : champion_;
}

const std::string* ModelRollout::BytesOf(std::string_view sha256) const {
  const auto found = bytes_.find(sha256);
  return found == bytes_.end() ? nullptr : found->second.get();
}

bool ModelRollout::WasRolledBack(std::string_view sha256) const {
  return std::any_of(rolled_back_.begin(), rolled_back_.end(),
                     [&](const v1::RolloutModel& one) { return one.sha256() == sha256; });
}

bool ModelRollout::IsChampions(std::string_view sha256) const {
  if (!champion_.sha256().empty()) return sha256 == champion_.sha256();
  // What agents came with may differ from host to host.
  return !(challenger_ && sha256 == challenger_->sha256()) && !WasRolledBack(sha256);
}

void ModelRollout::OnHello(const std::string& host, const google::protobuf::RepeatedPtrField<v1::ModelInUse>& models,
                           Moment now) {
  Hear(now);
  Host& state = hosts_[host];
  const v1::ModelInUse* model = FindDemand(models);
  state.connected = true;
  state.knows = model != nullptr;
  state.unwilling = false;
  state.refused.clear();
  state.lost_at = absl::InfiniteFuture();
  state.away_since = absl::InfiniteFuture();
  state.in_use = model == nullptr ? "" : model->sha256();
  state.sent = model != nullptr && model->sent();
  if (!state.sent) state.own = state.in_use;
  if (challenger_ && IsCanary(host) && state.in_use == challenger_->sha256()) TakeUp(&state);
}

bool ModelRollout::TakeUp(Host* state) {
  if (state->took_up_at != absl::InfinitePast()) return false;
  state->took_up_at = now_;
  state->losses = 0;
  return true;
}

void ModelRollout::OnAnswer(const std::string& host, const v1::ModelAnswer& answer, Moment now) {
  Hear(now);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  Host& state = found->second;
  const std::string reason = answer.reason().substr(0, kMostReason);
  if (answer.accepted()) {
    state.sent = !answer.sha256().empty() && answer.sha256() != state.own;
    state.in_use = answer.sha256().empty() ? state.own : answer.sha256();
    if (challenger_ && IsCanary(host) && state.in_use == challenger_->sha256() && TakeUp(&state)) {
      Tell(host, "model_canary", StrCat("host ", host, " tries ", SayModel(*challenger_)));
    }
    return;
  }
  if (answer.unwilling()) {
    state.unwilling = true;
    OnUnwilling(host, reason);
    return;
  }
  // An answer to something else than what it is offered now is of no concern.
  if (answer.sha256() != WantedOn(host).sha256()) return;
  state.refused = answer.sha256();
  const std::string told = StrCat("host ", host, " refused ", SayModel(WantedOn(host)), ": ", reason);
  if (told != state.refusal_told) Tell(host, "model_refused", told);
  state.refusal_told = told;
  if (challenger_ && IsCanary(host)) TakeBack(StrCat("host ", host, " refused it: ", reason));
}

void ModelRollout::OnUnwilling(const std::string& host, const std::string& reason) {
  Host& state = hosts_[host];
  const std::string told = StrCat("host ", host, " takes no models that are sent: ", reason);
  if (told != state.refusal_told) Tell(host, "model_refused", told);
  state.refusal_told = told;
  if (!challenger_ || !IsCanary(host)) return;
  std::set<std::string> instead = ChooseCanary(challenger_->sha256());
  if (instead.empty() || !CanBeJudged(instead)) {
    EndTrial(*challenger_, "no host that takes models is left on which it could be judged", false);
    return;
  }
  // Those that try it already go on.
  canary_.erase(host);
  if (canary_.empty()) {
    canary_ = std::move(instead);
    GatherBefore();
  }
  OfferAnew();
  changed_ = true;
}

void ModelRollout::OnLost(const std::string& host, Moment now) {
  Hear(now);
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  Host& state = found->second;
  state.connected = false;
  state.away_since = now_;
  if (!challenger_ || !IsCanary(host) || now_ - state.took_up_at > kSoonAfter) return;
  state.lost_at = now_;
  if (++state.losses < kMostLosses) return;
  TakeBack(StrCat("the agent of host ", host, " went away ", state.losses, " times within ",
                  absl::FormatDuration(kSoonAfter), " of taking it up"));
}

void ModelRollout::Observe(const std::string& host, const v1::ForecastErrors& errors, Moment now) {
  Hear(now);
  Host& state = hosts_[host];
  const LossSum sum = LossOf(errors);
  const bool canary = challenger_.has_value() && IsCanary(host);
  if (canary && errors.model_sha256() == challenger_->sha256()) {
    trial_now_.Add(now_, sum);
    return;
  }
  if (!IsChampions(errors.model_sha256())) return;
  state.champion.Add(now_, sum);
  if (canary) trial_before_.Add(now_, sum);
  if (challenger_ && !canary) control_now_.Add(now_, sum);
  if (phase_ == v1::ROLLOUT_PHASE_WATCHED) trial_now_.Add(now_, sum);
}

std::optional<v1::ModelOffer> ModelRollout::OfferFor(const std::string& host) const {
  const auto found = hosts_.find(host);
  if (found == hosts_.end() || !found->second.Takes()) return std::nullopt;
  const Host& state = found->second;
  const std::string& wanted = WantedOn(host).sha256();
  v1::ModelOffer offer;
  offer.set_kind(v1::MODEL_KIND_DEMAND);
  if (wanted.empty()) return state.sent ? std::optional(offer) : std::nullopt;
  const std::string* bytes = BytesOf(wanted);
  if (bytes == nullptr || state.in_use == wanted || state.refused == wanted) return std::nullopt;
  offer.set_sha256(wanted);
  offer.set_size_bytes(bytes->size());
  return offer;
}

void ModelRollout::OfferAnew() {
  due_.clear();
  for (const auto& [host, _] : hosts_) {
    if (OfferFor(host)) due_.push_back(host);
  }
}

std::vector<std::string> ModelRollout::TakeDueHosts(size_t most) {
  std::vector<std::string> hosts;
  while (!due_.empty() && hosts.size() < most) {
    if (OfferFor(due_.front())) hosts.push_back(std::move(due_.front()));
    due_.pop_front();
  }
  return hosts;
}

v1::ModelChunk ModelRollout::Chunk(const v1::ModelRequest& request) const {
  v1::ModelChunk chunk;
  chunk.set_sha256(request.sha256());
  chunk.set_offset(request.offset());
  const std::string* bytes = BytesOf(request.sha256());
  if (bytes != nullptr && request.offset() < bytes->size())
    chunk.set_data(bytes->substr(request.offset(), kChunkBytes));
  return chunk;
}

std::vector<RolloutNews> ModelRollout::TakeNews() {
  return std::exchange(news_, {});
}

void ModelRollout::Tell(std::string host, std::string kind, std::string message) {
  news_.push_back({std::move(host), std::move(kind), std::move(message)});
}

}  // namespace truce::controller
