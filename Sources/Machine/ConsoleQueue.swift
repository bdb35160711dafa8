internal import Host

/// The bytes that the guest has printed and nobody has written yet.
///
/// A byte is queued under the lock of the device that took it, which keeps the order. It is written without that lock, by the vCPU
/// that printed or by one that is writing already.
final class ConsoleQueue: Sendable {
    private struct State: Sendable {
        var pending: [UInt8] = []
        var isWriting = false
    }

    private let state = Lock(State())
    private let write: GuestMachine.ConsoleOutput

    /// The bytes from which on a vCPU waits for the writer. A reader may be slow, and a guest must not fill the monitor's memory
    /// meanwhile.
    private static let limit = 1 << 16

    init(_ write: @escaping GuestMachine.ConsoleOutput) {
        self.write = write
    }

    /// Adds a byte to the queue.
    func append(_ byte: UInt8) {
        state.withLock { $0.pending.append(byte) }
    }

    /// Writes what is queued, unless another thread is writing. If too much is queued, waits for that thread.
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
