// The libvirt driver against libvirt's own test hypervisor, which keeps its machines in memory. It can't migrate, so of
// a move only the ways in which it does not succeed are seen here.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "src/base/text.h"
#include "src/host/libvirt_api.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using host::FreeDomain;
using host::LibvirtApi;
using host::LibvirtDomain;
using testing::HasSubstr;

constexpr char kWeb[] = "machine.slice/machine-qemu\\x2d3\\x2dtest.scope";
constexpr auto kAbsent = v1::MIGRATION_PRESENCE_ABSENT;
constexpr auto kStopped = v1::MIGRATION_PRESENCE_STOPPED;
constexpr auto kRunning = v1::MIGRATION_PRESENCE_RUNNING;

class LibvirtTest : public testing::Test {
 protected:
  void SetUp() override {
    auto api = LibvirtApi::Load("libvirt.so.0");
    if (!api.ok()) GTEST_SKIP() << api.status().message();
    api_ = *std::move(api);
    settings_.libvirt_uri = "test:///default";
    settings_.address = "192.0.2.7";
    settings_.procfs = files_.Path("proc");
    settings_.run_directory = files_.Path("run");
    files_.Put("run/libvirt/qemu/test.pid", "4711\n");
    // All connections to it share one state, for as long as one of them is open.
    connection_ = api_.open(settings_.libvirt_uri.c_str());
    ASSERT_NE(connection_, nullptr);
    files_.Put("cgroup/cgroup.controllers", "memory\n");
    files_.Put(StrCat("cgroup/", kWeb, "/cgroup.procs"), "4711\n");
    layout_ = std::make_unique<host::CgroupLayout>(*host::CgroupLayout::Detect(files_.Path("cgroup")));
    cgroup_ = *host::Cgroup::Open(*layout_, kWeb);
    Run({"qemu-system-x86_64", "-name", "guest=test,debug-threads=on", "-chardev",
         "socket,id=charmonitor,fd=23,server=on,wait=off", "-mon", "chardev=charmonitor,id=monitor,mode=control"});
    order_.set_migration_id("m1");
    order_.set_workload(kWeb);
    order_.set_endpoint("qemu+tls://192.0.2.8/system");
  }
  void TearDown() override {
    if (connection_ != nullptr) api_.close(connection_);
  }
  void Run(const std::vector<std::string>& arguments) {
    std::string text;
    for (const std::string& argument : arguments) text += argument + std::string(1, '\0');
    files_.Put("proc/4711/cmdline", text);
  }
  std::unique_ptr<MigrationDriver> Driver() { return MakeLibvirtDriver(settings_); }
  Movable Web() const { return {kWeb, "machine", "web", cgroup_.get()}; }
  // libvirt's "test" machine, by name.
  LibvirtDomain Domain() const { return LibvirtDomain(api_.by_name(connection_, "test"), FreeDomain{&api_}); }
  // Of the library, what the driver itself has no use for.
  template <typename F>
  static F* Function(const char* name) {
    return reinterpret_cast<F*>(dlsym(dlopen("libvirt.so.0", RTLD_NOW), name));
  }
  void Suspend() { ASSERT_EQ(Function<decltype(virDomainSuspend)>("virDomainSuspend")(Domain().get()), 0); }
  // Another machine, which is off.
  LibvirtDomain Define(const std::string& name) const {
    const std::string xml =
        StrCat("<domain type='test'><name>", name, "</name><memory>8192</memory><os><type>hvm</type></os></domain>");
    return LibvirtDomain(Function<decltype(virDomainDefineXML)>("virDomainDefineXML")(connection_, xml.c_str()),
                         FreeDomain{&api_});
  }
  static void TurnOn(const LibvirtDomain& domain) {
    ASSERT_EQ(Function<decltype(virDomainCreate)>("virDomainCreate")(domain.get()), 0);
  }
  void TurnOff() { ASSERT_EQ(api_.destroy(Domain().get()), 0); }
  v1::MigrationPresence Where(const DriverMemory& memory) { return Driver()->Look(order_, memory)->where; }

  test::Tree files_;
  LibvirtApi api_;
  virConnectPtr connection_ = nullptr;
  MigrationSettings settings_;
  std::unique_ptr<host::CgroupLayout> layout_;
  std::unique_ptr<host::Cgroup> cgroup_;
  v1::MigrationOrder order_;
};

TEST_F(LibvirtTest, MovesLibvirtsMachines) {
  EXPECT_TRUE(Driver()->CanMove(Web()));
  Run({"qemu-system-x86_64", "-name", "test", "-qmp", "unix:/run/qmp,server=on"});
  EXPECT_FALSE(Driver()->CanMove(Web())) << "somebody else's";
}

