internal import CHost
internal import Glibc
internal import SystemPackage

/// A POSIX thread, which is to be joined.
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

    /// Starts a thread of this name (15 bytes are kept) that runs `body` and ends.
    public init(name: String, body: @escaping @Sendable () -> Void) throws(HostError) {
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(Body(name, body))
        // SAFETY: the thread takes over the retained body; where none starts, it is released here.
        let error = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                // A thread inherits what its maker blocks, and pools of threads block everything.
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

    /// Waits for the thread's end, for this long; whether it came. After it has, the thread is joined.
    public func join(within time: Duration) -> Bool {
        chost_join(thread, time.nanoseconds) == 0
    }

    /// Waits for the thread's end; called once.
    public func join() {
        let error = pthread_join(thread, nil)
        precondition(error == 0, "the thread has been joined before")
    }

    /// Leaves the thread to itself instead of joining it: what it holds is given back when it ends.
    public func detach() {
        pthread_detach(thread)
    }

    /// The kernel's number of the calling thread.
    public static var currentID: Int32 {
        chost_thread_id()
    }

    /// A value that tells the calling thread from all others of the process.
    public static var current: UInt {
        pthread_self()
    }

    /// Holds the calling thread for so long, or until a signal comes.
    public static func sleep(for time: Duration) {
        usleep(UInt32(clamping: time.nanoseconds / 1000))
    }

    /// Interrupts the system call that a thread of this process is in, if any. The process has a signal for that (`KickSignal`).
    public static func kick(id: Int32) {
        // Where the thread has ended meanwhile, there is nothing to interrupt.
        _ = chost_kick(id)
    }

    /// Processors that the kernel runs threads on.
    public static var processorCount: Int {
        sysconf(Int32(_SC_NPROCESSORS_ONLN))
    }
}
