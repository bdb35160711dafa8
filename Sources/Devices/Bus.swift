/// Finds the device behind an address: I/O ports and device memory each have a bus of their own.
///
/// An access belongs to a device only when all of its bytes do. Where nobody is home, reads give all ones and writes
/// are dropped, as on a PC; both are counted. The machine's lock guards the bus, as it does the devices.
public struct Bus: ~Copyable {
    /// What error messages call the bus: `ports`, `memory`.
    public let name: String

    /// Reads that no device answered.
    public private(set) var unclaimedReads: UInt64 = 0
    /// Writes that no device took.
    public private(set) var unclaimedWrites: UInt64 = 0

    /// Nil unless somebody wants to know which accesses those were.
    private var unclaimed: UnclaimedAccesses?

    private struct Attachment {
        let range: ClosedRange<UInt64>
        let device: any Device
    }

    /// By address, disjoint.
    private var attachments: [Attachment] = []
    /// Guests come back to the same device again and again: look there before searching.
    private var lastHit = 0

    public init(name: String) {
        self.name = name
    }

    /// Puts `device` at the `size` addresses from `first`.
    public mutating func attach(_ device: any Device, at first: UInt64, size: UInt64) throws(BusError) {
        guard size > 0 else { throw .empty(bus: name, first: first) }
        let (last, wraps) = first.addingReportingOverflow(size - 1)
        guard !wraps else { throw .wraps(bus: name, first: first, size: size) }

        let range = first...last
        let index = firstIndex(endingAtOrAbove: first)
        if index < attachments.count, attachments[index].range.overlaps(range) {
            throw .overlaps(bus: name, range: range, taken: attachments[index].range)
        }
        attachments.insert(Attachment(range: range, device: device), at: index)
    }

    /// Reads `width` bytes at `address`; the value has no bits above the width.
    public mutating func read(at address: UInt64, width: AccessWidth) -> DeviceReply {
        guard let index = attachment(at: address, width: width) else {
            unclaimedReads &+= 1
            unclaimed?.note(UnclaimedAccess(address: address, width: width, isWrite: false))
            return DeviceReply(width.allOnes)
        }
        let offset = address - attachments[index].range.lowerBound
        var reply = attachments[index].device.read(at: offset, width: width)
        reply.value = width.mask(reply.value)
        return reply
    }

    /// Writes the low `width` bytes of `value` at `address`.
    public mutating func write(_ value: UInt64, at address: UInt64, width: AccessWidth) -> DeviceEffects {
        guard let index = attachment(at: address, width: width) else {
            unclaimedWrites &+= 1
            unclaimed?.note(UnclaimedAccess(address: address, width: width, isWrite: true))
            return .none
        }
        let offset = address - attachments[index].range.lowerBound
        return attachments[index].device.write(width.mask(value), at: offset, width: width)
    }

    /// Keeps accesses that no device answers, for `takeUnclaimed`: the first 4096 that differ.
    public mutating func noteUnclaimed() {
        unclaimed = UnclaimedAccesses()
    }

    /// The accesses that no device answered, each at most once in a run.
    public mutating func takeUnclaimed() -> [UnclaimedAccess] {
        unclaimed?.take() ?? []
    }

    /// The attachment that holds the whole access, or nil.
    private mutating func attachment(at first: UInt64, width: AccessWidth) -> Int? {
        let (last, wraps) = first.addingReportingOverflow(UInt64(width.rawValue) - 1)
        guard !wraps else { return nil }

        func holds(_ index: Int) -> Bool {
            guard index < attachments.count else { return false }
            let range = attachments[index].range
            return range.lowerBound <= first && last <= range.upperBound
        }
        if holds(lastHit) { return lastHit }
        let index = firstIndex(endingAtOrAbove: first)
        guard holds(index) else { return nil }
        lastHit = index
        return index
    }

    /// Where the first attachment stands that does not end below `address`: the one that holds it, if any does.
    private func firstIndex(endingAtOrAbove address: UInt64) -> Int {
        var low = 0
        var high = attachments.count
        while low < high {
            let middle = (low + high) / 2
            if attachments[middle].range.upperBound < address {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
