internal import Devices
internal import Host

/// The bytes that the guest has printed and that nobody has written yet.
///
/// A byte is queued under the lock of the device that took it, so bytes keep their order. It is written without that lock, by
/// the vCPU that printed it or by one that is writing already.
final class ConsoleQueue: Sendable {
    private struct State: Sendable {
        var pending: [UInt8] = []
        var isWriting = false
        /// Looks for a panic in the output of a Linux guest.
        var watch: PanicWatch?
    }

    private let state: Lock<State>
    private let write: GuestMachine.ConsoleOutput

    /// The number of queued bytes above which a vCPU waits for the writer. A reader may be slow, and a guest must not fill the
    /// monitor's memory meanwhile.
    private static let limit = 1 << 16

    init(watchesForPanic: Bool, _ write: @escaping GuestMachine.ConsoleOutput) {
        state = Lock(State(watch: watchesForPanic ? PanicWatch() : nil))
        self.write = write
    }

    /// The words with which a Linux guest has reported its panic, or nil if there was none.
    var panic: String? { state.withLock { $0.watch?.reason } }

    /// Adds a byte to the queue. Returns whether the byte ends the last line that a Linux guest prints after a panic.
    func append(_ byte: UInt8) -> Bool {
        state.withLock { state in
            state.pending.append(byte)
            return state.watch?.hasEnded(with: byte) == true
        }
    }

    /// Writes the queued bytes, unless another thread is writing. If too many bytes are queued, waits for that thread.
    func drain(isCancelled: () -> Bool) {
        while true {
            let (bytes, isFull) = state.withLock { state -> ([UInt8]?, Bool) in
                if state.isWriting { return (nil, state.pending.count > Self.limit) }
                guard !state.pending.isEmpty else { return (nil, false) }
                state.isWriting = true
                var bytes: [UInt8] = []
                swap(&bytes, &state.pending)
                return (bytes, false)
            }
            if let bytes {
                write(bytes, isCancelled)
                state.withLock { $0.isWriting = false }
            } else if isFull, !isCancelled() {
                HostThread.sleep(for: .milliseconds(1))
            } else {
                return
            }
        }
    }
}
