// The quick start's scene: Truce's main job on this host with real programs, from nothing to a summary and back.
//
//   controller + agent (mTLS) | redis-server, critical, measured every second | stress-ng, best effort, on the same
//   CPUs alone ─► contended ─► protected ─► aggressor stops ─► everything restored
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "src/base/shutdown.h"

namespace truce::lab {

struct SceneOptions {
  // Where truce-agent, truce-controller and trucectl are.
  std::string binaries;
  std::string cgroup_root = "/sys/fs/cgroup";
  // What the agent's scores are made from: both, evidence or model.
  std::string scores = "both";
  // Stay up after the summary, with the aggressor coming and going, until a signal.
  bool keep = false;
  // When set: the two run on CPUs of their own for so long, and nothing may be done to them.
  absl::Duration apart;
  absl::Duration alone = absl::Seconds(20);
  absl::Duration protected_for = absl::Seconds(25);
  // Give up waiting for protection after this.
  absl::Duration protection_limit = absl::Seconds(60);
};

// Runs the scene; lines go to stdout as things happen. OK only when the victim was protected and every control file,
// process and cgroup is as before. Cancelled after a signal, with everything cleaned up.
absl::Status RunScene(const SceneOptions& options, ShutdownSignals& signals);

}  // namespace truce::lab
