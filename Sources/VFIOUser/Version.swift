internal import FoundationEssentials
internal import PCI

/// The message with which a connection begins: the version of the protocol, and the limits of the sender.
public struct Version: Hashable, Sendable {
    /// The most bytes of region or memory data that Swiftlet sends or takes in one message.
    public static let transferSize: UInt64 = 1 << 20
    /// The most descriptors that Swiftlet passes or takes in one message.
    public static let descriptorCount = 8

    /// The most descriptors that the sender takes in one message.
    public var maximumDescriptors: Int
    /// The most bytes of data that the sender takes in one message.
    public var maximumTransfer: UInt64

    /// Creates the message with these limits. Unless told otherwise they are Swiftlet's own.
    public init(maximumDescriptors: Int = descriptorCount, maximumTransfer: UInt64 = transferSize) {
        self.maximumDescriptors = maximumDescriptors
        self.maximumTransfer = maximumTransfer
    }

    /// The JSON text of the message.
    private struct Text: Codable {
        struct Capabilities: Codable {
            var descriptors: Int?
            var transfer: UInt64?

            enum CodingKeys: String, CodingKey {
                case descriptors = "max_msg_fds"
                case transfer = "max_data_xfer_size"
            }
        }
        var capabilities: Capabilities?
    }

    /// Decodes a version message. A limit that the message leaves out has the specification's usual value.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the version message", size: 4)
        let (major, minor): (UInt16, UInt16) = (fields[0], fields[2])
        guard major == 0 else { throw .version(major: major, minor: minor) }
        self.init(maximumDescriptors: 1)
        guard payload.count > 4 else { return }
        guard payload.last == 0,
            let text = try? JSONDecoder().decode(Text.self, from: Data(payload[4..<payload.count - 1]))
        else { throw .capabilities }
        if let count = text.capabilities?.descriptors { maximumDescriptors = max(1, count) }
        if let size = text.capabilities?.transfer { maximumTransfer = min(max(1, size), Self.transferSize) }
    }

    /// The encoded payload, with version 0.1.
    public var bytes: [UInt8] {
        let text =
            "{\"capabilities\":{\"max_msg_fds\":\(maximumDescriptors),\"max_data_xfer_size\":\(maximumTransfer)}}"
        return StructureBytes().with(1 << 16).with(bytes: Array(text.utf8) + [0]).bytes
    }
}
