internal import Host

/// What the guest prints, on its way out. A byte is queued under the lock of the device that took it, so that the order stays;
/// it is written without that lock, by the vCPU that printed or by one that is writing already.
final class ConsoleQueue: Sendable {
    private struct State: Sendable {
        var pending: [UInt8] = []
        var isWriting = false
    }

    private let state = Lock(State())
    private let write: GuestMachine.ConsoleOutput

    /// A reader may be slow, and a guest of several vCPUs must not fill the monitor's memory meanwhile.
    private static let limit = 1 << 16

    init(_ write: @escaping GuestMachine.ConsoleOutput) {
        self.write = write
    }

    func append(_ byte: UInt8) {
        state.withLock { $0.pending.append(byte) }
    }

    /// Writes what is queued, unless another thread does. Where there is too much, waits for that thread.
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
