// The qemu driver: with a QEMU that the test plays, for what goes wrong; and with two real ones, whose guest is their
// firmware, driven through two movers from host to host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "agent/act/migrate/qemu_machine.h"
#include "src/host/qmp.h"
#include "tests/agent/migrate/two_hosts.h"
#include "tests/fixtures/fake_qemu.h"
#include "tests/fixtures/real_qemu.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;
using test::FakeQemu;
using test::QmpError;
using test::RealQemu;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kWeb[] = "machine.slice/web.scope";
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

// A source with a QEMU that is played: this process, in a /proc of files.
class PlayedQemu : public testing::Test {
 protected:
  PlayedQemu() {
    files_.Put("cgroup/cgroup.controllers", "memory\n");
    files_.Put(StrCat("cgroup/", kWeb, "/cgroup.procs"), StrCat(getpid(), "\n"));
    layout_ = std::make_unique<host::CgroupLayout>(*host::CgroupLayout::Detect(files_.Path("cgroup")));
    cgroup_ = *host::Cgroup::Open(*layout_, kWeb);
    Run({"qemu-system-x86_64", "-name", "web", "-qmp", StrCat("unix:", qemu_.path(), ",server=on,wait=off")});
    settings_.procfs = files_.Path("proc");
    settings_.bytes_per_second = 1'000'000;
    qemu_.On("query-status", [this](const Struct&) {
      return StrCat(R"("return": {"status": ")", Status(), R"(", "running": )",
                    Status() == "running" ? "true" : "false", "}");
    });
    Migration("");
    qemu_.On("migrate-set-parameters", R"("return": {})");
    qemu_.On("migrate", R"("return": {})");
    order_.set_migration_id("m1");
    order_.set_role(v1::MIGRATION_ROLE_SOURCE);
    order_.set_workload(kWeb);
    order_.set_endpoint("tcp:192.0.2.7:49152");
  }
  // QEMU's process has this command line.
  void Run(const std::vector<std::string>& arguments, int pid = getpid()) {
    std::string text;
    for (const std::string& argument : arguments) text += argument + std::string(1, '\0');
    files_.Put(StrCat("proc/", pid, "/cmdline"), text);
    files_.Put(StrCat("proc/", pid, "/stat"),
               StrCat(pid, " (qemu (1) x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 987654 1 1\n"));
  }
  void End() { files_.Remove(StrCat("proc/", getpid())); }
  std::string Status() {
    const absl::MutexLock lock(&mutex_);
    return status_;
  }
  void SetStatus(const std::string& status) {
    const absl::MutexLock lock(&mutex_);
    status_ = status;
  }
  // What query-migrate answers; empty: there never was one.
  void Migration(const std::string& status, const std::string& more = "") {
    qemu_.On("query-migrate", status.empty() ? std::string(R"("return": {})")
                                             : StrCat(R"("return": {"status": ")", status,
                                                      R"(", "ram": {"transferred": 777})", more, "}"));
  }
  // What it answers before and after `migrate`.
  void MigrationOnceBegun(const std::string& status, const std::string& state, const std::string& more = "") {
    qemu_.On("migrate", [this, status, state, more](const Struct&) {
      SetStatus(state);
      // In the thread of the played QEMU: what it answers next.
      Migration(status, more);
      return R"("return": {})";
    });
  }
  std::unique_ptr<MigrationDriver> Driver() { return MakeQemuDriver(settings_); }
  Movable Web() const { return {kWeb, "machine", "web", cgroup_.get()}; }
  DriverMemory Recall(MigrationDriver& driver) {
    auto memory = driver.Recall(order_, Web());
    EXPECT_TRUE(memory.ok()) << memory.status();
    return memory.value_or("");
  }
  absl::Status Move(bool cancelled = false) {
    const auto driver = Driver();
    const DriverMemory memory = Recall(*driver);
    MoveControl control;
    control.cancelled = cancelled;
    return driver->Move(order_, memory, control).status();
  }

  test::Tree files_;
  FakeQemu qemu_{files_.Path("qmp")};
  std::unique_ptr<host::CgroupLayout> layout_;
  std::unique_ptr<host::Cgroup> cgroup_;
  MigrationSettings settings_;
  v1::MigrationOrder order_;
  absl::Mutex mutex_;
  std::string status_ = "running";
};

