public import Glibc

/// A mutual exclusion lock around a value.
///
/// It is a POSIX mutex. The `Mutex` of the module `Synchronization` is a futex with priority inheritance instead, which makes each
/// lock and each unlock a system call as soon as two threads meet at it. docs/concurrency.md has figures. The mutex and the value lie
/// in cache lines of their own.
@safe
public struct Lock<Value: ~Copyable & Sendable>: ~Copyable, Sendable {
    // SAFETY: both are allocated and initialised from init to deinit. The functions of the mutex may be called from any thread,
    // and only its holder uses the value.
    @usableFromInline nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline nonisolated(unsafe) let value: UnsafeMutablePointer<Value>

    /// Creates a lock around a value.
    public init(_ initial: consuming Value) {
        unsafe mutex = Self.allocate(pthread_mutex_t.self)
        unsafe value = Self.allocate(Value.self)
        // SAFETY: fails only for attributes, and there are none.
        unsafe pthread_mutex_init(mutex, nil)
        unsafe value.initialize(to: initial)
    }

    deinit {
        // SAFETY: nobody borrows the lock any more.
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    private static func allocate<Content: ~Copyable>(_ type: Content.Type) -> UnsafeMutablePointer<Content> {
        // SAFETY: the allocation holds a value at an alignment that is at least the value's.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: (MemoryLayout<Content>.stride + 127) & ~127, alignment: 128)
        return unsafe memory.bindMemory(to: type, capacity: 1)
    }

    /// Calls `body` with the value while this thread holds the lock. This thread must not hold it already.
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
