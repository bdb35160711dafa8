internal import CHost
internal import Glibc
internal import SystemPackage

/// A POSIX thread. Its owner must join or detach it.
public final class HostThread: Sendable {
    private let thread: pthread_t

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts a thread that runs `body` and ends. The kernel keeps 15 bytes of the name.
    public init(name: String, body: @escaping @Sendable () -> Void) throws(HostError) {
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(Body(name, body))
        // SAFETY: the thread takes ownership of the retained body. If no thread starts, the body is released here.
        let error = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                // A thread inherits the signal mask of its creator, and the threads of a thread pool block all signals.
                chost_unblock_kicks()
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                unsafe chost_name_thread(body.name)
                body.run()
                return nil
            }, argument.toOpaque())
        guard error == 0 else {
            unsafe argument.release()
            throw HostError(call: "pthread_create", subject: name, errno: Errno(rawValue: error))
        }
        self.thread = thread
    }

    /// Waits for the thread's end, at most for `time`. Returns whether the thread has ended. If so, the thread is joined.
    public func join(within time: Duration) -> Bool {
        chost_join(thread, time.nanoseconds) == 0
    }

    /// Waits for the thread's end. It must be called once at most.
    public func join() {
        let error = pthread_join(thread, nil)
        precondition(error == 0, "the thread has been joined before")
    }

    /// Detaches the thread instead of joining it. The system frees what the thread holds when the thread ends.
    public func detach() {
        pthread_detach(thread)
    }

    /// The kernel's id of the calling thread.
    public static var currentID: Int32 {
        chost_thread_id()
    }

    /// A value that identifies the calling thread among the threads of the process.
    public static var current: UInt {
        pthread_self()
    }

    /// Suspends the calling thread for `time`, or until a signal comes.
    public static func sleep(for time: Duration) {
        usleep(UInt32(clamping: time.nanoseconds / 1000))
    }

    /// Kicks a thread of this process: interrupts the system call that the thread is in, if any. The process must have taken a
    /// signal for kicks (`KickSignal`).
    public static func kick(id: Int32) {
        // If the thread has ended meanwhile, there is nothing to interrupt.
        _ = chost_kick(id)
    }

    /// The number of processors on which the kernel runs threads.
    public static var processorCount: Int {
        sysconf(Int32(_SC_NPROCESSORS_ONLN))
    }
}