TEST_F(PlayedQemu, MovesWhatHasAMonitorOfItsOwn) {
  EXPECT_TRUE(Driver()->CanMove(Web()));
  Run({"qemu-system-x86_64", "-name", "web"});
  EXPECT_FALSE(Driver()->CanMove(Web())) << "nobody to ask";
  Run({"qemu-system-x86_64", "-name", "guest=web", "-qmp",
       "unix:/var/lib/libvirt/qemu/domain-1-web/monitor.sock,server=on"});
  EXPECT_FALSE(Driver()->CanMove(Web())) << "libvirt's";
  EXPECT_THAT(std::string(Driver()->Recall(order_, Web()).status().message()), HasSubstr("use the driver libvirt"));
  Run({"nginx"});
  EXPECT_FALSE(Driver()->CanMove(Web()));
}

TEST_F(PlayedQemu, WhatDoesNotRunOrIsMovedAlreadyIsNotMoved) {
  SetStatus("paused");
  EXPECT_THAT(std::string(Driver()->Recall(order_, Web()).status().message()), HasSubstr("the machine is paused"));
  SetStatus("running");
  Migration("active");
  EXPECT_THAT(std::string(Driver()->Recall(order_, Web()).status().message()), HasSubstr("moves the machine already"));
  qemu_.On("query-migrate", R"("return": {"blocked-reasons": ["The vvfat format does not support live migration"]})");
  EXPECT_THAT(std::string(Driver()->Recall(order_, Web()).status().message()), HasSubstr("vvfat"));
}

TEST_F(PlayedQemu, AMoveIsBoundedAndTellsHowItWent) {
  settings_.longest_downtime = absl::Milliseconds(250);
  std::string parameters;
  qemu_.On("migrate-set-parameters", [&](const Struct& arguments) {
    parameters = ToJson(arguments);
    return R"("return": {})";
  });
  MigrationOnceBegun("completed", "postmigrate", R"(, "downtime": 42)");
  const auto driver = Driver();
  const DriverMemory memory = Recall(*driver);
  MoveControl control;
  const auto outcome = driver->Move(order_, memory, control);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->downtime, absl::Milliseconds(42));
  EXPECT_EQ(outcome->moved_bytes, 777u);
  EXPECT_EQ(control.moved_bytes, 777u);
  EXPECT_THAT(parameters, HasSubstr(R"("max-bandwidth":1000000)"));
  EXPECT_THAT(parameters, HasSubstr(R"("downtime-limit":250)"));
}

// A controller that was taken over must not run programs on hosts.
TEST_F(PlayedQemu, OnlyTcpIsAPlaceToMoveTo) {
  for (const char* endpoint : {"exec:touch /tmp/x", "unix:/tmp/x", "fd:7", "tcp:host", "tcp::49152", "tcp:host:1x",
                               "tcp:host:", "tcp:a b:1", "tcp:$(x):1", ""}) {
    order_.set_endpoint(endpoint);
    const absl::Status status = Move();
    EXPECT_TRUE(absl::IsAborted(status)) << endpoint << ": " << status;
  }
  EXPECT_THAT(qemu_.commands(), Not(Contains("migrate")));
  MigrationOnceBegun("completed", "postmigrate");
  order_.set_endpoint("tcp:[2001:db8::7]:49152");
  EXPECT_TRUE(Move().ok());
}

TEST_F(PlayedQemu, ARefusalLeavesItAsItWas) {
  qemu_.On("migrate", QmpError("GenericError", "Migration is disabled when using feature x"));
  absl::Status status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("feature x"));
  qemu_.On("migrate-set-parameters", QmpError("GenericError", "no such parameter"));
  status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
}

TEST_F(PlayedQemu, AFailureIsToldOnceItRunsAgain) {
  MigrationOnceBegun("failed", "running", R"(, "error-desc": "Connection refused")");
  const absl::Status status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("QEMU could not move it: Connection refused; it runs here"));
  EXPECT_THAT(qemu_.commands(), Not(Contains("cont")));
}

