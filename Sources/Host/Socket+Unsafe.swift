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
    /// The descriptor, which has input when a client waits to be accepted (`Connection.Ready`).
    public let descriptor: SharedDescriptor
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
        self.descriptor = SharedDescriptor(descriptor)
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
        let client = chost_accept(descriptor.descriptor.number)
        guard let descriptor = try? Descriptor(owning: client, "accept", "a client") else {
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
