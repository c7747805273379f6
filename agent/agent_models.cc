// Agent's part that receives models.
#include "agent/agent_models.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agent/agent.h"
#include "agent/predict/devices.h"
#include "agent/predict/model_record.h"
#include "models/forecast/demand_model_file.h"
#include "models/interference/model_file.h"
#include "src/base/shipped.h"
#include "src/base/status.h"
#include "src/base/text.h"

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

std::string InterferenceModelFile(const AgentSettings& settings) {
  return settings.model_file.empty() ? ShippedPath("models/interference.truce") : settings.model_file;
}

std::vector<std::string> ModelWarnings(const AgentSettings& settings) {
  std::vector<std::string> warnings;
  const auto warn = [&](const char* key, const absl::Status& status, const char* without) {
    if (!status.ok())
      warnings.push_back(StrCat(key, ": ", StdView(status.message()), "; until it can be used, ", without));
  };
  if (settings.fuse.from != ScoreFrom::kEvidence) {
    const std::string file = InterferenceModelFile(settings);
    const auto bytes = ReadModelFile(file);
    warn("model.file", bytes.ok() ? ParseModel(*bytes, file).status() : bytes.status(), "evidence goes on alone");
  }
  if (settings.foretell) {
    const ModelKindOptions demand = ModelStoreOptionsOf(settings).kinds.at(v1::MODEL_KIND_DEMAND);
    const auto bytes = ReadModelFile(demand.own_file);
    warn("model.demand_file", bytes.ok() ? demand.check(*bytes, demand.own_file).status() : bytes.status(),
         "or the controller sends one, demand is foretold to go on as it is");
  }
  for (DeviceNews& news : Devices(settings.devices).TakeNews()) warnings.push_back(std::move(news.message));
  return warnings;
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