TEST_F(PlayedQemu, WhatStaysStoppedAfterAFailureIsLetRun) {
  MigrationOnceBegun("failed", "paused");
  qemu_.On("cont", [this](const Struct&) {
    SetStatus("running");
    return R"("return": {})";
  });
  const absl::Status status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_EQ(Status(), "running");
}

TEST_F(PlayedQemu, AMoveIsCancelledWhenAskedAndWhenItTakesTooLong) {
  std::atomic<bool>* cancelled = nullptr;
  MoveControl control;
  cancelled = &control.cancelled;
  qemu_.On("migrate", [&, this](const Struct&) {
    Migration("active");
    *cancelled = true;
    return R"("return": {})";
  });
  qemu_.On("migrate_cancel", [this](const Struct&) {
    Migration("cancelled");
    return R"("return": {})";
  });
  auto driver = Driver();
  DriverMemory memory = Recall(*driver);
  EXPECT_TRUE(absl::IsCancelled(driver->Move(order_, memory, control).status()));

  Migration("");
  MoveControl patient;
  qemu_.On("migrate", [this](const Struct&) {
    Migration("active");
    return R"("return": {})";
  });
  settings_.longest_move = absl::Milliseconds(200);
  driver = Driver();
  memory = Recall(*driver);
  const absl::Status late = driver->Move(order_, memory, patient).status();
  EXPECT_TRUE(absl::IsAborted(late)) << late;
  EXPECT_THAT(std::string(late.message()), HasSubstr("within 200ms (migration.longest_move)"));
}

TEST_F(PlayedQemu, AMachineThatDiesWhileItMovesIsUncertain) {
  qemu_.On("migrate", [this](const Struct&) {
    End();
    qemu_.On("query-migrate", [this](const Struct&) {
      qemu_.HangUp();
      return "";
    });
    return R"("return": {})";
  });
  const absl::Status status = Move();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
}

// An agent that died in the middle: the next one begins nothing.
TEST_F(PlayedQemu, AfterACrashItEndsWhatGoesOnAndBeginsNothing) {
  absl::Status status = Move(/*cancelled=*/true);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(qemu_.commands(), Not(Contains("migrate")));

  const auto driver = Driver();
  const DriverMemory memory = Recall(*driver);
  Migration("active");
  qemu_.On("migrate_cancel", [this](const Struct&) {
    Migration("cancelled");
    return R"("return": {})";
  });
  MoveControl control;
  control.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(driver->Move(order_, memory, control).status()));
  Migration("completed");
  SetStatus("postmigrate");
  EXPECT_TRUE(driver->Move(order_, memory, control).ok()) << "it was over";
  EXPECT_THAT(qemu_.commands(), Not(Contains("migrate")));
}

// QEMU remembers the last migration: one that was rolled back is still "completed".
TEST_F(PlayedQemu, AnEarlierMigrationIsNotTakenForThisOne) {
  Migration("completed", R"(, "downtime": 1)");
  const absl::Status status = Move();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
}

TEST_F(PlayedQemu, LooksByWhatQemuSays) {
  const auto driver = Driver();
  const DriverMemory memory = Recall(*driver);
  const auto where = [&] { return driver->Look(order_, memory)->where; };
  EXPECT_EQ(where(), kRunning);
  for (const char* status : {"postmigrate", "inmigrate", "paused", "finish-migrate"}) {
    SetStatus(status);
    EXPECT_EQ(where(), kStopped) << status;
  }
  qemu_.On("query-status", QmpError("GenericError", "no"));
  EXPECT_FALSE(driver->Look(order_, memory).ok());
  End();
  EXPECT_EQ(where(), kAbsent);
  // Another process has the number now.
  files_.Put(StrCat("proc/", getpid(), "/stat"),
             StrCat(getpid(), " (bash) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 999999 1 1\n"));
  EXPECT_EQ(where(), kAbsent);
  const absl::Status resumed = driver->Resume(order_, memory);
  EXPECT_TRUE(absl::IsNotFound(resumed)) << "and is not talked to: " << resumed;
}

