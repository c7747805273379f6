// What the programs of traffic.bpf.c and the agent have in common. C, and nothing but numbers: one side is compiled for
// the kernel's machine. Includes <linux/bpf.h> before.
#pragma once

// Of one cgroup, on one CPU.
struct traffic_totals {
  __u64 received_bytes;
  __u64 received_packets;
  __u64 sent_bytes;
  __u64 sent_packets;
};

// Of one cgroup.
struct traffic_cap {
  struct bpf_spin_lock lock;
  __u32 unused;
  // 0: not bound.
  __u64 bytes_per_second;
  // When tokens were added last, on the kernel's monotonic clock.
  __u64 filled_at;
  // Bytes that may be sent at once.
  __s64 tokens;
  __u64 dropped_packets;
};
