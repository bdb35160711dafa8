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
    /// The user of this process, which is not to be asked for in a jail.
    private let owner = geteuid()

    /// Begins to listen. Only the owner of a local socket may connect. A local socket of the same user at which nobody listens is replaced.
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
        guard case .local(let path) = address else { return }
        // Another file may have taken the path meanwhile.
        // SAFETY: the calls read the string, which outlives them.
        if FileIdentity(socketAt: path) == file { unsafe unlink(path) }
        unsafe chost_forget(path)
    }

    /// Returns the next connection, or nil if there is none any more.
    public borrowing func accept() -> Connection? {
        guard let descriptor = try? Descriptor(owning: chost_accept(descriptor.number), "accept", "a client") else {
            // There may be no descriptor left, and the client still waits.
            HostThread.sleep(for: .milliseconds(10))
            return nil
        }
        return Connection(descriptor)
    }

    /// Whether a local connection was made by the user of this process, or by root.
    public borrowing func isOwners(_ connection: borrowing Connection) -> Bool {
        chost_is_from(connection.number, owner)
    }

    var number: Int32 { descriptor.number }
}

/// A connection of a stream socket.
public struct Connection: ~Copyable, Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Sends all bytes. Returns false if the other side is gone, or has not taken all of them within this time.
    public borrowing func send(_ bytes: [UInt8], within time: Duration) -> Bool {
        (try? send(bytes, with: [], within: time)) != nil
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
