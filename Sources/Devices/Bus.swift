/// Finds the device at an address: I/O ports and device memory each have a bus of their own.
///
/// An access belongs to a device only when all of its bytes do. The bus knows devices by their numbers, in the order in which
/// they were attached. It is a value, so that each vCPU can have a copy of its own.
public struct Bus: Sendable {
    /// What error messages call the bus: `ports`, `memory`.
    public let name: String

    private struct Attachment {
        let range: ClosedRange<UInt64>
        let device: Int
    }

    /// The device that holds an access, and where in its range the access begins.
    public struct Hit: Hashable, Sendable {
        public let device: Int
        public let offset: UInt64
    }

    /// By address, disjoint.
    private var attachments: [Attachment] = []
    /// Guests come back to the same device again and again: look there before searching.
    private var lastHit = 0

    public init(name: String) {
        self.name = name
    }

    /// Takes the `size` addresses from `first` for a device and returns the device's number.
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

    /// The device that holds the whole access, or nil where nobody is home.
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

    /// The same bus, in memory that it shares with no other copy.
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
