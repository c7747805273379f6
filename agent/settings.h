// Everything that an operator can set on an agent, with its default, and the one function that reads it from flags,
// environment and file. Every key is documented in deploy/truce-agent.yaml (a test holds the two together).
#pragma once

#include <set>
#include <string>

#include "absl/status/status.h"
#include "agent/act/actuator.h"
#include "agent/act/migrate/driver.h"
#include "agent/act/migrate/mover.h"
#include "agent/link/controller_link.h"
#include "agent/modes.h"
#include "agent/predict/demand_watch.h"
#include "agent/predict/devices.h"
#include "agent/predict/evidence_scorer.h"
#include "agent/predict/fuse.h"
#include "agent/profile/profiler.h"
#include "agent/sense/sampler.h"
#include "src/base/config.h"
#include "src/host/counters.h"

namespace truce::agent {

struct AgentSettings {
  // Empty: the kernel's host name.
  std::string host;
  // What fails together with the host, for example a rack; empty: nobody said.
  std::string fault_domain;
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  std::string cgroup_root = "/sys/fs/cgroup";
  std::string run_directory = "/run";
  std::string kubelet_directory = "/var/lib/kubelet";
  std::string log_level = "info";
  absl::Duration sample_interval = absl::Seconds(1);
  absl::Duration score_interval = absl::Seconds(5);
  ModeSettings modes;
  SamplerOptions sampler;
  ProfilerOptions profiler;
  EvidenceOptions evidence;
  FuseOptions fuse;
  // The interference model; empty: the one that comes with Truce.
  std::string model_file;
  // Whether demand is foretold, and how.
  bool foretell = true;
  DemandWatchOptions demand;
  DevicesOptions devices;
  // The demand model; empty: the one that comes with Truce.
  std::string demand_model_file;
  // Whether the controller may send models.
  bool accept_sent_models = true;
  ActuatorOptions actuator;
  // The libvirt whose machines are squeezed and moved; empty: none.
  std::string libvirt_uri = "qemu:///system";
  MigrationSettings migration;
  MoverOptions mover;
  host::CounterOptions counters;
  bool controller_enabled = true;
  LinkOptions link;
  // "host:port" for /metrics and /healthz; empty: off.
  std::string metrics_listen = "127.0.0.1:9477";
};

// The settings that `source` describes, checked. InvalidArgument lists every problem with file and line. When
// `known_keys` is not null it gets every key that exists.
absl::StatusOr<AgentSettings> ReadAgentSettings(const ConfigSource& source,
                                                std::set<std::string>* known_keys = nullptr);

// Whether the agent could talk to its controller with these settings: the certificate files are there, and plain text
// stays on loopback. InvalidArgument names the key and the remedy. OK when controller.enabled is false. Looks at the
// files, so it is no part of ReadAgentSettings.
absl::Status CheckControllerSecurity(const AgentSettings& settings);

// Whether the controller would take the agent with these certificate files: they go together, and the certificate is
// this host's, signed by that CA. InvalidArgument names the key. Only for --check-config: an agent that is refused
// watches its host all the same, and looks at the files again at each connect.
absl::Status CheckControllerCertificate(const AgentSettings& settings);

// Whether what state_directory names can be a directory; InvalidArgument names the key. Looks at the files, so it is no
// part of ReadAgentSettings.
absl::Status CheckPaths(const AgentSettings& settings);

// Only what `truce-agent restore` needs (where the kernel's trees, the machines and the journal are), whatever else is
// wrong with the source: a mistake in an unrelated key must not keep a host from being restored.
AgentSettings ReadRestoreSettings(const ConfigSource& source);

}  // namespace truce::agent
