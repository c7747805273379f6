// Podman's containers: frozen by CRIU into a file of a directory that the hosts share, and thawed from it. Which of the
// two hosts may let it run is decided by one file, which only one of them can rename:
//
//   ID.ready    the target waits, and sees this directory
//   ID.tar.zst  the container, with its memory
//   ID.home     the source has begun, and it is the source's; it becomes
//   ID.moved    the source has let go: whoever renames this may let it run
//   ID.taken    the target has; ID.back: the source has
//   ID.ran      the target did let it run: neither is it let run again from the file, nor given back
//
// From the beginning of the move on one of home, moved, taken and back is there. Where none is, the directory is not
// the one of then, and nothing is let run.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "agent/act/migrate/podman.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

// The container's id in the name of its cgroup, "machine.slice/libpod-ID.scope"; empty when there is none.
std::string IdIn(std::string_view workload) {
  constexpr std::string_view kPrefix = "libpod-";
  const size_t slash = workload.rfind('/');
  std::string_view name = slash == std::string_view::npos ? workload : workload.substr(slash + 1);
  if (!name.starts_with(kPrefix)) return "";
  name.remove_prefix(kPrefix.size());
  size_t end = 0;
  while (end < name.size() && absl::ascii_isxdigit(static_cast<unsigned char>(name[end]))) ++end;
  const bool whole = end >= 12 && (end == name.size() || name[end] == '.');
  return whole ? std::string(name.substr(0, end)) : "";
}

