// Bytes and packets of each cgroup, and a bound on what it sends, by two small BPF programs on the cgroup. Counts
// whatever its sockets send and receive, loopback included, in any network namespace. Everything here ends with the
// process: the kernel takes the programs, and any bound, away when their last holder is gone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/host/cgroup.h"

struct bpf_link;
struct bpf_object;

namespace truce::host {

struct TrafficTotals {
  uint64_t received_bytes = 0;
  uint64_t received_packets = 0;
  uint64_t sent_bytes = 0;
  uint64_t sent_packets = 0;
  // Because of a bound.
  uint64_t dropped_packets = 0;
};

// Not thread-safe: the agent's tick thread owns it.
class Traffic {
 public:
  // Loads the programs. FailedPrecondition, with the reason and a remedy, where that can't be: no cgroup2 tree, a
  // kernel without them, no CAP_BPF and CAP_NET_ADMIN.
  static absl::StatusOr<std::unique_ptr<Traffic>> Open(const CgroupLayout& layout);
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // Begins to count for a cgroup that has a directory in the cgroup2 tree. Harmless when it is counted already.
  absl::Status Watch(const Cgroup& cgroup);
  // Ends that, and its bound. Of a cgroup that went away too.
  void Forget(uint64_t cgroup_id);
  // The id by which Forget knows it: the inode of its directory in the cgroup2 tree; 0 when it has none there.
  static uint64_t IdOf(const Cgroup& cgroup);

  // Since it is watched. NotFound when it is not.
  absl::StatusOr<TrafficTotals> Read(const Cgroup& cgroup) const;
  // Bytes that it may send in a second; nullopt: not bound. NotFound when it is not watched.
  absl::StatusOr<std::optional<uint64_t>> Cap(const Cgroup& cgroup) const;
  absl::Status SetCap(const Cgroup& cgroup, std::optional<uint64_t> bytes_per_second);

 private:
  struct Deleter {
    void operator()(bpf_object* object) const;
    void operator()(bpf_link* link) const;
  };
  template <typename T>
  using Owned = std::unique_ptr<T, Deleter>;
  struct Watched {
    Owned<bpf_link> egress;
    Owned<bpf_link> ingress;
  };

  Traffic() = default;
  absl::StatusOr<uint64_t> WatchedId(const Cgroup& cgroup) const;

  Owned<bpf_object> object_;
  // Declared after the object: links go first.
  std::map<uint64_t, Watched> watched_;
  int totals_ = -1;
  int caps_ = -1;
  int cpus_ = 0;
};

}  // namespace truce::host
