public import PCI

/// A part of the client's memory that the device may use: the payload of `Command.mapDMA`. The descriptor of the memory's file is
/// passed with the message.
public struct DMAMapping: Hashable, Sendable {
    /// Whether the device may read the part.
    public var isReadable: Bool
    /// Whether the device may write the part.
    public var isWritable: Bool
    /// The place of the part in the file, in bytes.
    public var offset: UInt64
    /// The guest-physical address by which the device names the part.
    public var address: UInt64
    /// The size in bytes.
    public var size: UInt64

    /// Creates a mapping. Unless told otherwise the device may read and write the part.
    public init(offset: UInt64, address: UInt64, size: UInt64, isReadable: Bool = true, isWritable: Bool = true) {
        (self.offset, self.address, self.size) = (offset, address, size)
        (self.isReadable, self.isWritable) = (isReadable, isWritable)
    }

    /// Decodes a payload.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the mapping", size: 32)
        let flags: UInt32 = fields[4]
        self.init(
            offset: fields[8], address: fields[16], size: fields[24], isReadable: flags & 1 != 0,
            isWritable: flags & 2 != 0)
    }

    /// The encoded payload.
    public var bytes: [UInt8] {
        StructureBytes().with(32, (isReadable ? 1 : 0) | (isWritable ? 2 : 0)).with(wide: offset, address, size).bytes
    }
}

/// The end of a mapping for DMA: the payload of `Command.unmapDMA`, which the reply repeats.
public struct DMAUnmapping: Hashable, Sendable {
    /// Whether all mappings end, and not only one.
    public var isAll: Bool
    /// The address of the mapping.
    public var address: UInt64
    /// The size of the mapping in bytes.
    public var size: UInt64

    /// Creates the end of one mapping or of all.
    public init(address: UInt64, size: UInt64, isAll: Bool = false) {
        (self.address, self.size, self.isAll) = (address, size, isAll)
    }

    /// Decodes a payload.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the end of a mapping", size: 24)
        let flags: UInt32 = fields[4]
        self.init(address: fields[8], size: fields[16], isAll: flags & 2 != 0)
    }

    /// The encoded payload.
    public var bytes: [UInt8] { StructureBytes().with(24, isAll ? 2 : 0).with(wide: address, size).bytes }
}

/// An access to a region. The payloads of `Command.readRegion` and of the reply to `Command.writeRegion` have no data.
public struct RegionAccess: Hashable, Sendable {
    /// The number of the region.
    public var region: UInt32
    /// The bytes from the beginning of the region.
    public var offset: UInt64
    /// The number of bytes that the access reads or writes.
    public var count: UInt32
    /// The bytes, or none in a payload without data.
    public var data: [UInt8]

    /// Creates an access to a region.
    public init(_ region: DeviceRecord.RegionNumber, offset: UInt64, count: UInt32, data: [UInt8] = []) {
        (self.region, self.offset, self.count, self.data) = (region.rawValue, offset, count, data)
    }

    /// Decodes a payload.
    ///
    /// - Parameter hasData: Whether the payload has data, which must be `count` bytes.
    public init(_ payload: [UInt8], hasData: Bool) throws(MessageError) {
        let fields = try PayloadFields(payload, "the access to a region", size: 16)
        (offset, region, count) = (fields[0], fields[8], fields[12])
        data = hasData ? Array(payload.dropFirst(16)) : []
        guard !hasData || data.count == Int(count) else {
            throw .short("the access of \(count) bytes", bytes: payload.count, needed: 16 + Int(count))
        }
    }

    /// The encoded payload.
    public var bytes: [UInt8] { StructureBytes().with(wide: offset).with(region, count).with(bytes: data).bytes }

    /// Decodes the answer to this access, and throws if it answers another one.
    public func answer(_ payload: [UInt8], hasData: Bool) throws(MessageError) -> RegionAccess {
        let answer = try RegionAccess(payload, hasData: hasData)
        for (name, asked, answered) in [
            ("region", UInt64(region), UInt64(answer.region)), ("offset", offset, answer.offset),
            ("count", UInt64(count), UInt64(answer.count)),
        ] where asked != answered {
            throw .mismatch(name, asked: asked, answered: answered)
        }
        return answer
    }
}

