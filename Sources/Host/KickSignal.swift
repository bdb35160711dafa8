internal import CHost
internal import SystemPackage

/// The signal that interrupts the system calls of this process's threads and has no other effect.
///
/// The first machine that needs the signal takes it, and the last one gives it back. A thread that was started before the signal
/// was taken may block it.
public enum KickSignal {
    private static let state = Lock((signal: Int32(0), users: 0))

    /// The signal that machines take unless their user chooses another: the first real-time signal that the C library leaves to
    /// programs.
    public static var usual: Int32 { chost_first_realtime_signal() }

    /// Takes a signal for kicks. If it is taken already, counts one more user.
    ///
    /// - Throws: EBUSY if the process handles this signal itself, or if another signal is taken for kicks. EINVAL if the signal
    ///   cannot be handled.
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

    /// Gives the signal back if it has no other user. The caller must kick no thread afterwards.
    public static func giveBack() {
        state.withLock { state in
            state.users -= 1
            if state.users == 0 { chost_give_back_kick_signal() }
        }
    }
}
