import Memslots

/// A version of Linux in its first two numbers, read from `5.12` or `6.1.0-13-amd64`.
public struct KernelVersion: Hashable, Comparable, Sendable {
    /// The first number.
    public let major: Int
    /// The second number.
    public let minor: Int

    /// Makes the version `major.minor`.
    public init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The last version whose limits are known.
    public static let newestKnown = KernelVersion(6, 18)

    /// The last version of each series whose limits are known.
    private static let lastKnown = [
        KernelVersion(2, 6), KernelVersion(3, 19), KernelVersion(4, 20), KernelVersion(5, 19), newestKnown,
    ]

    /// Whether the limits of this version are known. The limits of others can only be supposed.
    public var isKnown: Bool { Self.lastKnown.contains { $0.major == major && (0...$0.minor).contains(minor) } }

    /// Reads the first two numbers of a version. Fails for versions before 2.6.32, whose limits are not known.
    public init?(text: String) {
        let parts = text.drop { $0 == "v" }.split(separator: ".", omittingEmptySubsequences: false)
        // Words may follow the last number, as in 6.1-rc1 and 2.6.32-5-amd64.
        let numbers = parts.dropFirst().map { part in Int(part.prefix { $0.isASCII && $0.isNumber }) }
        guard let first = parts.first, first.first?.isNumber == true, let major = Int(first),
            let minor = numbers.first ?? nil,
            major > 2 || (major, minor) == (2, 6) && (numbers.count > 1 ? numbers[1] ?? 0 : 0) >= 32
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

/// A time in which KVM had a certain number of slots on x86.
public struct SlotEra: Hashable, Sendable {
    /// The first version of the era. Nil for the era before all others.
    public let since: KernelVersion?
    /// The year of the change. Nil for the era before all others.
    public let year: Int?
    /// The number of slots.
    public let slots: Int

    /// All eras, the oldest first.
    public static let all = [
        SlotEra(since: nil, year: nil, slots: 32), SlotEra(since: KernelVersion(3, 9), year: 2012, slots: 125),
        SlotEra(since: KernelVersion(4, 0), year: 2014, slots: 509),
        SlotEra(since: KernelVersion(5, 12), year: 2021, slots: 32764),
    ]

    /// Returns the era of a kernel.
    public static func of(_ version: KernelVersion) -> SlotEra {
        all.last { $0.since.map { $0 <= version } ?? true } ?? all[0]
    }

    /// The first version of the era in words.
    public var name: String {
        since.map { "\($0)" } ?? "before 3.9"
    }

    /// Returns the bytes of a table that holds `count` slots, counted as in the discussion of 2012. From the change of 2012 on,
    /// entries are compacted. Up to Linux 5.7, a table has room for all slots from the start, and does not grow with their use.
    public func tableBytes(for count: Int) -> Int {
        let isCompact = since != nil
        return Footprint.fixedTableBytes(
            slots: slots <= 509 ? slots : min(count, slots), privateSlots: isCompact ? 3 : 4,
            slotBytes: isCompact ? 56 : 64, indexBytes: isCompact ? 2 : 4)
    }
}

/// A slot table as it was discussed in 2012, and its size.
public struct FixedTable: Hashable, Codable, Sendable {
    /// The number of slots for users.
    public let slots: Int
    /// The number of KVM's own slots.
    public let privateSlots: Int
    /// The bytes of a slot.
    public let slotBytes: Int
    /// The bytes of an entry in the index.
    public let indexBytes: Int
    /// The bytes of the whole table.
    public let bytes: Int

    /// Four tables: the one that existed, the one that was asked for, the latter compacted, and the compacted one with KVM's
    /// own slots taken out of 128. In each tuple are the slots, the bytes of a slot, and the bytes of an index entry.
    public static let of2012 = [(32, 64, 4), (128, 64, 4), (128, 56, 2), (124, 56, 2)].map {
        slots, slotBytes, indexBytes in
        FixedTable(
            slots: slots, privateSlots: 4, slotBytes: slotBytes, indexBytes: indexBytes,
            bytes: Footprint.fixedTableBytes(
                slots: slots, privateSlots: 4, slotBytes: slotBytes, indexBytes: indexBytes))
    }
}
