public import PCI

/// The 16 bytes with which each message of vfio-user begins.
public struct Header: Hashable, Sendable {
    /// The number that the sender gave to a command. A reply repeats it.
    public var id: UInt16
    /// The number of the command that the message makes or answers. It may be one that Swiftlet does not know.
    public var command: UInt16
    /// The bytes of the whole message, with the header.
    public var size: UInt32
    /// Whether the message is a reply.
    public var isReply: Bool
    /// Whether the sender of a command wants no reply.
    public var wantsNoReply: Bool
    /// The reason why a command was not carried out (errno), in a reply only.
    public var error: UInt32?

    /// The bytes of a header.
    public static let byteCount = 16
    /// The largest number of bytes of a message that either side sends or takes: the data of one transfer, and room for the fields.
    public static let largestMessage = UInt32(Version.transferSize) + 4096

    private enum Flags {
        static let kind: UInt32 = 0xf
        static let reply: UInt32 = 1
        static let noReply: UInt32 = 0x10
        static let error: UInt32 = 0x20
    }

    /// Creates the header of a command.
    public init(_ command: Command, id: UInt16, payload: Int, wantsNoReply: Bool = false) {
        (self.id, self.command, self.wantsNoReply) = (id, command.rawValue, wantsNoReply)
        (size, isReply) = (UInt32(Self.byteCount + payload), false)
    }

    /// Creates the header of the reply to a command. A reply with an error has no payload.
    public init(replyTo command: Header, payload: Int, error: UInt32? = nil) {
        (id, self.command, self.error) = (command.id, command.command, error)
        (size, isReply, wantsNoReply) = (UInt32(Self.byteCount + payload), true, false)
    }

    /// Decodes a header.
    public init(_ bytes: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(bytes, "the header", size: Self.byteCount)
        (id, command, size) = (fields[0], fields[2], fields[4])
        let flags: UInt32 = fields[8]
        guard size >= Self.byteCount, size <= Self.largestMessage else { throw .size(size) }
        guard flags & Flags.kind <= Flags.reply else { throw .flags(flags) }
        isReply = flags & Flags.kind == Flags.reply
        wantsNoReply = flags & Flags.noReply != 0
        self.error = flags & Flags.error != 0 ? fields[12] : nil
    }

    /// The bytes that follow the header.
    public var payloadSize: Int { Int(size) - Self.byteCount }

    /// The encoded header.
    public var bytes: [UInt8] {
        let flags =
            (isReply ? Flags.reply : 0) | (wantsNoReply ? Flags.noReply : 0) | (error == nil ? 0 : Flags.error)
        return StructureBytes().with(UInt32(command) << 16 | UInt32(id), size, flags, error ?? 0).bytes
    }
}

/// The commands of vfio-user that Swiftlet knows.
public enum Command: UInt16, CaseIterable, Sendable {
    /// Agrees on the version of the protocol. This is the first command of a connection.
    case version = 1
    /// Give the device a part of the client's memory, and take it back.
    case mapDMA, unmapDMA
    /// Ask what the device is, what its regions and interrupts are, and which eventfds it has. `setInterrupts` changes its
    /// interrupts.
    case deviceInfo, regionInfo, regionIOEvents, interruptInfo, setInterrupts
    /// Read or write a region of the device.
    case readRegion, writeRegion
    /// Read or write the client's memory. Only servers send these.
    case readMemory, writeMemory
    /// Resets the device.
    case reset
}

/// The reason why bytes from a peer are not a message, or not the message that is due.
public enum MessageError: Error, Hashable, Sendable {
    /// A part of the message has fewer bytes than its fields need.
    case short(String, bytes: Int, needed: Int)
    /// The size in a header is smaller than the header, or larger than anything that was agreed on.
    case size(UInt32)
    /// The flags say neither that a message is a command nor that it is a reply. Or the flags of a change of interrupts are
    /// unknown.
    case flags(UInt32)
    /// The peer speaks another version of the protocol.
    case version(major: UInt16, minor: UInt16)
    /// The text in a version message is not JSON that ends with a zero.
    case capabilities
    /// A reply is about something else than its command, or an access to memory is too large. The values are the name of the field,
    /// and its expected and its actual value.
    case mismatch(String, asked: UInt64, answered: UInt64)
    /// A description of the device makes no sense.
    case info(DeviceInfoError)
}

extension MessageError: CustomStringConvertible {
    /// What was sent, and what was due.
    public var description: String {
        switch self {
        case .short(let what, let bytes, let needed): "\(what) has \(bytes) bytes, and needs \(needed)"
        case .size(let size):
            "a message of \(size) bytes, but a message has \(Header.byteCount) to \(Header.largestMessage) bytes"
        case .flags(let flags): "a message or a change of interrupts with unknown flags (\(flags))"
        case .version(let major, let minor):
            "version \(major).\(minor) of the protocol, but this side speaks version 0.1"
        case .capabilities: "the capabilities in the version message are not JSON that ends with a zero"
        case .mismatch(let what, let asked, let answered):
            "a reply has \(what) \(answered) where \(asked) was asked for"
        case .info(let error): "\(error)"
        }
    }
}
