// What keeps a program that is started for work without haste out of the way of everybody else. Used by whoever starts
// one (ProgramOptions::before_start).
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace truce {

// Bounds the calling process, and all that it starts: it only gets CPU time and disk time that nobody else wants
// (niceness 19, SCHED_IDLE, the idle I/O class), it leaves no core file, the kernel takes it first when memory is
// short, and of memory that it can write (RLIMIT_DATA: heap and anonymous mappings, but no mapped libraries or reserved
// addresses) it gets `memory_bytes` at most; more is refused to it.
// Internal, with the reason on stderr, when niceness or the bound of memory can't be set; the rest is done as far as the
// kernel lets. Allocates nothing: it may be called between fork and exec of a process with threads.
absl::Status EnterBackground(uint64_t memory_bytes);

}  // namespace truce
