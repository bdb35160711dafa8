internal import CHost
internal import Glibc

extension Connection {
    /// What a connection can be waited for beside input.
    public struct Ready: Sendable {
        /// Whether something came, or the other side is gone.
        public let hasInput: Bool
        public let isFirstPosted: Bool
        public let isSecondPosted: Bool
    }

    /// Waits until something comes (with `forInput`), one of two eventfds is posted, or the time is over. It may come back without any of it.
    public borrowing func wait(
        or first: SharedDescriptor? = nil, _ second: SharedDescriptor? = nil, forInput: Bool = true,
        within time: Duration? = nil
    ) throws(ConnectionError) -> Ready {
        let ready = chost_wait(
            forInput ? number : -1, first?.descriptor.number ?? -1, second?.descriptor.number ?? -1,
            time.map { max(.zero, $0).nanoseconds } ?? -1)
        guard ready >= 0 else { throw .failed(-ready) }
        return Ready(hasInput: ready & 1 != 0, isFirstPosted: ready & 2 != 0, isSecondPosted: ready & 4 != 0)
    }

    /// Ends the connection in both directions. All threads that wait for it come back.
    public borrowing func shutDown() {
        _ = shutdown(number, Int32(SHUT_RDWR))
    }
}

extension SharedDescriptor {
    /// The size of the file in bytes, or nil if it cannot be told.
    public var fileSize: UInt64? {
        let size = chost_file_size(descriptor.number)
        return size < 0 ? nil : UInt64(size)
    }
}
