// Two hosts with a mover each and a real driver, and a controller that a test plays: it orders the steps as the real
// one does, one at a time, and decides by what the hosts say.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "agent/act/migrate/driver.h"
#include "agent/act/migrate/mover.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {

// A machine is slow when it plays machines.
inline constexpr absl::Duration kLongEnough = absl::Seconds(120);

inline bool AwaitFor(const std::function<bool()>& condition, absl::Duration patience = kLongEnough) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return true;
}

// A shell script that can be run.
inline std::string PutScript(const test::Tree& tree, const std::string& name, const std::string& text) {
  tree.Put(name, text);
  chmod(tree.Path(name).c_str(), 0755);
  return tree.Path(name);
}

// For scripts: prints the text at key $1 of the JSON object $request, as the agent writes it.
inline constexpr char kJsonInShell[] =
    "request=$(cat)\n"
    "text() { sed -n 's/.*\"'$1'\":\"\\([^\"]*\\)\".*/\\1/p' <<<\"$request\"; }\n";

// One host: its cgroups as files, and its mover.
class MigrationHost {
 public:
  explicit MigrationHost(MigrationSettings settings) : settings_(std::move(settings)) {
    files_.Put("cgroup/cgroup.controllers", "cpu memory\n");
    files_.Put("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 8000000 kB\n");
    layout_ = std::make_unique<host::CgroupLayout>(*host::CgroupLayout::Detect(files_.Path("cgroup")));
    settings_.cgroup_root = files_.Path("cgroup");
  }

  test::Tree& files() { return files_; }
  MigrationSettings& settings() { return settings_; }
  // A workload whose cgroup has these processes.
  void AddWorkload(const std::string& name, const std::vector<int>& pids) {
    std::string text;
    for (const int pid : pids) text += StrCat(pid, "\n");
    files_.Put(StrCat("cgroup/", name, "/cgroup.procs"), text);
  }

  // As an agent starts.
  void Open() {
    mover_.reset();
    auto drivers = MakeMigrationDrivers(settings_);
    ASSERT_TRUE(drivers.ok()) << drivers.status();
    MoverOptions options;
    options.state_directory = files_.Path("state");
    options.procfs = files_.Path("proc");
    auto mover = OpenMover(options, *std::move(drivers), *layout_, SystemClock());
    ASSERT_TRUE(mover.ok()) << mover.status();
    mover_ = *std::move(mover);
  }
  void Close() { mover_.reset(); }
  bool is_open() const { return mover_ != nullptr; }
  Mover& mover() { return *mover_; }

  std::optional<ActionTarget> FindTarget(const std::string& name) {
    auto cgroup = host::Cgroup::Open(*layout_, name);
    if (!cgroup.ok()) return std::nullopt;
    return ActionTarget{.name = name,
                        .kind = "machine",
                        .instance = (*cgroup)->instance(),
                        .workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT,
                        .mode = v1::MODE_ENFORCE,
                        .allowed_levers = {v1::LEVER_MIGRATE}};
  }
  uint64_t InstanceOf(const std::string& name) {
    const auto target = FindTarget(name);
    return target ? target->instance : 0;
  }
  const host::CgroupLayout& layout() const { return *layout_; }

  void Take(const v1::MigrationOrder& order) {
    v1::DesiredSet desired;
    *desired.add_migrations() = order;
    mover_->Take(desired, [this](const std::string& name) { return FindTarget(name); });
  }
  v1::MigrationStatus Status() {
    mover_->Tick();
    const auto statuses = mover_->statuses();
    return statuses.empty() ? v1::MigrationStatus() : statuses[0];
  }
  // Orders it, renews it as often as a controller does, and waits for its answer.
  v1::MigrationStatus Do(const v1::MigrationOrder& order) {
    v1::MigrationStatus status;
    EXPECT_TRUE(AwaitFor([&] {
      Take(order);
      status = Status();
      return status.step() == order.step() && status.progress() != v1::MIGRATION_PROGRESS_WORKING;
    })) << v1::MigrationStep_Name(order.step())
        << " was not answered: " << status.ShortDebugString();
    return status;
  }

 private:
  MigrationSettings settings_;
  test::Tree files_;
  std::unique_ptr<host::CgroupLayout> layout_;
  std::unique_ptr<Mover> mover_;
};

class TwoHosts {
 public:
  TwoHosts(MigrationSettings source_settings, MigrationSettings target_settings)
      : source(std::move(source_settings)), target(std::move(target_settings)) {}

  v1::MigrationOrder Order(v1::MigrationRole role, v1::MigrationStep step) {
    v1::MigrationOrder order;
    order.set_migration_id(id);
    order.set_role(role);
    order.set_step(step);
    order.set_driver(driver);
    order.set_workload(workload);
    if (role == v1::MIGRATION_ROLE_SOURCE) order.set_workload_instance(source.InstanceOf(workload));
    order.set_application("web");
    order.set_workload_class(v1::WORKLOAD_CLASS_BEST_EFFORT);
    order.set_peer_host(role == v1::MIGRATION_ROLE_SOURCE ? "target" : "source");
    order.set_endpoint(endpoint);
    order.set_memory_bytes(64 << 20);
    order.mutable_time_to_live()->set_seconds(60);
    order.set_mode(v1::MODE_ENFORCE);
    MigrationHost& host = role == v1::MIGRATION_ROLE_SOURCE ? source : target;
    if (host.is_open()) order.set_journal(host.mover().journal());
    return order;
  }
  v1::MigrationStatus AtSource(v1::MigrationStep step) { return source.Do(Order(v1::MIGRATION_ROLE_SOURCE, step)); }
  v1::MigrationStatus AtTarget(v1::MigrationStep step) {
    v1::MigrationStatus status = target.Do(Order(v1::MIGRATION_ROLE_TARGET, step));
    if (step == v1::MIGRATION_STEP_RESERVE) endpoint = status.endpoint();
    return status;
  }

  MigrationHost source;
  MigrationHost target;
  std::string id = "c1-m1";
  std::string driver;
  std::string workload;
  std::string endpoint;
};

}  // namespace truce::agent
