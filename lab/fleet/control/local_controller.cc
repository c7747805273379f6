#include "lab/fleet/control/local_controller.h"

#include <utility>

#include "controller/plan/policy.h"
#include "src/base/status.h"

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

}  // namespace truce::lab::fleet
