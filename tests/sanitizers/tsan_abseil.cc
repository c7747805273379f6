// Tells the thread sanitizer about Abseil's locks. Debian's Abseil (which gRPC locks with too) is built without it, so
// every hand-over through an absl::Mutex would look like a race. The functions below stand in front of the library's
// own in every binary of the tsan preset, say what the lock orders, and call them.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}

namespace {

void* Next(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_abseil: this Abseil has no %s\n", symbol);
    std::abort();
  }
  return found;
}

// The library evaluates conditions of waiting threads while it holds the lock, on whichever thread comes by: what they
// read then is ordered, though no call of ours says so.
class Unseen {
 public:
  Unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};

// Calls the library's function of that (mangled) name.
template <typename Result, typename... Arguments>
Result CallNext(void*& cache, const char* symbol, Arguments... arguments) {
  void* function = __atomic_load_n(&cache, __ATOMIC_ACQUIRE);
  if (function == nullptr) {
    function = Next(symbol);
    __atomic_store_n(&cache, function, __ATOMIC_RELEASE);
  }
  const Unseen unseen;
  return reinterpret_cast<Result (*)(Arguments...)>(function)(arguments...);
}

}  // namespace

// By the mangled name: there is no other way to ask for the next definition of a function.
#define TRUCE_NEXT(result, symbol, ...)                  \
  [&] {                                                  \
    static void* cache;                                  \
    return CallNext<result>(cache, symbol, __VA_ARGS__); \
  }()

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex4LockEv", this);
  __tsan_acquire(this);
}
void Mutex::Unlock() {
  __tsan_release(this);
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex6UnlockEv", this);
}
bool Mutex::TryLock() {
  const bool locked = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex7TryLockEv", this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::ReaderLock() {
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex10ReaderLockEv", this);
  __tsan_acquire(this);
}
void Mutex::ReaderUnlock() {
  __tsan_release(this);
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex12ReaderUnlockEv", this);
}
bool Mutex::ReaderTryLock() {
  const bool locked = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex13ReaderTryLockEv", this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::LockWhen(const Condition& condition) {
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE", this, &condition);
  __tsan_acquire(this);
}
bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  const bool met = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE", this,
                              &condition, timeout);
  __tsan_acquire(this);
  return met;
}
bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  const bool met = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", this,
                              &condition, deadline);
  __tsan_acquire(this);
  return met;
}
void Mutex::Await(const Condition& condition) {
  __tsan_release(this);
  TRUCE_NEXT(void, "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE", this, &condition);
  __tsan_acquire(this);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  __tsan_release(this);
  const bool met = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", this,
                              &condition, timeout);
  __tsan_acquire(this);
  return met;
}
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  __tsan_release(this);
  const bool met = TRUCE_NEXT(bool, "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", this,
                              &condition, deadline);
  __tsan_acquire(this);
  return met;
}

void CondVar::Wait(Mutex* mutex) {
  __tsan_release(mutex);
  TRUCE_NEXT(void, "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", this, mutex);
  __tsan_acquire(mutex);
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  __tsan_release(mutex);
  const bool late =
      TRUCE_NEXT(bool, "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", this, mutex, timeout);
  __tsan_acquire(mutex);
  return late;
}
bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  __tsan_release(mutex);
  const bool late =
      TRUCE_NEXT(bool, "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", this, mutex, deadline);
  __tsan_acquire(mutex);
  return late;
}

void Notification::Notify() {
  __tsan_release(this);
  TRUCE_NEXT(void, "_ZN4absl7debian312Notification6NotifyEv", this);
}
void Notification::WaitForNotification() const {
  TRUCE_NEXT(void, "_ZNK4absl7debian312Notification19WaitForNotificationEv", this);
  __tsan_acquire(const_cast<Notification*>(this));
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool done =
      TRUCE_NEXT(bool, "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE", this, timeout);
  __tsan_acquire(const_cast<Notification*>(this));
  return done;
}
bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  const bool done =
      TRUCE_NEXT(bool, "_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE", this, deadline);
  __tsan_acquire(const_cast<Notification*>(this));
  return done;
}

ABSL_NAMESPACE_END
}  // namespace absl
