import Glibc

/// A client of a local socket, as foreign programs are.
public final class LocalClient: Sendable {
    private let descriptor: Int32

    /// Connects, or returns nil if nobody listens.
    public init?(path: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // SAFETY: the path is cut to what the structure holds, and the rest of it is zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { place in
            unsafe place.copyBytes(from: Array(path.utf8.prefix(place.count - 1)))
        }
        // SAFETY: the structure outlives the call.
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard connected == 0 else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// Sends as many of the bytes as there is room for. Returns their number, or a negative one.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Int {
        // SAFETY: the call reads the array.
        unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }

    /// Returns the bytes that come within this time, none at the end of the connection, or nil if none come.
    public func receive(within milliseconds: Int32 = 20000) -> [UInt8]? {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // SAFETY: the call writes the structure.
        guard unsafe poll(&polled, 1, milliseconds) == 1 else { return nil }
        // SAFETY: the call fills the buffer from its start.
        return unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            count = max(0, unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0))
        }
    }

    /// Sends a packet of GDB's protocol and returns all that comes back until there is a packet.
    public func exchange(_ text: String) -> String? {
        let sum = text.utf8.reduce(UInt8(0), &+)
        let digits = String(sum, radix: 16)
        send(Array("$\(text)#\(digits.count < 2 ? "0" : "")\(digits)".utf8))
        return packet()
    }

    /// Waits for a packet.
    public func packet() -> String? {
        var text = ""
        while !text.contains("#") {
            guard let bytes = receive(), !bytes.isEmpty else { return nil }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text.split(separator: "$").last.map { String($0.prefix { $0 != "#" }) }
    }
}
