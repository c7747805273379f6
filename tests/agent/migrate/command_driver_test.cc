// The command driver: its contract by exit codes and JSON, and a program that moves a real process from host to host
// through two movers, and fails at each step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "src/base/child_process.h"
#include "tests/agent/migrate/two_hosts.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kWeb[] = "work.slice/web.scope";
constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;
constexpr auto kDone = v1::MIGRATION_PROGRESS_DONE;
constexpr auto kRefused = v1::MIGRATION_PROGRESS_REFUSED;
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

class CommandDriverTest : public testing::Test {
 protected:
  std::unique_ptr<MigrationDriver> Driver(const std::string& script) {
    settings_.command = PutScript(files_, "mover", "#!/bin/bash\n" + script);
    return MakeCommandDriver(settings_);
  }
  test::Tree files_;
  MigrationSettings settings_;
  v1::MigrationOrder order_;
  MoveControl control_;
};

TEST_F(CommandDriverTest, EachStepIsOneRunThatIsToldWhatItIsAbout) {
  settings_.address = "here.example";
  settings_.bytes_per_second = 5'000'000;
  order_.set_migration_id("c1-m7");
  order_.set_role(v1::MIGRATION_ROLE_SOURCE);
  order_.set_workload(kWeb);
  order_.set_application("web");
  order_.set_peer_host("web-2");
  order_.set_endpoint("there:1");
  order_.set_memory_bytes(1 << 20);
  order_.set_cpu_cores(1.5);
  const auto driver = Driver(StrCat(kJsonInShell, "echo \"$1 $request\" >>", files_.Path("log"),
                                    "\necho '{\"downtime_seconds\": 0.5, \"moved_bytes\": 77}'\n"));
  const auto outcome = driver->Move(order_, "what I \"noted\"", control_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->downtime, absl::Milliseconds(500));
  EXPECT_EQ(outcome->moved_bytes, 77u);
  const std::string log = Slurp(files_.Path("log"));
  ASSERT_TRUE(log.starts_with("move ")) << log;
  const auto request = ParseObject(log.substr(5));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(JsonText(*request, "step"), "move");
  EXPECT_EQ(JsonText(*request, "migration_id"), "c1-m7");
  EXPECT_EQ(JsonText(*request, "role"), "source");
  EXPECT_EQ(JsonText(*request, "memory"), "what I \"noted\"");
  EXPECT_EQ(JsonText(*request, "workload"), kWeb);
  EXPECT_EQ(JsonText(*request, "application"), "web");
  EXPECT_EQ(JsonText(*request, "peer_host"), "web-2");
  EXPECT_EQ(JsonText(*request, "endpoint"), "there:1");
  EXPECT_EQ(JsonText(*request, "address"), "here.example");
  EXPECT_EQ(JsonNumber(*request, "memory_bytes"), 1 << 20);
  EXPECT_EQ(JsonNumber(*request, "cpu_cores"), 1.5);
  EXPECT_EQ(JsonNumber(*request, "bytes_per_second"), 5e6);
  EXPECT_EQ(JsonNumber(*request, "longest_downtime_seconds"), 0.3);
}

TEST_F(CommandDriverTest, ExitCodesSayHowItEnded) {
  const auto move = [this](int code) {
    return Driver(StrCat("echo line >&2\necho because >&2\nexit ", code, "\n"))->Move(order_, "", control_).status();
  };
  EXPECT_TRUE(absl::IsAborted(move(11)));
  EXPECT_THAT(std::string(move(11).message()), HasSubstr("move: because"));
  EXPECT_TRUE(absl::IsAborted(move(10))) << "nobody asked for it";
  EXPECT_TRUE(absl::IsResourceExhausted(move(12)));
  EXPECT_TRUE(absl::IsInternal(move(1))) << "nobody knows";
  EXPECT_TRUE(absl::IsInternal(move(137)));
  EXPECT_TRUE(absl::IsUnavailable(Driver("exit 12")->Leave(order_, ""))) << "try again";
  EXPECT_THAT(std::string(Driver("exit 12")->Leave(order_, "").message()), HasSubstr("leave: exit code 12"));
  EXPECT_FALSE(Driver("echo nonsense")->Move(order_, "", control_).ok());
  EXPECT_TRUE(Driver("exit 0")->Move(order_, "", control_).ok()) << "nothing to say is fine";
}

