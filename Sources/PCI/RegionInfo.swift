/// The description of a region, as the kernel or a device process gives it (`struct vfio_region_info`).
public struct RegionInfo: Hashable, Sendable {
    /// The size of the region, and the ways in which it can be accessed.
    public var region: DeviceRecord.Region
    /// The place of the region's first byte in the file from which its areas are mapped, in bytes.
    public var offset: UInt64

    /// The size of the structure without its capabilities, in bytes.
    public static let size = 32

    private enum Flags {
        static let readable: UInt32 = 1
        static let writable: UInt32 = 2
        static let mappable: UInt32 = 4
        static let hasCapabilities: UInt32 = 8
    }

    private static let sparseAreas: UInt16 = 1

    /// Creates the description of a region.
    public init(region: DeviceRecord.Region, offset: UInt64) {
        self.region = region
        self.offset = offset
    }

    /// Decodes the structure and checks everything in it: the areas lie in the region and apart from each other, and the region
    /// ends below 2^64 in its file.
    ///
    /// - Parameter number: The region that was asked for.
    public init(_ bytes: [UInt8], of number: DeviceRecord.RegionNumber) throws(DeviceInfoError) {
        let structure = StructureBytes(bytes)
        guard let flags = structure.integer(at: 4, as: UInt32.self),
            let index = structure.integer(at: 8, as: UInt32.self),
            let first = structure.integer(at: 12, as: UInt32.self),
            let size = structure.integer(at: 16, as: UInt64.self),
            let offset = structure.integer(at: 24, as: UInt64.self)
        else { throw .short("region \(number)", bytes: bytes.count, needed: Self.size) }
        guard index == number.rawValue else { throw .otherIndex(asked: number.rawValue, answered: index) }
        guard !offset.addingReportingOverflow(size).overflow else { throw .endless(number, size: size, offset: offset) }
        var areas = flags & Flags.mappable != 0 && size > 0 ? [0..<size] : []
        if flags & Flags.mappable != 0, flags & Flags.hasCapabilities != 0, first != 0,
            let sparse = try Self.sparseAreas(structure, first: first, number, size: size)
        {
            areas = sparse
        }
        self.offset = offset
        region = DeviceRecord.Region(
            size: size, isReadable: flags & Flags.readable != 0, isWritable: flags & Flags.writable != 0, areas: areas)
    }

    /// Returns the size of the whole structure with its capabilities, which every answer has in its first bytes (`argsz`).
    public static func wholeSize(_ bytes: [UInt8]) -> UInt32? {
        StructureBytes(bytes).integer(at: 0, as: UInt32.self)
    }

    /// Returns the areas from the capability that lists them (`VFIO_REGION_INFO_CAP_SPARSE_MMAP`), or nil without that capability.
    private static func sparseAreas(
        _ structure: StructureBytes, first: UInt32, _ number: DeviceRecord.RegionNumber, size: UInt64
    ) throws(DeviceInfoError) -> [Range<UInt64>]? {
        var next = first
        // A chain that goes back might have no end.
        var last: UInt32 = 0
        while next != 0 {
            let place = Int(next)
            guard next > last, next >= Self.size, let id = structure.integer(at: place, as: UInt16.self),
                let following = structure.integer(at: place + 4, as: UInt32.self)
            else { throw .capability(number, at: next) }
            if id == sparseAreas { return try areas(structure, at: place, number, size: size) }
            (last, next) = (next, following)
        }
        return nil
    }

    private static func areas(
        _ structure: StructureBytes, at place: Int, _ number: DeviceRecord.RegionNumber, size: UInt64
    ) throws(DeviceInfoError) -> [Range<UInt64>] {
        guard let count = structure.integer(at: place + 8, as: UInt32.self), Int(count) <= structure.bytes.count / 16
        else { throw .capability(number, at: UInt32(truncatingIfNeeded: place)) }
        var areas: [Range<UInt64>] = []
        for index in 0..<Int(count) {
            guard let offset = structure.integer(at: place + 16 + index * 16, as: UInt64.self),
                let length = structure.integer(at: place + 24 + index * 16, as: UInt64.self)
            else { throw .capability(number, at: UInt32(truncatingIfNeeded: place)) }
            guard offset <= size, length <= size - offset else { throw .area(number, offset, length, size: size) }
            if length > 0 { areas.append(offset..<offset + length) }
        }
        areas.sort { $0.lowerBound < $1.lowerBound }
        for (left, right) in zip(areas, areas.dropFirst()) where left.overlaps(right) {
            throw .area(number, right.lowerBound, right.upperBound - right.lowerBound, size: size)
        }
        return areas
    }

    /// Returns the structure. Unless the whole region or nothing of it can be mapped, the structure has the capability that lists
    /// the areas.
    public func bytes(of number: DeviceRecord.RegionNumber) -> [UInt8] {
        let isSparse = !region.areas.isEmpty && region.areas != [0..<region.size]
        let flags =
            (region.isReadable ? Flags.readable : 0) | (region.isWritable ? Flags.writable : 0)
            | (region.areas.isEmpty ? 0 : Flags.mappable) | (isSparse ? Flags.hasCapabilities : 0)
        let whole = Self.size + (isSparse ? 16 + 16 * region.areas.count : 0)
        var structure = StructureBytes()
            .with(UInt32(whole), flags, number.rawValue, isSparse ? UInt32(Self.size) : 0)
            .with(wide: region.size, offset)
        guard isSparse else { return structure.bytes }
        structure = structure.with(UInt32(Self.sparseAreas) | 1 << 16, 0, UInt32(region.areas.count), 0)
        for area in region.areas {
            structure = structure.with(wide: area.lowerBound, area.upperBound - area.lowerBound)
        }
        return structure.bytes
    }
}

/// The reason why the description of a device makes no sense.
public enum DeviceInfoError: Error, Hashable, Sendable {
    /// A structure has fewer bytes than its fields need.
    case short(String, bytes: Int, needed: Int)
    /// The answer is about another region or another kind of interrupts.
    case otherIndex(asked: UInt32, answered: UInt32)
    /// The region passes the end of any file, at 2^64 bytes.
    case endless(DeviceRecord.RegionNumber, size: UInt64, offset: UInt64)
    /// The capability at this offset, in bytes, is not whole, or the chain of capabilities goes back.
    case capability(DeviceRecord.RegionNumber, at: UInt32)
    /// The area at this offset and of this length lies outside of its region, or overlaps another one. The region has `size` bytes.
    case area(DeviceRecord.RegionNumber, UInt64, UInt64, size: UInt64)
}

extension DeviceInfoError: CustomStringConvertible {
    /// What the description says, and why that cannot be.
    public var description: String {
        switch self {
        case .short(let what, let bytes, let needed): "\(what) is described in \(bytes) bytes, and needs \(needed)"
        case .otherIndex(let asked, let answered):
            "the description of region \(asked) was asked for, but that of region \(answered) came"
        case .endless(let number, let size, let offset):
            "region \(number): \(size) bytes at offset \(offset) pass the end of any file"
        case .capability(let number, let offset): "region \(number): the capability at offset \(offset) is not whole"
        case .area(let number, let offset, let length, let size):
            "region \(number): the area of \(length) bytes at \(offset) leaves the region of \(size) bytes or overlaps another area"
        }
    }
}
