import Memslots
import PCI

extension Bus {
    /// A function with a BAR of four pages, and MSI.
    static let plain = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x5678, bars: [0: BARDescription(kind: .memory32, size: 0x4000)], msiVectors: 4)

    /// A function with a BAR of each kind, one smaller than a page, one with registers, and a ROM, MSI and MSI-X.
    static let rich = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x1111,
        bars: [
            0: BARDescription(kind: .memory64, size: 0x10_0000, isPrefetchable: true),
            2: BARDescription(kind: .io, size: 32),
            3: BARDescription(kind: .memory32, size: 256),
            4: BARDescription(kind: .memory32, size: 0x2000, registers: [0x1800..<0x1900]),
            5: BARDescription(kind: .memory32, size: 0x4000),
        ],
        romSize: 2048, msiVectors: 32,
        msix: MSIXDescription(
            vectors: 70, table: BARLocation(bar: 5, offset: 0x1000), pendingBits: BARLocation(bar: 5, offset: 0x1800)),
        doorbell: BARLocation(bar: 5, offset: 0x1900))

    /// Bridges to bus 1, and from there to bus 2. A program can give them other bus numbers and windows.
    static let ports = [bridge(1, 2), bridge(2, 2)]

    private static func bridge(_ secondary: UInt8, _ subordinate: UInt8) -> FunctionDescription {
        var description = FunctionDescription(vendorID: 0x1234, deviceID: 0x3333, classCode: 0x060400)
        description.bridge = BridgeDescription(secondary: secondary, subordinate: subordinate)
        return description
    }

    /// A function with as many slots as a function can have, and with capabilities at unusual places.
    static let full = {
        var description = most
        description.msixOffset = 0x60
        description.capabilities = [
            CapabilityDescription(id: 9, offset: 0x70, body: [8, 0, 1, 2, 3, 4], writable: [0, 0xff, 0x0f, 0xf0]),
            CapabilityDescription(id: 0xb, offset: 0x140, version: 1, body: [1, 2, 3, 4], writable: [0xff, 0, 0xff]),
        ]
        return description
    }()

    private static let most = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x2222,
        bars: Dictionary(
            uniqueKeysWithValues: (0..<6).map { ($0, BARDescription(kind: .memory32, size: $0 < 5 ? 0x1000 : 0x4000)) }),
        romSize: 0x1000,
        msix: MSIXDescription(
            vectors: 4, table: BARLocation(bar: 5, offset: 0x1000), pendingBits: BARLocation(bar: 5, offset: 0x1800)),
        doorbell: BARLocation(bar: 5, offset: 0x1c00))

    static func range(_ addresses: ClosedRange<UInt64>) -> GuestRange {
        guard
            let range = GuestRange(first: GuestAddress(addresses.lowerBound), last: GuestAddress(addresses.upperBound))
        else { fatalError("\(addresses) is a constant") }
        return range
    }
}
