// ModelRollout: from the proposal to the promotion or back.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/moment.h"
#include "controller/learn/rollout.h"
#include "controller/learn/rollout_words.h"
#include "models/forecast/demand_model_file.h"
#include "models/weights/model_bytes.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kJudgeInterval = absl::Minutes(1);
// Of the hosts that take models and don't refuse it, those that have a new champion in use before it is judged: they
// are compared with all.
constexpr double kSpreadRatio = 0.8;
constexpr size_t kLeastName = 6;
constexpr size_t kNewestSpans = 30;

}  // namespace

absl::Status ModelRollout::MayPropose() const {
  if (challenger_) {
    return absl::FailedPreconditionError(
        StrCat(SayModel(*challenger_), " is being tried; propose another one when it was promoted or rolled back"));
  }
  if (phase_ == v1::ROLLOUT_PHASE_WATCHED) {
    return absl::FailedPreconditionError(StrCat(SayModel(champion_), " is new and is watched until ",
                                                absl::FormatTime(time_.OnWall(began_ + options_.watch_time)),
                                                "; propose another one after that"));
  }
  const std::set<std::string> canary = ChooseCanary("");
  if (canary.empty()) {
    return absl::FailedPreconditionError("no host is connected whose agent takes models, so nobody could try it");
  }
  if (!CanBeJudged(canary)) {
    return absl::FailedPreconditionError(
        StrCat("every host that takes models would try it, and too few forecasts of theirs came due lately to compare "
               "with; propose it again when the last ",
               kLeastSpans, " spans of five minutes had some"));
  }
  return absl::OkStatus();
}

absl::Status ModelRollout::Propose(v1::ModelKind kind, std::string bytes, std::string why, Moment now) {
  Hear(now);
  if (kind != v1::MODEL_KIND_DEMAND) {
    return absl::InvalidArgumentError(StrCat("a model of kind ", EnumWord(kind),
                                             " can't be rolled out: agents report live errors of demand models only"));
  }
  if (bytes.size() > kMostModelBytes) {
    return absl::InvalidArgumentError(StrCat("no model has ", bytes.size(), " bytes; at most ", kMostModelBytes));
  }
  const auto content = ParseDemandModel(bytes, "the proposed model");
  if (!content.ok()) return absl::InvalidArgumentError(content.status().message());
  v1::RolloutModel model;
  model.set_sha256(FileSha256(bytes));
  model.set_version(content->version);
  model.set_why(std::move(why));
  if (model.sha256() == champion_.sha256()) {
    return absl::AlreadyExistsError(StrCat(SayModel(model), " is what every host should have already"));
  }
  if (WasRolledBack(model.sha256())) {
    return absl::FailedPreconditionError(StrCat(SayModel(model), " was rolled back once, and is not tried again"));
  }
  for (const auto& [host, state] : hosts_) {
    if (champion_.sha256().empty() && state.own == model.sha256()) {
      return absl::AlreadyExistsError(StrCat(SayModel(model), " is what the agent of host ", host, " came with"));
    }
  }
  TRUCE_RETURN_IF_ERROR(MayPropose());
  std::set<std::string> canary = ChooseCanary(model.sha256());
  if (!CanBeJudged(canary)) return MayPropose();
  TRUCE_RETURN_IF_ERROR(library_.Put(bytes).status());
  bytes_[model.sha256()] = std::make_shared<const std::string>(std::move(bytes));
  BeginCanary(std::move(model), std::move(canary));
  return absl::OkStatus();
}

void ModelRollout::BeginCanary(v1::RolloutModel challenger, std::set<std::string> hosts) {
  ClearTrial();
  Tell("", "model_proposed",
       StrCat(SayModel(challenger), " was proposed in place of ", SayModel(champion_), ": ", challenger.why()));
  challenger_ = std::move(challenger);
  canary_ = std::move(hosts);
  phase_ = v1::ROLLOUT_PHASE_CANARY;
  replacements_ = 0;
  for (auto& [_, state] : hosts_) {
    state.took_up_at = absl::InfinitePast();
    state.lost_at = absl::InfiniteFuture();
  }
  BeginTrial();
  Tell("", "model_canary",
       StrCat(canary_.size(), canary_.size() == 1 ? " host tries " : " hosts try ", SayModel(*challenger_),
              " for at least ", absl::FormatDuration(options_.canary_time)));
  KeepFiles();
}

