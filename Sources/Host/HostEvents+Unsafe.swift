internal import CHost
internal import Glibc

/// What a monitor's main thread waits for: its user's signals, word from another thread, input, time.
public struct HostEvents: ~Copyable, Sendable {
    public enum Event: Equatable, Sendable {
        /// SIGHUP, SIGINT, SIGQUIT, SIGPIPE or SIGTERM, by number.
        case signal(Int32)
        /// Another thread called `post`.
        case posted
        /// Input can be read, or has ended.
        case input
        case deadline
    }

    private let catchesSignals: Bool
    private let signals: Descriptor
    private let posts: Descriptor

    /// Keeps SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM from what they do otherwise until the value's end, where `catchesSignals`.
    /// Those that are ignored stay so.
    ///
    /// Threads started from this one meanwhile are not interrupted by these signals.
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

    /// Lets the signals do what they do otherwise. Forgets those that came before.
    public func releaseSignals() {
        if catchesSignals {
            chost_unblock_signals(signals.number)
        }
    }

    /// Wakes the waiting thread, now or when it next waits.
    public func post() {
        _ = chost_post_event(posts.number)
    }

    /// Waits for the first of the events; `input` is a descriptor, or nil where no input is wanted.
    public func wait(input: Int32?, until deadline: SuspendingClock.Instant?) throws(HostError) -> Event {
        while true {
            let left = deadline.map { max(.zero, $0 - SuspendingClock.now) }
            let result = chost_wait(signals.number, posts.number, input ?? -1, left?.nanoseconds ?? -1)
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
    /// Whole nanoseconds, at most what an Int64 holds.
    public var nanoseconds: Int64 {
        Int64(clamping: attoseconds / 1_000_000_000)
    }
}
