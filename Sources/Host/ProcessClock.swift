internal import CHost
internal import Glibc

/// The start of this process, and the speed at which the host lets it run.
public enum ProcessClock {
    /// Returns the time that the calling thread has spent waiting for a processor (the second number of `schedstat`), or nil if the
    /// kernel does not count it.
    public static func waitForProcessor() -> Duration? {
        let text = try? readTextFile("/proc/thread-self/schedstat")
        let numbers = text?.split(separator: " ") ?? []
        return numbers.count > 1 ? Int64(numbers[1]).map { .nanoseconds($0) } : nil
    }

    /// Does work that takes a processor some 20 us and makes no system call: multiplications that depend on each other, each with a
    /// word of another cache line of 256 KiB. The time that this work takes tells how fast the host is at the moment. It does not
    /// depend on the speed of the kernel.
    public static func referenceWork() { chost_reference_work() }

    /// Returns the time at which the process started. It must be called first thing in `main`.
    ///
    /// The kernel reports the start of a process only in hundredths of a second. But until `main` a process has one thread, which
    /// waits for nothing. So the processor time that the process has used is the time since its start, except for page faults that
    /// went to a disk.
    public static func start() -> SuspendingClock.Instant {
        .now - .microseconds(Int64(clock()) * 1_000_000 / Int64(CLOCKS_PER_SEC))
    }
}
