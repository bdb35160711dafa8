public import Host

/// Why a device in another process cannot be used, or can be used no longer.
public enum DeviceProcessError: Error, Equatable, Sendable {
    /// The host has no connection to it.
    case host(HostError)
    /// The connection ended.
    case connection(ConnectionError)
    /// It sent what is no message, or what answers something else.
    case message(MessageError)
    /// It sent a reply to no command that is under way.
    case unexpectedReply(id: UInt16)
    /// It did not answer a command in time.
    case silent(Command)
    /// It refused a command that every device process carries out, with this errno.
    case refused(Command, errno: UInt32)
    /// A file behind its regions is shorter than it was.
    case cutFile
    /// The client has let it go.
    case released
}

extension DeviceProcessError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .host(let error): "\(error)"
        case .connection(let error): "\(error)"
        case .message(let error): "the device process sent what makes no sense: \(error)"
        case .unexpectedReply(let id): "the device process sent a reply that nobody waits for (id \(id))"
        case .silent(let command): "the device process did not answer in time (\(command))"
        case .refused(let command, let errno):
            "the device process refused what it has to do (\(command), errno \(errno))"
        case .cutFile: "a file of the device process is shorter than its region"
        case .released: "it was let go"
        }
    }
}
