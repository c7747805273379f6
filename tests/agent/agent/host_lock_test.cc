// Who can keep an agent from starting: another agent, and nobody else. Anybody may lock a directory that they can read.
#include "agent/host_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uid_t kNobody = 65534;

// A process that holds a lock on a directory as long as this lives.
class Holder {
 public:
  // `leaves` has a child take the lock that then ends, as a stranger may who wants not to be found.
  Holder(const std::string& directory, uid_t user, int operation = LOCK_EX, bool leaves = false) {
    int locked[2] = {-1, -1};
    if (pipe2(locked, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    pid_ = fork();
    if (pid_ == 0) {
      // Only system calls from here on: other threads of this test may have held locks at the fork.
      // Opened before: the user need not be able to get to wherever this test's files are.
      const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY);
      bool done = user == geteuid() || (setgid(user) == 0 && setuid(user) == 0);
      if (leaves) {
        const pid_t child = fork();
        if (child == 0) _exit(flock(fd, operation | LOCK_NB) == 0 ? 0 : 1);
        int status = 1;
        done = done && waitpid(child, &status, 0) == child && status == 0;
      } else {
        done = done && fd >= 0 && flock(fd, operation | LOCK_NB) == 0;
      }
      if (done && write(locked[1], "y", 1) == 1) pause();
      _exit(1);
    }
    close(locked[1]);
    char yes = 0;
    EXPECT_EQ(read(locked[0], &yes, 1), 1) << "user " << user << " cannot lock " << directory;
    close(locked[0]);
  }
  ~Holder() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

class HostLockTest : public testing::Test {
 protected:
  HostLockTest() {
    tree_.MakeDirectory("cgroup");
    tree_.MakeDirectory("no-proc");
    tree_.MakeDirectory("run");
    chmod(tree_.root().c_str(), 0755);
    chmod(tree_.Path("cgroup").c_str(), 0755);
  }
  HostLockOptions Options() { return {tree_.Path("cgroup"), tree_.Path("state"), "/proc", tree_.Path("run")}; }
  absl::StatusOr<HostLock> Lock() { return LockHost(Options()); }
  static std::string Message(const absl::Status& status) { return std::string(status.message()); }

  test::Tree tree_;
};

TEST_F(HostLockTest, TheSameUsersLockCountsAndIsNamed) {
  {
    const Holder holder(tree_.Path("cgroup"), geteuid());
    const auto lock = Lock();
    EXPECT_TRUE(absl::IsAlreadyExists(lock.status())) << lock.status();
    EXPECT_THAT(Message(lock.status()),
                AllOf(HasSubstr(StrCat("process ", holder.pid(), " holds")), HasSubstr(tree_.Path("cgroup"))));
  }
  EXPECT_TRUE(Lock().ok()) << "it goes with its holder";
}

TEST_F(HostLockTest, AnUnprivilegedUsersLockOnTheCgroupRootIsIgnored) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Holder stranger(tree_.Path("cgroup"), kNobody);
  const auto first = Lock();
  EXPECT_TRUE(first.ok()) << first.status();
  HostLockOptions other = Options();
  other.state_directory = tree_.Path("other-state");
  const auto second = LockHost(other);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << "the lock in the run directory still tells two agents apart";
  EXPECT_THAT(Message(second.status()), HasSubstr(tree_.Path("run/truce-agent")));
}

TEST_F(HostLockTest, ALockWhoseTakerIsGoneIsIgnoredToo) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Holder stranger(tree_.Path("cgroup"), kNobody, LOCK_EX, /*leaves=*/true);
  const auto lock = Lock();
  EXPECT_TRUE(lock.ok()) << lock.status();
}

TEST_F(HostLockTest, AStrangersLockBesideRootsHidesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const Holder stranger(tree_.Path("cgroup"), kNobody, LOCK_SH);
  const Holder root(tree_.Path("cgroup"), 0, LOCK_SH);
  const auto lock = Lock();
  EXPECT_TRUE(absl::IsAlreadyExists(lock.status())) << lock.status();
  EXPECT_THAT(Message(lock.status()), HasSubstr(StrCat(root.pid())));
}

TEST_F(HostLockTest, EveryLockOnTheStateDirectoryCounts) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  tree_.MakeDirectory("state");
  chmod(tree_.Path("state").c_str(), 0755);
  const Holder stranger(tree_.Path("state"), kNobody);
  const auto lock = Lock();
  EXPECT_TRUE(absl::IsAlreadyExists(lock.status())) << lock.status();
  EXPECT_THAT(Message(lock.status()), HasSubstr(tree_.Path("state")));
}

TEST_F(HostLockTest, AHolderWhoCannotBeLookedUpCounts) {
  const Holder holder(tree_.Path("cgroup"), geteuid() == 0 ? kNobody : geteuid());
  const auto lock = LockHost({tree_.Path("cgroup"), tree_.Path("state"), tree_.Path("no-proc"), tree_.Path("run")});
  EXPECT_TRUE(absl::IsAlreadyExists(lock.status())) << lock.status();
  EXPECT_THAT(Message(lock.status()), HasSubstr("something holds a lock on"));
}

TEST_F(HostLockTest, WithoutItsPlaceInTheRunDirectoryTheOthersStillHold) {
  HostLockOptions options = Options();
  options.run_directory = tree_.Path("nowhere");
  const auto first = LockHost(options);
  ASSERT_TRUE(first.ok()) << first.status();
  options.state_directory = tree_.Path("other-state");
  const auto second = LockHost(options);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_THAT(Message(second.status()), HasSubstr(tree_.Path("cgroup")));
}

TEST_F(HostLockTest, AMissingStateDirectoryIsMadeForTheOwnerAlone) {
  ASSERT_TRUE(Lock().ok());
  struct stat status {};
  ASSERT_EQ(stat(tree_.Path("state").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_TRUE(
      absl::IsNotFound(LockHost({tree_.Path("nowhere"), tree_.Path("state"), "/proc", tree_.Path("run")}).status()));
}

}  // namespace
}  // namespace truce::agent