// Whoever is in the cgroup may call himself by the name of another's machine.
TEST_F(LibvirtTest, AProcessThatLibvirtDoesNotKnowIsNotItsMachine) {
  ASSERT_TRUE(Driver()->Recall(order_, Web()).ok());
  files_.Put("run/libvirt/qemu/test.pid", "4712\n");
  EXPECT_FALSE(Driver()->CanMove(Web()));
  const absl::Status status = Driver()->Recall(order_, Web()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("process 4711 says that it is libvirt's machine test, and "));
  files_.Remove("run/libvirt/qemu/test.pid");
  EXPECT_FALSE(Driver()->CanMove(Web())) << "libvirt says nothing of it";
}

TEST_F(LibvirtTest, RemembersAMachineByItsUuidAndLooks) {
  const auto memory = Driver()->Recall(order_, Web());
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(WordIn(*memory, "name"), "test");
  EXPECT_EQ(WordIn(*memory, "uuid").size(), 36u);
  EXPECT_EQ(Where(*memory), kRunning);
  Suspend();
  EXPECT_EQ(Where(*memory), kStopped);
  EXPECT_FALSE(Driver()->Recall(order_, Web()).ok()) << "only one that runs is moved";
  TurnOff();
  EXPECT_EQ(Where(*memory), kAbsent) << "what it had in memory is gone";
  EXPECT_EQ(Where("uuid=00000000-0000-0000-0000-000000000000"), kAbsent);
}

TEST_F(LibvirtTest, AMoveThatLibvirtRefusesLeavesItRunning) {
  const auto driver = Driver();
  const auto memory = driver->Recall(order_, Web());
  ASSERT_TRUE(memory.ok());
  MoveControl control;
  const absl::Status status = driver->Move(order_, *memory, control).status();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("moving it to qemu+tls://192.0.2.8/system: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("it runs here"));
  Suspend();
  EXPECT_TRUE(absl::IsInternal(driver->Move(order_, *memory, control).status())) << "and does not here";
}

TEST_F(LibvirtTest, OnlyALibvirtOfTheConfiguredFormIsMovedTo) {
  const auto driver = Driver();
  const auto memory = driver->Recall(order_, Web());
  ASSERT_TRUE(memory.ok());
  for (const char* endpoint : {"qemu+ext://192.0.2.8/system?command=/tmp/x", "qemu+tls://a/x?pkipath=/tmp/system",
                               "qemu+tls:///system", "qemu+tls://a b/system", "qemu+ssh://192.0.2.8/system", ""}) {
    order_.set_endpoint(endpoint);
    MoveControl control;
    const absl::Status status = driver->Move(order_, *memory, control).status();
    EXPECT_TRUE(absl::IsAborted(status)) << endpoint << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("migration.libvirt_peer_uri")) << endpoint;
  }
}

TEST_F(LibvirtTest, AfterACrashItMovesNothing) {
  const auto driver = Driver();
  const auto memory = driver->Recall(order_, Web());
  ASSERT_TRUE(memory.ok());
  MoveControl control;
  control.cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(driver->Move(order_, *memory, control).status()));
  TurnOff();
  EXPECT_TRUE(absl::IsInternal(driver->Move(order_, *memory, control).status())) << "look at the other host";
}

TEST_F(LibvirtTest, ResumesWhatIsPausedAndNothingElse) {
  const auto driver = Driver();
  const auto memory = driver->Recall(order_, Web());
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(driver->Resume(order_, *memory).ok()) << "it runs already";
  Suspend();
  EXPECT_TRUE(driver->Resume(order_, *memory).ok());
  EXPECT_EQ(Where(*memory), kRunning);
  TurnOff();
  EXPECT_FALSE(driver->Resume(order_, *memory).ok());
}

TEST_F(LibvirtTest, LeavesNothingAndEndsNothingThatRuns) {
  const auto driver = Driver();
  const auto memory = driver->Recall(order_, Web());
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Leave(order_, *memory)));
  EXPECT_EQ(Where(*memory), kRunning);
  Suspend();
  const absl::Status left = driver->Leave(order_, *memory);
  EXPECT_TRUE(left.ok()) << left;
  EXPECT_EQ(Domain(), nullptr) << "its definition went with it, so that nobody starts it twice";
  EXPECT_TRUE(driver->Leave(order_, *memory).ok());
}

TEST_F(LibvirtTest, ATargetKnowsWhatComesByItsName) {
  const auto driver = Driver();
  EXPECT_THAT(std::string(driver->Plan(order_).status().message()),
              HasSubstr("a machine of that name is on this host"));
  TurnOff();
  const auto plan = driver->Plan(order_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto reservation = driver->Reserve(order_, *plan);
  ASSERT_TRUE(reservation.ok()) << reservation.status();
  EXPECT_EQ(reservation->endpoint, "qemu+tls://192.0.2.7/system");
  EXPECT_EQ(Where(reservation->memory), kAbsent);
  // It comes.
  TurnOn(Domain());
  EXPECT_EQ(Where(reservation->memory), kRunning);
  EXPECT_TRUE(driver->Settle(order_, reservation->memory).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Drop(order_, reservation->memory)));
  Suspend();
  EXPECT_EQ(Where(reservation->memory), kStopped);
  EXPECT_TRUE(driver->Settle(order_, reservation->memory).ok());
  EXPECT_EQ(Where(reservation->memory), kStopped) << "its owner paused it";
  EXPECT_TRUE(driver->Drop(order_, reservation->memory).ok());
  EXPECT_EQ(Where(reservation->memory), kAbsent);
  EXPECT_NE(Domain(), nullptr) << "it was defined here before";
  EXPECT_TRUE(driver->Drop(order_, reservation->memory).ok());
  EXPECT_NE(Domain(), nullptr);
}

