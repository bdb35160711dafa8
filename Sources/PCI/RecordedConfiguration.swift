import Memslots

/// The configuration space of a real function, which a guest finds byte for byte.
///
/// Some parts are live, and have their values after reset: the command register, the error and interrupt bits of the status
/// register, cache line size, the multifunction bit, the interrupt line, the power state, the BARs, and the ROM's register. In a
/// bridge the bus numbers and windows are live as well. In MSI and MSI-X, the bits that software writes and the pending bits are
/// live. Hidden capabilities are left out of the lists, though their bytes are still there.
public struct RecordedConfiguration: Hashable, Sendable {
    /// The bytes, 256 or 4096 of them.
    public private(set) var bytes: [UInt8]
    /// The capabilities that guests do not find.
    public private(set) var hidden: [HiddenCapability] = []
    /// The parts of configuration space that the function's model answers for.
    private(set) var own: [Range<UInt64>] = []
    /// The bits that software may write, by their registers, without those of the header and of MSI and MSI-X. Apart from the power
    /// state, these bits have no effect.
    private(set) var writable: [UInt64: UInt32] = [:]
    /// The offset of the register with the power state (PMCSR), or nil if there is none.
    private(set) var powerRegister: UInt64?
    /// The bits by which software resets the function (PCIe, 6.6.2; Advanced Features), by their registers. They read as zero.
    private(set) var resetBits: [UInt64: UInt32] = [:]

    /// Records the bytes of a function.
    ///
    /// - Parameters:
    ///   - hiding: The capabilities that guests are not to find.
    ///   - asksModel: Whether the function's model answers for vital product data and for capabilities of the vendor. Otherwise these
    ///     are read as recorded.
    ///   - isBridge: Whether the header has to be of type 1, and not 0.
    /// - Throws: `DescriptionError.recordedBytes` or `recordedHeader`.
    init(
        _ config: ConfigDump, hiding: Set<CapabilityKind>, asksModel: Bool, isBridge: Bool
    ) throws(DescriptionError) {
        let count = config.bytes.count
        guard count == 256 || count == Int(ConfigSpace.size) else { throw .recordedBytes(count) }
        guard let header = config[register: ConfigOffset.headerType], header >> 16 & 0x7f == (isBridge ? 1 : 0),
            !config.isAllOnes
        else { throw .recordedHeader(config.bytes[14]) }
        bytes = config.bytes
        let lists = [config.capabilities.found, config.extendedCapabilities]
        for (isExtended, list) in zip([false, true], lists) {
            let found = list.map { ($0.offset, CapabilityKind(header: $0.header, isExtended: isExtended), $0.header) }
            for (offset, kind, _) in found where hiding.contains(kind) {
                hidden.append(HiddenCapability(kind: kind, offset: offset))
            }
            let kept = found.filter { !hiding.contains($0.1) }
            let links: UInt32 = isExtended ? 0xffc0_0000 : 0xfc00
            for ((offset, _, header), next) in zip(kept, kept.dropFirst().map(\.0) + [0]) {
                patch(UInt32(next) << (isExtended ? 20 : 8), links, at: offset)
                let end = found.map(\.0).filter { $0 > offset }.min() ?? (isExtended ? ConfigSpace.size : 0x100)
                add(CapabilityKind(header: header, isExtended: isExtended), offset..<end, config, asksModel)
            }
            guard !found.isEmpty else { continue }
            let first = kept.first?.0 ?? 0
            if !isExtended {
                patch(UInt32(first), 0xfc, at: ConfigOffset.capabilities)
            } else if first != 0x100 {
                // Software begins at 0x100, so an empty capability there leads on to the first one (PCIe, 7.6.3).
                patch(UInt32(first) << 20, .max, at: 0x100)
            }
        }
    }

    /// Changes the bits of `mask` in a register of the recorded bytes.
    private mutating func patch(_ value: UInt32, _ mask: UInt32, at offset: UInt64) {
        for lane in 0..<4 {
            let shift = 8 * UInt32(lane)
            let kept = bytes[Int(offset) + lane] & ~UInt8(truncatingIfNeeded: mask >> shift)
            bytes[Int(offset) + lane] = kept | UInt8(truncatingIfNeeded: (value & mask) >> shift)
        }
    }

