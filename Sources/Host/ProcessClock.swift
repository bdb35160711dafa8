internal import CHost
internal import Glibc

/// When this process began, and how fast the host lets it run.
public enum ProcessClock {
    /// The time that the calling thread has spent waiting for a processor (the second number of `schedstat`); nil where the kernel does not
    /// count it.
    public static func waitForProcessor() -> Duration? {
        let text = try? readTextFile("/proc/thread-self/schedstat")
        let numbers = text?.split(separator: " ") ?? []
        return numbers.count > 1 ? Int64(numbers[1]).map { .nanoseconds($0) } : nil
    }

    /// Work that takes a processor some 20 us and no system call: dependent multiplications, each with a cache line of 256 KiB. How long it
    /// takes tells of the host's speed at the moment, whatever its kernel.
    public static func referenceWork() { chost_reference_work() }

    /// The start of the process, to be asked for first thing in `main`.
    ///
    /// The kernel gives a process's start only in hundredths of a second. Until `main` a process has one thread that
    /// waits for nothing, so the processor time that it has used is the time since its start, but for page faults that
    /// went to a disk.
    public static func start() -> SuspendingClock.Instant {
        .now - .microseconds(Int64(clock()) * 1_000_000 / Int64(CLOCKS_PER_SEC))
    }
}
