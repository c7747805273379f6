// What the guard lets through, and what it names when it does not.
#include "agent/act/migrate/move_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

struct Case {
  v1::MigrationOrder order;
  MoveFacts facts;
  std::optional<ActionTarget> target;
  MoveRoom room;
};

// One that may be moved.
Case Fine() {
  Case fine;
  fine.order.set_migration_id("c1-m7");
  fine.order.set_workload("web");
  fine.order.set_workload_instance(7);
  fine.order.set_driver("qemu");
  fine.order.set_workload_class(v1::WORKLOAD_CLASS_STANDARD);
  fine.order.set_mode(v1::MODE_ENFORCE);
  fine.order.set_memory_bytes(100 * kMebibyte);
  fine.order.mutable_time_to_live()->set_seconds(30);
  fine.facts = {.mode_ceiling = v1::MODE_ENFORCE, .configured = {"qemu"}, .most_at_a_time = 2};
  fine.target = ActionTarget{.name = "web",
                             .instance = 7,
                             .workload_class = v1::WORKLOAD_CLASS_STANDARD,
                             .mode = v1::MODE_ENFORCE,
                             .allowed_levers = {v1::LEVER_MIGRATE}};
  fine.room = {.total_bytes = 1000 * kMebibyte, .available_bytes = 500 * kMebibyte, .least_free_ratio = 0.1};
  return fine;
}
std::string Send(const Case& one) {
  return RefusalToSend(one.order, one.facts, one.target).value_or("");
}
std::string Receive(const Case& one) {
  return RefusalToReceive(one.order, one.facts, one.room).value_or("");
}

TEST(MoveGuardTest, WhatMayBeMovedMayBeMoved) {
  EXPECT_EQ(Send(Fine()), "");
  EXPECT_EQ(Receive(Fine()), "");
}

TEST(MoveGuardTest, WhatNeitherSideDoes) {
  const std::pair<std::function<void(Case&)>, const char*> kCases[] = {
      {[](Case& c) { c.order.set_migration_id(""); }, "a migration's id"},
      {[](Case& c) { c.order.set_migration_id("../../etc/passwd"); }, "a migration's id"},
      {[](Case& c) { c.order.set_migration_id(".."); }, "a migration's id"},
      {[](Case& c) { c.order.set_migration_id(std::string(200, 'a')); }, "a migration's id"},
      {[](Case& c) { c.order.set_workload(""); }, "names no workload"},
      {[](Case& c) { c.order.set_reason(std::string(20000, 'x')); }, "larger than any sensible one"},
      {[](Case& c) { c.order.clear_time_to_live(); }, "no time to live"},
      {[](Case& c) { c.order.mutable_time_to_live()->set_seconds(-1); }, "no time to live"},
      {[](Case& c) { c.facts.hold = true; }, "the host is on hold"},
      {[](Case& c) { c.order.set_mode(v1::MODE_ADVISE); }, "mode enforce only"},
      {[](Case& c) { c.order.set_mode(v1::MODE_UNSPECIFIED); }, "mode enforce only"},
      {[](Case& c) { c.facts.mode_ceiling = v1::MODE_ADVISE; }, "allows no more than advise (mode.ceiling)"},
      {[](Case& c) { c.order.set_workload_class(v1::WORKLOAD_CLASS_CRITICAL); }, "a critical workload is never moved"},
      {[](Case& c) {
         c.facts.configured = {"podman", "libvirt"};
       },
       "the driver qemu is not configured on this host; migration.drivers has podman, libvirt"},
      {[](Case& c) { c.facts.configured.clear(); }, "no driver is configured"},
      {[](Case& c) { c.facts.ready = absl::FailedPreconditionError("no criu"); }, "no criu"},
      {[](Case& c) { c.facts.other_migration = "m3"; }, "the migration m3 of the same workload"},
      {[](Case& c) { c.facts.under_way = 2; }, "at most 2 migrations at a time"},
      {[](Case& c) { c.facts.most_at_a_time = 0; }, "at most 0 migrations at a time"},
      {[](Case& c) { c.facts.left_over = 16; }, "wait for an operator"}};
  for (const auto& [change, reason] : kCases) {
    Case one = Fine();
    change(one);
    EXPECT_THAT(Send(one), HasSubstr(reason));
    EXPECT_THAT(Receive(one), HasSubstr(reason));
  }
}

