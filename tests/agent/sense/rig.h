// A small host for the sampler: a cgroup tree of one of the three layouts, a /proc, a clock and counters that tests
// own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/sense/sampler.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {

enum class Layout { kV1, kHybrid, kV2 };
inline constexpr Layout kLayouts[] = {Layout::kV1, Layout::kHybrid, Layout::kV2};
inline std::string LayoutName(Layout layout) {
  return layout == Layout::kV1 ? "v1" : layout == Layout::kHybrid ? "hybrid" : "v2";
}

// Says what it was told to say, and remembers whom it counts.
class FakeCounters final : public host::CounterService {
 public:
  absl::Status Track(uint64_t key, int /*cgroup_fd*/) override {
    tracked.insert(key);
    return absl::OkStatus();
  }
  void Untrack(uint64_t key) override { tracked.erase(key); }
  void Govern(absl::Duration /*now*/) override { ++governed; }
  std::optional<host::CounterReadings> Read(uint64_t key) override {
    const auto entry = readings.find(key);
    return entry == readings.end() ? std::nullopt : std::optional(entry->second);
  }
  host::CounterStatus status() const override { return {}; }

  std::set<uint64_t> tracked;
  std::map<uint64_t, host::CounterReadings> readings;
  int governed = 0;
};

class Rig {
 public:
  explicit Rig(Layout kind) : layout(kind) {
    if (layout == Layout::kV2) {
      tree.Put("cgroup.controllers", "cpuset cpu io memory\n");
    } else {
      tree.Put("cpu,cpuacct/cpu.shares", "1024\n");
      tree.Put("cpu,cpuacct/cpuacct.usage", "0\n");
      tree.Put("cpuset/cpuset.cpus", "0-7\n");
      tree.Put("memory/memory.usage_in_bytes", "0\n");
      tree.Put("blkio/blkio.reset_stats", "");
      if (layout == Layout::kHybrid) tree.Put("unified/cgroup.controllers", "\n");
    }
    options.procfs = proc.root();
    options.slow_every = 1;
    DiscoveryRule rule;
    rule.match = "w/*";
    options.rules = {rule};
  }

  // Name of `file` of cgroup `path` in the tree that serves it, below the cgroup root.
  std::string Cpu(const std::string& path, const std::string& file) const {
    return StrCat(layout == Layout::kV2 ? "" : "cpu,cpuacct/", path, "/", file);
  }
  std::string Unified(const std::string& path, const std::string& file) const {
    return StrCat(layout == Layout::kV2 ? "" : "unified/", path, "/", file);
  }
  bool has_unified() const { return layout != Layout::kV1; }

  // Total CPU time of a cgroup, in the files that this layout has it in.
  void PutUsage(const std::string& path, int64_t usage_us, int64_t system_us = 0) {
    if (has_unified()) {
      // The unified tree has nr_periods only where the cpu controller is on it.
      tree.Put(Unified(path, "cpu.stat"),
               StrCat("usage_usec ", usage_us, "\nuser_usec ", usage_us - system_us, "\nsystem_usec ", system_us, "\n",
                      layout == Layout::kV2 ? throttling : ""));
    }
    if (layout != Layout::kV2) {
      tree.Put(Cpu(path, "cpuacct.usage"), StrCat(usage_us * 1000, "\n"));
      tree.Put(Cpu(path, "cpu.stat"), throttling);
    }
  }
  void PutPressure(const std::string& path, const std::string& kind, int64_t some_us, std::optional<int64_t> full_us) {
    if (!has_unified()) return;
    std::string text = StrCat("some avg10=0.00 avg60=0.00 avg300=0.00 total=", some_us, "\n");
    if (full_us) StrAppend(&text, "full avg10=0.00 avg60=0.00 avg300=0.00 total=", *full_us, "\n");
    tree.Put(Unified(path, kind + ".pressure"), text);
  }
  // The tree that has the lists of processes and threads of this layout.
  std::string ThreadList(const std::string& path) const {
    return has_unified() ? Unified(path, "cgroup.threads") : Cpu(path, "tasks");
  }
  std::string ProcessList(const std::string& path) const {
    return has_unified() ? Unified(path, "cgroup.procs") : Cpu(path, "cgroup.procs");
  }
  void RemoveCgroup(const std::string& path) {
    for (const char* directory : {"", "cpu,cpuacct/", "cpuset/", "memory/", "blkio/", "unified/"})
      tree.Remove(directory + path);
  }

  // Makes the sampler on first use, then moves the clock and takes a sample.
  void Tick(absl::Duration after = absl::Seconds(1)) {
    if (sampler == nullptr) {
      detected.emplace(*host::CgroupLayout::Detect(tree.root()));
      sampler = std::make_unique<Sampler>(options, *detected, clock, with_counters ? &counters : nullptr);
    } else {
      clock.Advance(after);
    }
    sampler->Tick();
  }
  const Sample& SampleOf(const std::string& name) {
    const Workload* workload = sampler->Find(name);
    if (workload == nullptr) {
      ADD_FAILURE() << name << " is not there";
      static const Sample kNone;
      return kNone;
    }
    return workload->sample;
  }
  std::optional<double> Get(const std::string& name, Reading reading) { return SampleOf(name).get(reading); }

  const Layout layout;
  test::Tree tree;
  test::Tree proc;
  FakeClock clock;
  FakeCounters counters;
  bool with_counters = true;
  // What cpu.stat says of quota periods.
  std::string throttling = "nr_periods 0\nnr_throttled 0\n";
  SamplerOptions options;
  std::optional<host::CgroupLayout> detected;
  std::unique_ptr<Sampler> sampler;
};

// For the tests of single readings: one workload, w/a, on each layout.
class CollectTest : public testing::TestWithParam<Layout> {
 protected:
  void Expect(Reading reading, std::optional<double> expected) {
    const auto value = rig_.Get("w/a", reading);
    ASSERT_EQ(value.has_value(), expected.has_value()) << ReadingName(reading);
    if (!expected) return;
    EXPECT_NEAR(*value, *expected, 1e-6 * std::max(1.0, std::abs(*expected))) << ReadingName(reading);
  }
  bool v2() const { return GetParam() == Layout::kV2; }
  Rig rig_{GetParam()};
};

}  // namespace truce::agent
