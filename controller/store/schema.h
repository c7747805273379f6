// The shape of the controller's database and how an older one is brought up to date. Used by Database only.
#pragma once

#include "absl/status/status.h"

namespace soci {
class session;
}

namespace truce::controller {

// The version that this controller reads and writes.
inline constexpr int kSchemaVersion = 7;

// Brings the schema from whatever it is (nothing, an older version) to `target`, one transaction per version, so that
// an interrupted migration is taken up where it stopped. FailedPrecondition when the database is newer. SOCI exceptions
// pass.
absl::Status Migrate(soci::session& sql, int target = kSchemaVersion);

}  // namespace truce::controller
