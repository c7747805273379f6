// Whose control files are whose: Truce must not fight systemd over a unit, and may use what was delegated.
#include "agent/sense/ownership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

class OwnershipTest : public testing::Test {
 protected:
  OwnershipTest() {
    tree_.Put("cgroup.controllers", "cpu\n");
    run_.MakeDirectory("systemd/system");
  }
  std::string Refusal(const std::string& path, const std::string& run_directory,
                      const absl::Status& units = absl::UnavailableError("no system bus; install dbus")) {
    tree_.MakeDirectory(path);
    layout_.emplace(*host::CgroupLayout::Detect(tree_.root()));
    return OwnerRefusal(**host::Cgroup::Open(*layout_, path), run_directory, units);
  }
  test::Tree tree_;
  test::Tree run_;
  std::optional<host::CgroupLayout> layout_;
};

TEST_F(OwnershipTest, UnitsAreSystemds) {
  for (const char* path : {"system.slice/redis.service", "machine.slice/vm.scope", "user.slice/user-1.slice"}) {
    const std::string refusal = Refusal(path, run_.root());
    EXPECT_THAT(refusal, testing::HasSubstr(path));
    EXPECT_THAT(refusal, testing::HasSubstr("no system bus; install dbus"));
    EXPECT_THAT(refusal, testing::HasSubstr("Delegate=yes"));
    EXPECT_EQ(Refusal(path, run_.root(), absl::OkStatus()), "") << "systemd is asked";
  }
}

TEST_F(OwnershipTest, UnitsOfAnotherManagerAreNotAskedOfTheHosts) {
  for (const char* path : {"user.slice/user-1.slice/user@1.service/app.slice/dbus.service",
                           "machine.slice/c.scope/system.slice/redis.service"}) {
    EXPECT_THAT(Refusal(path, run_.root(), absl::OkStatus()), testing::HasSubstr("a systemd of their own"));
  }
}

TEST_F(OwnershipTest, WhatIsNoUnitIsNot) {
  EXPECT_EQ(Refusal("docker/3f", run_.root()), "");
  EXPECT_EQ(Refusal("system.slice/redis.service/worker", run_.root()), "") << "below a unit its owner rules";
}

TEST_F(OwnershipTest, WithoutSystemdNothingIs) {
  test::Tree empty;
  EXPECT_EQ(Refusal("system.slice/redis.service", empty.root()), "");
}

TEST_F(OwnershipTest, ADelegateMarkHandsTheUnitOver) {
  tree_.MakeDirectory("a.service");
  const std::string path = tree_.Path("a.service");
  if (setxattr(path.c_str(), "trusted.delegate", "1", 1, 0) != 0 &&
      setxattr(path.c_str(), "user.delegate", "1", 1, 0) != 0) {
    GTEST_SKIP() << "the temporary directory takes no extended attributes";
  }
  EXPECT_EQ(Refusal("a.service", run_.root()), "");
  for (const char* mark : {"trusted.delegate", "user.delegate"}) {
    if (getxattr(path.c_str(), mark, nullptr, 0) <= 0) continue;
    ASSERT_EQ(setxattr(path.c_str(), mark, "0", 1, XATTR_REPLACE), 0);
  }
  EXPECT_NE(Refusal("a.service", run_.root()), "") << "a mark that says no";
}

}  // namespace
}  // namespace truce::agent