void ModelRollout::BeginTrial() {
  began_ = now_;
  SetTime(time_.OnWall(now_), challenger_->mutable_since());
  control_now_.Clear();
  GatherBefore();
  changed_ = true;
  OfferAnew();
}

void ModelRollout::GatherBefore() {
  trial_before_.Clear();
  control_before_.Clear();
  for (const auto& [host, state] : hosts_) (IsCanary(host) ? trial_before_ : control_before_).Add(state.champion);
}

void ModelRollout::Tick(Moment now) {
  Hear(now);
  if (phase_ == v1::ROLLOUT_PHASE_CANARY) LookForLost();
  if (phase_ == v1::ROLLOUT_PHASE_CANARY) ReplaceAway();
  if (phase_ == v1::ROLLOUT_PHASE_SETTLED || now_ - judged_at_ < kJudgeInterval) return;
  judged_at_ = now_;
  phase_ == v1::ROLLOUT_PHASE_CANARY ? JudgeCanary() : JudgeChampion();
}

std::optional<LossDifference> ModelRollout::Worse(double least) const {
  // What has become worse lately does not show in all of it, and what is a little worse all the time not in the newest.
  const LossSeries newest = trial_now_.Newest(kNewestSpans);
  const LossSeries others_newest = control_now_.Newest(kNewestSpans);
  for (const Trial& trial : {Trial{&newest, &trial_before_, &others_newest, &control_before_}, TrialNow()}) {
    const auto found = Compare(trial, options_.significance / 2);
    if (found && found->difference > least && found->low() > 0) return found;
  }
  return std::nullopt;
}

void ModelRollout::JudgeCanary() {
  if (const auto worse = Worse(kLeastHarmRatio)) {
    TakeBack(SayDifference(*worse));
    return;
  }
  const absl::Duration tried = now_ - began_;
  const auto found = Compare(TrialNow(), options_.significance);
  const bool is_enough =
      tried >= options_.canary_time && trial_now_.Total().count >= static_cast<double>(options_.least_forecasts);
  if (is_enough && found && found->difference <= 0 && found->high() <= kMostLossRatio) {
    Promote(*found);
  } else if (tried >= kMostCanaryTimes * options_.canary_time) {
    EndTrial(*challenger_,
             absl::StrFormat("it could not be shown to be no worse within %s (%.0f forecasts came due)%s",
                             absl::FormatDuration(tried), trial_now_.Total().count,
                             found ? StrCat("; ", SayDifference(*found)) : ""),
             WasTried());
  }
}

void ModelRollout::Promote(const LossDifference& found) {
  LossSeries before = trial_before_;
  for (const auto& [host, state] : hosts_) {
    if (!IsCanary(host)) before.Add(state.champion);
  }
  // A controller that has just been restarted does not know what hosts had before, but of the canary's time it does.
  if (before.size() < kLeastSpans) before.Add(control_now_);
  ClearTrial();
  trial_before_ = std::move(before);
  previous_ = std::exchange(champion_, *std::exchange(challenger_, std::nullopt));
  champion_.set_why(StrCat(champion_.why(), "; tried by ", canary_.size(),
                           canary_.size() == 1 ? " host: " : " hosts: ", SayDifference(found)));
  SetTime(time_.OnWall(now_), champion_.mutable_since());
  began_ = now_;
  canary_.clear();
  phase_ = v1::ROLLOUT_PHASE_WATCHED;
  ForgetChampionsLosses();
  Tell("", "model_promoted", StrCat(SayModel(champion_), " goes to all hosts: ", SayDifference(found)));
  changed_ = true;
  OfferAnew();
  KeepFiles();
}

