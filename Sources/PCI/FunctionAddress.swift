import Memslots

/// Where a function is: bus, device, function (PCI 3.0, 3.2.2.3).
public struct FunctionAddress: Hashable, Comparable, Sendable {
    /// The address in the 16 bits that requests carry: bus, device, function.
    public let requesterID: UInt16

    public init(requesterID: UInt16) {
        self.requesterID = requesterID
    }

    /// Nil where there is no such device or function.
    public init?(bus: UInt8, device: UInt8, function: UInt8) {
        guard device < 32, function < 8 else { return nil }
        requesterID = UInt16(bus) << 8 | UInt16(device) << 3 | UInt16(function)
    }

    public var bus: UInt8 { UInt8(requesterID >> 8) }
    /// 0 to 31.
    public var device: UInt8 { UInt8(requesterID >> 3 & 31) }
    /// 0 to 7.
    public var function: UInt8 { UInt8(requesterID & 7) }

    public static func < (left: FunctionAddress, right: FunctionAddress) -> Bool {
        left.requesterID < right.requesterID
    }
}

extension FunctionAddress: CustomStringConvertible {
    /// As `lspci` writes it: `00:04.0`.
    public var description: String { requesterText(requesterID) }
}
