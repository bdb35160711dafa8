internal import Glibc

/// A POSIX semaphore between the threads of this process.
@safe
public struct Semaphore: ~Copyable, Sendable {
    // SAFETY: the semaphore is allocated and initialised from init to deinit. Any thread may call its functions.
    private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>

    /// Creates a semaphore with the count 0.
    public init() {
        unsafe semaphore = .allocate(capacity: 1)
        // SAFETY: the call fails only for values above SEM_VALUE_MAX.
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        // SAFETY: nobody waits any more.
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    /// Adds one to the count, and wakes a thread that waits.
    public func post() {
        unsafe sem_post(semaphore)
    }

    /// Waits for a post. After a signal it may return without one.
    public func wait() {
        unsafe sem_wait(semaphore)
    }
}
