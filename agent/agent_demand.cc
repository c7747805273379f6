// The agent's part that foretells demand. See agent.h.
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

#include "agent/agent.h"
#include "models/forecast/auto_forecaster.h"
#include "models/forecast/demand_model_file.h"
#include "models/forecast/methods.h"
#include "src/base/text.h"

namespace truce::agent {

void Agent::FollowDemandModel() {
  if (demand_ == nullptr) return;
  const ModelInUse* in_use = models_->InUse(v1::MODEL_KIND_DEMAND);
  const std::string sha256 = in_use == nullptr ? "" : in_use->sha256;
  if (demand_model_sha256_ != sha256) {
    demand_model_sha256_ = sha256;
    UseDemandModel(in_use);
  }
  // Where one was sent, nobody misses the agent's own.
  const absl::Status own = models_->OwnStatus(v1::MODEL_KIND_DEMAND);
  std::string reason = in_use != nullptr && in_use->sent ? "" : std::string(StdView(own.message()));
  if (!reason.empty() && in_use != nullptr) StrAppend(&reason, "; model ", in_use->version, " stays");
  SetMissing("demand_model", reason,
             StrCat("install a model that fits this version, or name it with model.demand_file",
                    in_use == nullptr ? "; until then demand is foretold to go on as it is" : ""));
}

void Agent::UseDemandModel(const ModelInUse* in_use) {
  absl::Status status = models_->OwnStatus(v1::MODEL_KIND_DEMAND);
  if (in_use != nullptr) {
    absl::StatusOr<DemandModelContent> content = ParseDemandModel(*in_use->bytes, in_use->path);
    status = content.status();
    if (content.ok()) {
      const auto model = std::make_shared<const DemandModel>(std::move(content->model));
      demand_->UseModel([model] { return NewAutoForecaster(model, 0, {SeasonRule::Kind::kNone, {}}); }, in_use->sha256);
      return;
    }
  }
  spdlog::warn("demand is foretold without a model, to go on as it is: {}", StdView(status.message()));
  demand_->UseModel([] { return NewNaiveForecaster(); }, "");
}

}  // namespace truce::agent
