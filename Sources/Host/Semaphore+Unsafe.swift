internal import Glibc

/// A POSIX semaphore between the threads of this process.
@safe
public struct Semaphore: ~Copyable, Sendable {
    // SAFETY: allocated and initialised from init to deinit; its functions may be called from any thread.
    private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>

    public init() {
        unsafe semaphore = .allocate(capacity: 1)
        // SAFETY: fails only for values above SEM_VALUE_MAX.
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        // SAFETY: nobody waits any more.
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    public func post() {
        unsafe sem_post(semaphore)
    }

    /// Waits for a post; may come back without one, after a signal.
    public func wait() {
        unsafe sem_wait(semaphore)
    }
}