TEST_F(CommandDriverTest, AMoveIsToldToStop) {
  control_.cancelled = false;
  const std::string up = files_.Path("up");
  auto driver = Driver(StrCat("trap 'echo stopped >&2; exit 10' TERM\ntouch ", up, "\nwhile :; do sleep 0.02; done\n"));
  std::thread canceller([&] {
    while (access(up.c_str(), F_OK) != 0) absl::SleepFor(absl::Milliseconds(5));
    control_.cancelled = true;
  });
  const absl::Status status = driver->Move(order_, "", control_).status();
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("stopped"));
  // When its time is up as well.
  control_.cancelled = false;
  settings_.longest_move = absl::Milliseconds(100);
  driver = Driver("trap 'exit 11' TERM\nwhile :; do sleep 0.02; done\n");
  const absl::Status late = driver->Move(order_, "", control_).status();
  EXPECT_TRUE(absl::IsAborted(late)) << late;
  EXPECT_THAT(std::string(late.message()), HasSubstr("it was told to stop after 100ms"));
}

TEST_F(CommandDriverTest, LooksAreOneOfThreeWords) {
  const auto look = [this](const std::string& word) {
    return Driver(StrCat("echo '{\"where\": \"", word, "\", \"workload\": \"here.scope\"}'"))->Look(order_, "");
  };
  EXPECT_EQ(look("absent")->where, kAbsent);
  EXPECT_EQ(look("stopped")->where, kStopped);
  EXPECT_EQ(look("running")->where, kRunning);
  EXPECT_EQ(look("running")->workload, "here.scope");
  EXPECT_FALSE(look("unspecified").ok());
  EXPECT_FALSE(look("gone").ok());
  EXPECT_FALSE(Driver("exit 0")->Look(order_, "").ok());
}

TEST_F(CommandDriverTest, IsReadyWhenItsProgramIs) {
  EXPECT_TRUE(Driver("exit 0")->Ready().ok());
  EXPECT_THAT(std::string(Driver("echo no store >&2; exit 1")->Ready().message()), HasSubstr("ready: no store"));
  settings_.command = files_.Path("none");
  EXPECT_THAT(std::string(MakeCommandDriver(settings_)->Ready().message()), HasSubstr("migration.command"));
  const Movable web{kWeb, "custom", "web", nullptr};
  EXPECT_TRUE(Driver("echo '{\"can_move\": true}'")->CanMove(web));
  EXPECT_FALSE(Driver("echo '{\"can_move\": false}'")->CanMove(web));
  EXPECT_FALSE(Driver("echo '{}'")->CanMove(web));
  EXPECT_FALSE(Driver("echo '{\"can_move\": true}'; exit 1")->CanMove(web));
}

TEST_F(CommandDriverTest, AfterACrashItLooksAndMovesNothing) {
  control_.cancelled = true;
  const std::string script = StrCat("echo $1 >>", files_.Path("log"), "\necho '{\"where\": \"WORD\"}'\n");
  const auto move = [&](const std::string& word) {
    std::string text = script;
    text.replace(text.find("WORD"), 4, word);
    return Driver(text)->Move(order_, "", control_).status();
  };
  EXPECT_TRUE(absl::IsCancelled(move("running")));
  EXPECT_TRUE(absl::IsInternal(move("stopped")));
  EXPECT_TRUE(absl::IsInternal(move("absent")));
  EXPECT_EQ(Slurp(files_.Path("log")), "look\nlook\nlook\n");
}

