// Balloons behind the names of control files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/text.h"
#include "src/host/writer_host.h"
#include "tests/fixtures/fake_machine.h"

namespace truce::host {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class BalloonControls : public testing::Test {
 protected:
  BalloonControls() {
    tree_.Put("cgroup/cgroup.controllers", "memory\n");
    tree_.Put("cgroup/vm/cgroup.procs", StrCat(getpid(), "\n"));
    tree_.MakeDirectory("cgroup/plain");
    test::PutProcess(tree_, getpid(), machine_.arguments());
    layout_.emplace(*CgroupLayout::Detect(tree_.Path("cgroup")));
    vm_ = *Cgroup::Open(*layout_, "vm");
    plain_ = *Cgroup::Open(*layout_, "plain");
  }

  test::Tree tree_;
  test::FakeMachine machine_{tree_.Path("monitor")};
  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> vm_;
  std::unique_ptr<Cgroup> plain_;
  Balloons balloons_{{.procfs = tree_.Path("proc"), .make = SystemBalloons("", absl::Seconds(20))}};
  HostControlWriter writer_{{.balloons = &balloons_}};
};

TEST_F(BalloonControls, ReadAndWrittenLikeFiles) {
  const ControlFile control = BalloonControl(vm_.get(), kBalloon);
  EXPECT_EQ(control.Name(), "vm/balloon_bytes");
  EXPECT_EQ(*writer_.Read(control), StrCat(1024 * kMiB, "\n"));
  ASSERT_TRUE(writer_.Write(control, StrCat(768 * kMiB, "\n")).ok());
  EXPECT_EQ(machine_.asked(), 768 * kMiB);
  EXPECT_EQ(*writer_.Read(control), StrCat(768 * kMiB, "\n"));
  ASSERT_TRUE(writer_.Write(control, StrCat(768 * kMiB)).ok());
  EXPECT_EQ(machine_.times_asked(), 1);
  EXPECT_FALSE(writer_.Outlives(control)) << "the next machine of that name has all of its memory";
  for (const char* nonsense : {"max", "0", "-1", "", "1 2", "x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(writer_.Write(control, nonsense))) << nonsense;
  }
  EXPECT_EQ(machine_.asked(), 768 * kMiB);
}

TEST_F(BalloonControls, StateIsReadOnly) {
  const ControlFile control = BalloonControl(vm_.get(), kBalloonState);
  EXPECT_EQ(*writer_.Read(control), StrCat("actual_bytes ", 1024 * kMiB, "\nmaximum_bytes ", 1024 * kMiB, "\n"));
  machine_.Tell(1000, 500);
  const auto state = ParseBalloonState(*writer_.Read(control));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->actual_bytes, 1024 * kMiB);
  EXPECT_EQ(state->maximum_bytes, 1024 * kMiB);
  EXPECT_EQ(state->guest_total_bytes, 1000u);
  EXPECT_EQ(state->guest_available_bytes, 500u);
  EXPECT_TRUE(absl::IsInvalidArgument(writer_.Write(control, "1")));
  EXPECT_FALSE(ParseBalloonState("actual_bytes 1\n"));
}

TEST_F(BalloonControls, AreNotThereWithoutAMachine) {
  EXPECT_TRUE(absl::IsNotFound(writer_.Read(BalloonControl(plain_.get(), kBalloon)).status()));
  EXPECT_TRUE(absl::IsNotFound(writer_.Read(BalloonControl(plain_.get(), kBalloonState)).status()));
  EXPECT_TRUE(absl::IsNotFound(writer_.Write(BalloonControl(plain_.get(), kBalloon), "1000000")));
  HostControlWriter without({});
  EXPECT_TRUE(absl::IsNotFound(without.Read(BalloonControl(vm_.get(), kBalloon)).status()));
}

TEST_F(BalloonControls, AMachineThatCantBeAskedIsNoPlainCgroup) {
  machine_.LoseBalloon();
  const auto status = writer_.Read(BalloonControl(vm_.get(), kBalloon)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(StdView(status.message())), HasSubstr("-device virtio-balloon"));
  test::PutProcess(tree_, getpid(),
                   {"/usr/bin/qemu-system-x86_64", "-name", "web", "-chardev", "socket,id=charmonitor,fd=3,server=on",
                    "-mon", "chardev=charmonitor,mode=control"});
  Balloons again{{.procfs = tree_.Path("proc"), .make = SystemBalloons("", absl::Seconds(20))}};
  HostControlWriter writer({.balloons = &again});
  const auto libvirts = writer.Read(BalloonControl(vm_.get(), kBalloon)).status();
  EXPECT_THAT(std::string(StdView(libvirts.message())), HasSubstr("virtual_machines.libvirt_uri"));
}

// A container may call a process of its own whatever it likes.
TEST(SystemBalloonsTest, AMachineOfLibvirtsIsOneThatLibvirtKnows) {
  const test::Tree run({{"libvirt/qemu/web.pid", "4711\n"}});
  const BalloonMaker make = SystemBalloons("test:///default", absl::Seconds(20), run.root());
  VirtualMachine machine{.name = "web", .pid = 4712, .monitor = {}, .of_libvirt = true, .arguments = {}};
  for (const std::string name : {"web", "nobody", "../qemu/web"}) {
    machine.name = name;
    const auto state = make(machine)->Look();
    EXPECT_TRUE(absl::IsFailedPrecondition(state.status())) << name << ": " << state.status();
    EXPECT_THAT(std::string(StdView(state.status().message())), HasSubstr("process 4712 says"));
    EXPECT_TRUE(absl::IsFailedPrecondition(make(machine)->Ask(kMiB)));
  }
  machine.name = "web";
  machine.pid = 4711;
  EXPECT_THAT(std::string(StdView(make(machine)->Look().status().message())),
              testing::Not(HasSubstr("says that it is")));
}

}  // namespace
}  // namespace truce::host
