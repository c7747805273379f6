// Which tree serves which controller, on every layout in the field, and one cgroup held open while the host changes.
#include "src/host/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using test::Tree;
using testing::HasSubstr;

constexpr Controller kAll[] = {Controller::kCpu, Controller::kCpuacct, Controller::kCpuset,    Controller::kMemory,
                               Controller::kIo,  Controller::kPids,    Controller::kPerfEvent, Controller::kUnified};

// Controller -> "directory:version", without those that nothing serves.
std::map<std::string, std::string> Served(const CgroupLayout& layout) {
  std::map<std::string, std::string> served;
  for (Controller controller : kAll) {
    if (const auto index = layout.hierarchy_of(controller)) {
      const Hierarchy& hierarchy = layout.hierarchies()[*index];
      served[std::string(ControllerName(controller))] = StrCat(hierarchy.directory, ":", hierarchy.version);
    }
  }
  return served;
}

std::string Identity(const CgroupLayout& layout) {
  return layout.hierarchies()[layout.identity_hierarchy()].directory;
}

using Expected = std::map<std::string, std::string>;

TEST(DetectTest, V2ServesEverythingFromItsOneTree) {
  Tree tree({{"cgroup.controllers", "cpuset cpu io memory pids rdma misc\n"}, {"system.slice/cgroup.procs", ""}});
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->kind(), v1::CGROUP_LAYOUT_V2);
  EXPECT_EQ(Served(*layout), (Expected{{"cpu", ":2"},
                                       {"cpuset", ":2"},
                                       {"memory", ":2"},
                                       {"io", ":2"},
                                       {"pids", ":2"},
                                       {"perf_event", ":2"},
                                       {"unified", ":2"}}));
  EXPECT_EQ(Identity(*layout), "");
}

TEST(DetectTest, V2WithoutAControllerSaysSo) {
  Tree tree({{"cgroup.controllers", "cpu\n"}});
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_TRUE(layout->hierarchy_of(Controller::kCpu));
  EXPECT_FALSE(layout->hierarchy_of(Controller::kCpuset));
  EXPECT_FALSE(layout->hierarchy_of(Controller::kMemory));
}

TEST(DetectTest, HybridTakesControllersFromV1AndIdentityFromTheUnifiedTree) {
  Tree tree({{"cpu/cpu.shares", "1024"},
             {"cpuacct/cpuacct.usage", "0"},
             {"cpuset/cpuset.cpus", "0-1"},
             {"memory/memory.usage_in_bytes", "0"},
             {"blkio/blkio.throttle.io_service_bytes", ""},
             {"pids/cgroup.procs", ""},
             {"devices/devices.list", "a *:* rwm"},
             {"systemd/cgroup.procs", ""},
             {"unified/cgroup.controllers", "\n"}});
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->kind(), v1::CGROUP_LAYOUT_HYBRID);
  EXPECT_EQ(Served(*layout), (Expected{{"cpu", "cpu:1"},
                                       {"cpuacct", "cpuacct:1"},
                                       {"cpuset", "cpuset:1"},
                                       {"memory", "memory:1"},
                                       {"io", "blkio:1"},
                                       {"pids", "pids:1"},
                                       {"perf_event", "unified:2"},
                                       {"unified", "unified:2"}}));
  EXPECT_EQ(Identity(*layout), "unified");
}

TEST(DetectTest, V1WithCoMountedTreesUsesTheDirectoryAndNotItsLinks) {
  Tree tree({{"cpu,cpuacct/cpu.shares", "1024"},
             {"cpu,cpuacct/cpuacct.usage", "0"},
             {"perf_event/cgroup.procs", ""},
             {"net_cls,net_prio/net_cls.classid", "0"},
             {"memory/memory.usage_in_bytes", "0"}});
  tree.Link("cpu", "cpu,cpuacct");
  tree.Link("cpuacct", "cpu,cpuacct");
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->kind(), v1::CGROUP_LAYOUT_V1);
  EXPECT_EQ(Served(*layout), (Expected{{"cpu", "cpu,cpuacct:1"},
                                       {"cpuacct", "cpu,cpuacct:1"},
                                       {"memory", "memory:1"},
                                       {"perf_event", "perf_event:1"}}));
  EXPECT_EQ(layout->hierarchies().size(), 3u) << "each tree once";
  EXPECT_EQ(Identity(*layout), "cpu,cpuacct");
}

TEST(DetectTest, AV1PerfEventTreeIsPreferredToTheUnifiedOne) {
  Tree tree({{"cpu/cpu.shares", "1024"}, {"perf_event/cgroup.procs", ""}, {"unified/cgroup.controllers", ""}});
  const auto layout = CgroupLayout::Detect(tree.root());
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(Served(*layout)["perf_event"], "perf_event:1") << "the kernel has perf_event in one tree only";
}

TEST(DetectTest, BrokenLinksBesideTheTreesDoNoHarm) {
  Tree tree({{"cpu/cpu.shares", "1024"}});
  for (int i = 0; i < 20; ++i) tree.Link(StrCat("broken", i), "nowhere");
  EXPECT_TRUE(CgroupLayout::Detect(tree.root()).ok()) << CgroupLayout::Detect(tree.root()).status();
}

