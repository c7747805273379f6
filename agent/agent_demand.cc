// The agent's part that foretells demand. See agent.h.
#include <spdlog/spdlog.h>

#include "agent/agent.h"
#include "models/forecast/auto_forecaster.h"
#include "models/forecast/demand_model_file.h"
#include "models/forecast/methods.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {

void Agent::FollowDemandModel() {
  if (demand_ == nullptr) return;
  const ModelInUse* in_use = models_->InUse(v1::MODEL_KIND_DEMAND);
  const std::string sha256 = in_use == nullptr ? "" : in_use->sha256;
  if (demand_model_sha256_ == sha256 || clock_.Monotonic() < demand_model_again_at_) return;
  absl::Status status = absl::NotFoundError("there is no demand model that can be used here");
  if (in_use != nullptr) {
    const absl::StatusOr<std::string> bytes = host::ReadFile(in_use->path);
    absl::StatusOr<DemandModelContent> content =
        bytes.ok() ? ParseDemandModel(*bytes, in_use->path) : absl::StatusOr<DemandModelContent>(bytes.status());
    status = content.status();
    if (content.ok()) {
      const auto model = std::make_shared<const DemandModel>(std::move(content->model));
      demand_->UseModel([model] { return NewAutoForecaster(model, 0, {SeasonRule::Kind::kNone, {}}); }, sha256);
    }
  }
  if (status.ok() || in_use == nullptr) {
    demand_model_sha256_ = sha256;
  } else {
    // A file that could not be read may be there in a minute.
    demand_model_again_at_ = clock_.Monotonic() + absl::Minutes(1);
  }
  // Without one it goes on with what needs none, and says so; with the one before where there was one.
  if (!status.ok() && (in_use == nullptr || !demand_->has_model())) {
    demand_->UseModel([] { return NewNaiveForecaster(); }, "");
  }
  SetMissing("demand_model", status.ok() ? "" : std::string(StdView(status.message())),
             "install a model that fits this version, or name it with model.demand_file; until then demand is foretold "
             "to go on as it is");
  if (!status.ok()) spdlog::warn("demand is foretold without a model: {}", StdView(status.message()));
}

}  // namespace truce::agent