// A cgroup's name has lost what only some names have: "test" may be "te_st" as well.
TEST_F(LibvirtTest, WhereTwoNamesFitNeitherIsTaken) {
  const auto driver = Driver();
  const LibvirtDomain alike = Define("te_st");
  ASSERT_NE(alike, nullptr);
  EXPECT_THAT(std::string(driver->Plan(order_).status().message()), HasSubstr("a machine of that name is on"))
      << "what is off is in nobody's way";
  TurnOff();
  const absl::Status planned = driver->Plan(order_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(planned)) << planned;
  EXPECT_THAT(std::string(planned.message()), HasSubstr("te_st"));
  EXPECT_THAT(std::string(planned.message()), HasSubstr("rename one of them"));
  const DriverMemory memory = "machine=qemu-3-test defined=";
  TurnOn(alike);
  EXPECT_EQ(Where(memory), kRunning);
  TurnOn(Domain());
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Look(order_, memory).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(driver->Drop(order_, memory)));
  ASSERT_EQ(api_.destroy(alike.get()), 0);
  ASSERT_EQ(api_.undefine(alike.get(), 0), 0);
}

TEST_F(LibvirtTest, OneThatIsOnIsFoundAmongAnyNumberThatAreOff) {
  const DriverMemory memory = "machine=qemu-3-test defined=";
  // libvirt lists them in an order of its own.
  for (const char* one : {"te_st", "t_est", "tes_t", "_test"}) {
    for (const char* other : {"te__st", "t__est", "tes__t", "__test"}) {
      const LibvirtDomain a = Define(one);
      const LibvirtDomain b = Define(other);
      ASSERT_NE(a, nullptr);
      ASSERT_NE(b, nullptr);
      EXPECT_EQ(Where(memory), kRunning) << "beside " << one << " and " << other;
      ASSERT_EQ(api_.undefine(a.get(), 0), 0);
      ASSERT_EQ(api_.undefine(b.get(), 0), 0);
    }
  }
}

// Nothing that came has memory saved here; who saved it wants it back.
TEST_F(LibvirtTest, AMachineThatSomebodySavedIsNotForgotten) {
  const auto driver = Driver();
  ASSERT_EQ(Function<decltype(virDomainManagedSave)>("virDomainManagedSave")(Domain().get(), 0), 0);
  const DriverMemory memory = "machine=qemu-3-test defined=";
  ASSERT_EQ(Where(memory), kAbsent);
  const absl::Status dropped = driver->Drop(order_, memory);
  EXPECT_FALSE(dropped.ok());
  EXPECT_THAT(std::string(dropped.message()), HasSubstr("removing the machine's definition: "));
  ASSERT_NE(Domain(), nullptr);
  EXPECT_EQ(Function<decltype(virDomainHasManagedSaveImage)>("virDomainHasManagedSaveImage")(Domain().get(), 0), 1);
  ASSERT_EQ(Function<decltype(virDomainManagedSaveRemove)>("virDomainManagedSaveRemove")(Domain().get(), 0), 0);
  EXPECT_TRUE(driver->Drop(order_, memory).ok());
  EXPECT_EQ(Domain(), nullptr);
}

TEST_F(LibvirtTest, NamesOfCgroupsAreReadAsLibvirtWritesThem) {
  TurnOff();
  const auto machine = [this](const char* workload) {
    order_.set_workload(workload);
    const auto plan = Driver()->Plan(order_);
    return plan.ok() ? WordIn(*plan, "machine") : std::string(plan.status().message());
  };
  EXPECT_EQ(machine("machine.slice/machine-qemu\\x2d12\\x2dweb\\x2d1.scope"), "qemu-12-web-1");
  EXPECT_EQ(machine("machine/qemu-1-web.libvirt-qemu"), "qemu-1-web");
  EXPECT_THAT(machine("system.slice/web.service"), HasSubstr("is no cgroup of a machine of libvirt's"));
}

TEST_F(LibvirtTest, SaysWhatItLacks) {
  EXPECT_TRUE(Driver()->Ready().ok());
  settings_.address = "";
  EXPECT_THAT(std::string(Driver()->ReadyToReceive().message()), HasSubstr("migration.address"));
  EXPECT_THAT(std::string(MakeLibvirtDriver(settings_, "libnothing.so.0")->Ready().message()),
              HasSubstr("install libvirt0"));
  settings_.libvirt_uri = "test:///nonexistent-file";
  EXPECT_THAT(std::string(Driver()->Ready().message()), HasSubstr("connecting to libvirt at test:///nonexistent-file"));
}

}  // namespace
}  // namespace truce::agent
