// Classes of cache and memory bandwidth, by the kernel's resctrl file system (Documentation/filesystems/resctrl.rst).
// The hardware keeps few of them, so workloads that are bounded alike share one group:
//
//   bounds ─► ClassFor ─► "L3:0=f0;1=f0 MB:0=50;1=50" ─► Put ─► group truce-L3-f0-MB-50 ◄── every thread of the cgroup
//
// A class belongs to threads and not to cgroups. Those that are born inherit it; those that come to the cgroup from
// elsewhere don't, and Look tells of them. The groups outlive the agent: Open removes what an earlier run left.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"
#include "src/host/resctrl_files.h"
#include "src/host/resctrl_schemata.h"
#include "truce/v1/types.pb.h"

namespace truce::host {

struct ResctrlOptions {
  std::string sysfs = "/sys";
  std::string procfs = "/proc";
  // As whom the agent runs. The kernel moves threads of other users for root only, whatever capabilities somebody has
  // (rdtgroup_task_write_permission in fs/resctrl/rdtgroup.c).
  uid_t user = geteuid();
  // Outlives the object.
  ResctrlFiles* files = &SystemResctrlFiles();
};

// What a class shall allow; 0: not bounded.
struct CacheBounds {
  // Share of the ways of each last-level cache.
  double cache_ratio = 0;
  // Share of the greatest memory bandwidth, where the host bounds it so,
  double bandwidth_ratio = 0;
  // or bytes per second of each last-level cache.
  uint64_t bandwidth_bytes_per_second = 0;
};

// The class of whom Truce does not bound: that of the root group.
inline constexpr std::string_view kDefaultClass = "default";
// Stands between the classes where a cgroup's threads are in several.
inline constexpr std::string_view kBetweenClasses = " + ";

// Where a cgroup's threads stand.
struct CacheMembership {
  // kDefaultClass, a class, or where threads are in several all of them, as "default + L3:0=f0". Ends in a newline.
  // Groups of others don't count.
  std::string content;
  // A group of somebody else that has threads of it; empty when there is none.
  std::string foreign;
  // It was put into a class, and who is outside of that was not in it when last looked.
  bool only_newcomers = false;
};

// Not thread-safe.
class Resctrl {
 public:
  // Also removes the groups of an earlier run, whose threads are in the default class then. FailedPrecondition, with
  // the reason and the remedy, where there are no classes for the agent and nothing of it is left in any; another error
  // when something is left that could not be removed.
  static absl::StatusOr<std::unique_ptr<Resctrl>> Open(const ResctrlOptions& options);

  // As found when it was opened.
  const v1::CacheControl& control() const { return control_; }

  // The class that the bounds mean here and now, within what the default class allows and apart from ways that somebody
  // holds alone: "L3:0=f0;1=f0 MB:0=50;1=50". Shares are rounded up to what the host can do. FailedPrecondition when it
  // can't do this, InvalidArgument when nothing would be bounded.
  absl::StatusOr<std::string> ClassFor(const CacheBounds& bounds) const;

  // NotFound when the cgroup went away. Without any threads: what it was put into.
  absl::StatusOr<CacheMembership> Look(const Cgroup& cgroup);

  // Puts every thread of the cgroup and those nested in it into the class ("L3:..." or kDefaultClass), makes its group
  // where it is missing, and removes the one that nobody needs any more. On an error everybody is where they were.
  // FailedPrecondition when somebody else manages threads of it. Into the default class it goes always: threads that
  // others manage are left alone.
  absl::Status Put(const Cgroup& cgroup, std::string_view cache_class);

  // The cgroup of that path is gone.
  void Forget(std::string_view path);

 private:
  // A cgroup in a class.
  struct Holder {
    std::string group;
    // Its threads that were seen in the group and still live.
    std::set<int> known;
  };
  // What info/ says.
  struct Facts {
    uint32_t classes = 0;
    // By cache resource; empty when caches can't be bounded.
    struct Cache {
      uint64_t ways = 0;
      int least = 1;
      uint64_t shared = 0;
    };
    std::map<std::string, Cache> caches;
    bool bounds_bandwidth = false;
    uint64_t least_bandwidth = 0;
    uint64_t bandwidth_step = 1;
  };
  // Group by thread; "" is the default one.
  using Places = std::map<int, std::string>;

  explicit Resctrl(const ResctrlOptions& options) : options_(options), base_(options.sysfs + "/fs/resctrl") {}

  absl::Status Check();
  absl::Status RemoveLeftovers();
  absl::StatusOr<Facts> ReadFacts() const;
  v1::BandwidthUnit FindUnit(const Schemata& root) const;
  absl::Status BoundCaches(double ratio, const Facts& facts, Schemata* schemata) const;
  absl::Status BoundBandwidth(const CacheBounds& bounds, const Facts& facts, Schemata* schemata) const;
  absl::StatusOr<std::string> ReadInfo(const std::string& file) const;
  absl::StatusOr<Schemata> SchemataOf(const std::string& group) const;
  std::string PathOf(const std::string& group, std::string_view file) const;

  // The groups beside the default one, by name.
  std::vector<std::string> Groups() const;
  absl::StatusOr<Places> Find(const Cgroup& cgroup, std::string* foreign) const;
  absl::Status PutIntoClass(const Cgroup& cgroup, const Schemata& wanted);
  absl::Status PutIntoDefault(const Cgroup& cgroup);
  absl::Status MakeGroup(const std::string& group, const Schemata& schemata, bool* made);
  // Until a pass finds nobody to be moved. Adds to *moved who was moved, and from where.
  absl::Status MoveAll(const Cgroup& cgroup, const std::string& group, Places* moved);
  absl::Status Move(int thread, const std::string& group);
  void MoveBack(const Places& moved);
  void RemoveUnneeded(const std::string& group);
  bool IsHeld(const std::string& group) const;
  // The error, with what the kernel said of it.
  absl::Status Refused(int error, std::string_view doing) const;

  const ResctrlOptions options_;
  const std::string base_;
  v1::CacheControl control_;
  // Bytes per second of one unit, where bandwidth is bounded absolutely.
  uint64_t unit_bytes_ = 0;
  std::map<std::string, Holder, std::less<>> holders_;  // by the cgroup's path
};

// The tree whose lists say which threads a cgroup has.
Controller ThreadTree(const Cgroup& cgroup);

// Threads of the cgroup and of those nested in it. NotFound when it went away.
absl::StatusOr<std::set<int>> ThreadsOf(const Cgroup& cgroup);

}  // namespace truce::host
