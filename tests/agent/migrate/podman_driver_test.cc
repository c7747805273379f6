// The podman driver, with a podman that keeps its containers in files: from host to host, and back from each failure.
// What must hold is that no container ever runs on both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/act/migrate/drivers.h"
#include "tests/agent/migrate/two_hosts.h"

namespace truce::agent {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kId[] = "3f2a9c51d0b7";
constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kFailed = v1::MIGRATION_PROGRESS_FAILED;
constexpr auto kReserve = v1::MIGRATION_STEP_RESERVE;
constexpr auto kMove = v1::MIGRATION_STEP_MOVE;
constexpr auto kVerify = v1::MIGRATION_STEP_VERIFY;
constexpr auto kFinish = v1::MIGRATION_STEP_FINISH;
constexpr auto kRollBack = v1::MIGRATION_STEP_ROLL_BACK;

std::string Slurp(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Containers are files STORE/ID with their state in them; STORE/ID.checkpointed and ID.restored are the flags that
// podman keeps of them, STORE/rm makes them remove themselves. A file STORE/fail_WORD makes the command fail before it
// did anything; STORE/slow holds a checkpoint. With STORE/left the runtime goes on where podman has ended.
constexpr char kPodman[] = R"sh(
shift
word=$1; shift
echo "$word $*" >>"$store/log"
[ -e "$store/fail_$word" ] && { echo "Error: $word failed" >&2; exit 125; }
while [[ "$1" == --* ]]; do
  case $1 in --export|--import) file=$2; shift ;; --compress) shift ;; esac
  shift
done
id=$1
case $word in
  exists) [ -e "$store/$id" ] ;;
  inspect)
    [ -e "$store/$id" ] || { echo "Error: no such container" >&2; exit 125; }
    flag() { [ -e "$store/$1" ] && echo true || echo false; }
    state="\"Status\": \"$(cat "$store/$id")\", \"CgroupPath\": \"/machine.slice/libpod-$id.scope\""
    state="{$state, \"Checkpointed\": $(flag "$id.checkpointed"), \"Restored\": $(flag "$id.restored")}"
    echo "[{\"Id\": \"$id\", \"State\": $state, \"HostConfig\": {\"AutoRemove\": $(flag rm)}}]" ;;
  checkpoint)
    [ "$(cat "$store/$id")" = running ] || { echo "Error: not running" >&2; exit 125; }
    if [ -e "$store/left" ]; then
      "$store/crun" checkpoint "$id" </dev/null >/dev/null 2>&1 &
      echo "Error: killed" >&2; exit 137
    fi
    trap 'echo "Error: told to stop" >&2; exit 125' TERM
    while [ -e "$store/slow" ]; do sleep 0.02; done
    echo "$id" >"$file" || exit 125
    echo exited >"$store/$id"
    touch "$store/$id.checkpointed"
    # It was frozen, and podman fails after that.
    [ -e "$store/fail_after_checkpoint" ] && { echo "Error: half done" >&2; exit 125; }
    exit 0 ;;
  restore)
    if [ -n "$file" ]; then
      id=$(cat "$file") || exit 125
      [ -e "$store/$id" ] && { echo "Error: it is there already" >&2; exit 125; }
      echo running >"$store/$id"
      [ -e "$store/fail_after_restore" ] || touch "$store/$id.restored"
      [ -e "$store/ends" ] && { echo exited >"$store/$id"; exit 0; }
      [ -e "$store/fail_after_restore" ] && { echo exited >"$store/$id"; echo "Error: half done" >&2; exit 125; }
      exit 0
    fi
    # Like podman, it takes what it has, however old that is.
    [ "$(cat "$store/$id")" = exited ] || { echo "Error: not checkpointed" >&2; exit 125; }
    rm -f "$store/$id.checkpointed"
    echo running >"$store/$id" ;;
  rm)
    [ "$(cat "$store/$id")" = running ] && { echo "Error: running" >&2; exit 2; }
    rm -f "$store/$id" "$store/$id.checkpointed" "$store/$id.restored" ;;
  *) echo "Error: unknown command $word" >&2; exit 125 ;;
esac
)sh";

