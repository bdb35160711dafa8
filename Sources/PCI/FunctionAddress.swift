import Memslots

/// The address of a function: segment, bus, device, function (PCI 3.0, 3.2.2.3; PCI Firmware Specification 3.0, 4.1.2).
///
/// The number of a bus behind a bridge is the one that firmware gives to the bus. Software may give other numbers to buses
/// (`BridgeTree`).
public struct FunctionAddress: Hashable, Comparable, Sendable {
    /// The address in the 16 bits that requests carry: bus, device, function.
    public let requesterID: UInt16
    /// The segment group. Each segment has buses 0 to 255 of its own.
    public let segment: UInt8

    /// Creates an address from a requester ID.
    public init(requesterID: UInt16, segment: UInt8 = 0) {
        self.requesterID = requesterID
        self.segment = segment
    }

    /// Creates an address, or returns nil if there is no such device or function.
    public init?(segment: UInt8 = 0, bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        requesterID = UInt16(bus) << 8 | UInt16(device) << 3 | UInt16(function)
        self.segment = segment
    }

    /// The number of the bus in the segment.
    public var bus: UInt8 { UInt8(requesterID >> 8) }
    /// The number of the bus among the buses of all segments. The segment is in the upper half, and the bus in the lower half.
    public var busNumber: UInt16 { UInt16(segment) << 8 | UInt16(bus) }
    /// The number of the device on its bus, 0 to 31.
    public var device: UInt8 { UInt8(requesterID >> 3 & 31) }
    /// The number of the function in its device, 0 to 7.
    public var function: UInt8 { UInt8(requesterID & 7) }

    /// The address of function 0 of the same device.
    public var deviceAddress: FunctionAddress { FunctionAddress(requesterID: requesterID & ~7, segment: segment) }

    /// Returns whether the left address comes first: by segment, bus, device, and function.
    public static func < (left: FunctionAddress, right: FunctionAddress) -> Bool {
        (left.segment, left.requesterID) < (right.segment, right.requesterID)
    }
}

extension FunctionAddress: CustomStringConvertible {
    /// The address as `lspci` writes it: `00:04.0`, or in another segment than 0 `0001:00:04.0`.
    public var description: String { requesterText(requesterID, segment: segment) }
}
