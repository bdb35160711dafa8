public import PCI

/// The description of a device (`struct vfio_device_info`): the answer to `Command.deviceInfo`.
public struct DeviceInfo: Hashable, Sendable {
    /// Whether the device can be reset.
    public var canReset: Bool
    /// The number of regions. A device may have fewer than VFIO has numbers for, or more.
    public var regionCount: UInt32
    /// The number of kinds of interrupts. A device may have fewer than VFIO has numbers for, or more.
    public var interruptCount: UInt32

    private static let reset: UInt32 = 1
    private static let isPCI: UInt32 = 2

    /// Creates a description. Unless told otherwise the device has as many regions and kinds of interrupts as VFIO has numbers for.
    public init(canReset: Bool, regionCount: UInt32 = 9, interruptCount: UInt32 = 5) {
        (self.canReset, self.regionCount, self.interruptCount) = (canReset, regionCount, interruptCount)
    }

    /// Decodes a payload.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the device's description", size: 16)
        canReset = fields[4] & Self.reset != 0
        (regionCount, interruptCount) = (fields[8], fields[12])
    }

    /// The encoded payload.
    public var bytes: [UInt8] {
        StructureBytes().with(16, Self.isPCI | (canReset ? Self.reset : 0), regionCount, interruptCount).bytes
    }
}

/// A question about a region, or the beginning of a question about the region's events: `argsz`, flags, index, and zeros or a
/// count.
public struct RegionQuery: Hashable, Sendable {
    /// The number of bytes that the answer may have (`argsz`).
    public var room: UInt32
    /// The number of the region.
    public var region: UInt32

    /// Creates a question about a region.
    public init(_ region: DeviceRecord.RegionNumber, room: UInt32) {
        (self.region, self.room) = (region.rawValue, room)
    }

    /// Decodes the payload of either question.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the question about a region", size: 16)
        (room, region) = (fields[0], fields[8])
    }

    /// The encoded payload of `Command.regionInfo`.
    public var bytes: [UInt8] { StructureBytes().with(room, 0, region, 0).with(wide: 0, 0).bytes }

    /// The encoded payload of `Command.regionIOEvents`.
    public var eventBytes: [UInt8] { StructureBytes().with(room, 0, region, 0).bytes }
}

/// The interrupts of one kind (`struct vfio_irq_info`): the payload of both the question and the answer of `Command.interruptInfo`.
public struct InterruptInfo: Hashable, Sendable {
    /// The number of the kind.
    public var kind: UInt32
    /// The number of vectors and their behaviour. A question has no vectors.
    public var interrupts: DeviceRecord.Interrupts

    /// Creates an answer or, without `interrupts`, a question.
    public init(_ kind: UInt32, _ interrupts: DeviceRecord.Interrupts = .init(count: 0, traits: [])) {
        (self.kind, self.interrupts) = (kind, interrupts)
    }

    /// Decodes the payload of a question or an answer.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the description of interrupts", size: 16)
        kind = fields[8]
        interrupts = DeviceRecord.Interrupts(
            count: fields[12], traits: DeviceRecord.InterruptTraits(rawValue: fields[4] & 0xf))
    }

    /// The encoded payload.
    public var bytes: [UInt8] { StructureBytes().with(16, interrupts.traits.rawValue, kind, interrupts.count).bytes }
}

/// A change of interrupts (`struct vfio_irq_set`): the payload of `Command.setInterrupts`. Eventfds are passed as descriptors with
/// the message.
public struct InterruptChange: Hashable, Sendable {
    /// The action that a change takes for each vector.
    public enum Action: UInt32, Sendable {
        /// Masks the vectors.
        case mask = 8
        /// Unmasks the vectors.
        case unmask = 16
        /// With `eventfds`, sets up the eventfds that the device signals, or takes those of the vectors down if no descriptors are
        /// passed. With `none` and no vectors, takes the eventfds of the whole kind down. With `none` and some vectors, or with
        /// `flags`, signals the eventfds.
        case trigger = 32
    }

    /// The data that a change has for each vector.
    public enum Content: UInt32, Sendable {
        /// No data.
        case none = 1
        /// A byte for each vector, after the structure.
        case flags = 2
        /// A descriptor for each vector, passed with the message.
        case eventfds = 4
    }

    /// The action to take.
    public var action: Action
    /// The data that the change has for each vector.
    public var content: Content
    /// The number of the kind of interrupts.
    public var kind: UInt32
    /// The number of the first vector.
    public var start: UInt32
    /// The number of vectors.
    public var count: UInt32
    /// The vectors for which the change is meant. Only a change with `Content.flags` has them.
    public var flags: [Bool]

    /// Creates a change of interrupts.
    public init(
        _ action: Action, _ content: Content, _ kind: DeviceRecord.InterruptKind, start: UInt32 = 0, count: UInt32,
        flags: [Bool] = []
    ) {
        (self.action, self.content, self.kind) = (action, content, kind.rawValue)
        (self.start, self.count, self.flags) = (start, count, flags)
    }

    /// Decodes a payload.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the change of interrupts", size: 20)
        guard let action = Action(rawValue: fields[4] & 0x38), let content = Content(rawValue: fields[4] & 7) else {
            throw .flags(fields[4])
        }
        (self.action, self.content) = (action, content)
        (kind, start, count) = (fields[8], fields[12], fields[16])
        flags = content == .flags ? payload.dropFirst(20).map { $0 != 0 } : []
        guard content != .flags || flags.count == Int(count) else {
            throw .short("the change of \(count) interrupts", bytes: payload.count, needed: 20 + Int(count))
        }
    }

    /// The encoded payload.
    public var bytes: [UInt8] {
        StructureBytes().with(UInt32(20 + flags.count), action.rawValue | content.rawValue, kind, start, count)
            .with(bytes: flags.map { $0 ? 1 : 0 }).bytes
    }
}

/// The fields of a payload that is known to be long enough for them.
struct PayloadFields {
    private let structure: StructureBytes

    /// Throws if the payload has fewer than `size` bytes. `name` is for that error.
    init(_ payload: [UInt8], _ name: String, size: Int) throws(MessageError) {
        guard payload.count >= size else { throw .short(name, bytes: payload.count, needed: size) }
        structure = StructureBytes(payload)
    }

    /// The integer at `offset`, in the width that the caller's type has.
    subscript<Value: FixedWidthInteger & UnsignedInteger>(offset: Int) -> Value {
        structure.integer(at: offset, as: Value.self) ?? 0
    }
}