// The runtime that podman starts: it freezes the container in its own time.
constexpr char kRuntime[] = R"sh(
while [ -e "$store/slow" ]; do sleep 0.02; done
echo exited >"$store/$2"
touch "$store/$2.checkpointed"
)sh";

class PodmanTest : public testing::Test {
 protected:
  PodmanTest() {
    // criu is looked for, and nothing more.
    PutScript(shared_, "bin/criu", "#!/bin/sh\n");
    const char* path = std::getenv("PATH");
    path_ = path == nullptr ? "" : path;
    setenv("PATH", StrCat(path_, ":", shared_.Path("bin")).c_str(), 1);
    shared_.MakeDirectory("checkpoints");
    for (MigrationHost* host : {&hosts_.source, &hosts_.target}) {
      host->files().MakeDirectory("store");
      MigrationSettings& settings = host->settings();
      settings.drivers = {"podman"};
      settings.podman_program =
          PutScript(host->files(), "podman", StrCat("#!/bin/bash\nstore=", host->files().Path("store"), "\n", kPodman));
      PutScript(host->files(), "store/crun",
                StrCat("#!/bin/bash\nstore=", host->files().Path("store"), "\n", kRuntime));
      settings.podman_directory = shared_.Path("checkpoints");
    }
    hosts_.driver = "podman";
    hosts_.workload = StrCat("machine.slice/libpod-", kId, ".scope");
    hosts_.source.AddWorkload(hosts_.workload, {});
    hosts_.source.files().Put(StrCat("store/", kId), "running");
  }
  ~PodmanTest() override {
    hosts_.source.Close();
    hosts_.target.Close();
    setenv("PATH", path_.c_str(), 1);
  }
  void Open() {
    hosts_.source.Open();
    hosts_.target.Open();
  }
  std::string StateAt(MigrationHost& host) {
    std::string state = Slurp(host.files().Path(StrCat("store/", kId)));
    return state.substr(0, state.find('\n'));
  }
  std::string States() { return StrCat(StateAt(hosts_.source), "/", StateAt(hosts_.target)); }
  std::vector<std::string> SharedFiles() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(shared_.Path("checkpoints"))) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  void Fail(MigrationHost& host, const std::string& word) { host.files().Put(StrCat("store/fail_", word), ""); }
  void Heal(MigrationHost& host, const std::string& word) { host.files().Remove(StrCat("store/fail_", word)); }

  test::Tree shared_;
  std::string path_;
  TwoHosts hosts_{{}, {}};
};

TEST_F(PodmanTest, AContainerMovesToAnotherHost) {
  Open();
  v1::MigrationStatus status = hosts_.AtTarget(kReserve);
  ASSERT_EQ(status.progress(), kDone) << status.reason();
  status = hosts_.AtSource(kMove);
  ASSERT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.moved_bytes(), std::string_view(kId).size() + 1);
  EXPECT_EQ(States(), "exited/");
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kStopped);
  EXPECT_EQ(hosts_.AtTarget(kVerify).presence(), kStopped) << "all of it is there";
  status = hosts_.AtTarget(kFinish);
  EXPECT_EQ(status.presence(), kRunning) << status.reason();
  EXPECT_EQ(status.workload(), hosts_.workload);
  EXPECT_EQ(States(), "exited/running");
  EXPECT_EQ(hosts_.AtSource(kFinish).presence(), kAbsent);
  EXPECT_EQ(States(), "/running");
  EXPECT_THAT(SharedFiles(), IsEmpty());
}

TEST_F(PodmanTest, BeforeItIsLetRunThereItCanComeBack) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  EXPECT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
  EXPECT_EQ(hosts_.AtSource(kRollBack).presence(), kRunning);
  EXPECT_EQ(States(), "running/");
  EXPECT_THAT(SharedFiles(), IsEmpty());
}

// Even if a controller erred: the file that only one can rename decides.
TEST_F(PodmanTest, NeverRunsOnBoth) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  ASSERT_EQ(hosts_.AtTarget(kFinish).presence(), kRunning);
  v1::MigrationStatus status = hosts_.AtSource(kRollBack);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("the other host has taken it"));
  EXPECT_EQ(States(), "exited/running");
}
TEST_F(PodmanTest, WhatWasTakenBackIsNotLetRunThere) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  ASSERT_EQ(hosts_.AtTarget(kVerify).presence(), kStopped);
  ASSERT_EQ(hosts_.AtSource(kRollBack).presence(), kRunning);
  EXPECT_EQ(hosts_.AtTarget(kFinish).progress(), kFailed);
  EXPECT_EQ(States(), "running/");
}

