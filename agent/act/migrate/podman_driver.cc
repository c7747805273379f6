// Podman's containers: frozen by CRIU into a file of a directory that the hosts share, and thawed from it. Which of the
// two hosts may let it run is decided by one file, which only one of them can rename:
//
//   ID.ready    the target waits, and sees this directory
//   ID.tar.zst  the container, with its memory
//   ID.moved    the source has let go: whoever renames this may let it run
//   ID.taken    the target has; ID.back: the source has
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
#include "google/protobuf/util/json_util.h"
#include "src/base/program.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

using End = ProgramResult::End;

constexpr absl::Duration kAsk = absl::Seconds(20);
constexpr absl::Duration kThaw = absl::Seconds(100);

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

struct Container {
  bool exists = false;
  bool running = false;
  std::string cgroup;
};

class PodmanDriver final : public MigrationDriver {
 public:
  explicit PodmanDriver(const MigrationSettings& settings) : settings_(settings) {}

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
  absl::StatusOr<ProgramResult> Podman(std::vector<std::string> arguments, absl::Duration patience,
                                       const std::atomic<bool>* cancelled = nullptr) const;
  // The same, where anything but exit code 0 is an error.
  absl::Status Do(std::vector<std::string> arguments, absl::Duration patience) const;
  absl::StatusOr<Container> Inspect(const std::string& id) const;
  absl::Status Remove(const std::string& id) const;
  // Lets the container that was frozen here run again.
  absl::Status Thaw(const std::string& id) const;
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
    for (const char* what : {"tar.zst", "part", "moved", "taken", "back", "ready"}) unlink(File(order, what).c_str());
  }

  const MigrationSettings settings_;
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

absl::StatusOr<ProgramResult> PodmanDriver::Podman(std::vector<std::string> arguments, absl::Duration patience,
                                                   const std::atomic<bool>* cancelled) const {
  arguments.insert(arguments.begin(), {settings_.podman_program, "container"});
  return RunProgram({.arguments = std::move(arguments), .patience = patience, .cancelled = cancelled});
}

absl::Status PodmanDriver::Do(std::vector<std::string> arguments, absl::Duration patience) const {
  const std::string step = arguments[0];
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult result, Podman(std::move(arguments), patience));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("podman container ", step, result.end == End::kTimedOut ? " took too long: " : ": ",
             result.last_error.empty() ? StrCat("exit code ", result.exit_code) : result.last_error));
}

absl::StatusOr<Container> PodmanDriver::Inspect(const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult exists, Podman({"exists", id}, kAsk));
  if (exists.exit_code == 1) return Container();
  if (exists.exit_code != 0) {
    return absl::UnavailableError(
        StrCat("podman does not say whether there is a container ", id, ": ", exists.last_error));
  }
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult said, Podman({"inspect", id}, kAsk));
  google::protobuf::ListValue list;
  if (said.exit_code != 0 || !google::protobuf::util::JsonStringToMessage(said.output, &list).ok() ||
      list.values_size() != 1) {
    return absl::UnavailableError(StrCat("podman does not say how the container ", id, " is: ", said.last_error));
  }
  const auto& state = JsonObject(list.values(0).struct_value(), "State");
  Container container{.exists = true, .running = JsonText(state, "Status") == "running"};
  container.cgroup = JsonText(state, "CgroupPath");
  if (container.cgroup.starts_with('/')) container.cgroup.erase(0, 1);
  return container;
}

absl::Status PodmanDriver::Remove(const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(id));
  if (!container.exists) return absl::OkStatus();
  if (container.running) return absl::FailedPreconditionError("the container runs, and is not removed");
  return Do({"rm", id}, kAsk);
}

absl::Status PodmanDriver::Thaw(const std::string& id) const {
  TRUCE_RETURN_IF_ERROR(Do({"restore", "--keep", "--tcp-established", id}, kThaw));
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(id));
  return container.running ? absl::OkStatus() : absl::UnavailableError("podman restored it, and it does not run");
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
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(id));
  if (!container.running) return absl::FailedPreconditionError(StrCat("podman runs no container ", id));
  return MakeMemory({{"id", id}});
}

