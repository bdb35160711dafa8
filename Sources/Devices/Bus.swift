/// A table that finds the device at an address. I/O ports and device memory each have a bus of their own.
///
/// An access belongs to a device only if all of its bytes do. The bus names devices by numbers, in the order in which they were
/// attached. It is a value, so that each vCPU can have a copy of its own.
public struct Bus: Sendable {
    /// The name of the bus in error messages: `ports`, `memory`.
    public let name: String

    private struct Attachment {
        let range: ClosedRange<UInt64>
        let device: Int
    }

    /// The device to which an access belongs, and the place in the device's range.
    public struct Hit: Hashable, Sendable {
        /// The number of the device.
        public let device: Int
        /// The first address of the access, counted from the beginning of the device's range.
        public let offset: UInt64
    }

    /// By address, disjoint.
    private var attachments: [Attachment] = []
    /// The attachment that was found last. Guests come back to the same device again and again, so it is tried before a search.
    private var lastHit = 0

    /// Creates a bus without devices.
    public init(name: String) {
        self.name = name
    }

    /// Gives the `size` addresses from `first` on to a device and returns the device's number.
    ///
    /// - Throws: `BusError` if the range is empty, passes the last address, or overlaps that of another device.
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

    /// Returns a copy of the bus that shares no memory with the original.
    public func copied() -> Bus {
        var copy = self
        copy.attachments = attachments.map { $0 }
        return copy
    }

    private func holds(_ index: Int, _ first: UInt64, _ last: UInt64) -> Bool {
        index < attachments.count && attachments[index].range.lowerBound <= first
            && last <= attachments[index].range.upperBound
    }

    /// Where the first attachment stands that does not end below `address`: the one that holds it, if any does. A board has
    /// a dozen of them, too few to be searched by halves.
    private func index(endingAtOrAbove address: UInt64) -> Int {
        attachments.firstIndex { $0.range.upperBound >= address } ?? attachments.count
    }
}