// A command line may name anybody's socket: who listens there must be the process of the workload's cgroup.
TEST_F(PlayedQemu, AMonitorThatAnotherProcessListensAtIsNotAsked) {
  const auto driver = Driver();
  const DriverMemory memory = Recall(*driver);
  const int liar = getppid();
  files_.Put(StrCat("cgroup/", kWeb, "/cgroup.procs"), StrCat(liar, "\n"));
  Run({"qemu-system-x86_64", "-name", "web", "-qmp", StrCat("unix:", qemu_.path(), ",server=on,wait=off")}, liar);
  const size_t asked = qemu_.commands().size();
  const auto recalled = driver->Recall(order_, Web());
  EXPECT_TRUE(absl::IsFailedPrecondition(recalled.status())) << recalled.status();
  EXPECT_THAT(std::string(recalled.status().message()), HasSubstr(StrCat("process ", getpid(), " listens there")));
  EXPECT_EQ(qemu_.commands().size(), asked) << "nothing was asked of somebody else's machine";
  EXPECT_EQ(driver->Look(order_, memory)->where, kRunning) << "its own process may be asked";
}

TEST_F(PlayedQemu, NeitherLeavesNorDropsAMachineThatRuns) {
  const auto driver = Driver();
  const DriverMemory memory = Recall(*driver);
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Leave(order_, memory)));
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Drop(order_, memory)));
  EXPECT_THAT(qemu_.commands(), Not(Contains("quit")));
  SetStatus("postmigrate");
  qemu_.On("quit", [this](const Struct&) {
    End();
    return R"("return": {})";
  });
  EXPECT_TRUE(driver->Leave(order_, memory).ok());
  EXPECT_TRUE(driver->Leave(order_, memory).ok()) << "and again";
}

