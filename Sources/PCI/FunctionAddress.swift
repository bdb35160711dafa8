import Memslots

/// Where a function is: segment, bus, device, function (PCI 3.0, 3.2.2.3; PCI Firmware Specification 3.0, 4.1.2).
///
/// Behind a bridge it is the address that firmware gives the function. Software may give buses other numbers (`BridgeTree`).
public struct FunctionAddress: Hashable, Comparable, Sendable {
    /// The address in the 16 bits that requests carry: bus, device, function.
    public let requesterID: UInt16
    /// The segment group, each of which has buses 0 to 255 of its own.
    public let segment: UInt8

    public init(requesterID: UInt16, segment: UInt8 = 0) {
        self.requesterID = requesterID
        self.segment = segment
    }

    /// Nil where there is no such device or function.
    public init?(segment: UInt8 = 0, bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        requesterID = UInt16(bus) << 8 | UInt16(device) << 3 | UInt16(function)
        self.segment = segment
    }

    public var bus: UInt8 { UInt8(requesterID >> 8) }
    /// The bus among those of all segments: the segment in the upper half.
    public var busNumber: UInt16 { UInt16(segment) << 8 | UInt16(bus) }
    /// 0 to 31.
    public var device: UInt8 { UInt8(requesterID >> 3 & 31) }
    /// 0 to 7.
    public var function: UInt8 { UInt8(requesterID & 7) }

    /// The address that function 0 of the device has.
    public var deviceAddress: FunctionAddress { FunctionAddress(requesterID: requesterID & ~7, segment: segment) }

    public static func < (left: FunctionAddress, right: FunctionAddress) -> Bool {
        (left.segment, left.requesterID) < (right.segment, right.requesterID)
    }
}

extension FunctionAddress: CustomStringConvertible {
    /// As `lspci` writes it: `00:04.0`, and in another segment than 0 `0001:00:04.0`.
    public var description: String { requesterText(requesterID, segment: segment) }
}
