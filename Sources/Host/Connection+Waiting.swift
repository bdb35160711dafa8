internal import CHost
internal import Glibc

extension Connection {
    /// What was ready when a thread stopped waiting for a connection.
    public struct Ready: Sendable {
        /// Whether bytes came, or the other side is gone.
        public let hasInput: Bool
        /// Whether the first eventfd was posted, or a client waits at the first socket.
        public let isFirstReady: Bool
        /// Whether the second eventfd was posted, or a client waits at the second socket.
        public let isSecondReady: Bool

        /// Waits until one of two descriptors has input: an eventfd that is posted, or a socket at which a client waits
        /// (`ListeningSocket.descriptor`). A signal can end the wait too, and then nothing is ready.
        public init(waitingFor first: SharedDescriptor, _ second: SharedDescriptor) throws(ConnectionError) {
            try self.init(-1, first, second, within: nil)
        }

        fileprivate init(
            _ input: Int32, _ first: SharedDescriptor?, _ second: SharedDescriptor?, within time: Duration?
        ) throws(ConnectionError) {
            let ready = chost_wait_for_input(
                input, first?.descriptor.number ?? -1, second?.descriptor.number ?? -1,
                time.map { max(.zero, $0).nanoseconds } ?? -1)
            guard ready >= 0 else { throw .failed(-ready) }
            (hasInput, isFirstReady, isSecondReady) = (ready & 1 != 0, ready & 2 != 0, ready & 4 != 0)
        }
    }

    /// Waits until input comes, one of two eventfds is posted, or the time is over. A signal can end the wait too, and then nothing
    /// is ready.
    ///
    /// - Parameters:
    ///   - first: An eventfd, or nil for none.
    ///   - second: Another eventfd, or nil for none.
    ///   - forInput: Whether input ends the wait.
    ///   - time: The most time to wait, or nil to wait for ever.
    public borrowing func wait(
        or first: SharedDescriptor? = nil, _ second: SharedDescriptor? = nil, forInput: Bool = true,
        within time: Duration? = nil
    ) throws(ConnectionError) -> Ready {
        try Ready(forInput ? number : -1, first, second, within: time)
    }

    /// Ends the connection in both directions. The calls of all threads that wait for the connection return.
    public borrowing func shutDown() {
        _ = shutdown(number, Int32(SHUT_RDWR))
    }
}

extension SharedDescriptor {
    /// The size of the file in bytes, or nil if the kernel does not tell it. For a device it is `Int64.max`.
    public var fileSize: UInt64? {
        let size = chost_file_size(descriptor.number)
        return size < 0 ? nil : UInt64(size)
    }
}