// A target, where things go wrong before anything comes.
class QemuTarget : public testing::Test {
 protected:
  QemuTarget() {
    settings_.address = "127.0.0.1";
    settings_.first_port = 49300;
    settings_.last_port = 49309;
    order_.set_migration_id("m1");
    order_.set_role(v1::MIGRATION_ROLE_TARGET);
    order_.set_workload(kWeb);
    order_.set_application("web");
    order_.set_peer_host("web-1");
    files_.Put("cgroup/cgroup.controllers", "memory\n");
    settings_.cgroup_root = files_.Path("cgroup");
    order_.set_memory_bytes(64 << 20);
  }
  void StartBy(const std::string& script) {
    settings_.qemu_start_command = PutScript(files_, "start", "#!/bin/bash\n" + script);
  }
  std::string ReserveError() {
    const auto driver = MakeQemuDriver(settings_);
    const auto plan = driver->Plan(order_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    if (!plan.ok()) return "";
    const auto reservation = driver->Reserve(order_, *plan);
    EXPECT_FALSE(reservation.ok());
    // The port is free for the next one.
    EXPECT_EQ(*driver->Plan(order_), *plan);
    return std::string(reservation.status().message());
  }
  test::Tree files_;
  MigrationSettings settings_;
  v1::MigrationOrder order_;
};

TEST_F(QemuTarget, NeedsAnAddressAndAProgram) {
  StartBy("exit 0\n");
  EXPECT_TRUE(MakeQemuDriver(settings_)->ReadyToReceive().ok());
  settings_.address = "";
  EXPECT_THAT(std::string(MakeQemuDriver(settings_)->ReadyToReceive().message()), HasSubstr("migration.address"));
  EXPECT_TRUE(MakeQemuDriver(settings_)->Ready().ok()) << "it may send";
  settings_.address = "127.0.0.1";
  settings_.qemu_start_command = files_.Path("none");
  EXPECT_THAT(std::string(MakeQemuDriver(settings_)->ReadyToReceive().message()),
              HasSubstr("migration.qemu_start_command"));
  settings_.qemu_start_command = "start";
  EXPECT_THAT(std::string(MakeQemuDriver(settings_)->ReadyToReceive().message()), HasSubstr("not an absolute path"));
}

TEST_F(QemuTarget, EachReservationHasAPortOfItsOwn) {
  StartBy("exit 1\n");
  const host::UniqueFd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(49300);
  ASSERT_EQ(bind(taken.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  const auto driver = MakeQemuDriver(settings_);
  EXPECT_EQ(WordIn(*driver->Plan(order_), "uri"), "tcp:127.0.0.1:49301") << "49300 is somebody's";
  order_.set_migration_id("m2");
  EXPECT_EQ(WordIn(*driver->Plan(order_), "uri"), "tcp:127.0.0.1:49302") << "planned, if not taken yet";
  EXPECT_TRUE(driver->Drop(order_, "uri=tcp:127.0.0.1:49302").ok());
  order_.set_migration_id("m3");
  EXPECT_EQ(WordIn(*driver->Plan(order_), "uri"), "tcp:127.0.0.1:49302");
  settings_.last_port = 49300;
  EXPECT_THAT(std::string(MakeQemuDriver(settings_)->Plan(order_).status().message()),
              HasSubstr("no port from 49300 to 49300 is free"));
  settings_.address = "192.0.2.1";
  EXPECT_THAT(std::string(MakeQemuDriver(settings_)->Plan(order_).status().message()), HasSubstr("migration.address"));
}

TEST_F(QemuTarget, TheProgramIsToldWhatIsWanted) {
  StartBy(StrCat("cat >", files_.Path("request"), "\necho 'the disk is not here' >&2\nexit 3\n"));
  EXPECT_THAT(ReserveError(), HasSubstr("failed: the disk is not here"));
  const auto request = ParseObject(Slurp(files_.Path("request")));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(JsonText(*request, "migration_id"), "m1");
  EXPECT_EQ(JsonText(*request, "workload"), kWeb);
  EXPECT_EQ(JsonText(*request, "application"), "web");
  EXPECT_EQ(JsonText(*request, "source_host"), "web-1");
  EXPECT_EQ(JsonNumber(*request, "memory_bytes"), 64 << 20);
  EXPECT_EQ(JsonText(*request, "incoming"), "tcp:127.0.0.1:49300");
  EXPECT_EQ(request->fields().size(), 6u) << "and no more: the source's words are not to be trusted";
}

TEST_F(QemuTarget, WhatTheProgramSaysIsChecked) {
  StartBy("echo started\n");
  EXPECT_THAT(ReserveError(), HasSubstr("where a JSON object was expected: started"));
  StartBy("echo '{\"monitor\": \"qmp\", \"workload\": \"x\"}'\n");
  EXPECT_THAT(ReserveError(), HasSubstr("did not say where the monitor is"));
  StartBy("echo '{\"monitor\": \"/run/qmp\"}'\n");
  EXPECT_THAT(ReserveError(), HasSubstr("did not say"));
  StartBy("echo '{\"monitor\": \"/run/qmp\", \"workload\": \"x\"}'\n");
  EXPECT_THAT(ReserveError(), HasSubstr("started no QEMU where it says: "));
}

// Anybody can write on a command line that he waits for the machine.
TEST_F(QemuTarget, WhoWaitsIsInTheCgroupThatTheProgramNamed) {
  FakeQemu qemu{files_.Path("qmp")};
  qemu.On("query-status", R"("return": {"status": "inmigrate", "running": false})");
  settings_.procfs = files_.Path("proc");
  StartBy(StrCat("echo '{\"monitor\": \"", qemu.path(), "\", \"workload\": \"", kWeb, "\"}'\n"));
  const auto run = [&](int pid, const std::string& uri) {
    const std::string end(1, '\0');
    files_.Put(StrCat("proc/", pid, "/cmdline"), StrCat("qemu-system-x86_64", end, "-incoming", end, uri, end));
    files_.Put(StrCat("proc/", pid, "/stat"), StrCat(pid, " (q) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 9 1 1\n"));
  };
  const std::string procs = StrCat("cgroup/", kWeb, "/cgroup.procs");
  const auto driver = MakeQemuDriver(settings_);
  const auto plan = driver->Plan(order_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const std::string uri = WordIn(*plan, "uri");
  const auto why_not = [&] { return std::string(driver->Reserve(order_, *plan).status().message()); };

  // It waits, and is not in there.
  run(getppid(), uri);
  files_.Put(procs, "");
  EXPECT_THAT(why_not(), HasSubstr(StrCat("not exactly one machine of QEMU's in the cgroup ", kWeb)));
  // Who is in there waits for something else.
  run(getpid(), "tcp:127.0.0.1:1");
  files_.Put(procs, StrCat(getpid(), "\n"));
  EXPECT_THAT(why_not(), HasSubstr(StrCat("was not started with -incoming ", uri)));
  // Who is in there is not who listens at the monitor.
  files_.Put(procs, StrCat(getppid(), "\n"));
  EXPECT_THAT(why_not(), HasSubstr(StrCat("process ", getpid(), " listens there")));
  EXPECT_THAT(qemu.commands(), Not(Contains("quit"))) << "what is not the machine of the port is not ended";

  // The right one, while somebody else says the same: it is known by its cgroup.
  run(getpid(), uri);
  files_.Put(procs, StrCat(getpid(), "\n"));
  const host::UniqueFd listens(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int port = 0;
  ASSERT_TRUE(absl::SimpleAtoi(uri.substr(uri.rfind(':') + 1), &port));
  address.sin_port = htons(static_cast<uint16_t>(port));
  ASSERT_EQ(bind(listens.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listens.get(), 1), 0);
  const auto reservation = driver->Reserve(order_, *plan);
  ASSERT_TRUE(reservation.ok()) << reservation.status();
  EXPECT_EQ(WordIn(reservation->memory, "pid"), StrCat(getpid()));
  // Without that memory nobody knows which of the two it is, and neither is touched.
  EXPECT_TRUE(absl::IsUnavailable(driver->Look(order_, *plan).status()));
  EXPECT_TRUE(absl::IsUnavailable(driver->Drop(order_, *plan)));
}

// The real thing.
class RealQemuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = RealQemu::Missing()) GTEST_SKIP() << *missing;
    hosts_.driver = "qemu";
    hosts_.workload = kWeb;
    MigrationSettings& target = hosts_.target.settings();
    target.address = "127.0.0.1";
    target.first_port = 49310;
    target.last_port = 49329;
    TargetStarts("q35", 64);
  }
  void TearDown() override {
    hosts_.source.Close();
    hosts_.target.Close();
    // Whatever a test that failed left behind.
    int pid = 0;
    if (absl::SimpleAtoi(Slurp(hosts_.target.files().Path("pid")), &pid)) {
      const auto arguments = Slurp(StrCat("/proc/", pid, "/cmdline"));
      if (arguments.find(hosts_.target.files().root()) != std::string::npos) kill(pid, SIGKILL);
    }
  }

  static MigrationSettings Settings() {
    MigrationSettings settings;
    settings.drivers = {"qemu"};
    // So that a refusal of the target comes while there is still something to send.
    settings.bytes_per_second = 8 << 20;
    return settings;
  }
  static std::vector<std::string> Arguments(const std::string& machine, int mebibytes) {
    return {"-machine", machine, "-accel", "tcg", "-m", StrCat(mebibytes)};
  }
  // What the operator's program starts on the target.
  void TargetStarts(const std::string& machine, int mebibytes, const std::string& more = "") {
    test::Tree& files = hosts_.target.files();
    hosts_.target.AddWorkload("machine.slice/web-here.scope", {});
    const std::string monitor = files.Path("target.qmp");
    hosts_.target.settings().qemu_start_command = PutScript(
        files, "start",
        StrCat("#!/bin/bash\n", kJsonInShell, "set -e\n", RealQemu::kProgram,
               " -nodefaults -no-user-config -display none -accel tcg -machine ", machine, " -m ", mebibytes,
               " -qmp unix:", monitor, ",server=on,wait=off -incoming \"$(text incoming)\" -daemonize -pidfile ",
               files.Path("pid"), " ", more, "\ncp ", files.Path("pid"), " ",
               files.Path("cgroup/machine.slice/web-here.scope/cgroup.procs"), "\necho '{\"monitor\": \"", monitor,
               "\", \"workload\": \"machine.slice/web-here.scope\"}'\n"));
  }
  void StartSource() {
    source_ = std::make_unique<RealQemu>(Arguments("q35", 64));
    ASSERT_TRUE(source_->up()) << source_->why();
    hosts_.source.AddWorkload(kWeb, {source_->pid()});
    hosts_.source.Open();
    hosts_.target.Open();
  }
  bool TargetIsThere() {
    int pid = 0;
    return absl::SimpleAtoi(Slurp(hosts_.target.files().Path("pid")), &pid) && StartOfProcess("/proc", pid);
  }
  std::string SourceState() { return StateAt(source_->monitor()); }
  std::string TargetState() { return StateAt(hosts_.target.files().Path("target.qmp")); }
  static std::string StateAt(const std::string& monitor) {
    auto qemu = host::QmpClient::Connect(monitor, absl::Seconds(20));
    if (!qemu.ok()) return qemu.status().ToString();
    const auto state = StateOf(**qemu);
    return state.ok() ? state->status : state.status().ToString();
  }

  TwoHosts hosts_{Settings(), Settings()};
  std::unique_ptr<RealQemu> source_;
};

TEST_F(RealQemuTest, AMachineMovesToAnotherHost) {
  StartSource();
  ASSERT_EQ(SourceState(), "running");
  v1::MigrationStatus status = hosts_.AtTarget(kReserve);
  ASSERT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_THAT(status.endpoint(), HasSubstr("tcp:127.0.0.1:"));
  EXPECT_EQ(TargetState(), "inmigrate");
  status = hosts_.AtSource(kMove);
  ASSERT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_GT(status.moved_bytes(), 0u);
  EXPECT_TRUE(status.has_downtime());
  RecordProperty("downtime_ms", static_cast<int>(status.downtime().nanos() / 1'000'000));
  RecordProperty("moved_bytes", static_cast<int>(status.moved_bytes()));
  EXPECT_EQ(SourceState(), "postmigrate");

  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kStopped);
  ASSERT_TRUE(AwaitFor([&] { return hosts_.AtTarget(kVerify).presence() == kRunning; }));
  EXPECT_EQ(hosts_.target.Status().workload(), "machine.slice/web-here.scope");
  status = hosts_.AtTarget(kFinish);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  status = hosts_.AtSource(kFinish);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.presence(), kAbsent);
  EXPECT_FALSE(StartOfProcess("/proc", source_->pid())) << "the source quit";
  EXPECT_EQ(TargetState(), "running");
}

