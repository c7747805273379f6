// A controller of the lab's own, without a daemon around it: its store is in memory and forgets, it answers nobody else
// and retrains nothing.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "controller/serve/core.h"
#include "controller/store/store.h"
#include "src/base/clock.h"

namespace truce::lab::fleet {

class LocalController {
 public:
  // `clock` outlives it.
  static absl::StatusOr<std::unique_ptr<LocalController>> Start(const Clock& clock);
  controller::ControllerCore& core() { return *core_; }
  // Internal when it refused anything that an agent said: it would place blindly.
  absl::Status Understood();

 private:
  LocalController() = default;

  std::unique_ptr<controller::Store> store_;
  std::unique_ptr<controller::ControllerCore> core_;
};

}  // namespace truce::lab::fleet
