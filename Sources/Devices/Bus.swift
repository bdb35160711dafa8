/// A table that finds the device at an address. I/O ports have one bus, and device memory has another.
///
/// An access reaches a device only if all of its bytes lie in the device's range. The bus numbers devices in the order in which they
/// were attached. The bus is a value, so that each vCPU can have a copy of its own.
public struct Bus: Sendable {
    /// The name of the bus in error messages: `ports`, `memory`.
    public let name: String

    private struct Attachment {
        let range: ClosedRange<UInt64>
        let device: Int
    }

    /// The device to which an access belongs, and the offset of the access in the device's range.
    public struct Hit: Hashable, Sendable {
        /// The number of the device.
        public let device: Int
        /// The offset of the access from the first address of the device's range.
        public let offset: UInt64
    }

    /// The ranges of the devices, by address. They are disjoint.
    private var attachments: [Attachment] = []
    /// The index of the attachment that was found last. It is tried before a search, because guests access the same device again
    /// and again.
    private var lastHit = 0

    /// Creates a bus without devices.
    public init(name: String) {
        self.name = name
    }

    /// Gives the `size` addresses from `first` on to a device.
    ///
    /// - Returns: The number of the device.
    /// - Throws: An error if the range is empty, passes the last address, or overlaps the range of another device.
    public mutating func attach(at first: UInt64, size: UInt64) throws(BusError) -> Int {
        guard size > 0 else { throw .empty(bus: name, first: first) }
        let (last, wraps) = first.addingReportingOverflow(size - 1)
        guard !wraps else { throw .wraps(bus: name, first: first, size: size) }

        let range = first...last
        let index = index(endingAtOrAbove: first)
        if index < attachments.count, attachments[index].range.overlaps(range) {
            throw .overlaps(bus: name, range: range, taken: attachments[index].range)
        }
        attachments.insert(Attachment(range: range, device: attachments.count), at: index)
        return attachments.count - 1
    }

    /// Returns the device to which an access belongs, or nil if there is none.
    public mutating func find(at first: UInt64, width: AccessWidth) -> Hit? {
        let (last, wraps) = first.addingReportingOverflow(UInt64(width.rawValue) - 1)
        guard !wraps else { return nil }
        if !holds(lastHit, first, last) {
            let index = index(endingAtOrAbove: first)
            guard holds(index, first, last) else { return nil }
            lastHit = index
        }
        let attachment = attachments[lastHit]
        return Hit(device: attachment.device, offset: first - attachment.range.lowerBound)
    }

    /// Returns a copy that shares no memory with this bus.
    public func copied() -> Bus {
        var copy = self
        copy.attachments = attachments.map { $0 }
        return copy
    }

    private func holds(_ index: Int, _ first: UInt64, _ last: UInt64) -> Bool {
        index < attachments.count && attachments[index].range.lowerBound <= first
            && last <= attachments[index].range.upperBound
    }

    /// Returns the index of the first attachment that does not end below `address`. If any attachment contains the address, it is
    /// this one. A board has only a dozen attachments, so a binary search would gain nothing.
    private func index(endingAtOrAbove address: UInt64) -> Int {
        attachments.firstIndex { $0.range.upperBound >= address } ?? attachments.count
    }
}