// The target can't take in what comes; the source must run again, and nothing be left.
class RefusingTarget : public RealQemuTest, public testing::WithParamInterface<const char*> {};
TEST_P(RefusingTarget, ItRunsOnTheSourceAsBefore) {
  if (GetParam() == std::string("memory")) {
    TargetStarts("q35", 32);
  } else {
    TargetStarts("pc", 64);
  }
  StartSource();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  v1::MigrationStatus status = hosts_.AtSource(kMove);
  // Either the source sees it in time and goes on, or it had sent all when the target gave up and waits.
  if (status.progress() != kDone) {
    EXPECT_EQ(status.progress(), kFailed);
    EXPECT_THAT(status.reason(), HasSubstr("it runs here"));
    EXPECT_EQ(SourceState(), "running");
  }
  ASSERT_TRUE(AwaitFor([&] { return hosts_.AtTarget(kVerify).presence() == kAbsent; })) << "it gave up, and ended";
  status = hosts_.AtTarget(kRollBack);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  status = hosts_.AtSource(kRollBack);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(SourceState(), "running");
  EXPECT_FALSE(TargetIsThere());
}
INSTANTIATE_TEST_SUITE_P(All, RefusingTarget, testing::Values("memory", "machine"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(RealQemuTest, AMoveThatIsEndedLeavesItRunningAndTheTargetIsDropped) {
  hosts_.source.settings().bytes_per_second = 100'000;
  StartSource();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  hosts_.source.Take(hosts_.Order(v1::MIGRATION_ROLE_SOURCE, kMove));
  ASSERT_TRUE(AwaitFor([&] { return hosts_.source.Status().moved_bytes() > 0; }));
  const v1::MigrationStatus status = hosts_.AtSource(kVerify);
  EXPECT_EQ(status.presence(), kRunning);
  EXPECT_EQ(hosts_.AtTarget(kRollBack).progress(), kDone);
  EXPECT_EQ(hosts_.AtSource(kRollBack).progress(), kDone);
  EXPECT_EQ(SourceState(), "running");
  EXPECT_FALSE(TargetIsThere());
}

// Both agents die when all is sent; what was moved is not lost and does not run twice.
TEST_F(RealQemuTest, AgentsThatDieInTheMiddleFindItAgain) {
  StartSource();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  ASSERT_TRUE(AwaitFor([&] { return TargetState() == "running"; }));
  hosts_.source.Open();
  hosts_.target.Open();
  EXPECT_EQ(hosts_.AtSource(kVerify).presence(), kStopped);
  EXPECT_EQ(hosts_.AtTarget(kVerify).presence(), kRunning);
  EXPECT_EQ(hosts_.AtTarget(kFinish).progress(), kDone);
  EXPECT_EQ(hosts_.AtSource(kFinish).progress(), kDone);
  EXPECT_EQ(TargetState(), "running");
}

// What was sent and not taken in is taken back with all that it had in memory.
TEST_F(RealQemuTest, WhatWasSentAndLostIsTakenBack) {
  StartSource();
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  ASSERT_EQ(hosts_.AtSource(kMove).progress(), kDone);
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Slurp(hosts_.target.files().Path("pid")), &pid));
  kill(pid, SIGKILL);
  ASSERT_TRUE(AwaitFor([&] { return hosts_.AtTarget(kVerify).presence() == kAbsent; }));
  EXPECT_EQ(hosts_.AtTarget(kRollBack).progress(), kDone);
  EXPECT_EQ(hosts_.AtSource(kRollBack).presence(), kRunning);
  EXPECT_EQ(SourceState(), "running");
  // And it can be moved again.
  hosts_.id = "c1-m2";
  ASSERT_EQ(hosts_.AtTarget(kReserve).progress(), kDone);
  const v1::MigrationStatus status = hosts_.AtSource(kMove);
  EXPECT_EQ(status.progress(), kDone) << status.reason();
  ASSERT_TRUE(AwaitFor([&] { return hosts_.AtTarget(kVerify).presence() == kRunning; }));
}

