#include "src/host/virtual_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";

std::optional<VirtualMachine> Of(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {kQemu};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return VirtualMachineOf(arguments);
}

TEST(VirtualMachineOf, KnowsQemuByItsProgram) {
  for (const char* program : {"qemu-system-x86_64", "/usr/bin/qemu-system-aarch64", "/usr/libexec/qemu-kvm", "kvm"}) {
    EXPECT_TRUE(VirtualMachineOf({program, "-m", "1G"})) << program;
  }
  for (const char* program : {"qemu-img", "/usr/bin/qemu-nbd", "qemu-x86_64", "bash", "/opt/kvm/tool", ""}) {
    EXPECT_FALSE(VirtualMachineOf({program, "-m", "1G"})) << program;
  }
  EXPECT_FALSE(VirtualMachineOf({}));
  EXPECT_TRUE(VirtualMachineOf({"kvm"})) << "without a word";
}

TEST(VirtualMachineOf, Names) {
  EXPECT_EQ(Of({"-name", "web"})->name, "web");
  EXPECT_EQ(Of({"--name", "web"})->name, "web");
  EXPECT_EQ(Of({"-name", "guest=web,debug-threads=on"})->name, "web");
  EXPECT_EQ(Of({"-name", "debug-threads=on,guest=web"})->name, "web");
  EXPECT_EQ(Of({"-name", "web,process=web,debug-threads=on"})->name, "web");
  EXPECT_EQ(Of({"-name", "guest=web,,blue"})->name, "web,blue");
  EXPECT_EQ(Of({"-m", "1G"})->name, "");
}

TEST(VirtualMachineOf, MonitorsOfTheCommandLine) {
  EXPECT_EQ(Of({"-qmp", "unix:/run/web.qmp,server=on,wait=off"})->monitor, "/run/web.qmp");
  EXPECT_EQ(Of({"-qmp", "unix:/run/web.qmp,server,nowait"})->monitor, "/run/web.qmp");
  EXPECT_EQ(Of({"-qmp-pretty", "unix:path=/run/web.qmp,server=yes"})->monitor, "/run/web.qmp");
  EXPECT_EQ(Of({"-qmp", "unix:/run/a,,b.qmp,server=on"})->monitor, "/run/a,b.qmp");
  const std::vector<std::string> pair = {
      "-chardev", "socket,id=other,path=/run/console,server=on", "-mon", "chardev=other,mode=readline",
      "-chardev", "socket,id=qmp,path=/run/web.qmp,server=on",   "-mon", "chardev=qmp,mode=control,pretty=on"};
  EXPECT_EQ(Of(pair)->monitor, "/run/web.qmp");
  EXPECT_EQ(Of({"-mon", "qmp,mode=control", "-chardev", "socket,id=qmp,path=/run/web.qmp,server"})->monitor,
            "/run/web.qmp");
  EXPECT_EQ(Of({"-chardev", "socket,id=q,path=/run/web.qmp,server", "-qmp", "chardev:q"})->monitor, "/run/web.qmp");
  EXPECT_EQ(Of({"-qmp", "stdio", "-qmp", "unix:/run/web.qmp,server"})->monitor, "/run/web.qmp");
}

TEST(VirtualMachineOf, MonitorsInJson) {
  EXPECT_EQ(Of({"-chardev",
                R"({"id": "qmp", "backend": {"type": "socket", "data": {"addr": {"type": "unix",)"
                R"( "data": {"path": "/run/web.qmp"}}, "server": true, "wait": false}}})",
                "-mon", "chardev=qmp,mode=control"})
                ->monitor,
            "/run/web.qmp");
  EXPECT_EQ(Of({"-chardev",
                R"({"id": "qmp", "backend": {"type": "socket", "data": {"addr": {"type": "unix",)"
                R"( "data": {"path": "/run/web.qmp"}}, "server": false}}})",
                "-mon", "chardev=qmp,mode=control"})
                ->monitor,
            "");
  EXPECT_EQ(Of({"-chardev", "{broken", "-mon", "chardev=qmp,mode=control"})->monitor, "");
}

TEST(VirtualMachineOf, WhatIsNoMonitorToAsk) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"-qmp", "tcp:localhost:4444,server=on"},
           {"-qmp", "stdio"},
           {"-qmp", "unix:/run/web.qmp"},  // it connects to somebody else
           {"-qmp", "unix:/run/web.qmp,server=off"},
           {"-qmp", "unix:fd=3,server=on,wait=off"},
           {"-qmp", "unix:web,abstract=on,server=on"},
           {"-monitor", "unix:/run/web.hmp,server=on"},
           {"-chardev", "socket,id=qmp,path=/run/web.qmp,server=on"},
           {"-chardev", "socket,id=qmp,path=/run/web.qmp,server=on", "-mon", "chardev=another,mode=control"},
           {"-qmp"}}) {
    const auto machine = Of(arguments);
    ASSERT_TRUE(machine);
    EXPECT_EQ(machine->monitor, "") << arguments.back();
    EXPECT_FALSE(machine->of_libvirt);
  }
}

