// What drivers remember comes back as it was, and processes are told apart.
#include "agent/act/migrate/driver_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/act/migrate/drivers.h"
#include "src/base/child_process.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

TEST(DriverWordsTest, AnyValueComesBack) {
  const std::string odd("a b=c%20\n\t\"\\\xff\0end", 18);
  const DriverMemory memory = MakeMemory({{"pid", "4711"}, {"odd", odd}, {"none", ""}, {"id", "x"}});
  EXPECT_EQ(memory.find('\n'), std::string::npos);
  EXPECT_EQ(WordIn(memory, "pid"), "4711");
  EXPECT_EQ(WordIn(memory, "odd"), odd);
  EXPECT_EQ(WordIn(memory, "none"), "");
  EXPECT_EQ(WordIn(memory, "id"), "x") << "and not the end of pid";
  EXPECT_EQ(WordIn(memory, "missing"), "");
  EXPECT_EQ(WordIn("", "pid"), "");
  EXPECT_EQ(WordIn("garbage =x pid", "pid"), "");
}

TEST(DriverWordsTest, JsonIsReadAsFarAsItIsThere) {
  const auto object = ParseObject(R"({"text": "x", "number": 1.5, "inner": {"a": "b"}})");
  ASSERT_TRUE(object.ok());
  EXPECT_EQ(JsonText(*object, "text"), "x");
  EXPECT_EQ(JsonText(*object, "number"), "");
  EXPECT_EQ(JsonNumber(*object, "number"), 1.5);
  EXPECT_FALSE(JsonNumber(*object, "text"));
  EXPECT_EQ(JsonText(JsonObject(*object, "inner"), "a"), "b");
  EXPECT_EQ(JsonObject(*object, "none").fields_size(), 0);
  EXPECT_FALSE(ParseObject("[]").ok());
  EXPECT_FALSE(ParseObject("").ok());
}

TEST(DriverWordsTest, AProcessIsItsNumberAndItsStart) {
  auto child = ChildProcess::Start({.arguments = {"sleep", "1000"}});
  ASSERT_TRUE(child.ok());
  const int pid = child->pid();
  const auto started = StartOfProcess("/proc", pid);
  ASSERT_TRUE(started);
  EXPECT_FALSE(WaitForEnd("/proc", pid, *started, absl::Milliseconds(30)));
  EXPECT_TRUE(WaitForEnd("/proc", pid, "1", absl::ZeroDuration())) << "that one is gone";
  kill(pid, SIGKILL);
  EXPECT_TRUE(WaitForEnd("/proc", pid, *started, absl::Seconds(20))) << "what is left of it is none";
  const test::Tree files({{"7/stat", "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20\n"}});
  EXPECT_EQ(StartOfProcess(files.root(), 7), "777") << "a name may hold anything";
  EXPECT_FALSE(StartOfProcess(files.root(), 8));
}

TEST(MakeDriversTest, InTheirOrderAndOnce) {
  MigrationSettings settings;
  settings.drivers = {"command", "libvirt", "qemu", "kubernetes", "podman"};
  const auto drivers = MakeMigrationDrivers(settings);
  ASSERT_TRUE(drivers.ok()) << drivers.status();
  ASSERT_EQ(drivers->size(), 5u);
  for (size_t i = 0; i < drivers->size(); ++i) EXPECT_EQ((*drivers)[i]->name(), settings.drivers[i]);
  settings.drivers = {"qemu", "command", "qemu"};
  EXPECT_TRUE(absl::IsInvalidArgument(MakeMigrationDrivers(settings).status()));
  settings.drivers = {"xen"};
  EXPECT_THAT(std::string(MakeMigrationDrivers(settings).status().message()),
              HasSubstr("'xen' is not one of libvirt, qemu, podman, kubernetes, command"));
}

}  // namespace
}  // namespace truce::agent