bool IsInPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  const std::string all = StrCat(path == nullptr ? "" : path, ":/usr/local/sbin:/usr/sbin:/sbin");
  for (const absl::string_view directory : absl::StrSplit(all, ':', absl::SkipEmpty())) {
    if (access(StrCat(StdView(directory), "/", program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

class PodmanDriver final : public MigrationDriver {
 public:
  explicit PodmanDriver(const MigrationSettings& settings)
      : settings_(settings),
        podman_(settings.podman_program, settings.procfs.empty() ? std::string("/proc") : settings.procfs) {}

  std::string_view name() const override { return "podman"; }
  absl::Status Ready() override;
  bool CanMove(const Movable& workload) override { return !IdIn(workload.workload).empty(); }

  absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) override;
  absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& order) override;
  absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) override;
  absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                   MoveControl& control) override;
  absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Leave(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Settle(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Resume(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  absl::Status Drop(const v1::MigrationOrder& order, const DriverMemory& memory) override;

 private:
  // Ends a move that was not: waits for a freeze that still goes on, and lets the container run again.
  absl::StatusOr<MoveOutcome> AfterACrash(const v1::MigrationOrder& order, const std::string& id) const;

  std::string File(const v1::MigrationOrder& order, std::string_view what) const {
    return StrCat(settings_.podman_directory, "/", order.migration_id(), ".", what);
  }
  // Unavailable when the directory can't be asked.
  absl::StatusOr<bool> Has(const v1::MigrationOrder& order, std::string_view what) const;
  absl::Status Put(const v1::MigrationOrder& order, std::string_view what, const std::string& text) const;
  // Whether the token could be renamed, now or before.
  absl::StatusOr<bool> Claim(const v1::MigrationOrder& order, std::string_view as) const;
  void Erase(const v1::MigrationOrder& order) const {
    for (const char* what : {"tar.zst", "part", "home", "moved", "taken", "back", "ran", "ready"}) {
      unlink(File(order, what).c_str());
    }
  }
  // None of the files says whose it is.
  absl::Status Lost() const {
    return absl::FailedPreconditionError(
        StrCat("nothing in ", settings_.podman_directory, " says that it is this host's; is the directory mounted?"));
  }

  const MigrationSettings settings_;
  const Podman podman_;
};

absl::Status PodmanDriver::Ready() {
  TRUCE_RETURN_IF_ERROR(CheckProgram("migration.podman_program", settings_.podman_program));
  if (!IsInPath("criu")) {
    return absl::FailedPreconditionError("there is no criu, which podman freezes containers with; install it");
  }
  const std::string& directory = settings_.podman_directory;
  struct stat status {};
  if (directory.empty() || stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) ||
      access(directory.c_str(), W_OK | X_OK) != 0) {
    return absl::FailedPreconditionError(StrCat("migration.podman_directory: '", directory,
                                                "' is no directory that can be written to; mount one that "
                                                "all hosts share"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PodmanDriver::Has(const v1::MigrationOrder& order, std::string_view what) const {
  struct stat status {};
  const std::string file = File(order, what);
  if (stat(file.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  return absl::UnavailableError(StrCat("looking for ", file, ": ", std::strerror(errno)));
}

absl::Status PodmanDriver::Put(const v1::MigrationOrder& order, std::string_view what, const std::string& text) const {
  const std::string file = File(order, what);
  const host::UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, StrCat("making ", file));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(fd.get()) != 0) {
    const int error = errno;
    unlink(file.c_str());
    return ErrnoStatus(error, StrCat("writing ", file));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PodmanDriver::Claim(const v1::MigrationOrder& order, std::string_view as) const {
  if (rename(File(order, "moved").c_str(), File(order, as).c_str()) == 0) return true;
  if (errno != ENOENT) return ErrnoStatus(errno, StrCat("renaming ", File(order, "moved")));
  return Has(order, as);
}

absl::StatusOr<DriverMemory> PodmanDriver::Recall(const v1::MigrationOrder& /*order*/, const Movable& workload) {
  const std::string id = IdIn(workload.workload);
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, podman_.Inspect(id));
  if (!container.running) return absl::FailedPreconditionError(StrCat("podman runs no container ", id));
  if (container.removes_itself) {
    return absl::FailedPreconditionError(
        StrCat("the container ", id, " was started with --rm, so that it would be gone once it is frozen"));
  }
  return MakeMemory({{"id", id}});
}

absl::StatusOr<DriverMemory> PodmanDriver::Plan(const v1::MigrationOrder& order) {
  const std::string id = IdIn(order.workload());
  if (id.empty()) return absl::FailedPreconditionError(StrCat(order.workload(), " is no container of podman's"));
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, podman_.Inspect(id));
  if (container.exists) {
    return absl::FailedPreconditionError(StrCat("this host has a container ", id, " already; remove it"));
  }
  return MakeMemory({{"id", id}});
}

absl::StatusOr<Reservation> PodmanDriver::Reserve(const v1::MigrationOrder& order, const DriverMemory& plan) {
  TRUCE_RETURN_IF_ERROR(Put(order, "ready", settings_.address));
  return Reservation{.endpoint = settings_.podman_directory, .memory = plan};
}

absl::StatusOr<MoveOutcome> PodmanDriver::Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                               MoveControl& control) {
  const std::string id = WordIn(memory, "id");
  if (control.cancelled) return AfterACrash(order, id);
  TRUCE_ASSIGN_OR_RETURN(const bool shared, Has(order, "ready"));
  if (!shared) {
    return absl::AbortedError(StrCat(settings_.podman_directory, " does not show that ", order.peer_host(),
                                     " waits for it: do both hosts share it?"));
  }
  if (absl::Status begun = Put(order, "home", id); !begun.ok()) return absl::AbortedError(begun.message());
  const std::string part = File(order, "part");
  absl::Status failed = podman_.Freeze(id, part, settings_.longest_move);
  if (absl::IsInternal(failed)) return failed;
  if (!failed.ok()) failed = absl::AbortedError(StrCat("podman could not freeze it: ", StdView(failed.message())));
  // A freeze comes to its end, and is made good for then.
  if (failed.ok() && control.cancelled) failed = absl::CancelledError("it was called off while it was frozen");
  for (const auto& [from, to] : {std::pair("part", "tar.zst"), std::pair("home", "moved")}) {
    if (failed.ok() && rename(File(order, from).c_str(), File(order, to).c_str()) != 0) {
      failed = ErrnoStatus(errno, StrCat("renaming ", File(order, from)));
    }
  }
  if (failed.ok()) {
    struct stat status {};
    stat(File(order, "tar.zst").c_str(), &status);
    return MoveOutcome{.moved_bytes = static_cast<uint64_t>(status.st_size)};
  }
  // Nobody else can have it, because it was not let go.
  auto after = AfterACrash(order, id);
  if (!absl::IsCancelled(after.status()) || control.cancelled) return after;
  return absl::AbortedError(StrCat(StdView(failed.message()), "; it runs here"));
}

absl::StatusOr<MoveOutcome> PodmanDriver::AfterACrash(const v1::MigrationOrder& order, const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const bool moved, Has(order, "moved"));
  TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
  if (moved || taken) return MoveOutcome();
  TRUCE_RETURN_IF_ERROR(podman_.AwaitFreeze(id));
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, podman_.Inspect(id));
  if (!container.exists) return absl::InternalError("podman has no such container any more");
  if (!container.running) {
    TRUCE_ASSIGN_OR_RETURN(const bool home, Has(order, "home"));
    TRUCE_ASSIGN_OR_RETURN(const bool back, Has(order, "back"));
    const absl::Status thawed = home || back ? podman_.Thaw(id) : Lost();
    if (!thawed.ok()) {
      return absl::InternalError(StrCat("it does not run and could not be let run again: ", StdView(thawed.message())));
    }
  }
  for (const char* what : {"part", "tar.zst", "home"}) unlink(File(order, what).c_str());
  return absl::CancelledError("it runs here");
}

absl::StatusOr<Presence> PodmanDriver::Look(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, podman_.Inspect(WordIn(memory, "id")));
  const bool source = order.role() == v1::MIGRATION_ROLE_SOURCE;
  // One that ended by itself can't be let run again as it was.
  const bool ended = source && !container.running && !container.checkpointed;
  bool ran = false;
  if (!source) {
    TRUCE_ASSIGN_OR_RETURN(ran, Has(order, "ran"));
    ran |= container.running || container.restored;
  }
  if (container.exists && !ended) {
    return Presence{.where = container.running ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_STOPPED,
                    .workload = container.cgroup.empty() ? order.workload() : container.cgroup,
                    .arrived = ran};
  }
  Presence presence{.where = v1::MIGRATION_PRESENCE_ABSENT, .arrived = ran};
  if (!source) {
    TRUCE_ASSIGN_OR_RETURN(const bool ready, Has(order, "ready"));
    TRUCE_ASSIGN_OR_RETURN(const bool moved, Has(order, "moved"));
    TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
    if (ready && (moved || taken)) presence.where = v1::MIGRATION_PRESENCE_STOPPED;
  }
  return presence;
}

absl::Status PodmanDriver::Leave(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_RETURN_IF_ERROR(podman_.Remove(WordIn(memory, "id")));
  Erase(order);
  return absl::OkStatus();
}

absl::Status PodmanDriver::Settle(const v1::MigrationOrder& order, const DriverMemory& memory) {
  const std::string id = WordIn(memory, "id");
  TRUCE_ASSIGN_OR_RETURN(PodmanContainer container, podman_.Inspect(id));
  TRUCE_ASSIGN_OR_RETURN(bool ran, Has(order, "ran"));
  ran |= container.running || container.restored;
  if (!ran) {
    TRUCE_ASSIGN_OR_RETURN(const bool claimed, Claim(order, "taken"));
    if (!claimed) {
      return absl::FailedPreconditionError(
          "the source has not let go of it, or has taken it back; it is not let run here");
    }
    TRUCE_RETURN_IF_ERROR(podman_.Remove(id));  // what an earlier try left half made
    const absl::Status restored = podman_.Restore(File(order, "tar.zst"));
    TRUCE_ASSIGN_OR_RETURN(container, podman_.Inspect(id));
    ran = restored.ok() || container.running || container.restored;
    if (!ran) {
      TRUCE_RETURN_IF_ERROR(podman_.Remove(id));
      // Nothing of it is here, so that the source may take it back.
      if (rename(File(order, "taken").c_str(), File(order, "moved").c_str()) != 0) {
        return ErrnoStatus(errno, StrCat("renaming ", File(order, "taken")));
      }
      return restored;
    }
  }
  // From here on its life is its own, and may be over.
  TRUCE_RETURN_IF_ERROR(Put(order, "ran", id));
  unlink(File(order, "ready").c_str());
  return absl::OkStatus();
}

absl::Status PodmanDriver::Resume(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(bool is_ours, Claim(order, "back"));
  if (!is_ours) {
    TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
    if (taken) return absl::FailedPreconditionError("the other host has taken it, and may let it run");
    TRUCE_ASSIGN_OR_RETURN(is_ours, Has(order, "home"));
  }
  if (!is_ours) return Lost();
  TRUCE_RETURN_IF_ERROR(podman_.Thaw(WordIn(memory, "id")));
  Erase(order);
  return absl::OkStatus();
}

absl::Status PodmanDriver::Drop(const v1::MigrationOrder& order, const DriverMemory& memory) {
  const std::string id = WordIn(memory, "id");
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, podman_.Inspect(id));
  TRUCE_ASSIGN_OR_RETURN(const bool ran, Has(order, "ran"));
  if (ran || container.restored) {
    return absl::FailedPreconditionError("it ran here, and what it did is not dropped; look what became of it");
  }
  TRUCE_RETURN_IF_ERROR(podman_.Remove(id));
  if (rename(File(order, "taken").c_str(), File(order, "moved").c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, StrCat("renaming ", File(order, "taken")));
  }
  unlink(File(order, "ready").c_str());
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<MigrationDriver> MakePodmanDriver(const MigrationSettings& settings) {
  return std::make_unique<PodmanDriver>(settings);
}

}  // namespace truce::agent
