#include "models/training/one_thread.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <mutex>

namespace truce {

void UseOneThread() {
  at::set_num_threads(1);
  static std::once_flag once;
  std::call_once(once, [] {
    // Which BLAS is behind libtorch is the host's choice (update-alternatives); OpenBLAS has threads of its own.
    using SetThreads = void (*)(int);
    const auto set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
    if (set != nullptr) set(1);
  });
}

}  // namespace truce
