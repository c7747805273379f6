// Moves one machine of QEMU's to where another one waits for it, as MigrationDriver::Move promises (driver.h).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "agent/act/migrate/driver.h"
#include "agent/act/migrate/qemu_machine.h"

namespace truce::agent {

// To "tcp:HOST:PORT", within the bounds of the settings. Begins nothing when `control` is cancelled from the start.
absl::StatusOr<MoveOutcome> MoveMachine(const QemuMachine& machine, const std::string& uri,
                                        const MigrationSettings& settings, MoveControl& control);

}  // namespace truce::agent