TEST(VirtualMachineOf, LibvirtsAreLibvirts) {
  // libvirt 9 on Debian 12: the monitor's socket is handed over open.
  const auto today = Of(
      {"-name", "guest=web,debug-threads=on", "-S", "-object",
       R"({"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-web/master-key.aes"})",
       "-chardev", "socket,id=charmonitor,fd=35,server=on,wait=off", "-mon",
       "chardev=charmonitor,id=monitor,mode=control"});
  ASSERT_TRUE(today);
  EXPECT_TRUE(today->of_libvirt);
  EXPECT_EQ(today->name, "web");
  EXPECT_EQ(today->monitor, "");
  const auto older = Of({"-name", "guest=web", "-chardev",
                         "socket,id=mon0,path=/var/lib/libvirt/qemu/domain-1-web/monitor.sock,server,nowait", "-mon",
                         "chardev=mon0,id=monitor,mode=control"});
  ASSERT_TRUE(older);
  EXPECT_TRUE(older->of_libvirt);
  EXPECT_EQ(older->monitor, "") << "libvirt holds it";
  EXPECT_FALSE(Of({"-drive", "file=/var/lib/libvirt/images/web.qcow2", "-qmp", "unix:/run/web.qmp,server"})->of_libvirt)
      << "a disk there makes no machine libvirt's";
}

// A host of one tree, with processes that the test declares.
class Found : public testing::Test {
 protected:
  test::Tree tree_{{"cgroup/cgroup.controllers", "cpu memory\n"}};

  void Process(int pid, const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) line += word + '\0';
    tree_.Put(StrCat("proc/", pid, "/cmdline"), line);
  }
  std::optional<VirtualMachine> Find(const std::string& path) {
    auto layout = CgroupLayout::Detect(tree_.Path("cgroup"));
    EXPECT_TRUE(layout.ok()) << layout.status();
    const auto cgroup = Cgroup::Open(*layout, path);
    EXPECT_TRUE(cgroup.ok()) << cgroup.status();
    return FindVirtualMachine(**cgroup, tree_.Path("proc"));
  }
};

TEST_F(Found, InTheCgroupItself) {
  tree_.Put("cgroup/vm.service/cgroup.procs", "10\n20\n");
  Process(10, {"/usr/bin/swtpm", "socket"});
  Process(20, {kQemu, "-name", "web", "-qmp", "unix:/run/web.qmp,server"});
  const auto machine = Find("vm.service");
  ASSERT_TRUE(machine);
  EXPECT_EQ(machine->name, "web");
  EXPECT_EQ(machine->pid, 20);
  EXPECT_EQ(machine->monitor, "/run/web.qmp");
  EXPECT_EQ(machine->arguments.size(), 5u);
}

// libvirt keeps the process in a cgroup of its own, and its threads in others, which list it again on v1.
TEST_F(Found, InNestedCgroups) {
  tree_.Put("cgroup/machine.slice/m.scope/cgroup.procs", "");
  tree_.Put("cgroup/machine.slice/m.scope/libvirt/cgroup.procs", "20\n");
  tree_.Put("cgroup/machine.slice/m.scope/libvirt/emulator/cgroup.procs", "20\n");
  tree_.Put("cgroup/machine.slice/m.scope/libvirt/vcpu0/cgroup.threads", "21\n");
  Process(20, {kQemu, "-name", "guest=web"});
  ASSERT_TRUE(Find("machine.slice/m.scope"));
  EXPECT_EQ(Find("machine.slice/m.scope")->pid, 20);
}

TEST_F(Found, NoneOrMoreThanOneIsNone) {
  tree_.Put("cgroup/a/cgroup.procs", "10\n30\n");
  Process(10, {"bash"});
  EXPECT_FALSE(Find("a")) << "and 30 is gone";
  tree_.Put("cgroup/a/cgroup.procs", "10\n20\n30\n");
  Process(20, {kQemu, "-name", "one"});
  EXPECT_TRUE(Find("a"));
  Process(30, {kQemu, "-name", "two"});
  EXPECT_FALSE(Find("a"));
}

// The machine of a container names its socket as it sees it.
TEST_F(Found, SocketsAsTheMachineSeesThem) {
  tree_.Put("cgroup/a/cgroup.procs", "20\n");
  Process(20, {kQemu, "-qmp", "unix:/run/web.qmp,server"});
  tree_.Put("elsewhere/run/web.qmp", "");
  tree_.Link("proc/20/root", tree_.Path("elsewhere"));
  EXPECT_EQ(Find("a")->monitor, tree_.Path("proc/20/root/run/web.qmp"));
  Process(20, {kQemu, "-qmp", "unix:web.qmp,server"});
  tree_.Link("proc/20/cwd", tree_.Path("elsewhere/run"));
  EXPECT_EQ(Find("a")->monitor, tree_.Path("proc/20/cwd/web.qmp"));
  const std::string same = tree_.Path("elsewhere/run/web.qmp");
  Process(20, {kQemu, "-qmp", StrCat("unix:", same, ",server")});
  tree_.Remove("proc/20/root");
  tree_.Link("proc/20/root", "/");
  EXPECT_EQ(Find("a")->monitor, same) << "the same file by its plain name";
}

}  // namespace
}  // namespace truce::host