void ModelRollout::JudgeChampion() {
  const Spread spread = SpreadOfChampion();
  if (static_cast<double>(spread.refuse) > kMostRefusedRatio * static_cast<double>(spread.all)) {
    TakeBack(StrCat(spread.refuse, " of ", spread.all, " hosts refused it"));
    return;
  }
  const auto willing = static_cast<double>(spread.all - spread.refuse);
  const bool is_spread = spread.have > 0 && static_cast<double>(spread.have) >= kSpreadRatio * willing;
  const auto worse = is_spread ? Worse(kLeastHarmWatchedRatio) : std::nullopt;
  if (worse) {
    TakeBack(SayDifference(*worse));
  } else if (now_ - began_ >= options_.watch_time) {
    phase_ = v1::ROLLOUT_PHASE_SETTLED;
    ClearTrial();
    changed_ = true;
  }
}

absl::StatusOr<ModelRollout::TakenBack> ModelRollout::MayRollBack(std::string_view name) const {
  const auto is_named = [&](const v1::RolloutModel& model) {
    return name.size() >= kLeastName && std::string_view(model.sha256()).starts_with(name);
  };
  if (challenger_ && is_named(*challenger_)) return TakenBack{*challenger_, champion_};
  if (challenger_ && is_named(champion_)) {
    return absl::FailedPreconditionError(
        StrCat(SayModel(*challenger_), " is being tried against it; roll that back first"));
  }
  if (is_named(champion_)) return TakenBack{champion_, previous_.value_or(v1::RolloutModel())};
  return absl::NotFoundError(StrCat("\"", name,
                                    "\" is neither the model that hosts should have nor one that they try (at least ",
                                    kLeastName, " digits of its SHA-256); trucectl get models lists them"));
}

absl::StatusOr<ModelRollout::TakenBack> ModelRollout::RollBack(std::string_view name, std::string_view who,
                                                               std::string_view reason, Moment now) {
  Hear(now);
  TRUCE_ASSIGN_OR_RETURN(TakenBack taken, MayRollBack(name));
  TakeBack(StrCat(who, " asked for it", reason.empty() ? "" : ": ", reason));
  return taken;
}

void ModelRollout::TakeBack(const std::string& what) {
  if (challenger_) {
    EndTrial(*challenger_, what, true);
    return;
  }
  v1::RolloutModel gone = std::exchange(champion_, previous_.value_or(v1::RolloutModel()));
  previous_.reset();
  ForgetChampionsLosses();
  EndTrial(std::move(gone), what, true);
}

void ModelRollout::EndTrial(v1::RolloutModel model, const std::string& what, bool remember) {
  challenger_.reset();
  canary_.clear();
  ClearTrial();
  phase_ = v1::ROLLOUT_PHASE_SETTLED;
  Tell("", "model_rolled_back",
       StrCat(SayModel(model), " was rolled back: ", what, "; hosts go back to ", SayModel(champion_)));
  if (remember) {
    model.set_why(what);
    SetTime(time_.OnWall(now_), model.mutable_since());
    rolled_back_.push_back(std::move(model));
    if (rolled_back_.size() > kMostRolledBack) rolled_back_.pop_front();
  }
  changed_ = true;
  OfferAnew();
  KeepFiles();
}

void ModelRollout::ForgetChampionsLosses() {
  for (auto& [_, state] : hosts_) state.champion.Clear();
}

void ModelRollout::ClearTrial() {
  for (LossSeries* series : {&trial_now_, &trial_before_, &control_now_, &control_before_}) series->Clear();
  judged_at_ = absl::InfinitePast();
}

void ModelRollout::KeepFiles() {
  std::set<std::string> kept;
  for (const v1::RolloutModel* model :
       {&champion_, challenger_ ? &*challenger_ : nullptr, previous_ ? &*previous_ : nullptr}) {
    if (model != nullptr && !model->sha256().empty()) kept.insert(model->sha256());
  }
  library_.Keep(kept);
  std::erase_if(bytes_, [&](const auto& one) { return !kept.contains(one.first); });
}

}  // namespace truce::controller
