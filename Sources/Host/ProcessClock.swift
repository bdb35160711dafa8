internal import Glibc

/// When this process began.
public enum ProcessClock {
    /// The start of the process, to be asked for first thing in `main`.
    ///
    /// The kernel gives a process's start only in hundredths of a second. Until `main` a process has one thread that
    /// waits for nothing, so the processor time that it has used is the time since its start, but for page faults that
    /// went to a disk.
    public static func start() -> SuspendingClock.Instant {
        .now - .microseconds(Int64(clock()) * 1_000_000 / Int64(CLOCKS_PER_SEC))
    }
}
