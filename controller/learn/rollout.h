// How a new model reaches the hosts of the fleet and is taken back. A plain state machine without locks, clock or
// store; ControllerCore (controller/serve) feeds it hellos, answers and live errors, sends what it offers, tells what
// it does and has it stored.
//
//   Propose ─► canary: some hosts try the challenger ─► promoted: all have it, watched ─► settled
//                │ worse, refused, agent gone             │ worse
//                └──────────────► rolled back ◄───────────┘      never tried again
//
// There is one challenger at a time, and none while a new champion is watched. Judged by the live errors of forecasts
// alone, which agents report for demand models only: no other kind is rolled out.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/fleet/moment.h"
#include "controller/learn/loss_series.h"
#include "controller/learn/model_library.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/rollout.pb.h"

namespace truce::controller {

struct RolloutOptions {
  // Of the connected hosts, those that try a challenger first; at least one.
  double canary_ratio = 0.05;
  // How long they try it at least.
  absl::Duration canary_time = absl::Hours(1);
  // How many of its forecasts have to come due meanwhile at least.
  uint64_t least_forecasts = 1'000;
  // Probability of taking a model back that is as good as the one before.
  double significance = 0.01;
  // How long a new champion is watched.
  absl::Duration watch_time = absl::Hours(6);
};

// To be told as an event.
struct RolloutNews {
  // Empty: of the fleet.
  std::string host;
  // "model_proposed", "model_canary", "model_promoted", "model_rolled_back", "model_refused".
  std::string kind;
  // One sentence for a person.
  std::string message;
};

class ModelRollout {
 public:
  // Largest part of a model in one message.
  static constexpr size_t kChunkBytes = size_t{256} << 10;
  // A canary that can't be told to be no worse ends after so many times its canary_time.
  static constexpr int kMostCanaryTimes = 24;
  // A challenger must be shown to lose at most so much, as a share of the loss of the forecast that the newest demand
  // stays, before it is promoted.
  static constexpr double kMostLossRatio = 0.05;
  // What is worse by less than this is not taken back, however sure it is: with enough hosts everything is significant.
  static constexpr double kLeastHarmRatio = 0.01;
  // The same of a new champion, which is compared with its predecessor at another time.
  static constexpr double kLeastHarmWatchedRatio = 0.02;
  // A canary host whose agent is lost so soon after taking the challenger up, and stays away for kAwayLimit or is lost
  // kMostLosses times, has it taken back.
  static constexpr absl::Duration kSoonAfter = absl::Minutes(10);
  static constexpr absl::Duration kAwayLimit = absl::Minutes(1);
  static constexpr int kMostLosses = 3;
  // Canary hosts that stay away for kAwayLimit before anybody has taken the challenger up are replaced, so often at
  // most: should it be what they are given that ends them, few more are.
  static constexpr int kMostReplacements = 3;
  // A new champion that more than this share of the hosts refuse is taken back.
  static constexpr double kMostRefusedRatio = 0.2;
  // Rolled back models that are remembered.
  static constexpr size_t kMostRolledBack = 1'000;

  // `library` outlives it.
  ModelRollout(RolloutOptions options, const ModelLibrary& library);

  // Begins a canary with a model that was judged better on held-out data; `why` is the verdict in a sentence.
  // InvalidArgument when it is no model that can be rolled out, AlreadyExists when it is the champion,
  // FailedPrecondition when it was rolled back once, another one is on trial, or there is nobody to try it on. Nothing
  // changes then.
  absl::Status Propose(v1::ModelKind kind, std::string bytes, std::string why, Moment now);
  // Whether Propose could be accepted now, whichever the model.
  absl::Status MayPropose() const;
  // Takes the challenger or the champion back for somebody. `name` is its SHA-256 or how that begins. NotFound when it
  // is neither, FailedPrecondition when there is nothing to go back to. Returns it and what takes its place.
  struct TakenBack {
    v1::RolloutModel model;
    v1::RolloutModel instead;
  };
  absl::StatusOr<TakenBack> MayRollBack(std::string_view name) const;
  absl::StatusOr<TakenBack> RollBack(std::string_view name, std::string_view who, std::string_view reason, Moment now);

  // What hosts say. `errors` are sound (controller/fleet/validate.h).
  void OnHello(const std::string& host, const google::protobuf::RepeatedPtrField<v1::ModelInUse>& models, Moment now);
  void OnAnswer(const std::string& host, const v1::ModelAnswer& answer, Moment now);
  void OnLost(const std::string& host, Moment now);
  void Observe(const std::string& host, const v1::ForecastErrors& errors, Moment now);
  // Promotes, rolls back, ends what lasts too long. Cheap; once a second.
  void Tick(Moment now);

  // What the host should be offered; nullopt when it has it in use, will not take it, or knows nothing of models.
  std::optional<v1::ModelOffer> OfferFor(const std::string& host) const;
  // Hosts to which OfferFor has changed and that were not returned since; at most `most` at a time, so that not all
  // hosts fetch at once.
  std::vector<std::string> TakeDueHosts(size_t most);
  // The part that is asked for; empty when it is not there.
  v1::ModelChunk Chunk(const v1::ModelRequest& request) const;

