internal import CHost
internal import Glibc

/// The events for which a monitor's main thread waits: signals from the user, posts from other threads, input, and a deadline.
public struct HostEvents: ~Copyable, Sendable {
    /// An event that ended a wait.
    public enum Event: Equatable, Sendable {
        /// SIGHUP, SIGINT, SIGQUIT, SIGPIPE or SIGTERM came. The value is the number of the signal.
        case signal(Int32)
        /// Another thread called `post`.
        case posted
        /// There is input to read, or the input has ended.
        case input
        /// The time is over.
        case deadline
    }

    private let catchesSignals: Bool
    private let signals: Descriptor
    private let posts: Descriptor

    /// Prepares to wait. If `catchesSignals` is true, SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM become events, until
    /// `releaseSignals` is called or the value goes out of scope. A signal that the process ignores stays ignored.
    ///
    /// Threads that this thread starts while signals are events are not interrupted by these signals.
    public init(catchesSignals: Bool) throws(HostError) {
        let posts = try Descriptor(owning: chost_event_descriptor(), "eventfd", "the main thread")
        signals = try Descriptor(
            owning: chost_signal_descriptor(catchesSignals), "signalfd", "signals that end a process")
        self.posts = posts
        self.catchesSignals = catchesSignals
    }

    deinit {
        releaseSignals()
    }

    /// Gives the signals back the effect they had before. Drops signals that have come but were not waited for.
    public func releaseSignals() {
        if catchesSignals {
            chost_unblock_signals(signals.number)
        }
    }

    /// Wakes the thread that waits, now or at its next wait.
    public func post() {
        _ = chost_post_event(posts.number)
    }

    /// Waits for the first of the events.
    ///
    /// - Parameters:
    ///   - input: A descriptor whose input ends the wait, or nil for none.
    ///   - deadline: The time at which the wait ends at the latest, or nil for none.
    public func wait(input: Int32?, until deadline: SuspendingClock.Instant?) throws(HostError) -> Event {
        while true {
            let left = deadline.map { max(.zero, $0 - SuspendingClock.now) }
            let result = chost_wait_for_input(signals.number, posts.number, input ?? -1, left?.nanoseconds ?? -1)
            let ready = try check(result, "ppoll", "the main thread")
            if ready & 1 != 0 {
                let signal = chost_take_signal(signals.number)
                if signal > 0 { return .signal(signal) }
            }
            if let deadline, deadline <= .now { return .deadline }
            if ready & 2 != 0 {
                _ = chost_take_count(posts.number)
                return .posted
            }
            if ready & 4 != 0 { return .input }
        }
    }
}

extension Duration {
    /// The duration in whole nanoseconds, or `Int64.max` if it is longer.
    public var nanoseconds: Int64 {
        Int64(clamping: attoseconds / 1_000_000_000)
    }
}
