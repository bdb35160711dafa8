public import Memslots
internal import PCI

/// A rule of the IOMMU and of the kernel's type 1 driver for it (`drivers/vfio/vfio_iommu_type1.c`).
public enum DMARule: String, CaseIterable, Sendable {
    /// A range must consist of whole pages of the IOMMU.
    case page
    /// A range must not pass the end of the IOMMU's addresses.
    case addressWidth
    /// A range must not overlap addresses that are reserved, such as those of MSI at 0xfee00000.
    case reserved
    /// The number of ranges is limited (`dma_entry_limit`).
    case entries
    /// The bytes of all ranges together are limited, because their pages are pinned, and a process may pin only so much
    /// (RLIMIT_MEMLOCK).
    case lockedMemory
}

/// A rule that a mapping for DMA would break.
public struct DMAViolation: Error, Hashable, Sendable {
    /// The rule that would be broken.
    public var rule: DMARule
    /// The range that was asked for, or nil if the rule is about all ranges together.
    public var range: GuestRange?
    /// The size, address or number that was asked for.
    public var asked: UInt64
    /// The limit that the rule sets, in the same unit.
    public var limit: UInt64
}

extension DMAViolation: CustomStringConvertible {
    /// The range that was asked for, if there is one, and the limit that the rule sets.
    public var description: String {
        let place = range.map { "DMA at \($0)" } ?? "DMA"
        return switch rule {
        case .page: "\(place): the IOMMU maps pages of \(limit) bytes"
        case .addressWidth: "\(place): the IOMMU's addresses end at \(hexadecimal(limit))"
        case .reserved: "\(place): the addresses from \(hexadecimal(limit)) on are reserved by the IOMMU"
        case .entries: "\(place): \(asked) ranges, and there can be \(limit) (dma_entry_limit)"
        case .lockedMemory:
            "\(place): \(asked) bytes are to be pinned, and this process may pin \(limit) (RLIMIT_MEMLOCK)"
        }
    }
}

/// The limits of the mappings that an IOMMU has for a container (`struct vfio_iommu_type1_info`).
public struct DMALimits: Hashable, Sendable {
    /// The page sizes of the IOMMU. Each size is a power of two, whose bit is set.
    public var pageSizes: UInt64 = 4096
    /// The addresses that can be mapped, in order.
    public var ranges: [GuestRange] = [.everything]
    /// The number of ranges that can still be mapped.
    public var entries: UInt64 = 65535

    /// Creates the limits that hold if the kernel says nothing: pages of 4096 bytes at any address.
    public init() {}

    /// Decodes the structure and its capabilities. A limit that is missing or not whole has the value of `init()`.
    public init(_ bytes: [UInt8]) {
        let structure = StructureBytes(bytes)
        let flags = structure.integer(at: 4, as: UInt32.self) ?? 0
        if flags & 1 != 0, let sizes = structure.integer(at: 8, as: UInt64.self), sizes != 0 { pageSizes = sizes }
        guard flags & 2 != 0, var next = structure.integer(at: 16, as: UInt32.self) else { return }
        var last: UInt32 = 0
        // A chain that goes back might have no end.
        while next > last, let id = structure.integer(at: Int(next), as: UInt16.self),
            let following = structure.integer(at: Int(next) + 4, as: UInt32.self),
            let count = structure.integer(at: Int(next) + 8, as: UInt32.self)
        {
            switch id {
            case 1: ranges = Self.ranges(structure, at: Int(next) + 16, count: Int(count)) ?? ranges
            case 3: entries = UInt64(count)
            default: break
            }
            (last, next) = (next, following)
        }
    }

    private static func ranges(_ structure: StructureBytes, at place: Int, count: Int) -> [GuestRange]? {
        guard count <= structure.bytes.count / 16 else { return nil }
        return (0..<count).compactMap { index in
            guard let first = structure.integer(at: place + 16 * index, as: UInt64.self),
                let last = structure.integer(at: place + 16 * index + 8, as: UInt64.self)
            else { return nil }
            return GuestRange(first: GuestAddress(first), last: GuestAddress(last))
        }
    }

    /// Throws an error for the first rule that would be broken if all these ranges were mapped.
    ///
    /// - Parameter lockedMemory: The bytes that the process may pin, or nil without a limit.
    public func check(_ asked: [GuestRange], lockedMemory: UInt64?) throws(DMAViolation) {
        for range in asked { try check(range) }
        guard asked.count <= entries else {
            throw DMAViolation(rule: .entries, asked: UInt64(asked.count), limit: entries)
        }
        let pinned = asked.reduce(UInt64(0)) { $0.addingReportingOverflow($1.size).partialValue }
        if let lockedMemory, pinned > lockedMemory {
            throw DMAViolation(rule: .lockedMemory, asked: pinned, limit: lockedMemory)
        }
    }

    private func check(_ range: GuestRange) throws(DMAViolation) {
        let page = UInt64(1) << UInt64(pageSizes.trailingZeroBitCount)
        let (first, last) = (range.first.rawValue, range.last.rawValue)
        guard first % page == 0, (last &+ 1) % page == 0 else {
            throw DMAViolation(rule: .page, range: range, asked: range.size, limit: page)
        }
        guard let end = ranges.map(\.last.rawValue).max(), last <= end else {
            throw DMAViolation(
                rule: .addressWidth, range: range, asked: last, limit: ranges.map(\.last.rawValue).max() ?? 0)
        }
        guard !ranges.contains(where: { $0.contains(range) }) else { return }
        let gap = ranges.last { $0.first <= range.last && $0.last < range.last }?.last.rawValue ?? 0
        throw DMAViolation(rule: .reserved, range: range, asked: first, limit: gap &+ 1)
    }
}
