// Agent's part that receives models.
#include "agent/agent_models.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agent/agent.h"
#include "models/forecast/demand_model_file.h"
#include "src/base/shipped.h"
#include "src/base/status.h"

namespace truce::agent {
namespace {

absl::StatusOr<std::string> DemandModelVersion(std::string_view bytes, std::string_view name) {
  TRUCE_ASSIGN_OR_RETURN(const DemandModelContent content, ParseDemandModel(bytes, name));
  return content.version;
}

}  // namespace

ModelStoreOptions ModelStoreOptionsOf(const AgentSettings& settings) {
  ModelStoreOptions options;
  options.directory = settings.actuator.state_directory + "/models";
  options.accept_sent = settings.accept_sent_models;
  options.kinds[v1::MODEL_KIND_DEMAND] = {
      settings.demand_model_file.empty() ? ShippedPath("models/demand.truce") : settings.demand_model_file,
      &DemandModelVersion};
  return options;
}

void Agent::FollowModels() {
  if (models_->Refresh()) inventory_changed_ = true;
  if (link_ != nullptr) {
    for (const v1::ModelOffer& offer : link_->TakeModelOffers()) models_->Offer(offer);
    if (const auto chunk = link_->TakeModelChunk()) models_->Take(*chunk);
    if (auto request = models_->NextRequest(clock_.Monotonic())) link_->Ask(*std::move(request));
    for (v1::ModelAnswer& answer : models_->TakeAnswers()) link_->Answer(std::move(answer));
  }
  FollowDemandModel();
  for (ModelNews& news : models_->TakeNews()) {
    if (news.kind == "model_refused") {
      spdlog::warn("{}", news.message);
    } else {
      spdlog::info("{}", news.message);
    }
    Note("", news.kind.c_str(), std::move(news.message));
  }
}

}  // namespace truce::agent
