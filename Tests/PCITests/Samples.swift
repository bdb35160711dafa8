import Devices
import Memslots
import PCI
import PCISupport
import Testing

extension FunctionAddress {
    /// Bus 0 in most tests.
    static func at(_ device: UInt8, _ function: UInt8 = 0, bus: UInt8 = 0) throws -> FunctionAddress {
        try #require(FunctionAddress(bus: bus, device: device, function: function))
    }
}

extension FunctionDescription {
    /// Four pages in BAR 0, no MSI-X.
    static let plain = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x5678, classCode: 0x058000, revision: 3,
        bars: [0: BARDescription(kind: .memory32, size: 0x4000)])

    /// A bit of everything: table, pending bits and doorbell share the second page of BAR 5.
    static let rich = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x1111,
        bars: [
            0: BARDescription(kind: .memory64, size: 0x10_0000, isPrefetchable: true),
            2: BARDescription(kind: .io, size: 32),
            3: BARDescription(kind: .memory32, size: 256),
            4: BARDescription(kind: .memory32, size: 0x2000, isPrefetchable: true),
            5: BARDescription(kind: .memory32, size: 0x4000),
        ],
        romSize: 0x1_0000,
        msix: MSIXDescription(
            vectors: 70, table: BARLocation(bar: 5, offset: 0x1000), pendingBits: BARLocation(bar: 5, offset: 0x1800)),
        doorbell: BARLocation(bar: 5, offset: 0x1900))

    /// One of the functions of the fullest bus that there can be.
    static let full = FunctionDescription(
        vendorID: 0x1234, deviceID: 0x2222,
        bars: [
            0: BARDescription(kind: .memory32, size: 0x1000), 1: BARDescription(kind: .memory32, size: 0x1000),
            2: BARDescription(kind: .memory32, size: 0x1000), 3: BARDescription(kind: .memory32, size: 0x1000),
            4: BARDescription(kind: .memory32, size: 0x1000), 5: BARDescription(kind: .memory32, size: 0x4000),
        ],
        romSize: 0x1000,
        msix: MSIXDescription(
            vectors: 4, table: BARLocation(bar: 5, offset: 0x1000), pendingBits: BARLocation(bar: 5, offset: 0x1800)),
        doorbell: BARLocation(bar: 5, offset: 0x1c00))

    func with(_ change: (inout FunctionDescription) -> Void) -> FunctionDescription {
        var copy = self
        change(&copy)
        return copy
    }
}

extension PCIFunction {
    /// A function with its command register written, and BARs where `bases` says.
    static func make(
        _ description: FunctionDescription, at address: FunctionAddress, command: UInt64 = 0,
        bases: [BaseAddressRegister: UInt64] = [:]
    ) throws -> PCIFunction {
        var function = try PCIFunction(description, at: address)
        for (register, base) in bases {
            function.setBase(of: register, to: base)
        }
        function.writeSettled(command, at: 0x04, width: .word)
        return function
    }
}

func range(_ first: UInt64, _ size: UInt64) throws -> GuestRange {
    try #require(GuestRange(first: GuestAddress(first), size: size))
}

extension PCIFunction {
    /// All of configuration space, by doubleword.
    var registers: [UInt64] {
        stride(from: 0, to: ConfigSpace.size, by: 4).map { peek(at: $0, width: .doubleword) }
    }
}

extension DecodedMemory {
    /// Returns the region that is shown at an address.
    func region(at address: GuestAddress) -> DecodedRegion? { regions.first { $0.range.contains(address) } }
}