TEST_F(PodmanTest, AFreezeThatFailsLeavesItRunning) {
  for (const char* word : {"checkpoint", "after_checkpoint"}) {
    hosts_.id = StrCat("m-", word);
    Open();
    ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
    Fail(hosts_.source, word);
    const v1::MigrationStatus status = hosts_.AtSource(kMove);
    EXPECT_EQ(status.progress(), kFailed);
    EXPECT_THAT(status.reason(), HasSubstr("podman could not freeze it: podman container checkpoint: Error: "));
    EXPECT_EQ(States(), "running/") << word;
    Heal(hosts_.source, word);
    EXPECT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
    EXPECT_EQ(hosts_.AtSource(kRollBack).presence(), kRunning);
    EXPECT_THAT(SharedFiles(), IsEmpty());
  }
}

// Who ended podman would leave its helpers at it: a freeze comes to its end, and is made good for.
TEST_F(PodmanTest, AFreezeThatIsCalledOffComesToItsEndAndIsThawed) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.source.files().Put("store/slow", "");
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove));
  ASSERT_TRUE(AwaitFor([&] {
    (void)hosts_.source.Status();
    return Slurp(hosts_.source.files().Path("store/log")).find("checkpoint") != std::string::npos;
  }));
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kVerify));
  EXPECT_EQ(hosts_.source.Status().step(), kMove) << "podman was not told to stop in the middle";
  hosts_.source.files().Remove("store/slow");
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kRunning);
  EXPECT_EQ(States(), "running/");
  EXPECT_THAT(Slurp(hosts_.source.files().Path("store/log")), HasSubstr("restore --tcp-established 3f2a9c51d0b7"));
  EXPECT_THAT(SharedFiles(), ElementsAre(hosts_.id + ".ready")) << "nothing was let go of";
}

// podman may be killed, and leave the runtime and criu at work.
TEST_F(PodmanTest, AFreezeThatGoesOnWithoutPodmanIsWaitedFor) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.source.files().Put("store/slow", "");
  hosts_.source.files().Put("store/left", "");
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove));
  ASSERT_TRUE(AwaitFor([&] {
    (void)hosts_.source.Status();
    return Slurp(hosts_.source.files().Path("store/log")).find("checkpoint") != std::string::npos;
  }));
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(hosts_.source.Status().progress(), v1::MIGRATION_PROGRESS_WORKING) << "it is not said to run on";
  hosts_.source.files().Remove("store/slow");
  v1::MigrationStatus status = hosts_.AtSource(kMove);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("podman could not freeze it: podman container checkpoint: Error: killed"));
  EXPECT_THAT(status.reason(), HasSubstr("it runs here"));
  EXPECT_EQ(States(), "running/") << "as it was frozen, so it was thawed";
}

// podman keeps checkpoints, and would restore one that has nothing to do with this move.
TEST_F(PodmanTest, WhatEndedByItselfIsNotThawedFromAnOlderCheckpoint) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.source.files().Put("store/slow", "");
  hosts_.source.files().Put("store/left", "");
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove));
  ASSERT_TRUE(AwaitFor([&] {
    (void)hosts_.source.Status();
    return Slurp(hosts_.source.files().Path("store/log")).find("checkpoint") != std::string::npos;
  }));
  PutScript(hosts_.source.files(), "podman",
            StrCat("#!/bin/bash\nstore=", hosts_.source.files().Path("store"), "\nrm -f \"$store\"/*.checkpointed\n",
                   kPodman));
  hosts_.source.files().Remove("store/slow");
  const v1::MigrationStatus status = hosts_.AtSource(kMove);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("it ended by itself"));
  EXPECT_EQ(States(), "exited/");
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kAbsent) << "nothing is left that could go on";
  ASSERT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
  EXPECT_EQ(hosts_.AtSource(kRollBack).progress(), kFailed);
  EXPECT_EQ(States(), "exited/");
}

