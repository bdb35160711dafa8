internal import CHost
internal import Glibc
internal import SystemPackage

/// The address at which a stream socket listens.
public enum SocketAddress: Hashable, Sendable {
    /// A local socket (unix(7)), by its path.
    case local(path: String)
    /// A TCP socket, by a numerical address of IPv4 or IPv6 and a port.
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

/// A socket that listens for connections. The file of a local socket is removed when the value goes out of scope.
public struct ListeningSocket: ~Copyable, Sendable {
    /// The address at which the socket listens.
    public let address: SocketAddress
    private let descriptor: Descriptor
    /// The identity of a local socket's file.
    private let file: FileIdentity?
    /// The user of this process. It is stored here, because the jail forbids the system call that asks for it.
    private let owner = geteuid()

    /// Creates a socket and listens. Only the user of this process can connect to a local socket. If the path has a local socket of
    /// the same user at which nobody listens, the new socket replaces it.
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
        // Another file may have taken the path since.
        // SAFETY: the calls read the string, which outlives them.
        if FileIdentity(socketAt: path) == file { unsafe unlink(path) }
        unsafe chost_forget(path)
    }

    /// Accepts the next connection. Returns nil if the connection is gone already, or cannot be accepted.
    public borrowing func accept() -> Connection? {
        guard let descriptor = try? Descriptor(owning: chost_accept(descriptor.number), "accept", "a client") else {
            // The process may have no descriptor left while the client still waits.
            HostThread.sleep(for: .milliseconds(10))
            return nil
        }
        return Connection(descriptor)
    }

    /// Returns whether a local connection was made by the user of this process, or by root.
    public borrowing func isOwners(_ connection: borrowing Connection) -> Bool {
        chost_is_from(connection.number, owner)
    }

    var number: Int32 { descriptor.number }
}

/// A connection through a stream socket.
public struct Connection: ~Copyable, Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Sends all bytes. Returns false if the other side is gone, or has not taken all bytes within `time`.
    public borrowing func send(_ bytes: [UInt8], within time: Duration) -> Bool {
        (try? send(bytes, with: [], within: time)) != nil
    }

    var number: Int32 { descriptor.number }
}

/// The events for which a server waits: posts from other threads, new clients, and input from a client.
public struct ServerEvents: ~Copyable, Sendable {
    /// What was ready when a wait ended.
    public struct Ready: Sendable {
        /// Whether another thread called `post`.
        public let isPosted: Bool
        /// Whether a client waits to be accepted.
        public let hasClient: Bool
        /// Whether the connection has input, or the other side is gone.
        public let hasInput: Bool
        /// Whether the eventfd was posted.
        public var hasEvent = false
    }

    private let posts: Descriptor

    /// Creates events of which none has come.
    public init() throws(HostError) {
        posts = try Descriptor(owning: chost_event_descriptor(), "eventfd", "a server")
    }

    /// Wakes the thread that waits, now or at its next wait.
    public borrowing func post() {
        _ = chost_post_event(posts.number)
    }

    /// Waits for a post or a new client.
    public borrowing func wait(for listener: borrowing ListeningSocket) throws(HostError) -> Ready {
        try wait(listener.number, -1)
    }

    /// Waits for a post, a new client, or input from a connection.
    public borrowing func wait(
        for listener: borrowing ListeningSocket, and connection: borrowing Connection
    ) throws(HostError) -> Ready {
        try wait(listener.number, connection.number)
    }

    /// Waits for a post, input from a connection, or a posted eventfd.
    public borrowing func wait(
        for connection: borrowing Connection, and event: SharedDescriptor?
    ) throws(HostError) -> Ready {
        let ready = try wait(event?.descriptor.number ?? -1, connection.number)
        return Ready(isPosted: ready.isPosted, hasClient: false, hasInput: ready.hasInput, hasEvent: ready.hasClient)
    }

    private borrowing func wait(_ listener: Int32, _ connection: Int32) throws(HostError) -> Ready {
        let ready = try check(chost_wait_for_input(posts.number, listener, connection, -1), "ppoll", "a server")
        if ready & 1 != 0 { _ = chost_take_count(posts.number) }
        return Ready(isPosted: ready & 1 != 0, hasClient: ready & 2 != 0, hasInput: ready & 4 != 0)
    }
}
