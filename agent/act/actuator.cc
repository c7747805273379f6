// Opens the actuator. See actuator.h.
#include "agent/act/actuator.h"

#include "agent/act/leased_actuator.h"
#include "src/base/status.h"

namespace truce::agent {

absl::StatusOr<std::unique_ptr<Actuator>> OpenActuatorOn(Disk& disk, const ActuatorOptions& options,
                                                         const host::CgroupLayout& layout, const Clock& clock,
                                                         host::ControlWriter& writer) {
  TRUCE_ASSIGN_OR_RETURN(auto journal, Journal::Open(options.state_directory, ReadBootId(), disk));
  auto actuator = std::make_unique<LeasedActuator>(options, layout, clock, writer, std::move(journal));
  actuator->Recover();
  return actuator;
}

absl::StatusOr<std::unique_ptr<Actuator>> OpenActuator(const ActuatorOptions& options, const host::CgroupLayout& layout,
                                                       const Clock& clock, host::ControlWriter& writer) {
  return OpenActuatorOn(SystemDisk(), options, layout, clock, writer);
}

}  // namespace truce::agent
