internal import CHost
internal import SystemPackage

/// The signal of this process that interrupts the system calls of its threads and does nothing else.
///
/// The first that needs it takes it, and the last gives it back. Threads that were started before do not let it through.
public enum KickSignal {
    private struct State: Sendable {
        var signal: Int32 = 0
        var users = 0
    }

    private static let state = Lock(State())

    /// The signal that is taken unless somebody chooses another: the first real-time signal that the C library leaves to programs.
    public static var usual: Int32 { chost_first_realtime_signal() }

    /// Takes a signal, or uses it once more.
    ///
    /// - Throws: EBUSY if the process handles the signal otherwise, or if another signal is in use for kicks. EINVAL if it is none that
    ///   can be handled.
    public static func take(_ signal: Int32) throws(HostError) {
        try state.withLock { state throws(HostError) in
            if state.users == 0 {
                try check(chost_take_kick_signal(signal), "sigaction", "signal \(signal)")
                state.signal = signal
            } else if state.signal != signal {
                throw HostError(call: "sigaction", subject: "signal \(signal)", errno: .resourceBusy)
            }
            state.users += 1
        }
    }

    /// Gives the signal back, if nobody else uses it. No thread can be kicked any more by the caller.
    public static func giveBack() {
        state.withLock { state in
            state.users -= 1
            if state.users == 0 { chost_give_back_kick_signal() }
        }
    }
}
