// One machine of QEMU's as the qemu driver sees it between steps: a process, its monitor, and the few questions and
// commands that a migration takes. Each call makes a connection of its own, because a monitor serves one client at a
// time and others want it too.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/act/migrate/driver.h"
#include "src/host/cgroup.h"
#include "src/host/qmp.h"

namespace truce::agent {

struct QemuState {
  // query-status: "running", "inmigrate", "postmigrate", ...
  std::string status;
  bool running = false;
};

// query-migrate.
struct QemuMigration {
  // "none", "setup", "active", "completed", "failed", "cancelled", ...
  std::string status;
  // Why it failed, or can't be.
  std::string reason;
  uint64_t sent_bytes = 0;
  // Infinite when it doesn't say.
  absl::Duration downtime = absl::InfiniteDuration();

  bool never_begun() const { return status == "none"; }
  bool goes_on() const {
    return !never_begun() && status != "completed" && status != "failed" && status != "cancelled";
  }
};

absl::StatusOr<QemuState> StateOf(host::QmpClient& qemu);
absl::StatusOr<QemuMigration> MigrationOf(host::QmpClient& qemu);

class QemuMachine {
 public:
  QemuMachine(std::string procfs, std::string monitor, int pid, std::string started)
      : procfs_(std::move(procfs)), monitor_(std::move(monitor)), pid_(pid), started_(std::move(started)) {}
  // As Remember wrote it.
  static QemuMachine Of(const DriverMemory& memory, const std::string& procfs);
  // The machine on this host whose command line says that it waits for `uri`; nullopt when there is none, Unavailable
  // when more than one process says so. Anybody may write such a command line: only for what nobody named a cgroup of.
  static absl::StatusOr<std::optional<QemuMachine>> WaitingFor(const std::string& uri, const std::string& procfs);
  // The one machine of the cgroup, which waits for `uri`; FailedPrecondition when it isn't that.
  static absl::StatusOr<QemuMachine> WaitingIn(const host::Cgroup& cgroup, const std::string& uri,
                                               const std::string& procfs);

  DriverMemory Remember(const std::string& uri, const std::string& workload) const;
  const std::string& monitor() const { return monitor_; }
  void set_monitor(std::string monitor) { monitor_ = std::move(monitor); }
  int pid() const { return pid_; }
  // Whether its process still is.
  bool Alive() const;

  // Calls `talk` with a connection. NotFound when the process has ended or nobody listens, FailedPrecondition when
  // another process than the machine's listens there, Unavailable when others hold it for too long.
  absl::Status Talk(const std::function<absl::Status(host::QmpClient& qemu)>& talk) const;
  absl::StatusOr<QemuState> State() const;
  absl::StatusOr<QemuMigration> Migration() const;
  // Ends the machine, unless it runs: FailedPrecondition then. OK when it has ended.
  absl::Status Quit() const;
  // Lets it run, and waits until it does.
  absl::Status Continue() const;

 private:
  std::string procfs_;
  std::string monitor_;
  int pid_ = 0;
  std::string started_;
};

}  // namespace truce::agent
