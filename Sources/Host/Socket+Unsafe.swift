internal import CHost
internal import Glibc
internal import SystemPackage

/// The address at which a stream socket listens.
public enum SocketAddress: Hashable, Sendable {
    /// A local socket (unix(7)), by its path.
    case local(path: String)
    /// TCP, by a numerical address of IPv4 or IPv6.
    case internet(host: String, port: UInt16)
}

extension SocketAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .local(let path): path
        case .internet(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}

/// A socket that listens for connections. The file of a local one is removed at its end.
public struct ListeningSocket: ~Copyable, Sendable {
    public let address: SocketAddress
    private let descriptor: Descriptor
    /// The file of a local socket.
    private let file: FileIdentity?

    /// Begins to listen. Only the owner of a local socket may connect. A file of a local socket at which nobody listens is replaced.
    public init(_ address: SocketAddress) throws(HostError) {
        let result =
            switch address {
            // SAFETY: the calls read the strings, which outlive them.
            case .local(let path): unsafe chost_listen_local(path)
            case .internet(let host, let port): unsafe chost_listen_internet(host, port)
            }
        let descriptor = try Descriptor(owning: result, "bind", "\(address)")
        file = if case .local(let path) = address { FileIdentity(socketAt: path) } else { nil }
        self.descriptor = descriptor
        self.address = address
    }

    deinit {
        // Another file may have taken the path meanwhile.
        // SAFETY: the call reads the string, which outlives it.
        if case .local(let path) = address, FileIdentity(socketAt: path) == file { unsafe unlink(path) }
    }

    /// Returns the next connection, or nil if there is none any more.
    public borrowing func accept() -> Connection? {
        guard let descriptor = try? Descriptor(owning: chost_accept(descriptor.number), "accept", "a client") else {
            return nil
        }
        return Connection(descriptor)
    }

    var number: Int32 { descriptor.number }
}

/// A connection of a stream socket.
public struct Connection: ~Copyable, Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Returns the bytes that have come, none at the end of the connection, or nil if none have come yet.
    public borrowing func receive(upTo count: Int) -> [UInt8]? {
        var error: Int64 = 0
        // SAFETY: the call fills the buffer from its start.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            error = unsafe chost_receive(descriptor.number, buffer.baseAddress, count)
            initialized = max(0, Int(error))
        }
        return [-Int64(EAGAIN), -Int64(EINTR)].contains(error) ? nil : bytes
    }

    /// Sends all bytes. Returns false if the other side is gone, or has not taken all of them within this time.
    public borrowing func send(_ bytes: [UInt8], within time: Duration) -> Bool {
        let deadline = SuspendingClock.now + time
        var rest = bytes[...]
        while !rest.isEmpty {
            let left = deadline - .now
            guard left > .zero else { return false }
            // SAFETY: the call reads the rest of the array, which outlives it.
            let count = unsafe rest.withUnsafeBytes {
                unsafe chost_send(descriptor.number, $0.baseAddress, $0.count, left.nanoseconds)
            }
            guard count >= 0 || [-Int64(EAGAIN), -Int64(EINTR)].contains(count) else { return false }
            rest = rest.dropFirst(max(0, Int(count)))
        }
        return true
    }

    var number: Int32 { descriptor.number }
}

/// What a server waits for: word from another thread, clients, and what a client sends.
public struct ServerEvents: ~Copyable, Sendable {
    public struct Ready: Sendable {
        public let isPosted: Bool
        public let hasClient: Bool
        public let hasInput: Bool
        public var hasEvent = false
    }

    private let posts: Descriptor

    public init() throws(HostError) {
        posts = try Descriptor(owning: chost_event_descriptor(), "eventfd", "a server")
    }

    /// Wakes the waiting thread, now or when it next waits.
    public borrowing func post() {
        _ = chost_post_event(posts.number)
    }

    /// Waits until something is ready.
    public borrowing func wait(for listener: borrowing ListeningSocket) throws(HostError) -> Ready {
        try wait(listener.number, -1)
    }

    /// Waits until something is ready, with a client.
    public borrowing func wait(
        for listener: borrowing ListeningSocket, and connection: borrowing Connection
    ) throws(HostError) -> Ready {
        try wait(listener.number, connection.number)
    }

    /// Waits until there is input or an eventfd was posted.
    public borrowing func wait(
        for connection: borrowing Connection, and event: SharedDescriptor?
    ) throws(HostError) -> Ready {
        let ready = try wait(event?.descriptor.number ?? -1, connection.number)
        return Ready(isPosted: ready.isPosted, hasClient: false, hasInput: ready.hasInput, hasEvent: ready.hasClient)
    }

    private borrowing func wait(_ listener: Int32, _ connection: Int32) throws(HostError) -> Ready {
        let ready = try check(chost_wait(posts.number, listener, connection, -1), "ppoll", "a server")
        if ready & 1 != 0 { _ = chost_take_count(posts.number) }
        return Ready(isPosted: ready & 1 != 0, hasClient: ready & 2 != 0, hasInput: ready & 4 != 0)
    }
}
