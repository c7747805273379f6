// The agent's part that foretells demand. See agent.h.
#include <spdlog/spdlog.h>

#include "agent/agent.h"
#include "models/forecast/auto_forecaster.h"
#include "models/forecast/demand_model_file.h"
#include "models/forecast/methods.h"
#include "models/weights/model_bytes.h"
#include "src/base/shipped.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {

void Agent::OpenDemand() {
  if (!settings_.foretell) return;
  demand_ = std::make_unique<DemandWatch>(settings_.demand, clock_);
  const std::string file =
      settings_.demand_model_file.empty() ? ShippedPath("models/demand.truce") : settings_.demand_model_file;
  const absl::StatusOr<std::string> bytes = host::ReadFile(file);
  absl::StatusOr<DemandModelContent> content =
      bytes.ok() ? ParseDemandModel(*bytes, file) : absl::StatusOr<DemandModelContent>(bytes.status());
  if (content.ok()) {
    const auto model = std::make_shared<const DemandModel>(std::move(content->model));
    demand_->UseModel(
        [model] {
          return NewAutoForecaster(model, 0, {SeasonRule::Kind::kNone, {}});
        },
        ModelDigest(*bytes));
    return;
  }
  // It goes on with what needs no model, and says so.
  demand_->UseModel([] { return NewNaiveForecaster(); }, "");
  SetMissing("demand_model", std::string(StdView(content.status().message())),
             "install a model that fits this version, or name it with forecast.model_file; until then demand is "
             "foretold to go on as it is");
  spdlog::warn("the demand model is not used: {}", StdView(content.status().message()));
}

void Agent::FillDemand(uint64_t key, v1::WorkloadReport* report) {
  if (demand_ != nullptr) demand_->Fill(key, report);
}

}  // namespace truce::agent
