#include "src/host/counters_syscalls.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace truce::host {
namespace {

class RealPerfSyscalls final : public PerfSyscalls {
 public:
  int Open(const PerfEvent& event, const PerfTarget& target, int cpu, int group_fd) override {
    perf_event_attr attributes{};
    attributes.size = sizeof(attributes);
    attributes.type = event.type;
    attributes.config = event.config;
    attributes.config1 = event.config1;
    attributes.config2 = event.config2;
    attributes.read_format =
        PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    // Members follow their leader, so one ioctl starts and stops them together.
    attributes.disabled = group_fd < 0 ? 1 : 0;
    unsigned long flags = PERF_FLAG_FD_CLOEXEC;
    int id = -1;
    if (target.kind == PerfTarget::Kind::kCgroup) flags |= PERF_FLAG_PID_CGROUP;
    if (target.kind != PerfTarget::Kind::kEverything) id = target.id;
    const long fd = syscall(SYS_perf_event_open, &attributes, id, cpu, group_fd, flags);
    return fd < 0 ? -errno : static_cast<int>(fd);
  }

  int Id(int fd, uint64_t* id) override { return ioctl(fd, PERF_EVENT_IOC_ID, id) < 0 ? -errno : 0; }

  int SetGroupEnabled(int leader_fd, bool enabled) override {
    const unsigned long request = enabled ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    return ioctl(leader_fd, request, PERF_IOC_FLAG_GROUP) < 0 ? -errno : 0;
  }

  ssize_t Read(int fd, void* buffer, size_t size) override {
    ssize_t got = 0;
    do {
      got = read(fd, buffer, size);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
  }

  void Close(int fd) override { close(fd); }
};

}  // namespace

std::unique_ptr<PerfSyscalls> LinuxPerfSyscalls() {
  return std::make_unique<RealPerfSyscalls>();
}

}  // namespace truce::host