TEST(MoveGuardTest, WhatDoesNotLeave) {
  const std::pair<std::function<void(Case&)>, const char*> kCases[] = {
      {[](Case& c) { c.target.reset(); }, "no workload web lives on this host"},
      {[](Case& c) { c.order.set_workload_instance(8); }, "instance 7 here and not 8"},
      {[](Case& c) { c.order.set_workload_instance(0); }, "instance 7 here and not 0"},
      {[](Case& c) { c.target->workload_class = v1::WORKLOAD_CLASS_CRITICAL; }, "never moved"},
      {[](Case& c) { c.target->workload_class = v1::WORKLOAD_CLASS_UNSPECIFIED; }, "class of web is not known"},
      {[](Case& c) { c.target->mode = v1::MODE_ADVISE; }, "web is in mode advise"},
      {[](Case& c) { c.target->mode = v1::MODE_OBSERVE; }, "web is in mode observe"},
      {[](Case& c) { c.target->allowed_levers = {v1::LEVER_CPU_PIN}; }, "migrate is not in the list of levers"},
      {[](Case& c) { c.target->held_levers = {v1::LEVER_CPU_QUOTA}; }, "actions are held on web (cpu_quota)"}};
  for (const auto& [change, reason] : kCases) {
    Case one = Fine();
    change(one);
    EXPECT_THAT(Send(one), HasSubstr(reason));
  }
  Case owned = Fine();
  owned.target->owner_refusal = "systemd owns its CPU attributes";
  EXPECT_EQ(Send(owned), "") << "its controls are not what is changed";
}

TEST(MoveGuardTest, ATargetKeepsMemoryFree) {
  Case one = Fine();
  one.order.set_memory_bytes(400 * kMebibyte);
  EXPECT_EQ(Receive(one), "") << "exactly the tenth is left";
  one.order.set_memory_bytes(401 * kMebibyte);
  EXPECT_THAT(Receive(one), HasSubstr("it needs 401 MiB, and of the 500 MiB that are free here at least 100 MiB must"));
  one.order.set_memory_bytes(100 * kMebibyte);
  one.room.reserved_bytes = 301 * kMebibyte;
  EXPECT_THAT(Receive(one), HasSubstr("301 MiB of them promised to others"));
  one.room.reserved_bytes = 300 * kMebibyte;
  EXPECT_EQ(Receive(one), "");
  one.order.set_memory_bytes(0);
  EXPECT_THAT(Receive(one), HasSubstr("does not say how much memory"));
  one = Fine();
  one.room.available_bytes.reset();
  EXPECT_THAT(Receive(one), HasSubstr("/proc/meminfo"));
}

TEST(MoveGuardTest, RoomIsReadFromTheKernel) {
  const test::Tree files(
      {{"meminfo", "MemTotal:        2048 kB\nMemFree:           1 kB\nMemAvailable:    1024 kB\n"}});
  const MoveRoom room = ReadRoom(files.root());
  EXPECT_EQ(room.total_bytes, uint64_t{2} << 20);
  EXPECT_EQ(room.available_bytes, uint64_t{1} << 20);
  EXPECT_FALSE(ReadRoom(files.Path("none")).available_bytes);
}

TEST(MoveGuardTest, LongOrdersAreCut) {
  v1::MigrationOrder order;
  EXPECT_EQ(TimeToLive(order), absl::ZeroDuration());
  order.mutable_time_to_live()->set_seconds(86400);
  EXPECT_EQ(TimeToLive(order), absl::Minutes(5));
}

}  // namespace
}  // namespace truce::agent
