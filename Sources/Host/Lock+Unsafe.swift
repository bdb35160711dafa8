internal import Glibc

/// A mutual exclusion lock around a value.
///
/// It is a POSIX mutex. The `Mutex` of the module `Synchronization` is a futex with priority inheritance instead, which makes each
/// lock and each unlock a system call as soon as two threads meet at it. docs/concurrency.md has figures. The value lies in cache
/// lines of its own.
@safe
public struct Lock<Value: ~Copyable & Sendable>: ~Copyable, Sendable {
    @usableFromInline let mutex = POSIXMutex()
    // SAFETY: allocated and initialised from init to deinit; only the holder of the mutex uses it.
    @usableFromInline nonisolated(unsafe) let value: UnsafeMutablePointer<Value>

    /// Creates a lock around a value.
    public init(_ initial: consuming Value) {
        // SAFETY: the allocation holds a value at an alignment that is at least the value's.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: (MemoryLayout<Value>.stride + 127) & ~127, alignment: 128)
        let value = unsafe memory.bindMemory(to: Value.self, capacity: 1)
        unsafe value.initialize(to: initial)
        unsafe self.value = value
    }

    deinit {
        // SAFETY: nobody borrows the lock any more.
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    /// Calls `body` with the value while this thread holds the lock. This thread must not hold it already.
    @inlinable
    public borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        // SAFETY: the mutex is held.
        return try unsafe body(&value.pointee)
    }
}

/// A mutex of POSIX threads, in cache lines of its own.
@safe
@usableFromInline
struct POSIXMutex: ~Copyable, Sendable {
    // SAFETY: allocated and initialised from init to deinit; its functions may be called from any thread.
    private nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>

    @usableFromInline
    init() {
        let memory = unsafe UnsafeMutableRawPointer.allocate(
            byteCount: max(64, MemoryLayout<pthread_mutex_t>.size), alignment: 64)
        // SAFETY: the allocation holds a mutex.
        unsafe mutex = memory.bindMemory(to: pthread_mutex_t.self, capacity: 1)
        // SAFETY: fails only for attributes, and there are none.
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        // SAFETY: nobody holds the mutex any more.
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    @usableFromInline
    func lock() {
        let error = unsafe pthread_mutex_lock(mutex)
        precondition(error == 0, "a lock that this thread holds already")
    }

    @usableFromInline
    func unlock() {
        unsafe pthread_mutex_unlock(mutex)
    }
}