// A batch job that is done soon after it came is done, and not begun again by the next try.
TEST_F(PodmanTest, WhatHasRunOnTheTargetIsNeitherRestoredAgainNorGivenBack) {
  hosts_.target.files().Put("store/ends", "");
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  v1::MigrationStatus status = hosts_.AtTarget(kFinish);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(States(), "exited/exited");

  const auto restores = [&] {
    const std::string log = Slurp(hosts_.target.files().Path("store/log"));
    int count = 0;
    for (size_t at = log.find("restore"); at != std::string::npos; at = log.find("restore", at + 1)) ++count;
    return count;
  };
  ASSERT_EQ(restores(), 1);
  const auto driver = MakePodmanDriver(hosts_.target.settings());
  const v1::MigrationOrder order = hosts_.Order(v1::MIGRATION_ROLE_TARGET, kFinish);
  const DriverMemory memory = StrCat("id=", kId);
  EXPECT_TRUE(driver->Settle(order, memory).ok());
  EXPECT_EQ(restores(), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Drop(order, memory)));
  // An agent that died before it wrote that down knows it by podman; and one whose container is gone, by the file.
  shared_.Remove(StrCat("checkpoints/", hosts_.id, ".ran"));
  EXPECT_TRUE(driver->Settle(order, memory).ok());
  hosts_.target.files().Remove(StrCat("store/", kId));
  EXPECT_TRUE(driver->Settle(order, memory).ok());
  EXPECT_EQ(restores(), 1);
  const v1::MigrationStatus back = hosts_.AtSource(kRollBack);
  EXPECT_THAT(back.reason(), HasSubstr("the other host has taken it"));
  EXPECT_EQ(StateAt(hosts_.source), "exited");
}

// A shared directory that is not mounted looks like one in which nobody has taken anything.
TEST_F(PodmanTest, WithoutTheFileThatSaysWhoseItIsNothingIsLetRun) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  shared_.Remove(StrCat("checkpoints/", hosts_.id, ".moved"));
  const v1::MigrationStatus status = hosts_.AtSource(kRollBack);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("is the directory mounted?"));
  EXPECT_EQ(States(), "exited/");
}

TEST_F(PodmanTest, AContainerThatRemovesItselfIsNotMoved) {
  hosts_.source.files().Put("store/rm", "");
  Open();
  EXPECT_THAT(hosts_.AtSource(kMove).reason(), HasSubstr("was started with --rm"));
  EXPECT_EQ(States(), "running/");
}

TEST_F(PodmanTest, AThawThatFailsOnTheTargetGivesItBack) {
  for (const char* word : {"restore", "after_restore"}) {
    hosts_.id = StrCat("m-", word);
    Open();
    ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
    ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
    Fail(hosts_.target, word);
    v1::MigrationStatus status = hosts_.AtTarget(kFinish);
    EXPECT_EQ(status.progress(), kFailed);
    EXPECT_THAT(status.reason(), HasSubstr("podman container restore: Error: "));
    EXPECT_EQ(status.presence(), kStopped) << "its image waits";
    EXPECT_EQ(States(), "exited/") << "and nothing half done is left";
    EXPECT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
    status = hosts_.AtSource(kRollBack);
    EXPECT_EQ(status.presence(), kRunning) << status.reason();
    EXPECT_EQ(States(), "running/");
    Heal(hosts_.target, word);
  }
}

TEST_F(PodmanTest, WhatCannotBeThawedOrRemovedIsTriedAgain) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  ASSERT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
  Fail(hosts_.source, "restore");
  EXPECT_EQ(hosts_.AtSource(kRollBack).progress(), kFailed);
  EXPECT_EQ(States(), "exited/");
  Heal(hosts_.source, "restore");
  ASSERT_TRUE(AwaitFor([&] { return hosts_.AtSource(kRollBack).progress() == kDone; }));
  EXPECT_EQ(States(), "running/");
}

