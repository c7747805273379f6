// Carries a lever's plan out: journal, write, prove by reading back; or undo everything and say why. The actuator calls
// it for new, changed and reset actions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/act/journal.h"
#include "agent/act/lever.h"
#include "src/host/cgroup.h"
#include "src/host/writer.h"

namespace truce::agent {

// A file that an action holds.
struct EnactedFile {
  // Below the cgroup root.
  std::string name;
  // Inode of its cgroup's directory.
  uint64_t inode = 0;
  std::string original;
  std::string written;
};

// Makes the files hold what `plan` wants and returns them, in the plan's order. Atomic: on any error the files hold
// what they held before the call, or what means the same (write_back.h), and the error says why, as a refusal. Should
// even the undo fail, what is not back stays outstanding in the journal under `owner`. FailedPrecondition when another
// owner holds one of the files.
absl::StatusOr<std::vector<EnactedFile>> Enact(const LeverPlan& plan, const std::string& owner,
                                               const std::string& held_action, host::ControlWriter& writer,
                                               Journal& journal);

}  // namespace truce::agent
