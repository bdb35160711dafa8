internal import CHost
internal import Glibc

/// A value behind a lock. Threads can wait for changes of the value.
@safe
public struct Monitor<Value: ~Copyable & Sendable>: ~Copyable, Sendable {
    private let lock: Lock<Value>
    // SAFETY: the condition is allocated and initialised from init to deinit. Any thread may call its functions.
    private nonisolated(unsafe) let condition: UnsafeMutablePointer<pthread_cond_t>

    /// Creates a monitor around a value.
    public init(_ initial: consuming Value) {
        lock = Lock(initial)
        unsafe condition = .allocate(capacity: 1)
        // SAFETY: the call fails only for invalid attributes, and there are no attributes.
        unsafe pthread_cond_init(condition, nil)
    }

    deinit {
        // SAFETY: nobody waits any more.
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }

    /// Calls `body` with the value while this thread holds the lock. Does not wake threads that wait.
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try lock.withLock(body)
    }

    /// Calls `body` with the value while this thread holds the lock, and then wakes all threads that wait.
    public borrowing func update<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { unsafe pthread_cond_broadcast(condition) }
        return try lock.withLock(body)
    }

    /// Calls `body` under the lock, at once and after each update, until `body` returns a result or the time is over.
    ///
    /// - Returns: The result, or nil if the time was over first.
    public borrowing func wait<Result>(for time: Duration? = nil, until body: (inout Value) -> Result?) -> Result? {
        let deadline = time.map { SuspendingClock.now + $0 }
        unsafe pthread_mutex_lock(lock.mutex)
        defer { unsafe pthread_mutex_unlock(lock.mutex) }
        while true {
            // SAFETY: the mutex is held. The access to the value ends before the wait, during which other threads change the value.
            if let result = unsafe body(&lock.value.pointee) { return result }
            let left = deadline.map { $0 - SuspendingClock.now } ?? .seconds(3600)
            guard left > .zero else { return nil }
            // SAFETY: the mutex is held, and it is held again when the call returns.
            unsafe chost_wait_for_condition(condition, lock.mutex, left.nanoseconds)
        }
    }
}