// Agents that die: the next one knows by the files whose it is.
TEST_F(PodmanTest, AnAgentThatDiedInAFreezeFindsOutHowItEnded) {
  MigrationSettings settings = hosts_.source.settings();
  const auto driver = MakePodmanDriver(settings);
  v1::MigrationOrder order = hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove);
  const DriverMemory memory = StrCat("id=", kId);
  MoveControl cancelled;
  cancelled.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(driver->Move(order, memory, cancelled).status())) << "it had not begun";
  hosts_.source.files().Put(StrCat("store/", kId), "exited");
  hosts_.source.files().Put(StrCat("store/", kId, ".checkpointed"), "");
  EXPECT_TRUE(absl::IsInternal(driver->Move(order, memory, cancelled).status())) << "whose it is nobody can say";
  EXPECT_EQ(States(), "exited/");
  shared_.Put(StrCat("checkpoints/", hosts_.id, ".home"), "");
  shared_.Put(StrCat("checkpoints/", hosts_.id, ".part"), "half");
  EXPECT_TRUE(absl::IsCancelled(driver->Move(order, memory, cancelled).status())) << "frozen, and nobody else's";
  EXPECT_EQ(States(), "running/");
  EXPECT_THAT(SharedFiles(), IsEmpty());
  hosts_.source.files().Put(StrCat("store/", kId), "exited");
  shared_.Put(StrCat("checkpoints/", hosts_.id, ".moved"), "");
  EXPECT_TRUE(driver->Move(order, memory, cancelled).ok()) << "let go";
  EXPECT_EQ(States(), "exited/");
}

TEST_F(PodmanTest, ASettledTargetThatDiedInTheMiddleSettlesAgain) {
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  ASSERT_EQ(hosts_.AtTarget(kVerify).presence(), kStopped);
  // It had taken the file, and left a container half made.
  std::filesystem::rename(shared_.Path(StrCat("checkpoints/", hosts_.id, ".moved")),
                          shared_.Path(StrCat("checkpoints/", hosts_.id, ".taken")));
  hosts_.target.files().Put(StrCat("store/", kId), "created");
  hosts_.target.Open();
  EXPECT_EQ(hosts_.AtTarget(kFinish).presence(), kRunning);
}

TEST_F(PodmanTest, WhatIsNotSharedIsFoundOut) {
  hosts_.target.settings().podman_directory = hosts_.target.files().Path("store");
  Open();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  const v1::MigrationStatus status = hosts_.AtSource(kMove);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("do both hosts share it?"));
  EXPECT_EQ(States(), "running/");
}

TEST_F(PodmanTest, AContainerThatIsThereAlreadyIsNotReplaced) {
  hosts_.target.files().Put(StrCat("store/", kId), "exited");
  Open();
  EXPECT_THAT(hosts_.AtTarget(kReserve).reason(), HasSubstr("this host has a container 3f2a9c51d0b7 already"));
}

TEST_F(PodmanTest, KnowsItsContainersByTheirCgroups) {
  const auto driver = MakePodmanDriver(hosts_.source.settings());
  for (const char* name : {"machine.slice/libpod-3f2a9c51d0b7.scope", "libpod_parent/libpod-3f2a9c51d0b7aa",
                           "machine.slice/libpod-3f2a9c51d0b7.scope"}) {
    EXPECT_TRUE(driver->CanMove({name, "podman", "", nullptr})) << name;
  }
  for (const char* name : {"machine.slice/libpod-conmon-3f2a9c51d0b7.scope", "system.slice/docker-3f2a9c51d0b7.scope",
                           "machine.slice/libpod-3f.scope", "libpod-3f2a9c51d0b7;rm"}) {
    EXPECT_FALSE(driver->CanMove({name, "podman", "", nullptr})) << name;
  }
}

TEST_F(PodmanTest, IsReadyWithPodmanCriuAndADirectory) {
  MigrationSettings settings = hosts_.source.settings();
  EXPECT_TRUE(MakePodmanDriver(settings)->Ready().ok()) << MakePodmanDriver(settings)->Ready();
  settings.podman_directory = shared_.Path("none");
  EXPECT_THAT(std::string(MakePodmanDriver(settings)->Ready().message()), HasSubstr("migration.podman_directory"));
  settings.podman_directory = "";
  EXPECT_THAT(std::string(MakePodmanDriver(settings)->Ready().message()), HasSubstr("migration.podman_directory"));
  settings = hosts_.source.settings();
  settings.podman_program = shared_.Path("none");
  EXPECT_THAT(std::string(MakePodmanDriver(settings)->Ready().message()), HasSubstr("migration.podman_program"));
}

}  // namespace
}  // namespace truce::agent