absl::StatusOr<DriverMemory> PodmanDriver::Plan(const v1::MigrationOrder& order) {
  const std::string id = IdIn(order.workload());
  if (id.empty()) return absl::FailedPreconditionError(StrCat(order.workload(), " is no container of podman's"));
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(id));
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
  const std::string part = File(order, "part");
  auto frozen = Podman({"checkpoint", "--keep", "--tcp-established", "--compress", "zstd", "--export", part, id},
                       settings_.longest_move, &control.cancelled);
  absl::Status failed = frozen.status();
  if (frozen.ok() && frozen->exit_code != 0) {
    failed = absl::AbortedError(StrCat("podman could not freeze it: ", frozen->last_error));
  }
  if (failed.ok() && rename(part.c_str(), File(order, "tar.zst").c_str()) != 0) {
    failed = ErrnoStatus(errno, StrCat("renaming ", part));
  }
  if (failed.ok()) failed = Put(order, "moved", id);
  if (failed.ok()) {
    struct stat status {};
    stat(File(order, "tar.zst").c_str(), &status);
    return MoveOutcome{.moved_bytes = static_cast<uint64_t>(status.st_size)};
  }
  // Nobody else can have it, because there is no token.
  auto after = AfterACrash(order, id);
  if (!absl::IsCancelled(after.status()) || control.cancelled) return after;
  return absl::AbortedError(StrCat(StdView(failed.message()), "; it runs here"));
}

absl::StatusOr<MoveOutcome> PodmanDriver::AfterACrash(const v1::MigrationOrder& order, const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const bool moved, Has(order, "moved"));
  TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
  if (moved || taken) return MoveOutcome();
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(id));
  if (!container.exists) return absl::InternalError("podman has no such container any more");
  if (!container.running) {
    const absl::Status thawed = Thaw(id);
    if (!thawed.ok()) {
      return absl::InternalError(StrCat("it was frozen and could not be let run again: ", StdView(thawed.message())));
    }
  }
  unlink(File(order, "part").c_str());
  unlink(File(order, "tar.zst").c_str());
  return absl::CancelledError("it runs here");
}

absl::StatusOr<Presence> PodmanDriver::Look(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const Container container, Inspect(WordIn(memory, "id")));
  if (container.exists) {
    return Presence{.where = container.running ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_STOPPED,
                    .workload = container.cgroup.empty() ? order.workload() : container.cgroup};
  }
  Presence presence{.where = v1::MIGRATION_PRESENCE_ABSENT};
  if (order.role() == v1::MIGRATION_ROLE_TARGET) {
    TRUCE_ASSIGN_OR_RETURN(const bool ready, Has(order, "ready"));
    TRUCE_ASSIGN_OR_RETURN(const bool moved, Has(order, "moved"));
    TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
    if (ready && (moved || taken)) presence.where = v1::MIGRATION_PRESENCE_STOPPED;
  }
  return presence;
}

absl::Status PodmanDriver::Leave(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_RETURN_IF_ERROR(Remove(WordIn(memory, "id")));
  Erase(order);
  return absl::OkStatus();
}

absl::Status PodmanDriver::Settle(const v1::MigrationOrder& order, const DriverMemory& memory) {
  const std::string id = WordIn(memory, "id");
  TRUCE_ASSIGN_OR_RETURN(Container container, Inspect(id));
  if (!container.running) {
    TRUCE_ASSIGN_OR_RETURN(const bool claimed, Claim(order, "taken"));
    if (!claimed) {
      return absl::FailedPreconditionError(
          "the source has not let go of it, or has taken it back; it is not let run here");
    }
    TRUCE_RETURN_IF_ERROR(Remove(id));  // of an earlier try
    const absl::Status restored = Do({"restore", "--tcp-established", "--import", File(order, "tar.zst")}, kThaw);
    TRUCE_ASSIGN_OR_RETURN(container, Inspect(id));
    if (!container.running) {
      TRUCE_RETURN_IF_ERROR(Remove(id));
      // Nothing of it is here, so that the source may take it back.
      if (rename(File(order, "taken").c_str(), File(order, "moved").c_str()) != 0) {
        return ErrnoStatus(errno, StrCat("renaming ", File(order, "taken")));
      }
      return restored.ok() ? absl::FailedPreconditionError("podman restored it, and it ended at once") : restored;
    }
  }
  unlink(File(order, "ready").c_str());
  return absl::OkStatus();
}

absl::Status PodmanDriver::Resume(const v1::MigrationOrder& order, const DriverMemory& memory) {
  const std::string id = WordIn(memory, "id");
  TRUCE_ASSIGN_OR_RETURN(const bool claimed, Claim(order, "back"));
  if (!claimed) {
    TRUCE_ASSIGN_OR_RETURN(const bool taken, Has(order, "taken"));
    if (taken) return absl::FailedPreconditionError("the other host has taken it, and may let it run");
  }
  TRUCE_RETURN_IF_ERROR(Thaw(id));
  Erase(order);
  return absl::OkStatus();
}

absl::Status PodmanDriver::Drop(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_RETURN_IF_ERROR(Remove(WordIn(memory, "id")));
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