    /// Notes which bytes of a capability the model answers for, and which bits software may write.
    private mutating func add(
        _ kind: CapabilityKind, _ range: Range<UInt64>, _ config: ConfigDump, _ asksModel: Bool
    ) {
        func register(_ offset: UInt64) -> UInt32 { config[register: range.lowerBound + offset] ?? 0 }
        var size: (header: UInt64, all: UInt64) = (0, 0)
        switch (kind.isExtended, kind.id) {
        // The power state (PCI Power Management 1.2, 3.2).
        case (false, 0x01) where range.count >= 8:
            write(0x0103, at: range.lowerBound + 4, in: range)
            patch(0, 0x0103, at: range.lowerBound + 4)
            powerRegister = range.lowerBound + 4
        // The two registers of device control. They have no effect, except for the bit that resets the function.
        case (false, 0x10):
            write(0x7fff, at: range.lowerBound + 8, in: range)
            if register(4) & 1 << 28 != 0 { resetBits[range.lowerBound + 8] = 0x8000 }
            if register(0) >> 16 & 0xf >= 2 { write(0xffff, at: range.lowerBound + 0x28, in: range) }
            // A slot has no buttons, lamps, power switch or latch, because nothing is plugged in or pulled out.
            if register(0) >> 24 & 1 != 0, range.count >= 0x18 { patch(0, 0x2007f, at: range.lowerBound + 0x14) }
        // The bit of Advanced Features that resets the function.
        case (false, 0x13) where register(0) & 1 << 25 != 0: resetBits[range.lowerBound + 4] = 1
        // Vital product data, and capabilities of the vendor in both lists.
        case (false, 0x03): size = (2, 8)
        case (false, 0x09): size = (3, UInt64(register(0) >> 16 & 0xff))
        case (true, 0x0b), (true, 0x23): size = (8, UInt64(register(4) >> 20))
        default: break
        }
        let end = min(range.upperBound, range.lowerBound + size.all)
        if asksModel, range.lowerBound + size.header < end { own.append(range.lowerBound + size.header..<end) }
    }

    /// Lets software write bits of a register that lies in a capability's range.
    private mutating func write(_ bits: UInt32, at offset: UInt64, in range: Range<UInt64>) {
        if offset < range.upperBound { writable[offset] = bits }
    }

    /// The kinds of capabilities that guests find.
    public var capabilities: Set<CapabilityKind> {
        let config = ConfigDump(bytes)
        let extended = config.extendedCapabilities.map { CapabilityKind(header: $0.header, isExtended: true) }
        return Set(config.capabilities.found.map { CapabilityKind(header: $0.header, isExtended: false) } + extended)
    }

    /// Whether guests find capabilities in the PCI list.
    var hasCapabilities: Bool { bytes[Int(ConfigOffset.capabilities)] & 0xfc != 0 }

    /// The registers that are not zero or that software may write. The live ones still have their recorded values.
    var registers: ConfigShape.Registers {
        var registers: ConfigShape.Registers = [:]
        let config = ConfigDump(bytes)
        for offset in stride(from: UInt64(0), to: UInt64(bytes.count), by: 4) {
            let (value, bits) = (config[register: offset] ?? 0, writable[offset] ?? 0)
            if value != 0 || bits != 0 { registers[offset] = (value, bits) }
        }
        return registers
    }
}

/// A kind of capability: its ID, in the PCI list or in the PCI Express list.
public struct CapabilityKind: Hashable, Sendable {
    /// The capability ID.
    public let id: UInt16
    /// Whether the capability is in the PCI Express list.
    public let isExtended: Bool

    /// Creates the kind of the capabilities that have an ID.
    public init(id: UInt16, isExtended: Bool = false) {
        self.id = id
        self.isExtended = isExtended
    }

    /// Creates the kind of a capability from the capability's first doubleword.
    init(header: UInt32, isExtended: Bool) {
        self.init(id: UInt16(truncatingIfNeeded: isExtended ? header : header & 0xff), isExtended: isExtended)
    }

    /// The capabilities that promise what a machine does not have: an IOMMU with which functions translate or share addresses,
    /// other functions, sizes of BARs that change, and places of BARs that are fixed.
    public static let unsupported = Set(names.keys)

