public import Glibc

/// A mutual exclusion lock, and the value that it protects.
///
/// The lock is a POSIX mutex. `Mutex` of the module `Synchronization` is a futex with priority inheritance: as soon as two threads
/// meet at it, each lock and each unlock is a system call. docs/concurrency.md has figures. The mutex and the value lie in
/// different cache lines.
@safe
public struct Lock<Value: ~Copyable & Sendable>: ~Copyable, Sendable {
    // SAFETY: the mutex and the value are allocated and initialised from init to deinit. Any thread may call the functions of the
    // mutex, and only the thread that holds it uses the value.
    @usableFromInline nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline nonisolated(unsafe) let value: UnsafeMutablePointer<Value>

    /// Creates a lock around a value.
    public init(_ initial: consuming Value) {
        unsafe mutex = Self.allocate(pthread_mutex_t.self)
        unsafe value = Self.allocate(Value.self)
        // SAFETY: the call fails only for invalid attributes, and there are no attributes.
        unsafe pthread_mutex_init(mutex, nil)
        unsafe value.initialize(to: initial)
    }

    deinit {
        // SAFETY: nothing borrows the lock any more.
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    private static func allocate<Content: ~Copyable>(_ type: Content.Type) -> UnsafeMutablePointer<Content> {
        // SAFETY: the allocation has the size of a value, and an alignment that is at least the value's.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: (MemoryLayout<Content>.stride + 127) & ~127, alignment: 128)
        return unsafe memory.bindMemory(to: type, capacity: 1)
    }

    /// Calls `body` with the value while this thread holds the lock. This thread must not hold the lock already.
    @inlinable
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let error = unsafe pthread_mutex_lock(mutex)
        precondition(error == 0, "a lock that this thread holds already")
        defer { unsafe pthread_mutex_unlock(mutex) }
        // SAFETY: the mutex is held.
        return try unsafe body(&value.pointee)
    }
}