// A program that moves a process by stopping it and handing its number to the other host's directory: whoever has the
// number lets it run. `address` is the host's directory; a file fail_STEP in it makes the step fail with the exit code
// in it, before or, as fail_after_STEP, after it was done.
constexpr char kSteps[] = R"sh(
here=$(text address)
there=$(text endpoint)
echo "$1" >>"$here/steps"
fail() { [ -e "$here/$1" ] && { code=$(cat "$here/$1"); echo "$1" >&2; exit "$code"; }; }
state() { sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null; }
fail "fail_$1"
case $1 in
  ready) [ -d "$here" ] ;;
  can_move) [ -e "$here/pid" ] && echo '{"can_move": true}' ;;
  recall) echo "{\"memory\": \"pid $(cat "$here/pid")\"}" ;;
  reserve) mkdir "$here/inbox" && echo "{\"endpoint\": \"$here\", \"memory\": \"inbox\"}" ;;
  move)
    [ -d "$there/inbox" ] || { echo "nobody waits there" >&2; exit 11; }
    trap 'exit 10' TERM
    while [ -e "$here/slow" ]; do sleep 0.02; done
    trap '' TERM
    kill -STOP "$(cat "$here/pid")"
    mv "$here/pid" "$here/left"
    cp "$here/left" "$there/inbox/pid"
    echo '{"downtime_seconds": 0.01, "moved_bytes": 4}' ;;
  look)
    where=absent
    if [ -e "$here/pid" ]; then where=running; [ "$(state "$(cat "$here/pid")")" = T ] && where=stopped
    elif [ -e "$here/left" ] || [ -d "$here/inbox" ]; then where=stopped; fi
    echo "{\"where\": \"$where\", \"workload\": \"there.scope\"}" ;;
  leave) rm -f "$here/left" ;;
  settle)
    [ -e "$here/inbox/pid" ] || { echo "nothing came" >&2; exit 11; }
    mv "$here/inbox/pid" "$here/pid" && rmdir "$here/inbox" && kill -CONT "$(cat "$here/pid")" ;;
  resume) mv "$here/left" "$here/pid" && kill -CONT "$(cat "$here/pid")" ;;
  drop) rm -rf "$here/inbox" ;;
esac || { echo "it did not work" >&2; exit 1; }
fail "fail_after_$1"
exit 0
)sh";

class MovedProcess : public testing::Test {
 protected:
  MovedProcess() : process_(*ChildProcess::Start({.arguments = {"sleep", "1000"}})) {
    program_ = PutScript(files_, "mover", StrCat("#!/bin/bash\n", kJsonInShell, kSteps));
    for (MigrationHost* host : {&hosts_.source, &hosts_.target}) {
      MigrationSettings& settings = host->settings();
      settings.drivers = {"command"};
      settings.command = program_;
      settings.address = host->files().Path("place");
      host->files().MakeDirectory("place");
    }
    hosts_.source.files().Put("place/pid", StrCat(process_.pid()));
    hosts_.source.AddWorkload(kWeb, {process_.pid()});
    hosts_.driver = "command";
    hosts_.workload = kWeb;
    hosts_.source.Open();
    hosts_.target.Open();
  }
  void FailSource(const std::string& step, int code) {
    hosts_.source.files().Put(StrCat("place/fail_", step), StrCat(code));
  }
  void FailTarget(const std::string& step, int code) {
    hosts_.target.files().Put(StrCat("place/fail_", step), StrCat(code));
  }
  // Where the process's number is, and whether it runs.
  std::string Place() {
    std::string place;
    for (const auto& [host, name] : {std::pair(&hosts_.source, "source"), std::pair(&hosts_.target, "target")}) {
      if (Slurp(host->files().Path("place/pid")).starts_with(StrCat(process_.pid()))) place += name;
    }
    std::string stat = Slurp(StrCat("/proc/", process_.pid(), "/stat"));
    return StrCat(place, stat.find(") T ") == std::string::npos ? " running" : " stopped");
  }

