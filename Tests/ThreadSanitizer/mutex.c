// What ThreadSanitizer cannot see of Swift's Mutex.
//
// A Mutex that nobody contends for is taken and given back by atomic operations in the caller's own code, which are
// instrumented. Otherwise the kernel passes it on (FUTEX_LOCK_PI, FUTEX_UNLOCK_PI) inside libswiftSynchronization, which is
// not, and every access under the lock looks like a race. The functions here stand before the library's: they call them,
// and say that whoever waited comes after whoever let go.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

typedef __attribute__((swiftcall)) void lock_function(uint32_t thread, __attribute__((swift_context)) void *mutex);
typedef __attribute__((swiftcall)) void unlock_function(__attribute__((swift_context)) void *mutex);

static lock_function *library_lock_slow;
static unlock_function *library_unlock_slow;

__attribute__((constructor)) static void find_library(void) {
    library_lock_slow = (lock_function *)dlsym(RTLD_NEXT, LOCK_SLOW);
    library_unlock_slow = (unlock_function *)dlsym(RTLD_NEXT, UNLOCK_SLOW);
}

lock_function lock_slow __asm__(LOCK_SLOW);
unlock_function unlock_slow __asm__(UNLOCK_SLOW);

__attribute__((swiftcall)) void lock_slow(uint32_t thread, __attribute__((swift_context)) void *mutex) {
    library_lock_slow(thread, mutex);
    __tsan_acquire(mutex);
}

__attribute__((swiftcall)) void unlock_slow(__attribute__((swift_context)) void *mutex) {
    __tsan_release(mutex);
    library_unlock_slow(mutex);
}