TEST_F(RealQemuTest, AMachineThatWouldNotRunOrDoesNotWaitIsNoTarget) {
  TargetStarts("q35", 64, "-S");
  StartSource();
  v1::MigrationStatus status = hosts_.AtTarget(kReserve);
  EXPECT_EQ(status.progress(), kFailed);
  EXPECT_THAT(status.reason(), HasSubstr("started with -S"));
  EXPECT_FALSE(TargetIsThere()) << "and it was ended";
}

// An agent that died while it started the machine knows where that waits, and ends it.
TEST_F(RealQemuTest, AMachineOfAReservationThatWasNeverMadeIsFoundAndEnded) {
  hosts_.target.settings().procfs = "";
  const auto driver = MakeQemuDriver(hosts_.target.settings());
  const v1::MigrationOrder order = hosts_.Order(v1::MIGRATION_ROLE_TARGET, kReserve);
  const auto plan = driver->Plan(order);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_TRUE(driver->Reserve(order, *plan).ok());
  const auto next = MakeQemuDriver(hosts_.target.settings());
  EXPECT_EQ(next->Look(order, *plan)->where, kStopped);
  EXPECT_TRUE(next->Drop(order, *plan).ok());
  EXPECT_FALSE(TargetIsThere());
  EXPECT_EQ(next->Look(order, *plan)->where, kAbsent);
}

}  // namespace
}  // namespace truce::agent
