// The door to perf_event_open: five calls that the counters make of the kernel. The real one talks to Linux; tests hand
// in a fake, so that multiplexing, missing PMUs and full file tables are tested on any machine.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace truce::host {

// One event as the kernel wants it, with the libpfm4 name that it came from.
struct PerfEvent {
  std::string name;
  uint32_t type = 0;
  uint64_t config = 0;
  uint64_t config1 = 0;
  uint64_t config2 = 0;
};

// Whom an event counts.
struct PerfTarget {
  enum class Kind : uint8_t {
    kEverything,  // all that runs on the CPU; `id` is unused
    kCgroup,      // a cgroup; `id` is its directory fd in the tree that perf events use
    kTask,        // one task; `id` is its thread id
  };
  Kind kind = Kind::kEverything;
  int id = -1;
};

// Calls return a value >= 0, or -errno. Thread-safe when the implementation says so; the real one is.
class PerfSyscalls {
 public:
  virtual ~PerfSyscalls() = default;
  // A new event, in the group of `group_fd` or leading its own when that is -1; leaders start disabled. `cpu` -1
  // follows a task over all CPUs. Reads of the leader return the whole group with ids and both times.
  virtual int Open(const PerfEvent& event, const PerfTarget& target, int cpu, int group_fd) = 0;
  // The id that group reads show for this event.
  virtual int Id(int fd, uint64_t* id) = 0;
  // Enables or disables the leader and all members.
  virtual int SetGroupEnabled(int leader_fd, bool enabled) = 0;
  // Bytes read.
  virtual ssize_t Read(int fd, void* buffer, size_t size) = 0;
  virtual void Close(int fd) = 0;
};

// The kernel's own.
std::unique_ptr<PerfSyscalls> LinuxPerfSyscalls();

}  // namespace truce::host
