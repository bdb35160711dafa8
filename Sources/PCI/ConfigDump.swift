/// A function's configuration space as it was read from a device: 4096 bytes, 256, 64, or any other number.
///
/// The bytes come from a file, so nothing here trusts them. A value is nil if its register is not among the bytes.
public struct ConfigDump: Hashable, Sendable {
    /// The bytes from the beginning of configuration space.
    public let bytes: [UInt8]

    /// A range of memory or ports that a function has, as a dump of a real machine shows it.
    public struct Region: Hashable, Sendable {
        /// The register that the region belongs to. `virtual` is a BAR that each virtual function has.
        public var place: BaseAddressRegister
        /// Whether the region is ports, or memory with addresses of 32 or 64 bits.
        public var kind: BARDescription.Kind
        /// Whether the register says that the memory is prefetchable.
        public var isPrefetchable: Bool
        /// The size in bytes. It is nil if the dump does not tell it, and zero stands for 2^64.
        public var size: UInt64?
        /// The address on the machine of the dump, or zero if the region has none.
        public var base: UInt64

        /// Creates a region.
        public init(
            place: BaseAddressRegister, kind: BARDescription.Kind, isPrefetchable: Bool = false, size: UInt64? = nil,
            base: UInt64 = 0
        ) {
            self.place = place
            self.kind = kind
            self.isPrefetchable = isPrefetchable
            self.size = size
            self.base = base
        }
    }

    /// Creates a dump. Bytes beyond `ConfigSpace.size` are left out.
    public init(_ bytes: [UInt8]) {
        self.bytes = Array(bytes.prefix(Int(ConfigSpace.size)))
    }

    /// The doubleword at `offset`, or nil if not all of it is among the bytes.
    subscript(register offset: UInt64) -> UInt32? {
        StructureBytes(bytes).integer(at: Int(clamping: offset), as: UInt32.self)
    }

    // MARK: Header (PCI 3.0, 6.1)

    /// Whether the header reads as all ones, like that of a function that sleeps or is gone. A virtual function reads as all ones
    /// in its first doubleword only.
    public var isAllOnes: Bool {
        bytes.count >= 16 && bytes.prefix(64).allSatisfy { $0 == 0xff }
    }

    /// The vendor ID.
    public var vendorID: UInt16? { self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0) } }

    /// The device ID.
    public var deviceID: UInt16? { self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0 >> 16) } }

    /// The class, subclass and programming interface, in 24 bits.
    public var classCode: UInt32? { self[register: ConfigOffset.classAndRevision].map { $0 >> 8 } }

    /// Whether the function leads to another bus, as header types 1 and 2 do, or says by its class code that it is a bridge.
    public var isBridge: Bool? {
        guard let header = self[register: ConfigOffset.headerType], let classCode else { return nil }
        return [1, 2].contains(header >> 16 & 0x7f) || Self.isBridge(classCode: classCode)
    }

    /// The buses behind the function if its header is of type 1, or nil if there are none.
    public var bridge: BridgeDescription? {
        guard let header = self[register: ConfigOffset.headerType], header >> 16 & 0x7f == 1,
            let numbers = self[register: ConfigOffset.busNumbers], numbers >> 8 & 0xff != 0
        else { return nil }
        return BridgeDescription(
            secondary: UInt8(truncatingIfNeeded: numbers >> 8), subordinate: UInt8(truncatingIfNeeded: numbers >> 16))
    }

    /// Returns whether a class code of 24 bits is that of bridges, 06 (PCI 3.0, appendix D).
    ///
    /// Functions of the subclass 80, "other", do not count, such as switches between GPUs and non-transparent bridges. They are
    /// endpoints with BARs if their headers are of type 0.
    public static func isBridge(classCode: UInt32) -> Bool {
        classCode >> 16 == 6 && classCode >> 8 & 0xff != 0x80
    }

    /// The BARs whose registers are not zero. An absent BAR reads as zero. So does a BAR of 32-bit memory that is not prefetchable
    /// and has no address. The sizes are unknown, because software has to write to the registers to find them (PCI 3.0, 6.2.5.1).
    public var bars: [Region] { regions(from: BaseAddressRegister.bar(0).offset) { .bar($0) } }

    /// Returns the regions of the six BAR registers from an offset on.
    func regions(from offset: UInt64, at place: (Int) -> BaseAddressRegister) -> [Region] {
        var regions: [Region] = []
        var number = 0
        while number < 6, let low = self[register: offset + 4 * UInt64(number)] {
            let isPort = low & 1 != 0
            let isWide = low & 7 == 4
            let high = isWide ? self[register: offset + 4 * UInt64(number + 1)] ?? 0 : 0
            if low != 0 {
                regions.append(
                    Region(
                        place: place(number), kind: isPort ? .io : isWide ? .memory64 : .memory32,
                        isPrefetchable: !isPort && low & 8 != 0,
                        base: UInt64(high) << 32 | UInt64(low & (isPort ? ~3 : ~0xf))))
            }
            number += isWide ? 2 : 1
        }
        return regions
    }

    /// The address in the register of the expansion ROM, or nil if the address is zero.
    public var romBase: UInt64? {
        self[register: ConfigOffset.rom].flatMap { $0 & ~0x7ff == 0 ? nil : UInt64($0 & ~0x7ff) }
    }
}
