// The drivers, each behind driver.h; make_drivers.cc picks them by name. docs/migration.md says what each one needs.
#pragma once

#include <memory>
#include <string>

#include "agent/act/migrate/driver.h"

namespace truce::agent {

// Machines of QEMU's that are nobody else's, over QMP; those that come are started by the operator's program.
std::unique_ptr<MigrationDriver> MakeQemuDriver(const MigrationSettings& settings);
// libvirt's machines, from libvirt to libvirt. `library` is loaded when it is first needed.
std::unique_ptr<MigrationDriver> MakeLibvirtDriver(const MigrationSettings& settings,
                                                   const std::string& library = "libvirt.so.0");
// Podman's containers, by a checkpoint in a directory that the hosts share.
std::unique_ptr<MigrationDriver> MakePodmanDriver(const MigrationSettings& settings);
// Pods, by asking the cluster to evict them; its scheduler chooses where they go.
std::unique_ptr<MigrationDriver> MakeKubernetesDriver(const MigrationSettings& settings);
// Whatever the operator's program can move.
std::unique_ptr<MigrationDriver> MakeCommandDriver(const MigrationSettings& settings);

// OK when `program`, the value of the setting `key`, can be run.
absl::Status CheckProgram(const std::string& key, const std::string& program);

}  // namespace truce::agent