/// A server's access to the client's memory: the payload of `Command.readMemory` or `Command.writeMemory`.
public struct MemoryAccess: Hashable, Sendable {
    /// The first address of the access, counted as in mappings for DMA (`DMAMapping.address`).
    public var address: UInt64
    /// The number of bytes that the access reads or writes.
    public var count: UInt64
    /// The bytes, or none in a payload without data.
    public var data: [UInt8]

    /// Creates an access to memory.
    public init(address: UInt64, count: UInt64, data: [UInt8] = []) {
        (self.address, self.count, self.data) = (address, count, data)
    }

    /// Decodes a payload. Throws if the access is larger than one transfer.
    ///
    /// - Parameter hasData: Whether the payload has data, which must be `count` bytes.
    public init(_ payload: [UInt8], hasData: Bool) throws(MessageError) {
        let fields = try PayloadFields(payload, "the access to memory", size: 16)
        (address, count) = (fields[0], fields[8])
        data = hasData ? Array(payload.dropFirst(16)) : []
        guard count <= Version.transferSize else {
            throw .mismatch("count", asked: Version.transferSize, answered: count)
        }
        guard !hasData || data.count == Int(count) else {
            throw .short("the access of \(count) bytes", bytes: payload.count, needed: 16 + Int(count))
        }
    }

    /// The encoded payload.
    public var bytes: [UInt8] { StructureBytes().with(wide: address, count).with(bytes: data).bytes }
}

/// The eventfds that a device offers for parts of a region: the reply to `Command.regionIOEvents`.
public struct RegionEvents: Hashable, Sendable {
    /// The writes to one place in a region that an eventfd can take.
    public struct Event: Hashable, Sendable {
        /// The bytes from the beginning of the region.
        public var offset: UInt64
        /// The width of a write in bytes.
        public var size: UInt64
        /// The eventfd, by its index among the descriptors that are passed with the message.
        public var descriptor: UInt32
        /// The only value that is taken, or nil for any value.
        public var match: UInt64?

        /// Creates an event for writes of any value, unless `match` is given.
        public init(offset: UInt64, size: UInt64, descriptor: UInt32, match: UInt64? = nil) {
            (self.offset, self.size, self.descriptor, self.match) = (offset, size, descriptor, match)
        }

        /// Returns whether one write could belong to both events, which `KVM_IOEVENTFD` refuses.
        func collides(with other: Event) -> Bool {
            offset == other.offset && size == other.size && (match == nil || other.match == nil || match == other.match)
        }
    }

    /// The number of the region.
    public var region: UInt32
    /// The events with plain eventfds. Events of other kinds (ioregionfd, shadow) are left out, so that writes to their places
    /// exit.
    public var events: [Event]

    private static let dataMatch: UInt32 = 1
    private static let eventSize = 40

    /// Creates the reply about a region.
    public init(region: DeviceRecord.RegionNumber, events: [Event]) {
        (self.region, self.events) = (region.rawValue, events)
    }

    /// Decodes a payload.
    public init(_ payload: [UInt8]) throws(MessageError) {
        let fields = try PayloadFields(payload, "the region's events", size: 16)
        region = fields[8]
        let count: UInt32 = fields[12]
        guard Int(count) <= payload.count / Self.eventSize, 16 + Int(count) * Self.eventSize <= payload.count else {
            throw .short("the list of \(count) events", bytes: payload.count, needed: 16 + Int(count) * Self.eventSize)
        }
        events = (0..<Int(count)).compactMap { index in
            let start = 16 + index * Self.eventSize
            let (type, flags): (UInt32, UInt32) = (fields[start + 20], fields[start + 24])
            guard type == 0 else { return nil }
            return Event(
                offset: fields[start], size: fields[start + 8], descriptor: fields[start + 16],
                match: flags & Self.dataMatch != 0 ? fields[start + 32] : nil)
        }
    }

    /// The encoded payload.
    public var bytes: [UInt8] {
        let whole = UInt32(16 + events.count * Self.eventSize)
        return events.reduce(StructureBytes().with(whole, 0, region, UInt32(events.count))) { bytes, event in
            bytes.with(wide: event.offset, event.size)
                .with(event.descriptor, 0, event.match == nil ? 0 : Self.dataMatch, 0).with(wide: event.match ?? 0)
        }.bytes
    }
}
