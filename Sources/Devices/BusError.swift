internal import Memslots

/// The reason why a device cannot be attached to a bus.
public enum BusError: Error, Equatable {
    /// The device has no addresses.
    case empty(bus: String, first: UInt64)
    /// The device's range would pass the last 64-bit address.
    case wraps(bus: String, first: UInt64, size: UInt64)
    /// Another device has some of the addresses already.
    case overlaps(bus: String, range: ClosedRange<UInt64>, taken: ClosedRange<UInt64>)
}

extension BusError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .empty(let bus, let first):
            "\(bus): the device at \(hexadecimal(first)) has size 0; give it at least 1"
        case .wraps(let bus, let first, let size):
            "\(bus): \(size) addresses from \(hexadecimal(first)) pass \(hexadecimal(.max)), the last one there is"
        case .overlaps(let bus, let range, let taken):
            "\(bus): \(BusError.text(range)) overlaps \(BusError.text(taken)), which another device has"
        }
    }

    private static func text(_ range: ClosedRange<UInt64>) -> String {
        "\(hexadecimal(range.lowerBound))-\(hexadecimal(range.upperBound))"
    }
}
