#include "agent/host_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "spdlog/spdlog.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// Processes that hold a flock on the file, as /proc/locks tells: "1: FLOCK  ADVISORY  WRITE 812 00:1c:1 0 EOF".
std::vector<int> Holders(const std::string& procfs, const struct stat& file) {
  std::vector<int> holders;
  const auto locks = host::ReadFile(StrCat(procfs, "/locks"));
  if (!locks.ok()) return holders;
  const std::string wanted =
      absl::StrFormat("%02x:%02x:%d", major(file.st_dev), minor(file.st_dev), static_cast<int64_t>(file.st_ino));
  host::ForEachLine(*locks, [&](std::string_view line) {
    std::vector<std::string_view> words;
    for (std::string_view word; !(word = host::NextWord(&line)).empty();) words.push_back(word);
    int pid = 0;
    // A waiter has "->" before its kind, and so one word more.
    if (words.size() < 6 || words[1] != "FLOCK" || words[5] != wanted) return;
    if (absl::SimpleAtoi(AbslView(words[4]), &pid) && pid > 0) holders.push_back(pid);
  });
  return holders;
}

// The user who started it (not whom a setuid program lent it); nullopt when it is gone.
std::optional<int64_t> UserOf(const std::string& procfs, int pid) {
  const auto status = host::ReadFile(StrCat(procfs, "/", pid, "/status"));
  if (!status.ok()) return std::nullopt;
  std::optional<int64_t> user;
  host::ForEachLine(*status, [&user](std::string_view line) {
    if (host::NextWord(&line) == "Uid:") user = host::FirstNumber(host::NextWord(&line));
  });
  return user;
}

absl::Status Held(const std::string& directory, const std::vector<int>& holders) {
  std::string who;
  for (const int pid : holders) StrAppend(&who, who.empty() ? "process " : ", ", pid);
  return absl::AlreadyExistsError(
      StrCat("another truce-agent already runs on this host: ", who.empty() ? "something" : who, " holds a lock on ",
             directory, "; stop it first, or see who it is with: pgrep -a truce-agent; lslocks"));
}

// Whether everybody who holds the lock is somebody whose word does not count. A process that is gone while its lock
// stays has left it to another, which no agent does: it would be a way around this.
bool OnlyStrangers(const std::string& procfs, const std::vector<int>& holders) {
  return !holders.empty() && std::none_of(holders.begin(), holders.end(), [&procfs](int pid) {
    const auto user = UserOf(procfs, pid);
    return user && (*user == 0 || *user == static_cast<int64_t>(getuid()));
  });
}

// "truce-agent/28-1.lock": names the cgroup root by what it is, since containers may see it under another path.
absl::StatusOr<host::UniqueFd> OpenRunFile(const std::string& run_directory, const std::string& cgroup_root,
                                           std::string* name) {
  struct stat root {};
  if (stat(cgroup_root.c_str(), &root) != 0) return ErrnoStatus(errno, StrCat("opening ", cgroup_root));
  const std::string directory = run_directory + "/truce-agent";
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoStatus(errno, StrCat("making ", directory));
  *name = StrCat(directory, "/", static_cast<uint64_t>(root.st_dev), "-", static_cast<uint64_t>(root.st_ino), ".lock");
  host::UniqueFd fd(open(name->c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, StrCat("opening ", *name));
  return fd;
}

// Locks what `fd` has open. `strangers_count`: whether a lock that a stranger holds keeps the agent from starting.
absl::Status Take(const host::UniqueFd& fd, const std::string& name, const std::string& procfs, bool strangers_count) {
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  struct stat file {};
  if (fstat(fd.get(), &file) != 0) return ErrnoStatus(errno, StrCat("reading ", name));
  const std::vector<int> holders = Holders(procfs, file);
  if (strangers_count || !OnlyStrangers(procfs, holders)) return Held(name, holders);
  spdlog::warn("process {}, which is not root's, holds a lock on {}; it is ignored", holders.front(), name);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostLock> LockHost(const HostLockOptions& options) {
  std::error_code error;
  if (std::filesystem::create_directories(options.state_directory, error)) {
    std::filesystem::permissions(options.state_directory, std::filesystem::perms::owner_all, error);
  }
  HostLock lock;
  std::string run_file;
  if (auto fd = OpenRunFile(options.run_directory, options.cgroup_root, &run_file); fd.ok()) {
    TRUCE_RETURN_IF_ERROR(Take(*fd, run_file, options.procfs, true));
    lock.files.push_back(*std::move(fd));
  } else {
    spdlog::debug("no lock in {}: {}", options.run_directory, std::string(StdView(fd.status().message())));
  }
  for (const std::string& directory : {options.cgroup_root, options.state_directory}) {
    host::UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) {
      const bool state = directory == options.state_directory;
      return ErrnoStatus(errno, StrCat(state ? "opening the state_directory " : "opening ", directory));
    }
    TRUCE_RETURN_IF_ERROR(Take(fd, directory, options.procfs, directory != options.cgroup_root));
    lock.files.push_back(std::move(fd));
  }
  return lock;
}

}  // namespace truce::agent