    /// The names of these capabilities.
    public static let names: [CapabilityKind: String] = [
        CapabilityKind(id: 0x14): "Enhanced Allocation", extended(0x0e): "ARI", extended(0x0f): "ATS",
        extended(0x10): "SR-IOV", extended(0x11): "MR-IOV", extended(0x12): "Multicast", extended(0x13): "PRI",
        extended(0x15): "Resizable BAR", extended(0x17): "TPH", extended(0x1b): "PASID", extended(0x1d): "DPC",
        extended(0x1f): "PTM", extended(0x24): "VF Resizable BAR",
    ]

    private static func extended(_ id: UInt16) -> CapabilityKind { CapabilityKind(id: id, isExtended: true) }
}

/// A capability of a real function that guests do not find.
public struct HiddenCapability: Hashable, Sendable {
    /// The kind of the capability.
    public let kind: CapabilityKind
    /// The offset of the capability's bytes in configuration space.
    public let offset: UInt64

    /// The name of the capability for people.
    public var name: String {
        CapabilityKind.names[kind] ?? (kind.isExtended ? "extended " : "") + "capability "
            + hexadecimal(UInt64(kind.id))
    }
}

extension HiddenCapability: CustomStringConvertible {
    /// The capability and its offset, such as `SR-IOV at 0x160`, or with the ID if there is no name.
    public var description: String {
        "\(name) at \(hexadecimal(offset))"
    }
}

// MARK: - The function

extension FunctionDescription {
    /// Describes a real function by its configuration space. Guests find each byte that is not live (`RecordedConfiguration`).
    ///
    /// The low bits of the BARs tell their kinds. Everything in a BAR but MSI-X is memory, unless the caller adds registers
    /// (`BARDescription.registers`).
    ///
    /// - Parameters:
    ///   - config: The bytes, 256 or 4096.
    ///   - sizes: The sizes of the BARs and the ROM in bytes. A size that no register can have is rounded up. A BAR or ROM with the
    ///     size 0, or without a size, does not exist.
    ///   - hiding: The capabilities that guests are not to find.
    ///   - asksModel: Whether the function's model answers for vital product data and for capabilities of the vendor.
    ///   - bridge: The part that makes the function a bridge, whose bus numbers and windows are live as well. It is nil for other
    ///     functions.
    public init(
        recorded config: ConfigDump, sizes: [BaseAddressRegister: UInt64],
        hiding: Set<CapabilityKind> = CapabilityKind.unsupported, asksModel: Bool = false,
        bridge: BridgeDescription? = nil
    ) throws(DescriptionError) {
        let recording = try RecordedConfiguration(
            config, hiding: hiding, asksModel: asksModel, isBridge: bridge != nil)
        self.init(vendorID: config.vendorID ?? 0, deviceID: config.deviceID ?? 0, classCode: config.classCode ?? 0)
        revision = config.bytes[8]
        for (register, size) in sizes where size > 0 {
            guard case .bar(let number) = register else {
                romSize = Self.rounded(size, atLeast: 2048)
                continue
            }
            let bits = config[register: register.offset] ?? 0
            let kind: BARDescription.Kind = bits & 1 != 0 ? .io : bits & 6 == 4 ? .memory64 : .memory32
            bars[number] = BARDescription(
                kind: kind, size: Self.rounded(size, atLeast: kind.sizes.lowerBound),
                isPrefetchable: kind != .io && bits & 8 != 0)
        }
        if !hiding.contains(CapabilityKind(id: CapabilityID.msix)), let found = config.capability(CapabilityID.msix) {
            (msix, msixOffset) = (config.msix, found.offset)
        }
        if !hiding.contains(CapabilityKind(id: CapabilityID.msi)), let found = config.capability(CapabilityID.msi) {
            (msiVectors, msiOffset, msiForm) = (config.msiVectors, found.offset, MSIForm(control: found.header))
        }
        self.recording = recording
        self.bridge = bridge
        try validate()
    }

    private static func rounded(_ size: UInt64, atLeast least: UInt64) -> UInt64 {
        // A size above 2^52 stays as it is, so that it is refused.
        size <= least ? least : size > 1 << 52 ? size : 1 << UInt64(64 - (size - 1).leadingZeroBitCount)
    }
}