TEST(DetectTest, NoTreeIsFailedPreconditionWithARemedy) {
  Tree tree({{"something/else", ""}});
  for (const std::string& root : {tree.root(), tree.Path("missing"), tree.Path("something")}) {
    const auto layout = CgroupLayout::Detect(root);
    EXPECT_TRUE(absl::IsFailedPrecondition(layout.status())) << layout.status();
    EXPECT_THAT(std::string(layout.status().message()), HasSubstr(root));
    EXPECT_THAT(std::string(layout.status().message()), HasSubstr("--path.cgroup"));
  }
}

class CgroupTest : public testing::Test {
 protected:
  CgroupTest()
      : tree_({{"cpu/cpu.shares", "1024"},
               {"memory/memory.usage_in_bytes", "0"},
               {"unified/cgroup.controllers", ""},
               {"cpu/a/b/cpu.cfs_quota_us", "-1\n"},
               {"unified/a/b/cpu.stat", "usage_usec 1\n"}}),
        layout_(*CgroupLayout::Detect(tree_.root())) {}

  std::unique_ptr<Cgroup> Open(const std::string& path) {
    auto cgroup = Cgroup::Open(layout_, path);
    EXPECT_TRUE(cgroup.ok()) << cgroup.status();
    return *std::move(cgroup);
  }

  Tree tree_;
  CgroupLayout layout_;
  ReadBuffer buffer_;
};

TEST_F(CgroupTest, KnowsWhichTreesHaveIt) {
  const auto cgroup = Open("a/b");
  EXPECT_EQ(cgroup->path(), "a/b");
  EXPECT_EQ(cgroup->version(Controller::kCpu), 1);
  EXPECT_EQ(cgroup->version(Controller::kUnified), 2);
  EXPECT_EQ(cgroup->version(Controller::kMemory), 0) << "the host has a memory tree, but not this cgroup in it";
  EXPECT_FALSE(cgroup->has(Controller::kMemory));
  EXPECT_FALSE(cgroup->has(Controller::kCpuset)) << "the host has no such tree";
  EXPECT_EQ(cgroup->directory_fd(Controller::kCpuset), -1);
  EXPECT_EQ(cgroup->RelativeName(Controller::kCpu, "cpu.cfs_quota_us"), "cpu/a/b/cpu.cfs_quota_us");
  EXPECT_EQ(Open("")->RelativeName(Controller::kUnified, "cpu.stat"), "unified/cpu.stat");
}

TEST_F(CgroupTest, ReadsTheNewContentEachTime) {
  const auto cgroup = Open("a/b");
  EXPECT_EQ(*cgroup->Read(Controller::kUnified, "cpu.stat", buffer_), "usage_usec 1\n");
  tree_.Put("unified/a/b/cpu.stat", "usage_usec 2222\n");
  EXPECT_EQ(*cgroup->Read(Controller::kUnified, "cpu.stat", buffer_), "usage_usec 2222\n");
  EXPECT_EQ(*cgroup->Read(Controller::kCpu, "cpu.cfs_quota_us", buffer_), "-1\n");
}

TEST_F(CgroupTest, AMissingFileIsNotFoundEachTime) {
  const auto cgroup = Open("a/b");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsNotFound(cgroup->Read(Controller::kUnified, "cpu.pressure", buffer_).status()));
    EXPECT_TRUE(absl::IsNotFound(cgroup->Read(Controller::kMemory, "memory.stat", buffer_).status()));
  }
}

TEST_F(CgroupTest, OneThatIsNotThereCannotBeOpened) {
  const auto cgroup = Cgroup::Open(layout_, "a/c");
  EXPECT_TRUE(absl::IsNotFound(cgroup.status())) << cgroup.status();
  EXPECT_THAT(std::string(cgroup.status().message()), HasSubstr("a/c"));
}

TEST_F(CgroupTest, RemovedAndMadeAgainIsADifferentOne) {
  const auto before = Open("a/b");
  EXPECT_TRUE(before->StillThere());
  tree_.Remove("cpu/a/b");
  tree_.Remove("unified/a/b");
  EXPECT_FALSE(before->StillThere());
  EXPECT_TRUE(absl::IsNotFound(before->Read(Controller::kUnified, "cpu.stat", buffer_).status()));

  tree_.Put("cpu/a/b/cpu.cfs_quota_us", "-1\n");
  tree_.Put("unified/a/b/cpu.stat", "usage_usec 7\n");
  EXPECT_FALSE(before->StillThere()) << "it is another one under the same name";
  EXPECT_TRUE(absl::IsNotFound(before->Read(Controller::kUnified, "cpu.stat", buffer_).status()));
  const auto after = Open("a/b");
  EXPECT_TRUE(after->StillThere());
  EXPECT_NE(after->instance(), before->instance());
}

}  // namespace
}  // namespace truce::host
