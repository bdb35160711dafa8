/// A function's configuration space as it was read from a device: 4096 bytes, 256, 64, or as many as there are.
///
/// The bytes come from a file, so nothing here trusts them. A register that is not among them is nil.
public struct ConfigDump: Hashable, Sendable {
    public let bytes: [UInt8]

    /// Memory or ports of a function as a dump of a real machine shows them.
    public struct Region: Hashable, Sendable {
        public enum Place: Hashable, Comparable, Sendable {
            case register(BaseAddressRegister)
            /// The BAR of each virtual function.
            case virtual(Int)
        }

        public var place: Place
        public var kind: BARDescription.Kind
        public var isPrefetchable: Bool
        /// In bytes; nil where the dump does not tell, and zero for 2^64.
        public var size: UInt64?
        /// Where it lies on that machine; zero where it has no address.
        public var base: UInt64

        public init(
            place: Place, kind: BARDescription.Kind, isPrefetchable: Bool = false, size: UInt64? = nil, base: UInt64 = 0
        ) {
            self.place = place
            self.kind = kind
            self.isPrefetchable = isPrefetchable
            self.size = size
            self.base = base
        }
    }

    /// What is beyond `ConfigSpace.size` is left out.
    public init(_ bytes: [UInt8]) {
        self.bytes = Array(bytes.prefix(Int(ConfigSpace.size)))
    }

    /// The doubleword at `offset`.
    subscript(register offset: UInt64) -> UInt32? {
        let word = bytes.dropFirst(Int(clamping: offset)).prefix(4)
        return word.count == 4 ? word.reversed().reduce(0) { $0 << 8 | UInt32($1) } : nil
    }

    // MARK: Header (PCI 3.0, 6.1)

    /// Whether the header reads all ones, as that of a function that sleeps or is gone does. A virtual function has only its first
    /// doubleword so.
    public var isAllOnes: Bool {
        bytes.count >= 16 && bytes.prefix(64).allSatisfy { $0 == 0xff }
    }

    public var vendorID: UInt16? { self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0) } }

    public var deviceID: UInt16? { self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0 >> 16) } }

    /// 24 bits.
    public var classCode: UInt32? { self[register: ConfigOffset.classAndRevision].map { $0 >> 8 } }

    /// Whether it leads to another bus, as header types 1 and 2 do, or its class is that of bridges.
    public var isBridge: Bool? {
        guard let header = self[register: ConfigOffset.headerType], let classCode else { return nil }
        return [1, 2].contains(header >> 16 & 0x7f) || Self.isBridge(classCode: classCode)
    }

    /// The buses behind a bridge whose header is of type 1, unless it has none.
    public var bridge: BridgeDescription? {
        guard let header = self[register: ConfigOffset.headerType], header >> 16 & 0x7f == 1,
            let numbers = self[register: ConfigOffset.busNumbers], numbers >> 8 & 0xff != 0
        else { return nil }
        return BridgeDescription(
            secondary: UInt8(truncatingIfNeeded: numbers >> 8), subordinate: UInt8(truncatingIfNeeded: numbers >> 16))
    }

    /// Whether a class code of 24 bits is that of bridges, 06 (PCI 3.0, appendix D). Functions of its subclass 80, "other", such as switches between
    /// GPUs and non-transparent bridges, are endpoints with BARs if their headers are of type 0.
    public static func isBridge(classCode: UInt32) -> Bool {
        classCode >> 16 == 6 && classCode >> 8 & 0xff != 0x80
    }

    /// The BARs whose registers are not zero: one that is absent reads as zero, and so does one of the plainest kind without
    /// an address. The sizes cannot be told: that takes writing to the registers (PCI 3.0, 6.2.5.1).
    public var bars: [Region] { regions(from: BaseAddressRegister.bar(0).offset) { .register(.bar($0)) } }

    /// The regions of the six registers from an offset on.
    func regions(from offset: UInt64, at place: (Int) -> Region.Place) -> [Region] {
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

    /// The address in the register of the expansion ROM; nil where it is zero.
    public var romBase: UInt64? {
        self[register: ConfigOffset.rom].flatMap { $0 & ~0x7ff == 0 ? nil : UInt64($0 & ~0x7ff) }
    }
}
