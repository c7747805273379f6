#include "src/base/background.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

namespace truce {
namespace {

// The kernel's names are in no header of the C library.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioIdle = 3 << 13;

// A status whose message is empty needs no memory.
absl::Status Refuse(std::string_view why) {
  (void)!write(STDERR_FILENO, why.data(), why.size());
  return absl::Status(absl::StatusCode::kInternal, "");
}

void OfferToTheOomKiller() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  constexpr std::string_view kFirst = "1000";
  (void)!write(file, kFirst.data(), kFirst.size());
  close(file);
}

}  // namespace

absl::Status EnterBackground(uint64_t memory_bytes) {
  OfferToTheOomKiller();
  const rlimit no_core = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &no_core);
  const sched_param idle = {};
  (void)sched_setscheduler(0, SCHED_IDLE, &idle);
  (void)syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioIdle);
  if (setpriority(PRIO_PROCESS, 0, 19) != 0) return Refuse("niceness 19 is refused here; allow setpriority(2)\n");
  const rlimit data = {memory_bytes, memory_bytes};
  if (setrlimit(RLIMIT_DATA, &data) != 0) return Refuse("a bound of memory is refused here; allow setrlimit(2)\n");
  return absl::OkStatus();
}

}  // namespace truce
