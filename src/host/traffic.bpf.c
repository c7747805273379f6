// Counts what a cgroup sends and receives, and bounds what it sends. Attached to a workload's cgroup by traffic.cc, in
// the kernel's own network path: a few instructions a packet. It lives as long as the agent holds it.
// The helpers need the types before them.
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "src/host/traffic_shared.h"

// One of each for each cgroup, shared by both programs, since the key is a cgroup's id alone.
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
  __type(key, __u64);
  __type(value, struct traffic_totals);
} totals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
  __type(key, __u64);
  __type(value, struct traffic_cap);
} caps SEC(".maps");

#define NANOSECONDS 1000000000ULL
// A bucket holds a sixteenth of a second, and at least two of the largest packets that TCP makes.
#define LEAST_BURST (2 * 65536ULL)

// What a program may answer on the way out: let through, drop; and with "slow down" for TCP.
#define PASS 1
#define DROP_AND_SLOW 2
#define PASS_AND_SLOW 3

// A token bucket that may go into debt by as much as it holds: TCP is told to slow down while it is in debt, before
// anything need be dropped.
static __always_inline int Meter(struct traffic_cap* cap, __u64 rate, __u32 length) {
  const __u64 now = bpf_ktime_get_ns();
  const __s64 burst = rate / 16 > LEAST_BURST ? rate / 16 : LEAST_BURST;
  int verdict = PASS;
  bpf_spin_lock(&cap->lock);
  __u64 elapsed = now - cap->filled_at;
  if (elapsed > NANOSECONDS) elapsed = NANOSECONDS;
  // In microseconds, and what is left of them stays for the next packet.
  const __u64 micros = elapsed / 1000;
  if (micros > 0) {
    cap->tokens += micros * rate / 1000000;
    cap->filled_at = now - elapsed % 1000;
  }
  if (cap->tokens > burst) cap->tokens = burst;
  if (cap->tokens < -burst) {
    verdict = DROP_AND_SLOW;
    ++cap->dropped_packets;
  } else {
    cap->tokens -= length;
    if (cap->tokens < 0) verdict = PASS_AND_SLOW;
  }
  bpf_spin_unlock(&cap->lock);
  return verdict;
}

SEC("cgroup_skb/egress")
int truce_egress(struct __sk_buff* skb) {
  struct traffic_totals* sum = bpf_get_local_storage(&totals, 0);
  struct traffic_cap* cap = bpf_get_local_storage(&caps, 0);
  const __u64 rate = cap->bytes_per_second;
  const int verdict = rate == 0 ? PASS : Meter(cap, rate, skb->len);
  if (verdict != DROP_AND_SLOW) {
    sum->sent_bytes += skb->len;
    ++sum->sent_packets;
  }
  return verdict;
}

SEC("cgroup_skb/ingress")
int truce_ingress(struct __sk_buff* skb) {
  struct traffic_totals* sum = bpf_get_local_storage(&totals, 0);
  sum->received_bytes += skb->len;
  ++sum->received_packets;
  return PASS;
}

// The helpers that it calls are for GPL-compatible programs only.
char program_license[] SEC("license") = "Dual MIT/GPL";