  test::Tree files_;
  std::string program_;
  ChildProcess process_;
  TwoHosts hosts_{{}, {}};
};

TEST_F(MovedProcess, MovesFromHostToHost) {
  ASSERT_EQ(Place(), "source running");
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  v1::MigrationStatus status = hosts_.AtSource(kMove);
  ASSERT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.moved_bytes(), 4u);
  EXPECT_EQ(Place(), " stopped");
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kStopped);
  EXPECT_EQ(hosts_.AtTarget(kVerify).presence(), kStopped);
  status = hosts_.AtTarget(kFinish);
  EXPECT_EQ(status.presence(), kRunning) << status.reason();
  EXPECT_EQ(status.workload(), "there.scope");
  EXPECT_EQ(hosts_.AtSource(kFinish).presence(), kAbsent);
  EXPECT_EQ(Place(), "target running");
  EXPECT_THAT(Slurp(hosts_.source.files().Path("place/steps")), HasSubstr("recall\nmove\nlook\n"));
}

TEST_F(MovedProcess, ComesBackFromEachFailure) {
  struct Failure {
    const char* step;
    bool at_source;
    int code;
  };
  const Failure kFailures[] = {{"recall", true, 1},   {"move", true, 11},        {"move", true, 1},
                               {"move", true, 12},    {"after_move", true, 1},   {"reserve", false, 1},
                               {"settle", false, 11}, {"after_settle", false, 1}};
  for (const Failure& failure : kFailures) {
    const std::string name = StrCat(failure.step, " with ", failure.code);
    hosts_.id = StrCat("m-", failure.step, "-", failure.code);
    (failure.at_source ? FailSource(failure.step, failure.code) : FailTarget(failure.step, failure.code));
    const v1::MigrationStatus reserved = hosts_.AtTarget(kReserve);
    EXPECT_EQ(reserved.progress(), failure.step == std::string("reserve") ? kFailed : kDone) << name;
    bool ran_on_target = false;
    if (reserved.progress() == kDone) {
      (void)hosts_.AtSource(kMove);
      (void)hosts_.AtSource(kVerify);
      (void)hosts_.AtTarget(kVerify);
      if (!failure.at_source) ran_on_target = hosts_.AtTarget(kFinish).presence() == kRunning;
    }
    EXPECT_EQ(ran_on_target, failure.step == std::string("after_settle")) << name;
    hosts_.source.files().Remove(StrCat("place/fail_", failure.step));
    hosts_.target.files().Remove(StrCat("place/fail_", failure.step));
    if (ran_on_target) break;  // there it stays; nothing leads back
    const v1::MigrationStatus dropped = hosts_.AtTarget(kRollBack);
    EXPECT_EQ(dropped.presence(), kAbsent) << name << ": " << dropped.reason();
    const v1::MigrationStatus resumed = hosts_.AtSource(kRollBack);
    EXPECT_EQ(resumed.presence(), kRunning) << name << ": " << resumed.reason();
    EXPECT_EQ(Place(), "source running") << name;
  }
  EXPECT_EQ(Place(), "target running");
}

TEST_F(MovedProcess, IsEndedInTheMiddle) {
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.source.files().Put("place/slow", "");
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove));
  ASSERT_TRUE(AwaitFor([&] {
    (void)hosts_.source.Status();
    return Slurp(hosts_.source.files().Path("place/steps")).find("move\n") != std::string::npos;
  }));
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kRunning);
  EXPECT_EQ(hosts_.AtTarget(kRollBack).presence(), kAbsent);
  EXPECT_EQ(hosts_.AtSource(kRollBack).presence(), kRunning);
  EXPECT_EQ(Place(), "source running");
}

TEST_F(MovedProcess, ATargetThatIsGoneIsNotMovedTo) {
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.target.files().Remove("place/inbox");
  const v1::MigrationStatus status = hosts_.AtSource(kMove);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("move: nobody waits there"));
  EXPECT_EQ(Place(), "source running");
}

}  // namespace
}  // namespace truce::agent
