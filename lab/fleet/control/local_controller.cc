#include "lab/fleet/control/local_controller.h"

#include <utility>

#include "controller/plan/policy.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab::fleet {

absl::StatusOr<std::unique_ptr<LocalController>> LocalController::Start(const Clock& clock) {
  auto local = std::unique_ptr<LocalController>(new LocalController);
  controller::StoreOptions store;
  store.file = ":memory:";
  TRUCE_ASSIGN_OR_RETURN(local->store_, controller::Store::Open(store, clock));
  controller::CoreOptions options;
  options.initial_policy = controller::DefaultPolicy();
  options.instance = "fleet";
  options.history = false;
  local->core_ = std::make_unique<controller::ControllerCore>(std::move(options), clock, *local->store_);
  return local;
}

absl::Status LocalController::Understood() {
  const controller::MetricsSnapshot metrics = core_->Metrics();
  for (const auto& [reason, count] : metrics.counts.refused_by_reason) {
    if (count > 0) {
      return absl::InternalError(StrCat("the controller refused ", count, " parts of what agents said: ", reason));
    }
  }
  return absl::OkStatus();
}

}  // namespace truce::lab::fleet
