import Memslots

/// A version of Linux, as far as it matters: `5.12`, `6.1.0-13-amd64`.
public struct KernelVersion: Hashable, Comparable, Sendable {
    public let major: Int
    public let minor: Int

    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// Reads the first two numbers of a version.
    public init?(text: String) {
        let numbers = text.drop { $0 == "v" }.split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count >= 2, let major = Int(numbers[0]), major >= 2,
            let minor = Int(numbers[1].prefix { $0.isASCII && $0.isNumber }), minor >= 0
        else { return nil }
        self.init(major, minor)
    }

    public static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}

extension KernelVersion: CustomStringConvertible {
    public var description: String { "\(major).\(minor)" }
}

/// A time in which KVM had so many slots on x86.
public struct SlotEra: Hashable, Sendable {
    /// The first version; nil for all before the others.
    public let since: KernelVersion?
    /// The year of the change.
    public let year: Int?
    public let slots: Int

    public static let all = [
        SlotEra(since: nil, year: nil, slots: 32), SlotEra(since: KernelVersion(3, 9), year: 2012, slots: 125),
        SlotEra(since: KernelVersion(4, 0), year: 2014, slots: 509),
        SlotEra(since: KernelVersion(5, 12), year: 2021, slots: 32764),
    ]

    /// The era of a kernel.
    public static func of(_ version: KernelVersion) -> SlotEra {
        all.last { $0.since.map { $0 <= version } ?? true } ?? all[0]
    }

    public var name: String {
        since.map { "\($0)" } ?? "before 3.9"
    }

    /// Bytes of the table that holds `count` slots, in the accounting of 2012, when it was compacted. Up to 5.7 a table has room
    /// for all slots from the start, instead of growing with their use.
    public func tableBytes(for count: Int) -> Int {
        let isCompact = since != nil
        return Footprint.fixedTableBytes(
            slots: slots <= 509 ? slots : min(count, slots), privateSlots: isCompact ? 3 : 4,
            slotBytes: isCompact ? 56 : 64, indexBytes: isCompact ? 2 : 4)
    }
}

/// A slot table as it was discussed in 2012.
public struct FixedTable: Hashable, Codable, Sendable {
    public let slots: Int
    public let privateSlots: Int
    public let slotBytes: Int
    public let indexBytes: Int
    public let bytes: Int

    /// What there was, what was asked for, the same compacted, and with KVM's own slots out of 128: slots,
    /// bytes of a slot, and bytes of an index entry.
    public static let of2012 = [(32, 64, 4), (128, 64, 4), (128, 56, 2), (124, 56, 2)].map {
        slots, slotBytes, indexBytes in
        FixedTable(
            slots: slots, privateSlots: 4, slotBytes: slotBytes, indexBytes: indexBytes,
            bytes: Footprint.fixedTableBytes(
                slots: slots, privateSlots: 4, slotBytes: slotBytes, indexBytes: indexBytes))
    }
}
