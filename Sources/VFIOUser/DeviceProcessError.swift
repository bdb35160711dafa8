public import Host

/// The reason why a device in another process cannot be used, or can be used no longer.
public enum DeviceProcessError: Error, Equatable, Sendable {
    /// A call of the host failed before the device could be asked.
    case host(HostError)
    /// The connection to the device process ended.
    case connection(ConnectionError)
    /// The device process sent something that is not a message, or an answer to something else.
    case message(MessageError)
    /// The device process sent a reply, but no command with this number is under way.
    case unexpectedReply(id: UInt16)
    /// The device process did not answer this command in time.
    case silent(Command)
    /// The device process refused, with this errno, a command that every device process carries out.
    case refused(Command, errno: UInt32)
    /// A file of one of the device's regions is shorter than before.
    case cutFile
    /// The client has ended the connection.
    case released
}

extension DeviceProcessError: CustomStringConvertible {
    /// The reason in words.
    public var description: String {
        switch self {
        case .host(let error): "\(error)"
        case .connection(let error): "\(error)"
        case .message(let error): "the device process sent an invalid message: \(error)"
        case .unexpectedReply(let id): "the device process sent a reply that nobody waits for (id \(id))"
        case .silent(let command): "the device process did not answer in time (\(command))"
        case .refused(let command, let errno):
            "the device process refused a command that it must carry out (\(command), errno \(errno))"
        case .cutFile: "a file of the device process is shorter than its region"
        case .released: "the connection was given up"
        }
    }
}
