// A host of files with one workload, a driver that the test plays, and a mover on top: what the mover's tests share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "agent/act/migrate/live_mover.h"
#include "src/base/clock.h"
#include "tests/agent/act/faulty_disk.h"
#include "tests/agent/migrate/fake_driver.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {

inline constexpr char kWeb[] = "system.slice/web.service";

// Long enough for a loaded machine; only what is broken waits so long.
inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Waits for it; whether it came.
inline bool Await(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

class MoverTest : public testing::Test {
 protected:
  MoverTest() {
    host_.Put("cgroup/cgroup.controllers", "cpu\n");
    AddWorkload(kWeb);
    SetMemory(/*total_mib=*/1000, /*available_mib=*/900);
    layout_ = std::make_unique<host::CgroupLayout>(*host::CgroupLayout::Detect(host_.Path("cgroup")));
    options_.state_directory = host_.Path("state");
    options_.procfs = host_.Path("proc");
  }
  ~MoverTest() override {
    EXPECT_THAT(world_.offences(), testing::IsEmpty());
    for (const char* step :
         {"plan", "recall", "reserve", "move", "look", "leave", "settle", "resume", "drop", "ready", "can_move"}) {
      world_.Release(step);
    }
  }

  void AddWorkload(const std::string& name) { host_.Put("cgroup/" + name + "/cpu.stat", "usage_usec 1\n"); }
  void SetMemory(int total_mib, int available_mib) {
    host_.Put("proc/meminfo", StrCat("MemTotal:       ", total_mib * 1024,
                                     " kB\nMemFree:  1 kB\nMemAvailable:   ", available_mib * 1024, " kB\n"));
  }
  uint64_t InstanceOf(const std::string& name) const { return (*host::Cgroup::Open(*layout_, name))->instance(); }

  // As an agent starts. What the last one wrote is there; the last one itself is dead, and what it had begun goes on in
  // the world as far as the test lets it.
  void OpenMover() {
    if (mover_ != nullptr) dead_.push_back(std::move(mover_));
    std::vector<std::unique_ptr<MigrationDriver>> drivers;
    for (const std::string& name : drivers_) drivers.push_back(std::make_unique<FakeDriver>(world_, name));
    auto mover = OpenMoverOn(disk_, options_, std::move(drivers), *layout_, clock_);
    ASSERT_TRUE(mover.ok()) << mover.status();
    mover_ = *std::move(mover);
  }

  std::optional<ActionTarget> FindTarget(const std::string& name) {
    auto cgroup = host::Cgroup::Open(*layout_, name);
    if (!cgroup.ok()) return std::nullopt;
    ActionTarget target = target_;
    target.name = name;
    target.instance = (*cgroup)->instance();
    return target;
  }

  v1::MigrationOrder Order(v1::MigrationRole role, v1::MigrationStep step, const std::string& id = "m1") const {
    v1::MigrationOrder order;
    order.set_migration_id(id);
    order.set_role(role);
    order.set_step(step);
    order.set_driver("fake");
    order.set_workload(kWeb);
    if (role == v1::MIGRATION_ROLE_SOURCE) order.set_workload_instance(InstanceOf(kWeb));
    order.set_application("web");
    order.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    order.set_peer_host("web-2");
    order.set_endpoint("fake:there");
    order.set_memory_bytes(100 << 20);
    order.mutable_time_to_live()->set_seconds(30);
    order.set_mode(v1::MODE_ENFORCE);
    // It begins now.
    if (mover_ != nullptr) order.set_journal(mover_->journal());
    return order;
  }
  v1::MigrationOrder Source(v1::MigrationStep step, const std::string& id = "m1") const {
    return Order(v1::MIGRATION_ROLE_SOURCE, step, id);
  }
  v1::MigrationOrder Target(v1::MigrationStep step, const std::string& id = "m1") const {
    return Order(v1::MIGRATION_ROLE_TARGET, step, id);
  }

  // A desired set comes.
  void Take(std::vector<v1::MigrationOrder> orders, bool hold = false) {
    v1::DesiredSet desired;
    desired.set_hold(hold);
    for (v1::MigrationOrder& order : orders) *desired.add_migrations() = std::move(order);
    mover_->Take(desired, [this](const std::string& name) { return FindTarget(name); });
  }

  v1::MigrationStatus StatusOf(const std::string& id = "m1") const {
    for (const v1::MigrationStatus& status : mover_->statuses()) {
      if (status.migration_id() == id) return status;
    }
    return {};
  }
  bool Ticking(const std::function<bool()>& condition) {
    return Await([&] {
      mover_->Tick();
      for (v1::Event& event : mover_->TakeEvents()) events_.push_back(std::move(event));
      return condition();
    });
  }
  // Ticks until the step was answered, and returns the answer.
  v1::MigrationStatus AwaitAnswer(v1::MigrationStep step, const std::string& id = "m1") {
    v1::MigrationStatus status;
    EXPECT_TRUE(Ticking([&] {
      status = StatusOf(id);
      return status.step() == step && status.progress() != v1::MIGRATION_PROGRESS_WORKING &&
             status.progress() != v1::MIGRATION_PROGRESS_UNSPECIFIED;
    })) << v1::MigrationStep_Name(step)
        << " was not answered: " << StatusOf(id).ShortDebugString();
    return status;
  }
  // Orders the step and waits for its answer.
  v1::MigrationStatus Do(const v1::MigrationOrder& order) {
    Take({order});
    return AwaitAnswer(order.step(), order.migration_id());
  }
  // Ticks until the driver is in a call.
  void AwaitCall(const std::string& call, int times = 1) {
    ASSERT_TRUE(Ticking([&] { return world_.Count(call) >= times; })) << call;
  }
  // Ticks until it sleeps: no step is under way and nothing is due. Not while a call is blocked.
  void Settle() {
    ASSERT_TRUE(Ticking([&] { return static_cast<const LiveMover&>(*mover_).idle(); }));
  }
  // Until the order that was taken last has run out.
  void LetExpire() { clock_.Advance(absl::Seconds(31)); }

  std::vector<std::string> EventKinds() const {
    std::vector<std::string> kinds;
    for (const v1::Event& event : events_) kinds.push_back(event.kind());
    return kinds;
  }

  bool Told(const std::string& kind) const {
    const std::vector<std::string> kinds = EventKinds();
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }

  // A mover that has begun: the source at kMoved, the target at kReserved.
  void Moved() {
    world_.Put("m1", v1::MIGRATION_PRESENCE_RUNNING);
    ASSERT_EQ(Do(Source(v1::MIGRATION_STEP_MOVE)).progress(), v1::MIGRATION_PROGRESS_DONE);
  }
  void Reserved() {
    world_.Put("m1", v1::MIGRATION_PRESENCE_ABSENT);
    ASSERT_EQ(Do(Target(v1::MIGRATION_STEP_RESERVE)).progress(), v1::MIGRATION_PROGRESS_DONE);
  }

  test::Tree host_;
  std::unique_ptr<host::CgroupLayout> layout_;
  FakeClock clock_;
  FaultyDisk disk_;
  FakeWorld world_;
  std::vector<std::string> drivers_ = {"fake"};
  MoverOptions options_;
  ActionTarget target_{.kind = "machine",
                       .workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT,
                       .mode = v1::MODE_ENFORCE,
                       .allowed_levers = {v1::LEVER_CPU_QUOTA, v1::LEVER_MIGRATE}};
  std::vector<v1::Event> events_;
  std::vector<std::unique_ptr<Mover>> dead_;
  std::unique_ptr<Mover> mover_;
};

}  // namespace truce::agent
