/// A function's configuration space as it was read from a device: 4096 bytes, 256, 64, or as many as there are.
///
/// The bytes come from a file, so nothing here trusts them. A register that is not among them is nil.
public struct ConfigDump: Hashable, Sendable {
    public let bytes: [UInt8]

    /// A BAR as it was found. Its size cannot be told: that takes writing to it (PCI 3.0, 6.2.5.1).
    public struct BAR: Hashable, Sendable {
        public let number: Int
        public let kind: BARDescription.Kind
        public let isPrefetchable: Bool
        /// Zero where it has no address yet.
        public let base: UInt64
    }

    /// What is beyond `ConfigSpace.size` is left out.
    public init(_ bytes: [UInt8]) {
        self.bytes = bytes.count > Int(ConfigSpace.size) ? Array(bytes[..<Int(ConfigSpace.size)]) : bytes
    }

    /// The doubleword at `offset`.
    subscript(register offset: Int) -> UInt32? {
        guard offset >= 0, offset + 4 <= bytes.count else { return nil }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    subscript(register offset: UInt64) -> UInt32? {
        self[register: Int(truncatingIfNeeded: offset)]
    }

    // MARK: Header (PCI 3.0, 6.1)

    public var vendorID: UInt16? {
        self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0) }
    }

    public var deviceID: UInt16? {
        self[register: ConfigOffset.identity].map { UInt16(truncatingIfNeeded: $0 >> 16) }
    }

    /// 24 bits.
    public var classCode: UInt32? {
        self[register: ConfigOffset.classAndRevision].map { $0 >> 8 }
    }

    public var revision: UInt8? {
        self[register: ConfigOffset.classAndRevision].map { UInt8(truncatingIfNeeded: $0) }
    }

    /// 0 for a device, 1 for a bridge between buses, 2 for one to CardBus.
    public var headerType: UInt8? {
        self[register: ConfigOffset.headerType].map { UInt8(truncatingIfNeeded: $0 >> 16) & 0x7f }
    }

    /// Whether it leads to another bus, or its class is that of bridges, 06 (PCI 3.0, appendix D).
    public var isBridge: Bool? {
        guard let headerType, let classCode else { return nil }
        return headerType != 0 || classCode >> 16 == 6
    }

    /// The registers that are not zero: a BAR that is absent reads as zero, and so does one of the plainest kind without an
    /// address.
    public var bars: [BAR] {
        var bars: [BAR] = []
        var number = 0
        while number < 6 {
            let offset = BaseAddressRegister.bar(number).offset
            guard let low = self[register: offset] else { break }
            let current = number
            number += 1
            guard low != 0 else { continue }
            if low & 1 != 0 {
                bars.append(BAR(number: current, kind: .io, isPrefetchable: false, base: UInt64(low & ~3)))
                continue
            }
            let is64 = low & 6 == 4
            let high = is64 ? self[register: offset + 4] ?? 0 : 0
            bars.append(
                BAR(
                    number: current, kind: is64 ? .memory64 : .memory32, isPrefetchable: low & 8 != 0,
                    base: UInt64(high) << 32 | UInt64(low & ~0xf)))
            number += is64 ? 1 : 0
        }
        return bars
    }

    /// The address in the register of the expansion ROM; nil where it is zero.
    public var romBase: UInt64? {
        self[register: ConfigOffset.rom].flatMap { $0 & ~0x7ff == 0 ? nil : UInt64($0 & ~0x7ff) }
    }
}
