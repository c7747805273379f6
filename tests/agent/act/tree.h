// A cgroup tree of plain files in a temporary directory, declared inside a test: v1, hybrid or v2. Removed with the
// object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "src/base/text.h"
#include "src/host/cgroup.h"

namespace truce::agent {

enum class TreeKind { kV1, kHybrid, kV2 };

inline std::string TreeKindName(TreeKind kind) {
  return kind == TreeKind::kV1 ? "v1" : kind == TreeKind::kHybrid ? "hybrid" : "v2";
}

// A directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    // In memory where that can be: a busy disk makes thousands of syncs slow, and what they promise is not at stake
    // when only processes die.
    const bool shared_memory = access("/dev/shm", W_OK) == 0;
    const std::filesystem::path parent = shared_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (parent / "truce-act-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Tree {
 public:
  // A host with CPUs 0-3 and the root cgroup only.
  explicit Tree(TreeKind kind) : kind_(kind) {
    if (kind == TreeKind::kV2) {
      Put("cgroup.controllers", "cpuset cpu io memory pids\n");
      Put("cpuset.cpus.effective", "0-3\n");
      return;
    }
    Put("cpu/cpu.shares", "1024\n");
    Put("cpuset/cpuset.cpus", "0-3\n");
    Put("cpuset/cpuset.effective_cpus", "0-3\n");
    Put("memory/memory.usage_in_bytes", "4096\n");
    Put("blkio/blkio.reset_stats", "\n");
    if (kind == TreeKind::kHybrid) Put("unified/cgroup.controllers", "\n");
  }

  // Adds a cgroup, its parents must be there. `cpus` is what its cpuset says ("" on v2: nothing of its own; on v1 the
  // default is what a runtime writes), `quota` what cpu.max or cpu.cfs_quota_us says.
  void AddCgroup(const std::string& path, const std::string& cpus = "", const std::string& quota = "") {
    if (kind_ == TreeKind::kV2) {
      Put(path + "/cpuset.cpus", cpus + "\n");
      Put(path + "/cpuset.cpus.effective", (cpus.empty() ? "0-3" : cpus) + "\n");
      Put(path + "/cpu.max", (quota.empty() ? "max 100000" : quota) + "\n");
      Put(path + "/cpu.max.burst", "0\n");
      Put(path + "/cpu.weight", "100\n");
      Put(path + "/cpu.idle", "0\n");
      Put(path + "/memory.high", "max\n");
      Put(path + "/io.max", "");
      Put(path + "/network_cap", "max\n");
      return;
    }
    Put("cpuset/" + path + "/cpuset.cpus", (cpus.empty() ? "0-3" : cpus) + "\n");
    Put("cpuset/" + path + "/cpuset.effective_cpus", (cpus.empty() ? "0-3" : cpus) + "\n");
    Put("cpu/" + path + "/cpu.shares", "1024\n");
    Put("cpu/" + path + "/cpu.cfs_period_us", "100000\n");
    Put("cpu/" + path + "/cpu.cfs_quota_us", (quota.empty() ? "-1" : quota) + "\n");
    Put("cpu/" + path + "/cpu.cfs_burst_us", "0\n");
    Put("cpu/" + path + "/cpu.idle", "0\n");
    Put("memory/" + path + "/memory.usage_in_bytes", "4096\n");
    Put("memory/" + path + "/memory.soft_limit_in_bytes", "9223372036854771712\n");
    for (const char* file : {"read_bps", "write_bps", "read_iops", "write_iops"}) {
      Put("blkio/" + path + "/blkio.throttle." + file + "_device", "");
    }
    if (kind_ == TreeKind::kHybrid) {
      Put("unified/" + path + "/cpu.pressure", "some avg10=0.00\n");
      Put("unified/" + path + "/network_cap", "max\n");
    }
  }

  // Removes a cgroup from every tree.
  void RemoveCgroup(const std::string& path) {
    for (const char* tree : {"", "cpu/", "cpuset/", "memory/", "blkio/", "unified/"}) {
      std::filesystem::remove_all(root() + "/" + tree + path);
    }
  }

  // The control files' names below the root, in this kind of tree.
  std::string Cpus(const std::string& path) const {
    return (kind_ == TreeKind::kV2 ? "" : "cpuset/") + path + "/cpuset.cpus";
  }
  std::string Quota(const std::string& path) const {
    return kind_ == TreeKind::kV2 ? path + "/cpu.max" : "cpu/" + path + "/cpu.cfs_quota_us";
  }
  std::string Weight(const std::string& path) const {
    return kind_ == TreeKind::kV2 ? path + "/cpu.weight" : "cpu/" + path + "/cpu.shares";
  }
  std::string Idle(const std::string& path) const {
    return (kind_ == TreeKind::kV2 ? "" : "cpu/") + path + "/cpu.idle";
  }
  std::string Burst(const std::string& path) const {
    return kind_ == TreeKind::kV2 ? path + "/cpu.max.burst" : "cpu/" + path + "/cpu.cfs_burst_us";
  }
  std::string MemoryHigh(const std::string& path) const {
    return kind_ == TreeKind::kV2 ? path + "/memory.high" : "memory/" + path + "/memory.soft_limit_in_bytes";
  }
  // Of bytes read.
  std::string DiskMax(const std::string& path) const {
    return kind_ == TreeKind::kV2 ? path + "/io.max" : "blkio/" + path + "/blkio.throttle.read_bps_device";
  }
  // What the quota file says for `cores`, with the period of 100 ms; negative for none.
  std::string QuotaText(double cores) const {
    const long us = static_cast<long>(cores * 100000);
    if (kind_ == TreeKind::kV2) return (cores < 0 ? "max" : std::to_string(us)) + " 100000\n";
    return (cores < 0 ? "-1" : std::to_string(us)) + "\n";
  }

  void Put(const std::string& file, const std::string& content) {
    const std::filesystem::path path = root() + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::trunc) << content;
  }
  std::string Get(const std::string& file) const {
    std::ifstream in(root() + "/" + file);
    std::stringstream content;
    content << in.rdbuf();
    return content.str();
  }

  // Every file and its bytes.
  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
      if (!entry.is_regular_file()) continue;
      const std::string name = std::filesystem::relative(entry.path(), root()).string();
      files[name] = Get(name);
    }
    return files;
  }

  host::CgroupLayout Layout() const {
    auto layout = host::CgroupLayout::Detect(root());
    if (!layout.ok()) ADD_FAILURE() << layout.status();
    return *layout;
  }

  const std::string& root() const { return directory_.path(); }
  TreeKind kind() const { return kind_; }
  bool v1() const { return kind_ != TreeKind::kV2; }

 private:
  TreeKind kind_;
  TemporaryDirectory directory_;
};

}  // namespace truce::agent