  // Deletes models from the library that are in no part of the rollout.
  void KeepFiles();

  std::vector<RolloutNews> TakeNews();
  // To be stored: at once when its phase changed, and every few minutes while losses are gathered.
  std::optional<v1::RolloutState> TakeChanged();
  v1::RolloutState State() const;
  // Takes over what an earlier controller stored, before anything else.
  void Restore(const v1::RolloutState& state, Moment now);

  v1::RolloutPhase phase() const { return phase_; }
  // What all hosts are to have, or have but for the canary; without SHA-256: what they came with.
  const v1::RolloutModel& champion() const { return champion_; }
  // Champion, challenger, previous, those that hosts have otherwise, then rolled back ones, newest first. Without
  // losses.
  std::vector<v1::ModelStatus> List() const;
  // Connected hosts by the SHA-256 of the model in use (empty: none), the `most` that are used most.
  std::vector<std::pair<std::string, uint32_t>> MostUsed(size_t most) const;

 private:
  struct Host {
    bool connected = false;
    // Whether its agent takes demand models at all.
    bool knows = false;
    // Whether its operator forbids it.
    bool unwilling = false;
    std::string in_use;
    bool sent = false;
    // What it came with; empty while not known.
    std::string own;
    // Refused on this connection.
    std::string refused;
    // Told as an event already.
    std::string refusal_told;
    // When it took the challenger up, when it was lost after that, and how often.
    absl::Time took_up_at = absl::InfinitePast();
    absl::Time lost_at = absl::InfiniteFuture();
    int losses = 0;
    // Since when it is not connected.
    absl::Time away_since = absl::InfiniteFuture();
    // Of the champion; what it was before, when a challenger is tried.
    LossSeries champion;
    Host();
    bool Takes() const { return connected && knows && !unwilling; }
  };

  void Hear(Moment now) { now_ = std::max(now_, time_.Hear(now)); }
  bool IsCanary(const std::string& host) const { return canary_.contains(host); }
  std::map<std::string, uint32_t> HostsByModel() const;
  const v1::RolloutModel& WantedOn(const std::string& host) const;
  const std::string* BytesOf(std::string_view sha256) const;
  bool WasRolledBack(std::string_view sha256) const;
  // Whether a host that uses the model has what the champion is.
  bool IsChampions(std::string_view sha256) const;
  std::set<std::string> ChooseCanary(std::string_view sha256) const;
  // What the canary and the others had before.
  void GatherBefore();
  void BeginCanary(v1::RolloutModel challenger, std::set<std::string> hosts);
  // On the canary as it is now, which has not tried the challenger yet.
  void BeginTrial();
  // False while there is nobody to compare with on the given canary.
  bool CanBeJudged(const std::set<std::string>& canary) const;
  void JudgeCanary();
  void JudgeChampion();
  void LookForLost();
  void ReplaceAway();
  // Whether any host has taken the challenger up.
  bool WasTried() const;
  // Of the hosts that take models: those that have the champion, those that refuse it, and all.
  struct Spread {
    size_t have = 0;
    size_t refuse = 0;
    size_t all = 0;
  };
  Spread SpreadOfChampion() const;
  void Promote(const LossDifference& found);
  // Takes what is on trial back; `what` says why, in words that follow "rolled back: ".
  void TakeBack(const std::string& what);
  // Nothing is on trial any more; the model is remembered as one that was taken back, unless nobody ever tried it.
  void EndTrial(v1::RolloutModel model, const std::string& what, bool remember);
  // False when it had done so before.
  bool TakeUp(Host* state);
  void OnUnwilling(const std::string& host, const std::string& reason);
  void ClearTrial();
  void ForgetChampionsLosses();
  void OfferAnew();
  // By how much what is on trial is worse, when that is more than `least` and no chance.
  std::optional<LossDifference> Worse(double least) const;
  Trial TrialNow() const { return {&trial_now_, &trial_before_, &control_now_, &control_before_}; }
  void Tell(std::string host, std::string kind, std::string message);

  const RolloutOptions options_;
  const ModelLibrary& library_;
  // The latest even time that was heard; all times here are such, but for those in models, which people read.
  EvenTime time_;
  absl::Time now_ = absl::InfinitePast();
  v1::RolloutPhase phase_ = v1::ROLLOUT_PHASE_SETTLED;
  // Without a name: what each agent came with.
  v1::RolloutModel champion_;
  std::optional<v1::RolloutModel> challenger_;
  std::optional<v1::RolloutModel> previous_;
  // Since when the challenger is tried, or the new champion watched.
  absl::Time began_ = absl::InfinitePast();
  int replacements_ = 0;
  std::map<std::string, std::shared_ptr<const std::string>, std::less<>> bytes_;
  std::set<std::string> canary_;
  std::deque<v1::RolloutModel> rolled_back_;
  std::map<std::string, Host> hosts_;
  LossSeries trial_now_;
  LossSeries trial_before_;
  LossSeries control_now_;
  LossSeries control_before_;
  absl::Time judged_at_ = absl::InfinitePast();
  std::deque<std::string> due_;
  bool changed_ = false;
  absl::Time stored_at_ = absl::InfinitePast();
  std::vector<RolloutNews> news_;
};

}  // namespace truce::controller
