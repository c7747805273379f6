// ControllerCore's part that sends models to hosts and shows how good their forecasts are.
#include <utility>

#include "controller/serve/core.h"
#include "models/weights/model_bytes.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// Hosts that are offered a model in one tick, so that a fleet does not fetch it all at once.
constexpr size_t kOffersAtOnce = 200;

}  // namespace

void ControllerCore::OnModelMessage(Session& session, HostState& host, const v1::ConnectRequest& request,
                                    Pumps& pumps) {
  host.last_heard = MomentOf(clock_);
  if (auto refusal = CheckModelMessage(request, options_.fleet.limits)) {
    ++counts_.refused_by_reason[std::string(refusal->reason)];
    TellRefusal(host, *refusal);
    return;
  }
  if (request.has_model_answer()) {
    rollout_.OnAnswer(host.name, request.model_answer(), MomentOf(clock_));
    FollowRollout();
    return;
  }
  v1::ConnectResponse response;
  *response.mutable_model_chunk() = rollout_.Chunk(request.model_request());
  session.sink->Queue(std::move(response));
  pumps.push_back(session.sink);
}

void ControllerCore::OfferModel(const std::string& name, Pumps& pumps) {
  const HostState* host = fleet_.Find(name);
  if (host == nullptr || !host->connected) return;
  const auto session = sessions_.find(host->session);
  auto offer = rollout_.OfferFor(name);
  if (session == sessions_.end() || !offer) return;
  v1::ConnectResponse response;
  *response.mutable_model_offer() = *std::move(offer);
  session->second.sink->Queue(std::move(response));
  pumps.push_back(session->second.sink);
}

void ControllerCore::FollowRollout() {
  for (auto& news : rollout_.TakeNews()) {
    if (news.kind == "model_rolled_back") retraining_.ForgetBest();
    Tell(news.host, "", news.kind, std::move(news.message));
  }
  if (auto changed = rollout_.TakeChanged()) store_.Add(*std::move(changed));
}

void ControllerCore::OfferDueModels(Pumps& pumps) {
  for (const std::string& host : rollout_.TakeDueHosts(kOffersAtOnce)) OfferModel(host, pumps);
}

absl::Status ControllerCore::ProposeModel(v1::ModelKind kind, std::string bytes, std::string why) {
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_RETURN_IF_ERROR(rollout_.MayPropose());
  }
  // On disk before the lock: no stream may wait for it.
  TRUCE_RETURN_IF_ERROR(library_.Put(bytes).status());
  absl::MutexLock lock(&mutex_);
  const absl::Status proposed = rollout_.Propose(kind, std::move(bytes), std::move(why), MomentOf(clock_));
  if (!proposed.ok()) {
    rollout_.KeepFiles();
    return proposed;
  }
  FollowRollout();
  return absl::OkStatus();
}

void ControllerCore::FollowChallenger() {
  std::optional<Challenger> challenger;
  std::string champion;
  {
    absl::MutexLock lock(&mutex_);
    challenger = retraining_.TakeChallenger();
    champion = rollout_.champion().sha256();
    if (champion.empty() && !retrained_from_.empty()) {
      retraining_.SetChampion(std::nullopt);
      retrained_from_.clear();
    }
    if (champion == retrained_from_) champion.clear();
  }
  // What hosts have is what is tuned next; without it, retraining goes on from the best of its own.
  if (!champion.empty()) {
    if (auto bytes = library_.Get(champion); bytes.ok()) {
      absl::MutexLock lock(&mutex_);
      retraining_.SetChampion(*std::move(bytes));
      retrained_from_ = champion;
    }
  }
  if (!challenger) return;
  const absl::Status proposed =
      ProposeModel(v1::MODEL_KIND_DEMAND, std::move(challenger->bytes), std::move(challenger->sentence));
  if (proposed.ok()) return;
  absl::MutexLock lock(&mutex_);
  // Nor is it what the next training begins with: hosts never had it.
  retraining_.ForgetBest();
  Tell("", "", "model_not_proposed",
       StrCat("the retrained demand model goes to no host: ", StdView(proposed.message())));
}

absl::StatusOr<v1::ListModelsResponse> ControllerCore::ListModels(const v1::ListModelsRequest&) {
  v1::ListModelsResponse response;
  absl::MutexLock lock(&mutex_);
  for (v1::ModelStatus& status : rollout_.List()) {
    const auto loss = status.sha256().empty() ? std::nullopt : live_errors_.OfModel(status.sha256());
    if (loss) {
      status.set_loss_ratio(loss->Ratio());
      status.set_forecast_count(loss->count);
    }
    *response.add_models() = std::move(status);
  }
  return response;
}

absl::StatusOr<v1::RollBackModelResponse> ControllerCore::RollBackModel(const v1::RollBackModelRequest& request,
                                                                        std::string_view who) {
  v1::RollBackModelResponse response;
  {
    absl::MutexLock lock(&mutex_);
    TRUCE_ASSIGN_OR_RETURN(const ModelRollout::TakenBack taken,
                           request.validate_only()
                               ? rollout_.MayRollBack(request.sha256())
                               : rollout_.RollBack(request.sha256(), who, request.reason(), MomentOf(clock_)));
    for (const auto& [model, status] :
         {std::pair(&taken.model, response.mutable_model()), std::pair(&taken.instead, response.mutable_instead())}) {
      status->set_kind(v1::MODEL_KIND_DEMAND);
      status->set_sha256(model->sha256());
      status->set_version(model->version());
    }
    if (!request.validate_only()) FollowRollout();
  }
  return response;
}

}  // namespace truce::controller
